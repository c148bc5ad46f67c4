// SPDX-License-Identifier: MIT
// A6: what one transaction may ask for: read-only, mode, deadline, label, no growth of the logs.
#include "c_block.h"
#include "support.hpp"

#include <functional>

namespace {

using namespace libtm;
using namespace libtm::test;

class Attributes : public Modes {
protected:
    /** Runs the block and expects that it ends in this error. */
    template <class Block> static void expect_error(const attr &a, tm_error_kind kind, int code, Block block)
    {
        try {
            atomically(a, block);
            ADD_FAILURE() << "committed";
        } catch (const error &e) {
            EXPECT_EQ(e.kind(), kind) << e.what();
            EXPECT_EQ(e.code(), code) << e.what();
        }
        EXPECT_FALSE(tm_in_transaction());
    }
    /** Runs the body in a new thread, whose logs have not grown yet. */
    template <class Body> static void in_new_thread(Body body) { std::thread(body).join(); }
};
TM_MODES_SUITE(Attributes);

TEST_P(Attributes, A6_a_store_in_a_read_only_transaction_is_an_error)
{
    alignas(32) long values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    void *const block = tm_malloc(16);
    const std::function<void()> stores[] = {
        [&] { tm_store_u8(reinterpret_cast<std::uint8_t *>(values), 9); },
        [&] { store(values[1], 9L); },
        [&] { tm_store_bytes(values, "12345678901234567", 17); },
        [&] { tm_memset(values, 0, sizeof values); },
        [&] { tm_memcpy(values, values + 4, 32); },
        [&] { tm_memmove(values, values + 1, 32); },
        [&] { tm_free(block); },
    };
    for (const auto &call : stores) {
        int attempts = 0;
        expect_error(how(TM_READ_ONLY, "reader"), TM_ERROR_READ_ONLY, EPERM, [&] {
            ++attempts;
            EXPECT_EQ(load(values[2]), 3);
            call();
        });
        EXPECT_EQ(attempts, 1);
        EXPECT_STREQ(tm_last_error()->label, "reader");
    }
    for (long i = 0; i < 8; ++i) EXPECT_EQ(values[i], i + 1);
    tm_free(block);
}

TEST_P(Attributes, A6_privatize_in_a_read_only_transaction_returns_eperm)
{
    long value = 1;
    atomically(how(TM_READ_ONLY), [&] {
        EXPECT_EQ(tm_privatize(&value, sizeof value, TM_PRIVATIZE_STORE), EPERM);
        EXPECT_EQ(tm_privatize(&value, sizeof value, TM_PRIVATIZE_LOAD), EPERM);
        EXPECT_TRUE(tm_in_transaction());
        EXPECT_EQ(load(value), 1);
    });
}

TEST_P(Attributes, A6_read_mostly_is_promoted_by_its_first_store)
{
    Cell a, b;
    for (int i = 0; i < 3; ++i)
        atomically(how(TM_READ_MOSTLY), [&] {
            const long seen = load(a.value);
            store(b.value, seen + 1);
            EXPECT_EQ(load(b.value), seen + 1);
            store(a.value, load(b.value));
        });
    EXPECT_EQ(a.value, 3);
    EXPECT_EQ(b.value, 3);
    EXPECT_EQ(atomically(how(TM_READ_MOSTLY), [&] { return load(a.value); }), 3);
}

TEST_P(Attributes, A6_no_attempt_starts_after_the_deadline)
{
    attr a = how(0, "late");
    a.deadline = 1;
    int attempts = 0;
    expect_error(a, TM_ERROR_DEADLINE, ETIMEDOUT, [&] { ++attempts; });
    EXPECT_EQ(attempts, 0);
    EXPECT_STREQ(tm_last_error()->label, "late");

    a.deadline = in_ms(20);
    Cell cell;
    expect_error(a, TM_ERROR_DEADLINE, ETIMEDOUT, [&] {
        store(cell.value, 1L);
        restart(); // for ever, but for the deadline
    });
    EXPECT_EQ(cell.value, 0);

    a.deadline = in_ms(3600 * 1000);
    atomically(a, [&] { store(cell.value, 2L); });
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Attributes, A6_deadline_in_c_leads_to_recovery)
{
    struct Local {
        int recoveries = 0;
    } local;
    attr a = how();
    a.deadline = 1;
    c_transaction(a, [] { ADD_FAILURE() << "ran"; }, [&] {
        ++local.recoveries;
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_DEADLINE);
    });
    EXPECT_EQ(local.recoveries, 1);
}

