// SPDX-License-Identifier: MIT
// A14: mutexes and read-write locks in a transaction: how long they are held, what becomes of them in a rollback, and that nobody waits for ever.
#include "stages.hpp"

#include <algorithm>
#include <array>

namespace {

using namespace libtm;
using namespace libtm::test;

class Locks : public StagedModes {
public:
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

    /** Whether another thread finds it free. */
    static bool is_free(pthread_mutex_t &lock)
    {
        bool result = false;
        std::thread([&] {
            result = pthread_mutex_trylock(&lock) == 0;
            if (result) pthread_mutex_unlock(&lock);
        }).join();
        return result;
    }
    static bool is_free(pthread_rwlock_t &lock)
    {
        bool result = false;
        std::thread([&] {
            result = pthread_rwlock_tryrdlock(&lock) == 0;
            if (result) pthread_rwlock_unlock(&lock);
        }).join();
        return result;
    }
    template <std::size_t N> stages with_locks(const std::array<tm_lock_ref, N> &locks)
    {
        stages all = with();
        all.locks = locks.data();
        all.lock_count = N;
        return all;
    }
    tm_lock_ref as_param(pthread_mutex_t &lock) { return {TM_LOCK_MUTEX, &lock}; }
    tm_lock_ref as_param(pthread_rwlock_t &lock) { return {TM_LOCK_RWLOCK, &lock}; }
};
TM_MODES_SUITE(Locks);

TEST_P(Locks, A14_locks_of_the_begin_are_held_to_the_end_of_the_outermost_block)
{
    TM_SKIP_IF_SHAKEN();
    const std::array locks{as_param(mutex), as_param(rwlock)};
    for (const bool aborts : {false, true}) {
        const int code = staged(with_locks(locks), [&](tm_stage_kind stage) {
            EXPECT_FALSE(is_free(mutex)) << stage;
            EXPECT_FALSE(is_free(rwlock)) << "taken for writing";
            if (stage != TM_STAGE_WORK) return;
            block([] {}, true);
            EXPECT_FALSE(is_free(mutex)) << "the end of an inner block";
            if (aborts) tm_abort(1);
        });
        EXPECT_EQ(code, aborts ? 1 : 0);
        EXPECT_TRUE(is_free(mutex));
        EXPECT_TRUE(is_free(rwlock));
    }
}

TEST_P(Locks, A14_locks_of_an_inner_block_are_held_to_the_end_of_the_outermost)
{
    TM_SKIP_IF_SHAKEN();
    const std::array locks{as_param(mutex)};
    staged(with(), [&](tm_stage_kind stage) {
        if (stage == TM_STAGE_WORK) {
            const stages inner = with_locks(locks);
            block([&] { EXPECT_EQ(tm_lock(TM_LOCK_RWLOCK, &rwlock), 0); }, true, &inner);
        }
        EXPECT_FALSE(is_free(mutex));
        EXPECT_FALSE(is_free(rwlock));
    });
    EXPECT_TRUE(is_free(mutex));
    EXPECT_TRUE(is_free(rwlock));
}

TEST_P(Locks, A14_locks_are_taken_from_left_to_right)
{
    const std::array locks{as_param(mutex), as_param(second), as_param(rwlock)};
    Flag held;
    std::atomic<bool> first{false}, third{false};
    std::thread holder([&] {
        pthread_mutex_lock(&second);
        held.raise();
        wait_until([&] { // the other stands before the second
            if (pthread_mutex_trylock(&mutex) != 0) return true;
            pthread_mutex_unlock(&mutex);
            return false;
        });
        first = true;
        third = pthread_rwlock_trywrlock(&rwlock) == 0;
        if (third) pthread_rwlock_unlock(&rwlock);
        pthread_mutex_unlock(&second);
    });
    held.await();
    staged(with_locks(locks), [&](tm_stage_kind) {});
    holder.join();
    EXPECT_TRUE(first);
    EXPECT_TRUE(third) << "not taken before the second";
}

TEST_P(Locks, A14_a_begin_whose_lock_fails_goes_to_onabort)
{
    pthread_mutexattr_t robust;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t lost; // its owner has died, and nobody has mended what it guards
    pthread_mutex_init(&lost, &robust);
    std::thread([&] { pthread_mutex_lock(&lost); }).join();
    EXPECT_EQ(pthread_mutex_lock(&lost), EOWNERDEAD);
    pthread_mutex_unlock(&lost);
    const std::array locks{as_param(mutex), as_param(lost)};
    const stages all = with_locks(locks);
    EXPECT_EQ(block([] { ADD_FAILURE() << "has begun"; }, false, &all), ENOTRECOVERABLE);
    EXPECT_EQ(trace, "AF");
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_LOCK);
    EXPECT_TRUE(is_free(mutex)) << "those before it";
    pthread_mutex_destroy(&lost);
    const std::array<tm_lock_ref, 2> wrong{as_param(mutex), tm_lock_ref{TM_LOCK_MUTEX, nullptr}};
    const stages bad = with_locks(wrong);
    EXPECT_EQ(block([] { ADD_FAILURE() << "has begun"; }, false, &bad), EINVAL);
}

