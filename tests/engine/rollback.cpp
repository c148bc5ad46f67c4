// SPDX-License-Identifier: MIT
// P15: a rollback restores every byte written and no other byte, whatever addresses share an orec.
#include "support.hpp"

#include <numeric>

namespace {

using namespace libtm;
using namespace libtm::test;

class Rollback : public Modes {};
TM_MODES_SUITE(Rollback);

TEST_P(Rollback, P15_rollback_restores_every_byte_and_no_other)
{
    alignas(32) std::array<unsigned char, 256> memory;
    std::iota(memory.begin(), memory.end(), static_cast<unsigned char>(0));
    const auto before = memory;
    Random random(1);
    for (std::uint64_t round = 0; round < scaled(3000); ++round) {
        EXPECT_THROW(tx([&] {
                         for (int k = 0; k < 12; ++k) {
                             unsigned char bytes[40];
                             for (auto &byte : bytes) byte = static_cast<unsigned char>(random());
                             const std::size_t size = 1 + random.below(sizeof bytes);
                             tm_store_bytes(&memory[random.below(memory.size() - size)], bytes, size);
                             const std::size_t word = random.below(31) * 8;
                             tm_store_u64(reinterpret_cast<std::uint64_t *>(&memory[word]), random());
                             tm_store_u8(&memory[random.below(256)], bytes[0]);
                         }
                         cancel(1);
                     }),
                     error);
        ASSERT_EQ(memory, before);
    }
}

TEST_P(Rollback, P15_last_of_many_stores_to_one_place_does_not_count)
{
    alignas(32) long value[4] = {1, 2, 3, 4};
    int attempts = 0;
    tx([&] {
        if (attempts++ < 5) {
            for (long i = 0; i < 100; ++i) store(value[i % 4], i);
            restart();
        }
        EXPECT_EQ(load(value[0]) + load(value[1]) + load(value[2]) + load(value[3]), 10);
    });
    EXPECT_EQ(attempts, 6);
    EXPECT_EQ(value[3], 4);
}

/** The same addresses, met by different operations: with `orecs:0` all of them share the one orec. */
TEST_P(Rollback, P15_free_and_store_on_one_orec)
{
    for (int order = 0; order < 6; ++order) {
        Cell x;
        x.value = 11;
        auto *const block = static_cast<long *>(tm_malloc(64));
        block[0] = 77;
        block[7] = 78;
        EXPECT_THROW(tx([&] {
                         switch (order) {
                         case 0: tm_free(block), store(x.value, 12L); break;
                         case 1: store(x.value, 12L), tm_free(block); break;
                         case 2: store(x.value, 12L), tm_free(block), store(x.value, 13L); break;
                         case 3: store(block[0], 1L), tm_free(block), store(x.value, 12L); break;
                         case 4: load(x.value), tm_free(block), store(x.value, 12L); break;
                         default: {
                             auto *const other = static_cast<long *>(tm_malloc(64));
                             store(other[0], 1L);
                             tm_free(other);
                             tm_free(block);
                             store(x.value, 12L);
                         }
                         }
                         cancel(1);
                     }),
                     error);
        EXPECT_EQ(x.value, 11) << "order " << order;
        EXPECT_EQ(block[0], 77) << "order " << order;
        EXPECT_EQ(block[7], 78) << "order " << order;
        tm_free(block);
    }
}

TEST_P(Rollback, P15_privatize_and_store_on_one_orec)
{
    alignas(32) unsigned char memory[96];
    for (unsigned first = 0; first < 3; ++first) {
        std::memset(memory, 0x11, sizeof memory);
        EXPECT_THROW(tx([&] {
                         for (unsigned k = 0; k < 3; ++k) {
                             switch ((first + k) % 3) {
                             case 0: tm_store_u8(&memory[1], 0x22); break;
                             case 1:
                                 tm_privatize(&memory[3], 40, TM_PRIVATIZE_STORE);
                                 std::memset(&memory[3], 0x33, 40);
                                 break;
                             default: tm_memset(&memory[60], 0x44, 20); break;
                             }
                         }
                         cancel(1);
                     }),
                     error);
        for (unsigned char byte : memory) ASSERT_EQ(byte, 0x11);
    }
}

class RollbackConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(RollbackConcurrent);

/**
 * Even bytes are transactional, and 0 whenever no transaction runs, since each is cancelled. Odd bytes belong to one thread each,
 * which writes them plainly before, during and after its transactions, and must find what it has written.
 */
TEST_P(RollbackConcurrent, P15_plain_neighbours_in_the_stripe_are_not_overwritten)
{
    alignas(32) static unsigned char memory[128];
    std::memset(memory, 0, sizeof memory);
    std::atomic<std::uint64_t> lost{0}, left{0};
    const auto rounds = each(30000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        unsigned char tag = 0;
        const auto check_and_change = [&] {
            const auto next = static_cast<unsigned char>(random());
            for (std::size_t own = 1 + 2 * me; own < sizeof memory; own += 2 * threads()) {
                if (memory[own] != tag) lost.fetch_add(1);
                memory[own] = next;
            }
            tag = next;
        };
        for (std::uint64_t i = 0; i < rounds; ++i) {
            unsigned restarts = i % 3;
            try {
                atomically(how(static_cast<unsigned>(me + i)), [&] {
                    for (int k = 0; k < 4; ++k) {
                        auto &byte = memory[random.below(64) * 2];
                        if (load(byte) != 0) left.fetch_add(1);
                        store(byte, 0xee);
                        check_and_change();
                        store(byte, 0); // may be met again
                    }
                    store(memory[random.below(64) * 2], 0xcc);
                    check_and_change();
                    if (restarts && restarts--) restart();
                    cancel(1);
                });
                ADD_FAILURE() << "a cancelled transaction committed";
            } catch (const error &e) {
                EXPECT_EQ(e.kind(), TM_ERROR_ABORT);
            }
            check_and_change();
        }
    });
    for (std::size_t k = 0; k < sizeof memory; k += 2) EXPECT_EQ(memory[k], 0) << k;
    EXPECT_EQ(lost.load(), 0u);
    EXPECT_EQ(left.load(), 0u);
}

