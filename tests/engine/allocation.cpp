// SPDX-License-Identifier: MIT
// G1 to G4: allocation in transactions. Leaks show as growth of the resident set over many megabytes (and to LeakSanitizer);
// a block freed twice shows when the heap gives it out twice (and to AddressSanitizer).
#include "support.hpp"

#include <fstream>
#include <set>
#include <unistd.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class Allocation : public Modes {
protected:
    static std::size_t resident_bytes()
    {
        std::ifstream statm("/proc/self/statm");
        std::size_t total = 0, resident = 0;
        statm >> total >> resident;
        return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }

    /** Runs the body so often that a leak of its 64 KiB would be 256 MiB. The sanitizers' quarantines would look like leaks. */
    template <class Body> static void expect_no_growth(Body body)
    {
        const std::size_t rounds = under_asan() || under_tsan() ? 50 : 4096;
        for (int i = 0; i < 16; ++i) body();
        const std::size_t before = resident_bytes();
        for (std::size_t i = 0; i < rounds; ++i) body();
        if (rounds == 4096) {
            EXPECT_LT(resident_bytes(), before + (std::size_t{64} << 20));
        }
    }

    static constexpr std::size_t large = 64 << 10;
    static void *touched(void *block)
    {
        std::memset(block, 0x3c, large);
        return block;
    }

    /** The heap gives every block to one owner. */
    static void expect_no_block_twice(std::size_t size)
    {
        std::set<void *> blocks;
        for (int i = 0; i < 2000; ++i) EXPECT_TRUE(blocks.insert(tm_malloc(size)).second);
        for (void *block : blocks) tm_free(block);
    }
};
TM_MODES_SUITE(Allocation);

TEST_P(Allocation, G1_rollback_gives_back_what_was_allocated)
{
    expect_no_growth([] {
        EXPECT_THROW(tx([] {
                         touched(tm_malloc(large));
                         cancel(1);
                     }),
                     error);
    });
    expect_no_growth([] {
        int attempts = 0;
        void *const block = tx([&] {
            void *const mine = touched(tm_malloc(large));
            if (++attempts < 3) restart();
            return mine;
        });
        tm_free(block);
    });
    expect_no_growth([] { // other sizes in the next attempt
        std::size_t attempts = 0;
        void *const block = tx([&] {
            void *const mine = touched(tm_malloc(large + 5000 * attempts));
            if (++attempts < 3) restart();
            return mine;
        });
        tm_free(block);
    });
}

TEST_P(Allocation, G1_commit_frees_what_was_freed)
{
    expect_no_growth([] {
        void *const block = touched(tm_malloc(large));
        tx([&] { tm_free(block); });
    });
    expect_no_block_twice(large);
}

TEST_P(Allocation, G1_free_waits_for_the_commit)
{
    auto *const text = static_cast<char *>(tm_malloc(100));
    std::strcpy(text, "still here");
    int attempts = 0;
    EXPECT_THROW(tx([&] {
                     tm_free(text);
                     EXPECT_EQ(load(text[0]), 's'); // one's own transaction may read on
                     if (++attempts < 3) restart();
                     cancel(1);
                 }),
                 error);
    EXPECT_STREQ(text, "still here");
    tm_free(text);
}

TEST_P(Allocation, G1_malloc_and_free_in_one_transaction_freed_exactly_once)
{
    expect_no_growth([] { tx([] { tm_free(touched(tm_malloc(large))); }); });
    expect_no_growth([] {
        EXPECT_THROW(tx([] {
                         tm_free(touched(tm_malloc(large)));
                         cancel(1);
                     }),
                     error);
    });
    expect_no_growth([] {
        int attempts = 0;
        tx([&] {
            void *const block = tm_malloc(48);
            if (attempts % 2 == 0) tm_free(block);
            if (++attempts < 4) restart();
            tm_free(block); // that of the last attempt, which has not freed it yet
            tm_free(tm_malloc(48));
        });
        tx([&] {
            void *const first = tm_malloc(48), *const second = tm_malloc(48);
            tm_free(second);
            tm_free(first);
        });
    });
    expect_no_block_twice(48);
    expect_no_block_twice(large);
}

TEST_P(Allocation, G1_retry_takes_the_same_block_again)
{
    std::vector<void *> first, second;
    int attempts = 0;
    tx([&] {
        auto &blocks = ++attempts == 1 ? first : second;
        blocks.clear();
        for (const std::size_t size : {24, 100, 24, 5000}) blocks.push_back(tm_malloc(size));
        if (attempts == 1) restart();
    });
    EXPECT_EQ(first, second);
    for (void *block : second) tm_free(block);
}

