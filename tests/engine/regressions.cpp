// SPDX-License-Identifier: MIT
// Defects that a review found: restarting oneself, irrevocable transactions, reservation.
#include "c_block.h"
#include "regression.hpp"

#include <csetjmp>

namespace {

using namespace libtm;
using namespace libtm::test;

class Regression : public RegressionModes {};
TM_MODES_SUITE(Regression);


std::jmp_buf out;
Cell cell_of_jump;

// Restarts of one's own

TEST_P(Regression, polling_with_tm_restart_does_not_run_alone)
{
    attr a = how();
    a.max_retries = 3;
    tm_stats before, after;
    tm_stats_get(&before);
    int attempts = 0;
    atomically(a, [&] {
        EXPECT_EQ(load(cell.value), 0);
        if (++attempts < 20) restart();
    });
    tm_stats_get(&after);
    EXPECT_EQ(attempts, 20);
    EXPECT_EQ(after.serial, before.serial);
}

TEST_P(Regression, polling_with_tm_restart_does_not_stop_the_writer_it_waits_for)
{
    Flag polled_long;
    std::thread consumer([&] {
        attr a = how();
        a.max_retries = 3;
        int attempts = 0;
        atomically(a, [&] {
            if (++attempts == 20) polled_long.raise();
            if (load(cell.value) == 0) restart();
            store(cell.value, 2L);
        });
    });
    polled_long.await();
    tx([] { store(cell.value, 1L); }); // hung
    consumer.join();
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Regression, blocks_kept_for_the_next_attempt_are_bounded)
{
    if (sanitized()) GTEST_SKIP() << "a sanitizer keeps freed memory itself";
    attr a = how();
    a.max_retries = 1000000;
    const int last = 8000;
    long early = 0, late = 0;
    int attempts = 0;
    atomically(a, [&] {
        const int n = ++attempts;
        const std::size_t size = static_cast<std::size_t>(10000 + n % 7 * 16 + n % 2);
        void *const block = tm_malloc(size);
        std::memset(block, 1, size);
        if (n == last / 10) early = resident();
        if (n < last) restart();
        late = resident();
        tm_free(block);
    });
    EXPECT_EQ(attempts, last);
    EXPECT_LT(late - early, 16 * 1024); // each attempt left another 10 KB
}

// Irrevocable transactions

TEST_P(Regression, read_mostly_irrevocable_with_many_reads_then_a_store_runs_once)
{
    std::vector<Cell> cells(3000);
    int effects = 0;
    atomically(how(TM_READ_MOSTLY | TM_IRREVOCABLE), [&] {
        ++effects;
        long sum = 0;
        for (const Cell &each : cells) sum += load(each.value);
        store(cell.value, sum + 1);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Regression, read_only_irrevocable_is_refused)
{
    int effects = 0, recoveries = 0;
    const attr a = how(TM_READ_ONLY | TM_IRREVOCABLE);
    try {
        atomically(a, [&] { ++effects; });
        ADD_FAILURE() << "began";
    } catch (const error &e) {
        EXPECT_EQ(e.kind(), TM_ERROR_MISUSE);
    }
    c_transaction(a, [&] { ++effects; }, [&] {
        ++recoveries;
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    });
    EXPECT_EQ(effects, 0);
    EXPECT_EQ(recoveries, 1);
    EXPECT_FALSE(tm_in_transaction());
    std::thread([&] { tx([] { store(cell.value, 1L); }); }).join(); // nobody holds the token
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Regression, double_free_in_an_irrevocable_transaction_is_recorded_and_does_not_roll_back)
{
    void *const before = tm_malloc(64);
    int effects = 0;
    atomically(how(TM_IRREVOCABLE), [&] {
        ++effects;
        store(cell.value, 7L);
        tm_free(before);
        EXPECT_NE(tm_last_error()->kind, TM_ERROR_FREE);
        tm_free(before);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_FREE);
        EXPECT_EQ(tm_last_error()->code, EINVAL);
        void *const made = tm_malloc(64);
        tm_free(made);
        tm_free(made);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 7);
}

TEST_P(Regression, tm_irrevocable_in_a_read_only_transaction_is_eperm)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0;
    atomically(how(TM_READ_ONLY), [&] {
        ++attempts;
        EXPECT_EQ(load(cell.value), 0);
        EXPECT_EQ(tm_irrevocable(), EPERM);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_READ_ONLY);
        EXPECT_EQ(load(cell.value), 0); // and it lives on
    });
    EXPECT_EQ(attempts, 1);
}

TEST_P(Regression, no_grow_does_not_roll_an_irrevocable_transaction_back)
{
    std::vector<Cell> cells(3000);
    int effects = 0;
    atomically(how(TM_NO_GROW | TM_IRREVOCABLE), [&] {
        ++effects;
        for (int i = 0; i < 30000; ++i) tm_free(tm_malloc(8)); // more than any log of this process holds
        for (Cell &each : cells) store(each.value, load(each.value) + 1);
        tm_log([](void *) { return ++cell.value, 0; }, nullptr, nullptr, nullptr, 0);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 1);
    for (const Cell &each : cells) ASSERT_EQ(each.value, 1);
}

TEST_P(Regression, tm_log_reserve_makes_room_for_allocations)
{
    constexpr std::size_t count = 60000;
    int allocated = 0;
    atomically(how(TM_NO_GROW | TM_NULL_ON_OOM), [&] {
        ASSERT_EQ(tm_log_reserve(count, 8, 8), 0);
        for (std::size_t i = 0; i < count; ++i) {
            void *const block = tm_malloc(8); // ended with TM_ERROR_LOG_FULL
            allocated += block != nullptr;
            tm_free(block);
        }
    });
    EXPECT_EQ(allocated, static_cast<int>(count));
}

__attribute__((noinline)) void leave_irrevocable(const attr &a)
{
    if (setjmp(out) == 0) {
        c_transaction(a, [] {
            EXPECT_EQ(tm_irrevocable(), 0);
            tm_store_i64(&cell_of_jump.value, 1);
            tm_longjmp(out, 1);
        });
        ADD_FAILURE() << "went on";
    }
}

TEST_P(Regression, tm_longjmp_out_of_an_irrevocable_transaction_commits_it)
{
    for (const unsigned flags : {0u, unsigned{TM_IRREVOCABLE}}) {
        cell_of_jump.value = 0;
        leave_irrevocable(how(flags));
        ASSERT_FALSE(tm_in_transaction()); // and others waited for ever
        EXPECT_EQ(cell_of_jump.value, 1);
        const auto count = [] { tx([] { store(cell_of_jump.value, load(cell_of_jump.value) + 1); }); };
        std::thread(count).join();
        count();
        EXPECT_EQ(cell_of_jump.value, 3);
    }
}

} // namespace
