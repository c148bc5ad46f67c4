// SPDX-License-Identifier: MIT
/** @file transaction.hpp */
#pragma once

#include <tm/hooks.h>

namespace libtm::persist {

/** What libtm calls when a transaction commits. */
extern const tm_hooks hooks;

} // namespace libtm::persist