TEST_P(Allocation, G1_memory_written_in_a_transaction_is_kept)
{
    auto *const values = static_cast<long *>(tx([] {
        auto *const mine = static_cast<long *>(tm_malloc(80));
        for (int i = 0; i < 5; ++i) store(mine[i], static_cast<long>(i)); // transactionally
        for (int i = 5; i < 10; ++i) mine[i] = i;                         // or plainly: nobody else sees it yet
        return mine;
    }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(values[i], i);
    tm_free(values);
}

TEST_P(Allocation, G2_calloc_is_zeroed_also_when_a_retry_takes_it_again)
{
    int attempts = 0;
    unsigned char *block = nullptr;
    tx([&] {
        block = static_cast<unsigned char *>(tm_calloc(10, 100));
        for (int i = 0; i < 1000; ++i) EXPECT_EQ(block[i], 0);
        std::memset(block, 0xff, 1000);
        tm_memset(block, 0xfe, 500);
        if (++attempts < 3) restart();
    });
    EXPECT_EQ(block[499], 0xfe);
    EXPECT_EQ(block[999], 0xff);
    tm_free(block);
}

TEST_P(Allocation, G2_aligned)
{
    for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        void *const block = tx([&] { return tm_aligned_alloc(alignment, 3 * alignment); });
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0u);
        tx([&] { tm_free(block); });
        tx([&] { tm_free(tm_aligned_alloc(alignment, alignment)); });
    }
    for (const std::size_t wrong : {0, 3, 48}) {
        EXPECT_EQ(tm_aligned_alloc(wrong, 64), nullptr);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
        EXPECT_EQ(tm_last_error()->code, EINVAL);
        try {
            tx([&] { EXPECT_EQ(tm_aligned_alloc(wrong, 64), nullptr); });
        } catch (const error &e) {
            EXPECT_EQ(e.kind(), TM_ERROR_MISUSE);
        }
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    }
    for (const std::size_t size : {0, 1, 17}) {
        void *const block = tm_malloc(size);
        EXPECT_NE(block, nullptr);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 16, 0u);
        tm_free(block);
    }
}

TEST_P(Allocation, G2_realloc_moves_the_content_of_the_transaction)
{
    auto *block = static_cast<char *>(tm_malloc(20));
    std::strcpy(block, "before");
    char *const old = block;
    EXPECT_THROW(tx([&] {
                     store(block[0], 'B');
                     auto *const moved = static_cast<char *>(tm_realloc(block, 4000));
                     EXPECT_NE(moved, block);
                     EXPECT_EQ(load(moved[0]), 'B');
                     EXPECT_EQ(load(moved[5]), 'e');
                     store(moved[1], 'X');
                     cancel(1);
                 }),
                 error);
    EXPECT_STREQ(old, "before");
    block = tx([&] {
        store(block[1], 'E');
        return static_cast<char *>(tm_realloc(block, 4000));
    });
    EXPECT_STREQ(block, "bEfore");
    block = tx([&] { return static_cast<char *>(tm_realloc(block, 3)); });
    EXPECT_EQ(std::memcmp(block, "bEf", 3), 0);
    block = tx([&] { return static_cast<char *>(tm_reallocarray(block, 10, 10)); });
    EXPECT_EQ(std::memcmp(block, "bEf", 3), 0);
    block = static_cast<char *>(tm_realloc(block, 10)); // and outside
    EXPECT_EQ(std::memcmp(block, "bEf", 3), 0);
    tx([&] { tm_free(block); });
    tx([&] { tm_free(tm_realloc(nullptr, 30)); });
    tm_free(tm_realloc(nullptr, 30));
    expect_no_growth([] {
        void *const grown = tx([] { return tm_realloc(touched(tm_malloc(large)), 2 * large); });
        tm_free(grown);
    });
}

