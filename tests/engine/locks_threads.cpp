// SPDX-License-Identifier: MIT
// A14: transactions of several threads that take locks: the waits that would be deadlocks, and mutual exclusion.
#include "stages.hpp"

#include <algorithm>
#include <array>

namespace {

using namespace libtm;
using namespace libtm::test;

class LocksThreads : public StagedModes {
protected:
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
};
TM_MODES_SUITE(LocksThreads);

TEST_P(LocksThreads, A14_who_waits_for_a_lock_does_not_hold_up_the_quiescence_of_its_holder)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    TM_SKIP_WITHOUT_QUIESCENCE();
    Flag reads, commits;
    std::vector<tm_abort_reason> reasons;
    std::thread waiter([&] {
        staged(with(), [&](tm_stage_kind stage) {
            if (stage != TM_STAGE_WORK) return;
            if (tm_attempt() > 1) reasons.push_back(tm_last_abort());
            load(other.value);
            reads.raise();
            commits.await();
            EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), 0); // its holder waits for this transaction to end
            store(other.value, load(cell.value));
        });
    });
    reads.await();
    attr mode = how();
    stages all = with();
    all.attr = &mode;
    staged(all, [&](tm_stage_kind stage) {
        if (stage != TM_STAGE_WORK) return;
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), 0);
        store(cell.value, 1L);
        commits.raise();
    });
    waiter.join();
    EXPECT_EQ(other.value, 1) << "it has waited until the holder had committed";
    EXPECT_EQ(reasons, std::vector{TM_ABORTED_MUTEX});
}

TEST_P(LocksThreads, A14_who_waits_for_a_lock_lets_its_data_go)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    Flag holds, tries;
    std::thread waiter([&] {
        holds.await();
        staged(with(), [&](tm_stage_kind stage) {
            if (stage != TM_STAGE_WORK) return;
            store(cell.value, load(cell.value) + 1); // what the holder of the lock wants
            tries.raise();
            tm_lock(TM_LOCK_MUTEX, &mutex);
        });
    });
    staged(with(), [&](tm_stage_kind stage) {
        if (stage != TM_STAGE_WORK) return;
        tm_lock(TM_LOCK_MUTEX, &mutex);
        holds.raise();
        tries.await();
        store(cell.value, load(cell.value) + 1);
    });
    waiter.join();
    EXPECT_EQ(cell.value, 2);
}

std::uint64_t waits_for_locks()
{
    tm_stats stats;
    tm_stats_get(&stats);
    return stats.aborts[TM_ABORTED_MUTEX];
}

TEST_P(LocksThreads, A14_who_waits_for_a_lock_does_not_keep_the_serial_token)
{
    TM_SKIP_IF_SHAKEN();
    const Option at_once("max_retries", "0"); // each further attempt runs alone
    Flag held, alone;
    const std::uint64_t before = waits_for_locks();
    std::thread waiter([&] {
        held.await();
        staged(with(), [&](tm_stage_kind stage) {
            if (stage != TM_STAGE_WORK) return;
            tm_lock(TM_LOCK_MUTEX, &second); // busy in the first attempt, let go then
            store(other.value, load(other.value) + 1);
            alone.raise();
            tm_lock(TM_LOCK_MUTEX, &mutex); // busy in the second, which has the token
        });
    });
    pthread_mutex_lock(&second);
    const tm_lock_ref lock{TM_LOCK_MUTEX, &mutex};
    stages all = with();
    all.locks = &lock;
    all.lock_count = 1;
    staged(all, [&](tm_stage_kind stage) {
        if (stage != TM_STAGE_ONCOMMIT) return;
        held.raise();
        wait_until([&] { return waits_for_locks() > before; });
        pthread_mutex_unlock(&second);
        alone.await();
        for (int i = 0; i < 100; ++i) atomically(how(TM_IRREVOCABLE), [&] { store(cell.value, load(cell.value) + 1); }); // wants the token
    });
    waiter.join();
    EXPECT_EQ(cell.value, 100);
    EXPECT_EQ(other.value, 1);
}