TEST_P(RollbackConcurrent, P15_commit_writes_no_other_byte)
{
    alignas(32) static unsigned char memory[128];
    std::memset(memory, 0, sizeof memory);
    std::atomic<std::uint64_t> lost{0};
    const auto rounds = each(30000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        std::array<unsigned char, 64> plain{};
        for (std::uint64_t i = 0; i < rounds; ++i) {
            // Odd bytes, in turns, belong to one thread each and are never touched transactionally.
            const std::size_t turn = (random.below(64 / threads()) * threads() + me);
            if (memory[2 * turn + 1] != plain[turn]) lost.fetch_add(1);
            memory[2 * turn + 1] = plain[turn] = static_cast<unsigned char>(random());
            atomically(how(me), [&] {
                auto &byte = memory[random.below(64) * 2];
                store(byte, static_cast<unsigned char>(load(byte) + 1));
            });
        }
        for (std::size_t turn = me; turn < 64; turn += threads())
            if (memory[2 * turn + 1] != plain[turn]) lost.fetch_add(1);
    });
    EXPECT_EQ(lost.load(), 0u);
}

TEST_P(RollbackConcurrent, P15_cancelled_transfers_leave_no_trace)
{
    constexpr std::size_t count = 8;
    struct {
        alignas(32) long accounts[count]; // four to a stripe
    } bank{};
    const auto rounds = each(40000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const std::size_t from = random.below(count), to = random.below(count);
            try {
                atomically(how(me), [&] {
                    store(bank.accounts[from], load(bank.accounts[from]) - 3);
                    if (i % 3 == 0) cancel(1);
                    store(bank.accounts[to], load(bank.accounts[to]) + 3);
                    if (i % 3 == 1 && tm_attempt() < 2) restart();
                });
            } catch (const error &) {
            }
        }
    });
    EXPECT_EQ(std::accumulate(bank.accounts, bank.accounts + count, 0L), 0);
}

/** The fault of TinySTM's write-through, between threads: a rollback of a free gives back bytes that a committed store changed. */
TEST_P(RollbackConcurrent, P15_undone_free_does_not_undo_others_stores)
{
    Cell counter;
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        auto *const block = static_cast<long *>(tm_malloc(48));
        for (int k = 0; k < 6; ++k) block[k] = me;
        for (std::uint64_t i = 0; i < rounds; ++i) {
            try {
                atomically(how(me), [&] {
                    if (i % 2) tm_free(block);
                    store(counter.value, load(counter.value) + 1);
                    if (i % 2) cancel(1);
                });
            } catch (const error &) {
            }
            for (int k = 0; k < 6; ++k) EXPECT_EQ(block[k], static_cast<long>(me));
        }
        tm_free(block);
    });
    const auto committed = static_cast<long>((rounds + 1) / 2 * threads());
    EXPECT_EQ(counter.value, committed);
}

} // namespace
