// SPDX-License-Identifier: MIT
// E1, E2: irrevocable on request, in place when what was read still holds; one at a time, alone among writers; readers go on.
#include "c_block.h"
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

class Irrevocable : public Modes {
protected:
    Cell cell, other;
};
TM_MODES_SUITE(Irrevocable);

TEST_P(Irrevocable, E1_in_place)
{
    TM_SKIP_IF_SHAKEN();
    cell.value = 5;
    int attempts = 0;
    tx([&] {
        ++attempts;
        store(other.value, load(cell.value));
        EXPECT_EQ(tm_irrevocable(), 0);
        EXPECT_EQ(tm_irrevocable(), 0); // again: nothing more to do
        store(cell.value, load(cell.value) + 1);
    });
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(cell.value, 6);
    EXPECT_EQ(other.value, 5);
}

TEST_P(Irrevocable, E1_from_the_begin)
{
    tm_stats before, after;
    tm_stats_get(&before);
    atomically(how(TM_IRREVOCABLE), [&] { store(cell.value, 1L); });
    tm_stats_get(&after);
    EXPECT_EQ(cell.value, 1);
    EXPECT_EQ(after.serial, before.serial + 1);
}

TEST_P(Irrevocable, E1_restart_and_abort_are_refused)
{
    TM_SKIP_IF_SHAKEN();
    for (const unsigned flags : {0u, unsigned{TM_IRREVOCABLE}}) {
        cell.value = 0;
        int attempts = 0;
        atomically(how(flags), [&] {
            ++attempts;
            store(cell.value, 1L);
            EXPECT_EQ(tm_irrevocable(), 0);
            tm_restart();
            EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
            EXPECT_STREQ(tm_last_error()->operation, "tm_restart");
            EXPECT_EQ(tm_abort(3), EPERM);
            EXPECT_EQ(tm_recover(3), EPERM);
            EXPECT_EQ(load(cell.value), 1);
        });
        EXPECT_LE(attempts, libtm::test::short_clock() ? 2 : 1); // an overflow before tm_irrevocable()
        EXPECT_EQ(cell.value, 1);
    }
}

TEST_P(Irrevocable, E1_refusals_in_c)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int attempts = 0, recoveries = 0;
    } local;
    c_transaction(
        how(),
        [&] {
            ++local.attempts;
            EXPECT_EQ(tm_irrevocable(), 0);
            tm_restart();
            EXPECT_EQ(tm_abort(1), EPERM);
            tm_store_i64(&cell.value, 2);
        },
        [&] { ++local.recoveries; });
    EXPECT_EQ(local.attempts, 1);
    EXPECT_EQ(local.recoveries, 0);
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Irrevocable, E1_outside_is_eperm) { EXPECT_EQ(tm_irrevocable(), EPERM); }

TEST_P(Irrevocable, E1_restarts_first_if_what_was_read_has_changed)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    int attempts = 0, effects = 0;
    tx([&] {
        const long seen = load(cell.value);
        if (++attempts == 1)
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(cell.value, load(cell.value) + 1); }); }).join();
        EXPECT_EQ(tm_irrevocable(), 0);
        ++effects;
        EXPECT_EQ(seen, 1);
        EXPECT_EQ(load(cell.value), 1);
    });
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(effects, 1);
}

TEST_P(Irrevocable, E1_in_a_read_mostly_transaction)
{
    int effects = 0;
    atomically(how(TM_READ_MOSTLY), [&] {
        const long seen = load(cell.value);
        EXPECT_EQ(tm_irrevocable(), 0);
        ++effects;
        EXPECT_EQ(load(cell.value), seen);
        store(cell.value, seen + 1);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Irrevocable, E2_readers_go_on)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    for (const unsigned flags : {unsigned{TM_READ_ONLY}, 0u}) {
        Flag irrevocable, read;
        std::thread reader([&] {
            irrevocable.await();
            for (int i = 0; i < 100; ++i) atomically(how(flags), [&] { EXPECT_EQ(load(other.value), 0); });
            read.raise();
        });
        tx([&] {
            store(cell.value, load(cell.value) + 1);
            EXPECT_EQ(tm_irrevocable(), 0);
            irrevocable.raise();
            read.await(); // hangs if they do not
        });
        reader.join();
    }
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Irrevocable, E1_an_error_inside_still_commits_what_can_be)
{
    // A failed allocation cannot lead to the recovery block any more: NULL it is.
    atomically(how(TM_NULL_ON_OOM), [&] {
        EXPECT_EQ(tm_irrevocable(), 0);
        EXPECT_EQ(tm_malloc(SIZE_MAX / 4), nullptr);
        store(cell.value, 1L);
    });
    EXPECT_EQ(cell.value, 1);
}

class IrrevocableConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(IrrevocableConcurrent);

TEST_P(IrrevocableConcurrent, E1_at_most_one_and_its_effects_happen_once)
{
    Cell cell;
    long effects = 0; // plain: the irrevocable one is alone
    std::atomic<int> inside{0}, overlaps{0};
    const auto rounds = each(6000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(me, i % 4 == 0 ? unsigned{TM_IRREVOCABLE} : 0u), [&] {
                const long seen = load(cell.value);
                EXPECT_EQ(tm_irrevocable(), 0);
                if (inside.fetch_add(1) != 0) overlaps.fetch_add(1);
                ++effects;
                store(cell.value, seen + 1);
                inside.fetch_sub(1);
            });
        }
    });
    EXPECT_EQ(cell.value, static_cast<long>(rounds * threads()));
    EXPECT_EQ(effects, cell.value);
    EXPECT_EQ(overlaps.load(), 0);
}

TEST_P(IrrevocableConcurrent, E1_writers_wait_while_it_runs)
{
    Cell cells[4];
    static std::atomic<long> applied;
    std::atomic<int> disturbed{0};
    applied = 0;
    const auto rounds = each(10000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            if (i % 16 == 0)
                atomically(how(me), [&] {
                    const long seen = load(cells[me % 4].value);
                    EXPECT_EQ(tm_irrevocable(), 0);
                    const long before = applied.load();
                    for (int k = 0; k < 20; ++k) std::this_thread::yield();
                    if (applied.load() != before) disturbed.fetch_add(1);
                    store(cells[me % 4].value, seen + 1);
                });
            else
                atomically(how(me), [&] {
                    auto &value = cells[(me + i) % 4].value;
                    store(value, load(value) + 1);
                    tm_log([](void *) { return applied.fetch_add(1), 0; }, nullptr, nullptr, nullptr, 0);
                });
        }
    });
    long sum = 0;
    for (auto &cell : cells) sum += cell.value;
    EXPECT_EQ(sum, static_cast<long>(rounds * threads()));
    EXPECT_EQ(disturbed.load(), 0);
}

} // namespace
