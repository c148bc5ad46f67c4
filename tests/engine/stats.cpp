// SPDX-License-Identifier: MIT
// L1, L2: the counters, by reason. The tests have the process for themselves, so the differences are exact.
#include "c_block.h"
#include "support.hpp"

#include <csetjmp>

namespace {

using namespace libtm;
using namespace libtm::test;

class Stats : public Modes {
protected:
    static tm_stats now()
    {
        tm_stats stats;
        tm_stats_get(&stats);
        return stats;
    }
    Cell cell;
};
TM_MODES_SUITE(Stats);

TEST_P(Stats, L1_commits)
{
    const tm_stats before = now();
    for (int i = 0; i < 10; ++i) tx([&] { store(cell.value, load(cell.value) + 1); });
    for (int i = 0; i < 5; ++i) tx([&] { load(cell.value); });
    for (int i = 0; i < 3; ++i) atomically(how(TM_READ_ONLY), [&] { load(cell.value); });
    tx([&] { atomically([&] { store(cell.value, 0L); }); });         // nested ones are not counted
    EXPECT_THROW(tx([&] { cancel(1); }), error);
    const tm_stats after = now();
    EXPECT_EQ(after.commits - before.commits, 19u);
    EXPECT_EQ(after.read_only - before.read_only, 8u);
    EXPECT_EQ(after.serial - before.serial, 0u);
}

TEST_P(Stats, L1_commits_of_threads_that_have_ended)
{
    const tm_stats before = now();
    run_threads(4, [&](unsigned) {
        for (int i = 0; i < 100; ++i) tx([&] { store(cell.value, load(cell.value) + 1); });
    });
    const tm_stats after = now();
    EXPECT_EQ(after.commits - before.commits, 400u);
}

TEST_P(Stats, L2_aborts_by_reason)
{
    const tm_stats before = now();
    EXPECT_THROW(tx([&] { cancel(1); }), error);
    unsigned attempts = 0;
    tx([&] {
        if (++attempts < 3) restart();
    });
    static std::jmp_buf out;
    if (setjmp(out) == 0)
        c_transaction(how(), [&] {
            tm_store_i64(&cell.value, 1);
            tm_longjmp(out, 1);
        });
    const tm_stats after = now();
    EXPECT_EQ(after.aborts[TM_ABORTED_ERROR] - before.aborts[TM_ABORTED_ERROR], 1u);
    EXPECT_EQ(after.aborts[TM_ABORTED_ABANDONED] - before.aborts[TM_ABORTED_ABANDONED], 1u);
    EXPECT_EQ(after.aborts[TM_ABORTED_RESTART] - before.aborts[TM_ABORTED_RESTART], 2u);
    EXPECT_EQ(after.aborts[TM_ABORTED_LOCKED], before.aborts[TM_ABORTED_LOCKED]);
    EXPECT_EQ(after.aborts[TM_ABORTED_NOT], 0u);
}

TEST_P(Stats, L2_a_conflict_is_counted_under_its_reason)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const tm_stats before = now();
    Cell other;
    int attempts = 0;
    tx([&] {
        const long seen = load(cell.value);
        if (++attempts == 1)
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(cell.value, load(cell.value) + 1); }); }).join();
        store(other.value, seen);
    });
    const tm_stats after = now();
    const auto grown = [&](tm_abort_reason reason) { return after.aborts[reason] - before.aborts[reason]; };
    EXPECT_EQ(grown(TM_ABORTED_VALIDATION) + grown(TM_ABORTED_CHANGED), 1u);
    EXPECT_GE(after.max_attempts, 2u);
}

TEST_P(Stats, L2_promotion_is_counted_once)
{
    const tm_stats before = now();
    atomically(how(TM_READ_MOSTLY), [&] {
        load(cell.value);
        store(cell.value, 1L);
    });
    const tm_stats after = now();
    EXPECT_LE(after.aborts[TM_ABORTED_PROMOTED] - before.aborts[TM_ABORTED_PROMOTED], 1u);
    EXPECT_EQ(after.commits - before.commits, 1u);
}

TEST_P(Stats, L1_extensions)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const tm_stats before = now();
    Cell other;
    int attempts = 0;
    tx([&] {
        load(cell.value);
        if (++attempts == 1)
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(other.value, 1L); }); }).join();
        EXPECT_EQ(load(other.value), 1); // newer than the snapshot, which is moved up
    });
    EXPECT_EQ(attempts, 1);
    EXPECT_GE(now().extensions, before.extensions + 1);
}

} // namespace
