// SPDX-License-Identifier: MIT
/** @file locks.hpp */
#pragma once

#include "objects.hpp"

#include <pthread.h>

namespace libtm::pmemobj {

/** What is in a lock of a pool: made anew by the first who uses it after an open. */
template <class Lock> struct Kept {
    std::uint64_t run; ///< pmemobjpool::run; one more while it is being made
    Lock lock;
};

/** Ready to be used. */
pthread_mutex_t &ready(PMEMobjpool &pool, PMEMmutex &mutex);
pthread_rwlock_t &ready(PMEMobjpool &pool, PMEMrwlock &lock);
pthread_cond_t &ready(PMEMobjpool &pool, PMEMcond &condition);

} // namespace libtm::pmemobj