TEST_P(Allocation, G2_strings)
{
    char text[] = "some text";
    char *copies[3];
    tx([&] {
        store(text[0], 'S');
        copies[0] = tm_strdup(text);
        copies[1] = tm_strndup(text, 4);
        copies[2] = tm_strndup(text, 100);
    });
    EXPECT_STREQ(copies[0], "Some text");
    EXPECT_STREQ(copies[1], "Some");
    EXPECT_STREQ(copies[2], "Some text");
    for (char *copy : copies) tm_free(copy);
    char *const outside = tm_strdup("outside");
    EXPECT_STREQ(outside, "outside");
    tm_free(outside);
    const char unterminated[4] = {'a', 'b', 'c', 'd'};
    char *const bounded = tx([&] { return tm_strndup(unterminated, 4); });
    EXPECT_STREQ(bounded, "abcd");
    tm_free(bounded);
}

TEST_P(Allocation, G3_double_free_is_an_error)
{
    auto *const block = static_cast<char *>(tm_malloc(32));
    std::strcpy(block, "once");
    for (const bool own : {false, true}) {
        try {
            atomically(how(0, "twice"), [&] {
                void *const victim = own ? tm_malloc(32) : block;
                tm_free(victim);
                tm_malloc(8);
                tm_free(victim);
            });
            ADD_FAILURE() << "committed";
        } catch (const error &e) {
            EXPECT_EQ(e.kind(), TM_ERROR_FREE);
            EXPECT_EQ(e.code(), EINVAL);
            EXPECT_STREQ(e.label(), "twice");
            EXPECT_STREQ(e.operation(), "tm_free");
        }
    }
    EXPECT_STREQ(block, "once"); // it was not freed at all
    tx([&] {
        tm_free(nullptr);
        tm_free(block);
        tm_free(nullptr);
    });
    tm_free(nullptr);
}

TEST_P(Allocation, G3_double_free_among_many)
{
    std::vector<void *> blocks(500);
    for (auto &block : blocks) ASSERT_TRUE(block = tm_malloc(32));
    EXPECT_THROW(tx([&] {
                     for (void *block : blocks) tm_free(block);
                     tm_free(blocks[123]);
                 }),
                 error);
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_FREE);
    tx([&] {
        for (void *block : blocks) tm_free(block);
    });
}

TEST_P(Allocation, G3_free_conflicts_with_a_user_of_the_block)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    for (const std::size_t offset : {std::size_t{0}, std::size_t{40}, std::size_t{31} << 10}) {
        auto *const block = static_cast<char *>(tm_calloc(1, 32 << 10));
        Cell other;
        int attempts = 0;
        Flag read, freed;
        std::thread owner([&] { // not joined inside: at its end a thread waits for those who may still see what it has freed
            read.await();
            atomically(how(TM_NO_QUIESCENCE), [&] { tm_free(block); });
            freed.raise();
        });
        tx([&] {
            if (++attempts == 1) {
                load(block[offset]);
                read.raise();
                freed.await();
            }
            store(other.value, 1L);
        });
        owner.join();
        EXPECT_EQ(attempts, 2) << offset;
    }
}

TEST_P(Allocation, G1_a_block_of_malloc_may_be_freed)
{
    void *const block = std::malloc(100);
    tx([&] { tm_free(block); });
    void *const other = std::malloc(100);
    tm_free(other);
}

class AllocationConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(AllocationConcurrent);

/** Blocks change hands between threads; each holds what its last owner wrote. */
TEST_P(AllocationConcurrent, G1_blocks_change_hands)
{
    constexpr std::size_t slots = 32;
    struct alignas(64) Slot {
        long *block = nullptr;
    };
    std::vector<Slot> table(slots);
    std::atomic<int> wrong{0};
    const auto rounds = each(30000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto &slot = table[random.below(slots)].block, &target = table[random.below(slots)].block;
            const std::size_t count = 1 + random.below(40);
            try {
                atomically(how(me), [&] {
                    if (long *const block = load(slot)) {
                        const long length = load(block[0]);
                        if (length < 1 || length > 40 || load(block[length - 1]) != (length == 1 ? 1 : -length)) wrong.fetch_add(1);
                        tm_free(block);
                    }
                    auto *const fresh = static_cast<long *>(tm_malloc(count * sizeof(long)));
                    fresh[count - 1] = -static_cast<long>(count);
                    fresh[0] = static_cast<long>(count);
                    store(slot, fresh);
                    if (i % 4 == 0 && &slot != &target) { // swap
                        long *const there = load(target);
                        store(target, load(slot));
                        store(slot, there);
                    }
                    if (i % 7 == 0) cancel(1);
                });
            } catch (const error &) {
            }
        }
    });
    for (auto &slot : table) tm_free(slot.block);
    EXPECT_EQ(wrong.load(), 0);
}

} // namespace
