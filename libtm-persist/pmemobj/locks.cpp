// SPDX-License-Identifier: MIT
/**
 * @file locks.cpp
 * Locks that lie in a pool. What a lock stores is never published by itself, and may be with what is around it: it means nothing after the next open, which has another number.
 */
#include "locks.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <sched.h>

namespace libtm::pmemobj {

namespace {

template <class Lock, class Place> Lock &made(PMEMobjpool &pool, Place &place, int (&make)(Lock &))
{
    static_assert(sizeof(Kept<Lock>) <= sizeof(Place));
    auto &kept = reinterpret_cast<Kept<Lock> &>(place);
    std::atomic_ref<std::uint64_t> run(kept.run);
    for (std::uint64_t seen; (seen = run.load(std::memory_order_acquire)) != pool.run;) {
        if (seen == pool.run + 1) {
            sched_yield();
        } else if (run.compare_exchange_strong(seen, pool.run + 1)) {
            make(kept.lock);
            run.store(pool.run, std::memory_order_release);
        }
    }
    return kept.lock;
}

int make_mutex(pthread_mutex_t &mutex) { return pthread_mutex_init(&mutex, nullptr); }
int make_rwlock(pthread_rwlock_t &lock) { return pthread_rwlock_init(&lock, nullptr); }
int make_condition(pthread_cond_t &condition) { return pthread_cond_init(&condition, nullptr); }

/** `use` on the lock; EINVAL where there is none. */
template <class Place, class Use> int with(PMEMobjpool *pop, Place *place, Use &&use)
{
    return pop && place ? use(ready(*pop, *place)) : EINVAL;
}

} // namespace

pthread_mutex_t &ready(PMEMobjpool &pool, PMEMmutex &mutex) { return made(pool, mutex, make_mutex); }
pthread_rwlock_t &ready(PMEMobjpool &pool, PMEMrwlock &lock) { return made(pool, lock, make_rwlock); }
pthread_cond_t &ready(PMEMobjpool &pool, PMEMcond &condition) { return made(pool, condition, make_condition); }

} // namespace libtm::pmemobj

using libtm::pmemobj::ready;
using libtm::pmemobj::with;

extern "C" {

void pmemobj_mutex_zero(PMEMobjpool *, PMEMmutex *mutexp) { std::memset(mutexp, 0, sizeof *mutexp); }
int pmemobj_mutex_lock(PMEMobjpool *pop, PMEMmutex *mutexp) { return with(pop, mutexp, [](pthread_mutex_t &it) { return pthread_mutex_lock(&it); }); }
int pmemobj_mutex_trylock(PMEMobjpool *pop, PMEMmutex *mutexp) { return with(pop, mutexp, [](pthread_mutex_t &it) { return pthread_mutex_trylock(&it); }); }
int pmemobj_mutex_unlock(PMEMobjpool *pop, PMEMmutex *mutexp) { return with(pop, mutexp, [](pthread_mutex_t &it) { return pthread_mutex_unlock(&it); }); }
int pmemobj_mutex_timedlock(PMEMobjpool *pop, PMEMmutex *__restrict mutexp, const struct timespec *__restrict abs_timeout)
{
    return with(pop, mutexp, [&](pthread_mutex_t &it) { return pthread_mutex_timedlock(&it, abs_timeout); });
}

void pmemobj_rwlock_zero(PMEMobjpool *, PMEMrwlock *rwlockp) { std::memset(rwlockp, 0, sizeof *rwlockp); }
int pmemobj_rwlock_rdlock(PMEMobjpool *pop, PMEMrwlock *rwlockp) { return with(pop, rwlockp, [](pthread_rwlock_t &it) { return pthread_rwlock_rdlock(&it); }); }
int pmemobj_rwlock_wrlock(PMEMobjpool *pop, PMEMrwlock *rwlockp) { return with(pop, rwlockp, [](pthread_rwlock_t &it) { return pthread_rwlock_wrlock(&it); }); }
int pmemobj_rwlock_tryrdlock(PMEMobjpool *pop, PMEMrwlock *rwlockp) { return with(pop, rwlockp, [](pthread_rwlock_t &it) { return pthread_rwlock_tryrdlock(&it); }); }
int pmemobj_rwlock_trywrlock(PMEMobjpool *pop, PMEMrwlock *rwlockp) { return with(pop, rwlockp, [](pthread_rwlock_t &it) { return pthread_rwlock_trywrlock(&it); }); }
int pmemobj_rwlock_unlock(PMEMobjpool *pop, PMEMrwlock *rwlockp) { return with(pop, rwlockp, [](pthread_rwlock_t &it) { return pthread_rwlock_unlock(&it); }); }
int pmemobj_rwlock_timedrdlock(PMEMobjpool *pop, PMEMrwlock *__restrict rwlockp, const struct timespec *__restrict abs_timeout)
{
    return with(pop, rwlockp, [&](pthread_rwlock_t &it) { return pthread_rwlock_timedrdlock(&it, abs_timeout); });
}
int pmemobj_rwlock_timedwrlock(PMEMobjpool *pop, PMEMrwlock *__restrict rwlockp, const struct timespec *__restrict abs_timeout)
{
    return with(pop, rwlockp, [&](pthread_rwlock_t &it) { return pthread_rwlock_timedwrlock(&it, abs_timeout); });
}

void pmemobj_cond_zero(PMEMobjpool *, PMEMcond *condp) { std::memset(condp, 0, sizeof *condp); }
int pmemobj_cond_broadcast(PMEMobjpool *pop, PMEMcond *condp) { return with(pop, condp, [](pthread_cond_t &it) { return pthread_cond_broadcast(&it); }); }
int pmemobj_cond_signal(PMEMobjpool *pop, PMEMcond *condp) { return with(pop, condp, [](pthread_cond_t &it) { return pthread_cond_signal(&it); }); }
int pmemobj_cond_wait(PMEMobjpool *pop, PMEMcond *condp, PMEMmutex *__restrict mutexp)
{
    return with(pop, condp, [&](pthread_cond_t &it) { return with(pop, mutexp, [&](pthread_mutex_t &mutex) { return pthread_cond_wait(&it, &mutex); }); });
}
int pmemobj_cond_timedwait(PMEMobjpool *pop, PMEMcond *__restrict condp, PMEMmutex *__restrict mutexp, const struct timespec *__restrict abs_timeout)
{
    return with(pop, condp, [&](pthread_cond_t &it) { return with(pop, mutexp, [&](pthread_mutex_t &mutex) { return pthread_cond_timedwait(&it, &mutex, abs_timeout); }); });
}
}
