// SPDX-License-Identifier: MIT
// A1 to A4, A7, J1: the block, restart, abort, the recovery block, attempts and reasons, the record of an error.
#include "c_block.h"
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

class Control : public Modes {
protected:
    Cell cell;
};
TM_MODES_SUITE(Control);

TEST_P(Control, A1_commit_publishes_in_c)
{
    c_transaction(how(), [&] {
        EXPECT_TRUE(tm_in_transaction());
        tm_store_i64(&cell.value, 3);
        EXPECT_EQ(tm_load_i64(&cell.value), 3);
    }, [] { ADD_FAILURE() << "recovery"; });
    EXPECT_FALSE(tm_in_transaction());
    EXPECT_EQ(cell.value, 3);
}

TEST_P(Control, A1_atomically_returns_what_the_block_returns)
{
    cell.value = 4;
    EXPECT_EQ(tx([&] { return load(cell.value) * 2; }), 8);
    EXPECT_EQ(tx([&] { return std::string("text"); }), "text"); // any type
    EXPECT_EQ(*tx([&] { return std::make_unique<int>(5); }), 5);
    tx([&] { store(cell.value, 1L); });
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Control, A2_restart_runs_the_block_again)
{
    TM_SKIP_IF_SHAKEN();
    unsigned attempts = 0;
    tx([&] {
        EXPECT_EQ(load(cell.value), 0); // undone
        ++attempts;
        EXPECT_EQ(tm_attempt(), attempts);
        EXPECT_EQ(tm_last_abort(), attempts == 1 ? TM_ABORTED_NOT : TM_ABORTED_RESTART);
        store(cell.value, 7L);
        if (attempts < 3) restart();
    });
    EXPECT_EQ(attempts, 3u);
    EXPECT_EQ(tm_attempt(), 3u);
    EXPECT_EQ(tm_last_abort(), TM_ABORTED_RESTART);
    EXPECT_EQ(cell.value, 7);
}

TEST_P(Control, A2_restart_runs_the_c_block_again)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int attempts = 0;
    } local;
    c_transaction(how(), [&] {
        EXPECT_EQ(tm_load_i64(&cell.value), 0);
        tm_store_i64(&cell.value, 7);
        if (++local.attempts < 4) tm_restart();
    });
    EXPECT_EQ(local.attempts, 4);
    EXPECT_EQ(cell.value, 7);
}

TEST_P(Control, A2_restart_of_a_loading_transaction)
{
    for (const unsigned flags : {unsigned{TM_READ_ONLY}, unsigned{TM_READ_MOSTLY}, 0u}) {
        int attempts = 0;
        atomically(how(flags), [&] {
            load(cell.value);
            if (++attempts < 3) restart();
        });
        EXPECT_EQ(attempts, 3);
    }
}

TEST_P(Control, A2_restart_outside_is_misuse)
{
    tm_restart();
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    EXPECT_STREQ(tm_last_error()->operation, "tm_restart");
}

TEST_P(Control, A3_abort_runs_the_recovery_block_once)
{
    struct Local {
        int blocks = 0, recoveries = 0;
    } local;
    c_transaction(
        how(0, "deposit"),
        [&] {
            ++local.blocks;
            tm_store_i64(&cell.value, 7);
            tm_abort(77);
        },
        [&] {
            ++local.recoveries;
            EXPECT_EQ(cell.value, 0);
            const tm_error_record *const e = tm_last_error();
            EXPECT_EQ(e->kind, TM_ERROR_ABORT);
            EXPECT_EQ(e->code, 77);
            EXPECT_STREQ(e->operation, "tm_abort");
            EXPECT_STREQ(e->label, "deposit");
            ASSERT_NE(e->message, nullptr);
            EXPECT_NE(e->message[0], '\0');
        });
    EXPECT_EQ(local.blocks, 1);
    EXPECT_EQ(local.recoveries, 1);
    EXPECT_EQ(cell.value, 0);
    EXPECT_FALSE(tm_in_transaction());
}

TEST_P(Control, A3_cancel_throws_the_record)
{
    int attempts = 0;
    try {
        atomically(how(0, "deposit"), [&] {
            ++attempts;
            store(cell.value, 7L);
            cancel(-5);
        });
        ADD_FAILURE() << "committed";
    } catch (const error &e) {
        EXPECT_EQ(e.kind(), TM_ERROR_ABORT);
        EXPECT_EQ(e.code(), -5);
        EXPECT_STREQ(e.label(), "deposit");
        EXPECT_STREQ(e.operation(), "tm_abort");
        EXPECT_STREQ(e.what(), tm_last_error()->message);
    }
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(cell.value, 0);
}

TEST_P(Control, A3_abort_outside_returns_eperm)
{
    EXPECT_EQ(tm_abort(3), EPERM);
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    EXPECT_EQ(tm_recover(3), EPERM);
}

