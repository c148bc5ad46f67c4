// SPDX-License-Identifier: MIT
// P17: no fixed limit on reads, writes, allocations, log entries or depth. P18: out of memory is an error, not an end.
#include "c_block.h"
#include "support.hpp"

#include <cstdint>
#include <functional>
#include <pthread.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class Limits : public Modes {
protected:
    /** With few orecs the stripes of one orec are a list, and a million of them a square. */
    const std::size_t many = scaled(few_orecs() ? 20000 : 1000000);
};
TM_MODES_SUITE(Limits);

TEST_P(Limits, P17_a_million_reads)
{
    const std::vector<long> values(many, 3);
    EXPECT_EQ(tx([&] {
                  long sum = 0;
                  for (const long &value : values) sum += load(value);
                  return sum;
              }),
              static_cast<long>(3 * many));
}

TEST_P(Limits, P17_a_million_writes_committed_and_undone)
{
    std::vector<long> values(many, 1);
    const auto write_all = [&](long value) {
        for (long &v : values) store(v, value);
    };
    EXPECT_THROW(tx([&] {
                     write_all(2);
                     cancel(1);
                 }),
                 error);
    for (long value : values) ASSERT_EQ(value, 1);
    int attempts = 0;
    tx([&] {
        write_all(3);
        if (attempts++ == 0) restart();
        for (long &v : values) store(v, load(v) + 1); // found again among so many
    });
    for (long value : values) ASSERT_EQ(value, 4);
}

TEST_P(Limits, P17_a_million_scattered_writes)
{
    const std::size_t count = many / 4;
    std::vector<Cell> cells(count); // a stripe each
    tx([&] {
        for (std::size_t i = 0; i < count; ++i) store(cells[i].value, static_cast<long>(i));
    });
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(cells[i].value, static_cast<long>(i));
}

