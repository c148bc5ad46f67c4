// SPDX-License-Identifier: MIT
#include "locks.hpp"

#include "serial.hpp"
#include "tx.hpp"

#include <algorithm>
#include <cerrno>
#include <pthread.h>

namespace libtm::engine {

namespace {

auto *mutex_of(const Lock &lock) { return static_cast<pthread_mutex_t *>(lock.address); }
auto *rwlock_of(const Lock &lock) { return static_cast<pthread_rwlock_t *>(lock.address); }

int try_take(const Lock &lock)
{
    return lock.kind == TM_LOCK_MUTEX ? pthread_mutex_trylock(mutex_of(lock)) : pthread_rwlock_trywrlock(rwlock_of(lock));
}

/** Waits without a deadline in the kernel, else by looking: the clock of pthread_mutex_timedlock(3) can be set back. */
int wait_for(const Lock &lock, std::uint64_t deadline)
{
    if (!deadline) return lock.kind == TM_LOCK_MUTEX ? pthread_mutex_lock(mutex_of(lock)) : pthread_rwlock_wrlock(rwlock_of(lock));
    Patience patience;
    for (;;) {
        const int code = try_take(lock);
        if (code != EBUSY) return code;
        if (is_past(deadline)) return ETIMEDOUT;
        patience.wait();
    }
}

bool is_taken(int code) { return code == 0 || code == EOWNERDEAD; }

} // namespace

bool Locks::hold(const void *address) const
{
    for (const Lock &lock : held_)
        if (lock.address == address && lock.taken && lock.asked) return true;
    return false;
}

int Locks::take_first(tm_lock_ref ref, std::uint64_t deadline)
{
    if (hold(ref.lock)) return 0;
    if (!held_.reserve(1)) return ENOMEM;
    const Lock lock{ref.lock, ref.kind, true, true, true, 0};
    const int code = wait_for(lock, deadline);
    if (is_taken(code)) held_.push(lock, false);
    return code;
}

int Locks::ask(tm_lock_ref ref, bool must)
{
    if (hold(ref.lock)) return 0;
    // Those taken ahead stand behind those asked for.
    const auto behind = [](const Lock &other) { return !other.asked; };
    const auto ahead = std::find_if(held_.begin(), held_.end(), [&](const Lock &other) { return other.address == ref.lock; });
    if (ahead != held_.end()) {
        const int failure = ahead->failure;
        if (ahead->asked) return failure;
        ahead->asked = true;
        std::rotate(std::find_if(held_.begin(), ahead, behind), ahead, ahead + 1);
        return failure;
    }
    if (!held_.reserve(1)) return ENOMEM;
    Lock lock{ref.lock, ref.kind, false, true, true, 0};
    const int code = try_take(lock);
    if (code == EBUSY && must) return EBUSY;
    if (!is_taken(code) && code != EBUSY) return code;
    lock.taken = code != EBUSY;
    held_.push(lock, false); // reserved
    std::rotate(std::find_if(held_.begin(), held_.end() - 1, behind), held_.end() - 1, held_.end());
    return code;
}

void Locks::let_go()
{
    for (std::size_t i = held_.size(); i-- > 0;) {
        Lock &lock = held_[i];
        if (lock.taken) lock.kind == TM_LOCK_MUTEX ? pthread_mutex_unlock(mutex_of(lock)) : pthread_rwlock_unlock(rwlock_of(lock));
        lock.taken = false;
    }
}

void Locks::release()
{
    let_go();
    held_.clear();
}

int Locks::take_all(Context &tx)
{
    for (Lock &lock : held_) {
        int code = try_take(lock);
        if (code == EBUSY) {
            if (tx.serial) serial::give_back(tx); // others may need it to get on, and let the lock go
            code = wait_for(lock, tx.deadline());
        }
        lock.taken = is_taken(code);
        lock.asked = lock.by_begin;
        lock.failure = code;
        if (code && (lock.by_begin || code == ETIMEDOUT)) return code;
    }
    return 0;
}

int Locks::take_again(Context &tx)
{
    // Whoever restarts by itself waits for others to change something, and may be in their way.
    const bool only_first = tx.last_abort == TM_ABORTED_RESTART;
    let_go();
    held_.cut(std::remove_if(held_.begin(), held_.end(), [=](const Lock &lock) { return !lock.by_begin && (only_first || !lock.asked); }));
    return take_all(tx);
}

} // namespace libtm::engine