TEST_P(Locks, A14_a_deadline_ends_the_wait_for_a_lock)
{
    pthread_mutex_lock(&mutex);
    std::thread([&] {
        attr soon = how();
        soon.deadline = in_ms(2);
        const std::array locks{as_param(mutex)};
        stages all = with_locks(locks);
        all.attr = &soon;
        EXPECT_EQ(block([] { ADD_FAILURE() << "has begun"; }, false, &all), ETIMEDOUT);
        all.locks = nullptr;
        all.lock_count = 0;
        EXPECT_EQ(block([&] {
            tm_lock(TM_LOCK_MUTEX, &mutex);
            ADD_FAILURE() << "has got it";
        }, false, &all), ETIMEDOUT);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_DEADLINE);
    }).join();
    pthread_mutex_unlock(&mutex);
}

TEST_P(Locks, A14_a_lock_is_taken_once)
{
    const std::array locks{as_param(mutex), as_param(mutex)};
    staged(with_locks(locks), [&](tm_stage_kind stage) {
        if (stage != TM_STAGE_WORK) return;
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), 0);
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &second), 0);
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &second), 0);
        EXPECT_EQ(tm_xlock(TM_LOCK_MUTEX, &second, 0), 0);
    });
    EXPECT_TRUE(is_free(mutex));
    EXPECT_TRUE(is_free(second));
}

TEST_P(Locks, A14_transactions_without_stages_hold_locks_until_they_end)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0;
    tx([&] {
        EXPECT_EQ(tm_attempt() == 1, is_free(mutex) && tm_attempt() == 1);
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), 0);
        EXPECT_FALSE(is_free(mutex));
        store(cell.value, load(cell.value) + 1);
        if (++attempts < 3) restart();
    });
    EXPECT_TRUE(is_free(mutex));
    EXPECT_EQ(cell.value, 1);
    EXPECT_THROW(tx([&] {
        tm_lock(TM_LOCK_MUTEX, &mutex);
        cancel(1);
    }), error);
    EXPECT_TRUE(is_free(mutex));
    EXPECT_THROW(tx([&] {
        tm_lock(TM_LOCK_MUTEX, &mutex);
        throw 1;
    }), int);
    EXPECT_TRUE(is_free(mutex));
    bool recovered = false;
    c_transaction(
        how(), [&] { tm_lock(TM_LOCK_RWLOCK, &rwlock), tm_abort(1); }, [&] { recovered = is_free(rwlock); });
    EXPECT_TRUE(recovered);
    atomically(how(TM_READ_ONLY), [&] { tm_lock(TM_LOCK_MUTEX, &mutex); });
    EXPECT_TRUE(is_free(mutex));
}

TEST_P(Locks, A14_a_restart_lets_a_lock_go_between_the_attempts)
{
    TM_SKIP_IF_SHAKEN();
    // The other changes what this one waits for, under the lock that this one has taken.
    Flag begun;
    std::atomic<bool> ready{false};
    std::thread other([&] {
        begun.await();
        pthread_mutex_lock(&mutex);
        ready = true;
        pthread_mutex_unlock(&mutex);
    });
    staged(with(), [&](tm_stage_kind stage) {
        if (stage != TM_STAGE_WORK) return;
        tm_lock(TM_LOCK_MUTEX, &mutex);
        begun.raise();
        if (!ready) tm_restart();
    });
    other.join();
    EXPECT_TRUE(is_free(mutex));
}

TEST_P(Locks, A14_finish_runs_under_the_lock)
{
    TM_SKIP_IF_SHAKEN();
    static pthread_mutex_t *watched;
    watched = &mutex;
    static const auto look = [](void *) { EXPECT_FALSE(is_free(*watched)); };
    tx([&] {
        tm_lock(TM_LOCK_MUTEX, &mutex);
        tm_log(nullptr, look, look, nullptr, 0);
        if (tm_attempt() == 1) restart();
    });
    EXPECT_TRUE(is_free(mutex));
}

// Errors.

