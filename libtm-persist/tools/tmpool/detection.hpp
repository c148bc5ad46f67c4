// SPDX-License-Identifier: MIT
/**
 * @file detection.hpp
 * Which ways of finding changed pages work for a pool here.
 */
#pragma once

#include "survey.hpp"

namespace libtm::tmpool {

/** What an open here would choose, and what each way says of itself: tried on a private mapping of some pages of the pool. */
Json detection_here(const File &data, const Header &header);

} // namespace libtm::tmpool
