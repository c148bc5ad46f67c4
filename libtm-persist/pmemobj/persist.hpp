// SPDX-License-Identifier: MIT
/** @file persist.hpp */
#pragma once

#include "objects.hpp"

namespace libtm::pmemobj {

/** Make durable what this thread has flushed of the pool. Throws. */
void drain(PMEMobjpool &pool);
/** What it has flushed of the pool will not be. */
void forget(const PMEMobjpool &pool) noexcept;

} // namespace libtm::pmemobj