TEST_P(Control, A3_recover_hands_on_an_errno_value)
{
    struct Local {
        int code = 0;
        tm_error_kind kind = TM_ERROR_NONE;
    } local;
    c_transaction(
        how(), [] { tm_recover(ENOENT); }, [&] { local = {tm_last_error()->code, tm_last_error()->kind}; });
    EXPECT_EQ(local.code, ENOENT);
    EXPECT_EQ(local.kind, TM_ERROR_RECOVER);
}

TEST_P(Control, A4_restart_in_recovery_retries)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int blocks = 0, recoveries = 0;
    } local;
    c_transaction(
        how(),
        [&] {
            tm_store_i64(&cell.value, tm_load_i64(&cell.value) + 1);
            if (++local.blocks < 4) tm_abort(local.blocks);
        },
        [&] {
            EXPECT_EQ(tm_last_error()->code, ++local.recoveries);
            tm_restart();
            ADD_FAILURE() << "went on";
        });
    EXPECT_EQ(local.blocks, 4);
    EXPECT_EQ(local.recoveries, 3);
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Control, A4_recovery_may_run_transactions)
{
    c_transaction(
        how(), [] { tm_abort(1); },
        [&] {
            EXPECT_EQ(cell.value, 0);
            c_transaction(how(), [&] { tm_store_i64(&cell.value, 9); });
            atomically(how(), [&] { store(cell.value, load(cell.value) + 1); });
        });
    EXPECT_EQ(cell.value, 10);
    EXPECT_FALSE(tm_in_transaction());
}

TEST_P(Control, A7_attempts_and_reason_start_anew)
{
    tx([&] {
        if (tm_attempt() < 2) restart();
    });
    tx([&] {
        EXPECT_EQ(tm_attempt(), 1u);
        EXPECT_EQ(tm_last_abort(), TM_ABORTED_NOT);
    });
}

TEST_P(Control, A7_conflict_is_the_reason)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell other;
    int attempts = 0;
    tx([&] {
        const long seen = load(cell.value);
        if (++attempts == 1)
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(cell.value, load(cell.value) + 1); }); }).join();
        store(other.value, seen);
    });
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(other.value, 1);
    EXPECT_TRUE(tm_last_abort() == TM_ABORTED_VALIDATION || tm_last_abort() == TM_ABORTED_CHANGED)
        << tm_abort_reason_name(tm_last_abort());
}

TEST_P(Control, A7_held_data_is_the_reason)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const Option policy("contention", "suicide"), retries("max_retries", "100"); // does not wait for the holder, which waits for us
    Flag held, looked;
    std::thread holder([&] {
        atomically(how(TM_NO_QUIESCENCE), [&] {
            store(cell.value, 1L);
            held.raise();
            looked.await();
        });
    });
    held.await();
    tm_abort_reason reason = TM_ABORTED_NOT;
    atomically(how(TM_NO_QUIESCENCE), [&] {
        if (tm_attempt() > 1 && !looked.raised()) {
            reason = tm_last_abort();
            looked.raise();
        }
        load(cell.value);
    });
    holder.join();
    EXPECT_EQ(reason, TM_ABORTED_LOCKED);
}

TEST_P(Control, A7_every_reason_has_a_name)
{
    std::vector<std::string> names;
    for (int reason = 0; reason < TM_ABORT_REASONS; ++reason) {
        const char *const name = tm_abort_reason_name(static_cast<tm_abort_reason>(reason));
        ASSERT_NE(name, nullptr);
        for (const auto &other : names) EXPECT_NE(other, name);
        names.emplace_back(name);
    }
    EXPECT_STREQ(tm_abort_reason_name(TM_ABORTED_LOCKED), "locked");
    EXPECT_NE(tm_abort_reason_name(static_cast<tm_abort_reason>(TM_ABORT_REASONS)), nullptr);
    EXPECT_NE(tm_abort_reason_name(static_cast<tm_abort_reason>(99)), nullptr);
}

TEST_P(Control, J1_a_new_thread_has_no_error)
{
    std::thread([] {
        const tm_error_record *const e = tm_last_error();
        ASSERT_NE(e, nullptr);
        EXPECT_EQ(e->kind, TM_ERROR_NONE);
        EXPECT_EQ(e->code, 0);
        EXPECT_EQ(tm_attempt(), 0u);
    }).join();
}

TEST_P(Control, J1_errors_belong_to_their_thread)
{
    EXPECT_THROW(tx([] { cancel(1); }), error);
    std::thread([] { EXPECT_THROW(tx([] { cancel(2); }), error); }).join();
    EXPECT_EQ(tm_last_error()->code, 1);
}

} // namespace