TEST_P(LocksThreads, A14_locks_are_waited_for_in_the_order_in_which_they_were_asked_for)
{
    TM_SKIP_IF_SHAKEN();
    pthread_mutex_t third = PTHREAD_MUTEX_INITIALIZER;
    const auto is_busy = [](pthread_mutex_t &lock) {
        const bool busy = pthread_mutex_trylock(&lock) != 0;
        if (!busy) pthread_mutex_unlock(&lock);
        return busy;
    };
    const std::uint64_t before = waits_for_locks();
    pthread_mutex_lock(&second);
    pthread_mutex_lock(&third);
    std::thread waiter([&] {
        int attempts = 0;
        staged(with(), [&](tm_stage_kind stage) {
            if (stage != TM_STAGE_WORK) return;
            if (++attempts == 1) tm_lock(TM_LOCK_MUTEX, &mutex); // the second attempt goes another way
            tm_lock(TM_LOCK_MUTEX, &second);
            tm_lock(TM_LOCK_MUTEX, &third);
        });
    });
    wait_until([&] { return waits_for_locks() == before + 1; });
    pthread_mutex_unlock(&second);
    wait_until([&] { return waits_for_locks() == before + 2; });
    wait_until([&] { return is_busy(second) && !is_busy(mutex); }); // it has the second, and stands before the third
    pthread_mutex_unlock(&third);
    waiter.join();
    EXPECT_FALSE(is_busy(mutex) || is_busy(second) || is_busy(third));
}

class LocksConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(LocksConcurrent);

/** A mutex, who is inside, and plain data under it. */
struct alignas(64) Guarded {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    std::atomic<int> inside{0};
    Cell count;
};

TEST_P(LocksConcurrent, A14_locks_exclude_and_nobody_waits_for_ever)
{
    static constexpr std::size_t locks = 4;
    std::array<Guarded, locks> all;
    static std::atomic<int> intruders;
    intruders = 0;
    Cell shared;
    std::atomic<long> commits{0};
    const auto leave = [](void *data) { (*static_cast<Guarded **>(data))->inside.store(0); };
    run_threads(threads(), [&](unsigned me) {
        Random random(me + 1);
        const std::uint64_t rounds = each(6000);
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::array<std::size_t, 2> which{random.below(locks), random.below(locks)};
            std::sort(which.begin(), which.end()); // in an order, as always with mutexes
            const std::size_t kind = random.below(8);
            const attr mode = how(static_cast<unsigned>(round) + me, kind == 0 ? TM_NO_QUIESCENCE : 0);
            const auto work = [&] {
                load(shared.value);
                for (const std::size_t i : which) {
                    if (tm_lock(TM_LOCK_MUTEX, &all[i].mutex) != 0) ++intruders;
                    if (i == which[0] && i == which[1] && all[i].inside.load() == static_cast<int>(me) + 1) continue;
                    if (all[i].inside.exchange(static_cast<int>(me) + 1) != 0) ++intruders;
                    Guarded *const guarded = &all[i];
                    tm_log(nullptr, nullptr, leave, &guarded, sizeof guarded); // after the commit or the rollback, under the lock
                    store(all[i].count.value, load(all[i].count.value) + 1);
                }
                if (kind == 1) store(shared.value, load(shared.value) + 1);
                if (kind == 2 && tm_attempt() == 1) tm_restart();
                if (kind == 3) tm_abort(1);
            };
            const tm_lock_ref first{TM_LOCK_MUTEX, &all[which[0]].mutex};
            stages parameters{};
            parameters.attr = &mode;
            parameters.locks = kind % 2 ? &first : nullptr;
            parameters.lock_count = kind % 2;
            if (kind < 6) {
                const int code = staged(parameters, [&](tm_stage_kind stage) {
                    if (stage == TM_STAGE_WORK) work();
                });
                if (code == 0) commits += which[0] == which[1] ? 1 : 2;
            } else if (kind == 6) {
                atomically(mode, work);
                commits += which[0] == which[1] ? 1 : 2;
            } else { // plain code under the same lock, and a transaction in it
                Guarded &one = all[which[0]];
                pthread_mutex_lock(&one.mutex);
                if (one.inside.exchange(-1) != 0) ++intruders;
                atomically(mode, [&] { store(one.count.value, load(one.count.value) + 1); });
                one.inside.store(0);
                pthread_mutex_unlock(&one.mutex);
                ++commits;
            }
        }
    });
    long counted = 0;
    for (const Guarded &one : all) counted += one.count.value;
    EXPECT_EQ(counted, commits);
    EXPECT_EQ(intruders, 0);
    for (Guarded &one : all) {
        EXPECT_EQ(pthread_mutex_trylock(&one.mutex), 0) << "let go";
        pthread_mutex_unlock(&one.mutex);
        pthread_mutex_destroy(&one.mutex);
    }
}

} // namespace
