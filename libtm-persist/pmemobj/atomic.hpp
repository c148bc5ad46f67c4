// SPDX-License-Identifier: MIT
/** @file atomic.hpp */
#pragma once

#include "changes.hpp"

namespace libtm::pmemobj {

/** As pmemobj_realloc(): the object has at least `size` bytes from now on. */
PMEMoid reallocate(Changes &changes, PMEMoid oid, std::size_t size, std::uint64_t type, bool zeroed);
/** Store an identifier, which is undone where it lies in the pool. Null: nowhere. */
void set(Changes &changes, PMEMoid *where, PMEMoid value);

} // namespace libtm::pmemobj