TEST_P(Limits, P17_bytes_by_the_megabyte)
{
    std::vector<unsigned char> from(many * 4, 7), to(many * 4, 1);
    EXPECT_THROW(tx([&] {
                     tm_memcpy(to.data(), from.data(), to.size());
                     cancel(1);
                 }),
                 error);
    for (unsigned char byte : to) ASSERT_EQ(byte, 1);
    tx([&] {
        tm_memcpy(to.data(), from.data(), to.size());
        EXPECT_EQ(tm_memcmp(to.data(), from.data(), to.size()), 0);
        tm_privatize(from.data(), from.size(), TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
        std::memset(from.data(), 9, from.size());
    });
    for (unsigned char byte : to) ASSERT_EQ(byte, 7);
    for (unsigned char byte : from) ASSERT_EQ(byte, 9);
}

TEST_P(Limits, P17_a_million_allocations_and_frees)
{
    std::vector<void *> blocks(many);
    EXPECT_THROW(tx([&] {
                     for (auto &block : blocks) block = tm_malloc(24);
                     cancel(1);
                 }),
                 error);
    tx([&] {
        for (auto &block : blocks) block = tm_malloc(24);
    });
    for (void *block : blocks) std::memset(block, 0x55, 24);
    EXPECT_THROW(tx([&] {
                     for (void *block : blocks) tm_free(block);
                     cancel(1);
                 }),
                 error);
    for (void *block : blocks) ASSERT_EQ(static_cast<unsigned char *>(block)[23], 0x55);
    tx([&] {
        for (void *block : blocks) tm_free(block);
    });
}

TEST_P(Limits, P17_a_million_log_entries)
{
    static std::size_t applied, undone, out_of_order;
    applied = undone = out_of_order = 0;
    const auto apply = [](void *data) {
        if (*static_cast<std::size_t *>(data) != applied++) ++out_of_order;
        return 0;
    };
    const auto undo = [](void *data) {
        if (*static_cast<std::size_t *>(data) != applied - ++undone) ++out_of_order; // backwards; as many as were applied before
    };
    const auto log_all = [&] {
        for (std::size_t i = 0; i < many; ++i) EXPECT_EQ(tm_log(apply, undo, nullptr, &i, sizeof i), 0);
    };
    tx(log_all);
    EXPECT_EQ(applied, many);
    EXPECT_EQ(undone, 0u);
    EXPECT_THROW(tx([&] {
                     log_all();
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(undone, many);
    EXPECT_EQ(applied, many);
    EXPECT_EQ(out_of_order, 0u);
}

/** Runs `body` where there is stack enough for ten thousand frames of any build. */
void with_large_stack(std::function<void()> body)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, std::size_t{256} << 20);
    pthread_t thread;
    const auto run = [](void *f) -> void * {
        (*static_cast<std::function<void()> *>(f))();
        return nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

void descend(int levels, long &counter, int &restarts)
{
    atomically([&] {
        store(counter, load(counter) + 1);
        if (levels > 1) descend(levels - 1, counter, restarts);
        if (levels == 1 && restarts-- > 0) restart();
    });
}

TEST_P(Limits, P17_ten_thousand_nested_blocks)
{
    TM_SKIP_IF_SHAKEN();
    with_large_stack([&] {
        Cell cell;
        int restarts = 2;
        tx([&] { descend(10000, cell.value, restarts); });
        EXPECT_EQ(cell.value, 10000);
        EXPECT_EQ(restarts, -1);
        EXPECT_FALSE(tm_in_transaction());
    });
}

struct Descent {
    int levels;
    long counter;
    int restarts;
};

void descend_in_c(void *data)
{
    auto &d = *static_cast<Descent *>(data);
    tm_store_i64(&d.counter, tm_load_i64(&d.counter) + 1);
    if (tm_load_i64(&d.counter) < d.levels)
        c_block(nullptr, descend_in_c, nullptr, data);
    else if (d.restarts-- > 0)
        tm_restart();
}

TEST_P(Limits, P17_ten_thousand_nested_blocks_in_c)
{
    TM_SKIP_IF_SHAKEN();
    with_large_stack([&] {
        Descent d{10000, 0, 2};
        const attr a = how();
        c_block(&a, descend_in_c, nullptr, &d);
        EXPECT_EQ(d.counter, 10000);
        EXPECT_EQ(d.restarts, -1);
        EXPECT_FALSE(tm_in_transaction());
    });
}

class OutOfMemory : public Modes {};
TM_MODES_SUITE(OutOfMemory);

constexpr std::size_t huge = SIZE_MAX / 4; // no allocator has it, none takes it for negative

TEST_P(OutOfMemory, P18_failed_allocation_leaves_the_transaction_alive)
{
    Cell cell;
    char *const text = tm_strdup("old");
    atomically(how(TM_NULL_ON_OOM), [&] {
        store(cell.value, 1L);
        errno = 0;
        EXPECT_EQ(tm_malloc(huge), nullptr);
        EXPECT_EQ(errno, ENOMEM);
        EXPECT_EQ(tm_calloc(1, huge), nullptr);
        EXPECT_EQ(tm_aligned_alloc(64, huge), nullptr);
        EXPECT_EQ(tm_realloc(text, huge), nullptr);
        EXPECT_EQ(load(text[0]), 'o'); // the old block is untouched
        EXPECT_TRUE(tm_in_transaction());
        store(cell.value, load(cell.value) + 1);
    });
    EXPECT_EQ(cell.value, 2);
    EXPECT_STREQ(text, "old");
    tm_free(text);
}

TEST_P(OutOfMemory, P18_size_overflow_is_out_of_memory)
{
    void *const block = tm_malloc(8);
    atomically(how(TM_NULL_ON_OOM), [&] {
        for (const std::size_t factor : {std::size_t{2}, std::size_t{3}, std::size_t{16}, std::size_t{1} << 32}) {
            errno = 0;
            EXPECT_EQ(tm_calloc(SIZE_MAX / factor + 1, factor), nullptr) << factor;
            EXPECT_EQ(errno, ENOMEM);
            EXPECT_EQ(tm_reallocarray(block, SIZE_MAX / factor + 1, factor), nullptr) << factor;
        }
        for (const std::size_t size : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 63}) {
            EXPECT_EQ(tm_malloc(size), nullptr);
            EXPECT_EQ(tm_realloc(block, size), nullptr);
            EXPECT_EQ(tm_aligned_alloc(64, size), nullptr);
        }
    });
    EXPECT_EQ(tm_calloc(SIZE_MAX / 2 + 1, 2), nullptr); // and outside
    EXPECT_EQ(tm_reallocarray(block, SIZE_MAX / 2 + 1, 2), nullptr);
    tm_free(block);
}

TEST_P(OutOfMemory, P18_recovery_block_sees_enomem_and_may_restart)
{
    TM_SKIP_IF_SHAKEN();
    struct Context {
        Cell cell;
        std::size_t size = huge;
        int blocks = 0, recoveries = 0;
        void *result = nullptr;
    } c;
    const attr a = how(0, "greedy");
    c_transaction(
        a,
        [&] {
            ++c.blocks;
            tm_store_i64(&c.cell.value, tm_load_i64(&c.cell.value) + 1);
            c.result = tm_malloc(c.size);
            tm_store_i64(&c.cell.value, tm_load_i64(&c.cell.value) + 1);
        },
        [&] {
            ++c.recoveries;
            const tm_error_record *const e = tm_last_error();
            EXPECT_EQ(e->kind, TM_ERROR_MEMORY);
            EXPECT_EQ(e->code, ENOMEM);
            EXPECT_STREQ(e->operation, "tm_malloc");
            EXPECT_STREQ(e->label, "greedy");
            EXPECT_EQ(c.cell.value, 0);
            c.size = 10;
            tm_restart();
        });
    EXPECT_EQ(c.blocks, 2);
    EXPECT_EQ(c.recoveries, 1);
    EXPECT_EQ(c.cell.value, 2);
    ASSERT_NE(c.result, nullptr);
    tm_free(c.result);
}

TEST_P(OutOfMemory, P18_each_allocator_ends_the_transaction)
{
    Cell cell;
    void *const block = tm_malloc(8);
    const std::function<void()> calls[] = {
        [] { tm_malloc(huge); },
        [] { tm_calloc(huge, 1); },
        [] { tm_calloc(SIZE_MAX / 2 + 1, 2); },
        [] { tm_aligned_alloc(32, huge); },
        [&] { tm_realloc(block, huge); },
        [&] { tm_reallocarray(block, SIZE_MAX / 2 + 1, 2); },
    };
    for (const auto &call : calls) {
        try {
            tx([&] {
                store(cell.value, 1L);
                call();
            });
            ADD_FAILURE() << "committed";
        } catch (const error &e) {
            EXPECT_EQ(e.kind(), TM_ERROR_MEMORY);
            EXPECT_EQ(e.code(), ENOMEM);
        }
        EXPECT_EQ(cell.value, 0);
    }
    tm_free(block);
}

TEST_P(OutOfMemory, P18_outside_of_a_transaction_null_and_enomem)
{
    errno = 0;
    EXPECT_EQ(tm_malloc(huge), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(tm_calloc(huge, 2), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    void *const block = tm_malloc(8);
    errno = 0;
    EXPECT_EQ(tm_realloc(block, huge), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    tm_free(block);
}

TEST_P(OutOfMemory, P18_a_reservation_too_large_is_enomem)
{
    Cell cell;
    tx([&] {
        EXPECT_EQ(tm_log_reserve(SIZE_MAX, 0, 0), ENOMEM);
        EXPECT_EQ(tm_log_reserve(0, SIZE_MAX, 0), ENOMEM);
        EXPECT_EQ(tm_log_reserve(0, 0, SIZE_MAX), ENOMEM);
        store(cell.value, 1L);
    });
    EXPECT_EQ(cell.value, 1);
}

} // namespace
