// SPDX-License-Identifier: MIT
/**
 * @file trace.hpp
 * A crash state, told to people.
 */
#pragma once

#include "point.hpp"

namespace libtm::crash {

/** The events up to the crash, and of those that were pending what this state has kept. One line each. */
std::string trace(const Recording &recording, const Point &point, const Choice &choice);

} // namespace libtm::crash