TEST_P(Attributes, A6_deadline_ends_waiting_for_held_data)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell cell;
    Flag held, over;
    std::thread holder([&] {
        atomically(how(), [&] {
            store(cell.value, 1L);
            held.raise();
            over.await();
        });
    });
    held.await();
    attr a = how();
    a.deadline = in_ms(50);
    expect_error(a, TM_ERROR_DEADLINE, ETIMEDOUT, [&] { store(cell.value, 2L); });
    over.raise();
    holder.join();
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Attributes, A6_no_grow_stops_at_what_was_reserved)
{
    // The logs of a thread may be those of one that has ended, as large as it has left them: never as large as `too_many`.
    constexpr std::size_t reserved = 20000, too_many = 300000;
    std::vector<Cell> cells(too_many);
    in_new_thread([&] {
        const attr a = how(TM_NO_GROW, "bounded");
        atomically(a, [&] {
            EXPECT_EQ(tm_log_reserve(0, 0, reserved), 0);
            for (std::size_t i = 0; i < reserved; ++i) store(cells[i].value, 1L);
        });
        expect_error(a, TM_ERROR_LOG_FULL, ENOBUFS, [&] {
            EXPECT_EQ(tm_log_reserve(0, 0, reserved), 0);
            for (auto &cell : cells) store(cell.value, 2L);
        });
    });
    for (std::size_t i = 0; i < too_many; ++i) ASSERT_EQ(cells[i].value, i < reserved ? 1 : 0);
}

TEST_P(Attributes, A6_no_grow_holds_for_bytes_and_privatization)
{
    std::vector<unsigned char> bytes(8 << 20, 1);
    in_new_thread([&] {
        expect_error(how(TM_NO_GROW), TM_ERROR_LOG_FULL, ENOBUFS, [&] { tm_memset(bytes.data(), 2, bytes.size()); });
    });
    in_new_thread([&] {
        expect_error(how(TM_NO_GROW), TM_ERROR_LOG_FULL, ENOBUFS,
                     [&] { tm_privatize(bytes.data(), bytes.size(), TM_PRIVATIZE_STORE); });
    });
    for (unsigned char byte : bytes) ASSERT_EQ(byte, 1);
}

TEST_P(Attributes, A6_attributes_of_an_inner_block_do_not_count)
{
    Cell cell;
    tx([&] {
        attr inner = how(TM_READ_ONLY);
        inner.deadline = 1;
        atomically(inner, [&] { store(cell.value, 1L); });
    });
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Attributes, A6_mode_is_that_of_the_transaction)
{
    // What tells the modes apart from outside: whether the new value is in memory before the commit.
    if (GetParam() == TM_MODE_AUTO) GTEST_SKIP() << "see auto_mode.cpp";
    alignas(32) static std::atomic<long> value;
    value = 1;
    tx([&] {
        tm_store_i64(reinterpret_cast<std::int64_t *>(&value), 2);
        EXPECT_EQ(value.load(), GetParam() == TM_WRITE_THROUGH ? 2 : 1);
    });
    EXPECT_EQ(value.load(), 2);
    const Option mode("mode", GetParam() == TM_WRITE_THROUGH ? "write-through" : "write-back");
    atomically([&] {
        tm_store_i64(reinterpret_cast<std::int64_t *>(&value), 3);
        EXPECT_EQ(value.load(), GetParam() == TM_WRITE_THROUGH ? 3 : 2);
    });
    EXPECT_EQ(value.load(), 3);
}

} // namespace