TEST_P(Locks, A14_an_error_of_a_lock_ends_the_transaction_unless_told_otherwise)
{
    TM_SKIP_IF_SHAKEN();
    pthread_rwlock_wrlock(&rwlock); // this thread's own: waiting for it is EDEADLK
    EXPECT_EQ(block([&] {
        store(cell.value, load(cell.value) + 1);
        EXPECT_EQ(tm_lock(TM_LOCK_RWLOCK, &rwlock), EDEADLK);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_LOCK);
        errno = 0;
        EXPECT_EQ(tm_xlock(TM_LOCK_RWLOCK, &rwlock, TM_NO_ABORT), EDEADLK);
        EXPECT_EQ(errno, EDEADLK);
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, nullptr), EINVAL);
    }), 0);
    EXPECT_EQ(cell.value, 1);
    EXPECT_EQ(block([&] {
        store(cell.value, 9L);
        tm_xlock(TM_LOCK_RWLOCK, &rwlock, 0);
        ADD_FAILURE() << "went on";
    }), EDEADLK);
    EXPECT_EQ(cell.value, 1);
    pthread_rwlock_unlock(&rwlock);
    EXPECT_EQ(block([&] { EXPECT_EQ(tm_xlock(TM_LOCK_RWLOCK, &rwlock, 0), 0); }), 0);
}

TEST_P(Locks, A14_the_lock_of_a_dead_owner_is_held_and_reported)
{
    TM_SKIP_IF_SHAKEN();
    pthread_mutexattr_t robust;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t orphan;
    pthread_mutex_init(&orphan, &robust);
    std::thread([&] { pthread_mutex_lock(&orphan); }).join();
    EXPECT_EQ(block([&] {
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &orphan), EOWNERDEAD);
        EXPECT_EQ(pthread_mutex_consistent(&orphan), 0);
    }), 0);
    EXPECT_TRUE(is_free(orphan));
    std::thread([&] { pthread_mutex_lock(&orphan); }).join();
    const std::array locks{as_param(orphan)};
    EXPECT_EQ(staged(with_locks(locks), [&](tm_stage_kind stage) {
        EXPECT_NE(stage, TM_STAGE_WORK);
        if (stage == TM_STAGE_ONABORT) {
            EXPECT_EQ(pthread_mutex_consistent(&orphan), 0) << "still held";
        }
    }), EOWNERDEAD);
    EXPECT_TRUE(is_free(orphan));
    if (pthread_mutex_trylock(&orphan) == EOWNERDEAD) pthread_mutex_consistent(&orphan); // no transaction could begin
    pthread_mutex_unlock(&orphan);
    pthread_mutex_destroy(&orphan);
}

TEST_P(Locks, A14_an_irrevocable_transaction_does_not_wait)
{
    TM_SKIP_IF_SHAKEN();
    pthread_mutex_lock(&mutex);
    std::thread([&] {
        const attr alone = how(TM_IRREVOCABLE);
        stages all = with();
        all.attr = &alone;
        EXPECT_EQ(block([&] {
            EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), EBUSY);
            EXPECT_EQ(tm_xlock(TM_LOCK_MUTEX, &mutex, 0), EBUSY) << "and cannot be rolled back";
            EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &second), 0);
        }, false, &all), 0);
    }).join();
    pthread_mutex_unlock(&mutex);
    EXPECT_TRUE(is_free(second));
}

TEST_P(Locks, A14_a_thread_that_ends_lets_its_locks_go)
{
    TM_SKIP_IF_SHAKEN();
    for (const tm_stage_kind where : {TM_STAGE_WORK, TM_STAGE_ONCOMMIT, TM_STAGE_FINALLY}) {
        pthread_t thread;
        struct Task {
            Locks &test;
            tm_stage_kind where;
        } task{*this, where};
        pthread_create(
            &thread, nullptr,
            [](void *data) -> void * {
                const Task &t = *static_cast<Task *>(data);
                const std::array locks{t.test.as_param(t.test.mutex)};
                staged(t.test.with_locks(locks), [&](tm_stage_kind stage) {
                    if (stage == TM_STAGE_WORK) tm_lock(TM_LOCK_MUTEX, &t.test.second);
                    if (stage == t.where) pthread_exit(nullptr);
                });
                return nullptr;
            },
            &task);
        pthread_join(thread, nullptr);
        EXPECT_TRUE(is_free(mutex)) << where;
        EXPECT_TRUE(is_free(second)) << where;
    }
}

TEST_P(Locks, A14_transactions_in_the_parts_keep_the_locks_of_the_block)
{
    TM_SKIP_IF_SHAKEN();
    const std::array locks{as_param(mutex)};
    staged(with_locks(locks), [&](tm_stage_kind stage) {
        if (stage == TM_STAGE_WORK) return;
        tx([&] {
            EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), 0) << "held already";
            EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &second), 0);
        });
        EXPECT_FALSE(is_free(mutex));
        EXPECT_TRUE(is_free(second));
    });
    EXPECT_TRUE(is_free(mutex));
}

} // namespace
