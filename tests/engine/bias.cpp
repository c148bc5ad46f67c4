// SPDX-License-Identifier: MIT
// A thread alone pays for no orecs (libtm/src/bias.hpp): what it does is isolated and undone as ever.
#include "c_block.h"
#include "support.hpp"

#include <cerrno>
#include <chrono>
#include <pthread.h>
#include <stdexcept>
#include <tm/hold.h>
#include <tm/hooks.h>

namespace {

using namespace libtm;
using namespace libtm::test;

/** Whether the next transaction of the thread is alone. */
bool is_alone()
{
    const std::uint64_t before = alone_so_far();
    atomically([] {});
    return alone_so_far() > before;
}

class Bias : public Modes {
protected:
    void SetUp() override { become_alone(); }
    const Option soon{"bias", "3"}; // not 1: then each begin looks around
};
TM_MODES_SUITE(Bias);

struct alignas(32) Numbers {
    std::uint64_t words[4] = {1, 2, 3, 4};
    bool operator==(const Numbers &) const = default;
};

TEST_P(Bias, it_takes_some_quiet)
{
    const Option side_by_side("turns", "off");
    const Option off("bias", "0");
    for (int i = 0; i < 3000; ++i) EXPECT_FALSE(is_alone());
    const Option often("bias", "50");
    become_alone();
    EXPECT_TRUE(is_alone());
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(is_alone()) << "it stays";
}

TEST_P(Bias, counts_readers_and_writers)
{
    long value = 0;
    tm_stats before, after;
    tm_stats_get(&before);
    for (int i = 0; i < 10; ++i) tx([&] { store(value, load(value) + 1); });
    for (int i = 0; i < 5; ++i) EXPECT_EQ(tx([&] { return load(value); }), 10);
    tm_stats_get(&after);
    EXPECT_EQ(after.commits - before.commits, 15u);
    EXPECT_EQ(after.read_only - before.read_only, 5u);
    EXPECT_EQ(after.alone - before.alone, 15u);
}

TEST_P(Bias, labels_count_it)
{
    static const char label[] = "biased";
    tm_label_stats before, after;
    tm_label_stats_get(label, &before);
    std::vector<Cell> cells(10);
    for (int i = 0; i < 20; ++i)
        atomically(how(0, label), [&] {
            for (Cell &cell : cells) {
                store(cell.value, load(cell.value) + 1);
                store(cell.value, load(cell.value) + 1);
            }
        });
    tm_label_stats_get(label, &after);
    EXPECT_EQ(after.commits - before.commits, 20u);
    EXPECT_EQ(after.alone - before.alone, 20u);
    EXPECT_EQ(after.read_set.count, before.read_set.count);
    EXPECT_EQ(after.write_set.sum - before.write_set.sum, 200u);
}

TEST_P(Bias, a_rollback_restores_scalars_of_all_sizes)
{
    Numbers numbers;
    const Numbers before = numbers;
    auto *const bytes = reinterpret_cast<std::uint8_t *>(&numbers);
    EXPECT_THROW(tx([&] {
                     tm_store_u64(&numbers.words[0], ~0ull);
                     tm_store_u32(reinterpret_cast<std::uint32_t *>(bytes + 4), 7);
                     tm_store_u16(reinterpret_cast<std::uint16_t *>(bytes + 6), 8);
                     tm_store_u8(bytes + 7, 9);
                     tm_store_u64(&numbers.words[0], 5);
                     tm_store_u8(bytes + 31, 9);
                     EXPECT_EQ(tm_load_u64(&numbers.words[0]), 5u);
                     EXPECT_EQ(tm_load_u8(bytes + 31), 9u);
                     throw std::runtime_error("no");
                 }),
                 std::runtime_error);
    EXPECT_EQ(numbers, before);
}

TEST_P(Bias, restarts_and_aborts)
{
    long value = 1;
    unsigned attempts = 0;
    tx([&] {
        store(value, load(value) + 1);
        if (++attempts < 4) tm_restart();
    });
    EXPECT_EQ(attempts, 4u);
    EXPECT_EQ(value, 2);
    EXPECT_THROW(tx([&] {
                     store(value, 100L);
                     atomically([&] { store(value, 200L); });
                     tm_abort(3);
                 }),
                 error);
    EXPECT_EQ(value, 2);
    EXPECT_TRUE(is_alone());
}

TEST_P(Bias, more_stores_than_the_undo_log_holds)
{
    std::vector<std::uint64_t> many(5000, 1);
    const auto store_all = [&] {
        for (auto &word : many) store(word, load(word) + 1);
        for (auto &word : many) store(word, load(word) + 1);
    };
    unsigned attempts = 0;
    tx([&] {
        if (++attempts == 2) {
            for (auto word : many) ASSERT_EQ(word, 1u);
        }
        store_all();
        for (auto &word : many) ASSERT_EQ(load(word), 3u);
        if (attempts == 1) tm_restart();
    });
    for (auto word : many) ASSERT_EQ(word, 3u);
}

TEST_P(Bias, stores_go_through_orecs_after_what_needs_them)
{
    Numbers numbers;
    const Numbers before = numbers;
    auto &words = numbers.words;
    unsigned attempts = 0;
    tx([&] {
        if (++attempts > 1) {
            EXPECT_EQ(numbers, before);
        }
        store(words[0], std::uint64_t{10}); // in place
        const std::uint64_t two[2] = {20, 21};
        tm_store_bytes(&words[0], two, sizeof two); // in the mode
        EXPECT_EQ(load(words[0]), 20u);
        EXPECT_EQ(load(words[1]), 21u);
        store(words[0], std::uint64_t{30});
        EXPECT_EQ(load(words[0]), 30u);
        EXPECT_EQ(tm_privatize(&words[2], sizeof words[2], TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE), 0);
        words[2] = 40;
        EXPECT_EQ(load(words[2]), 40u);
        if (attempts == 1) tm_restart();
    });
    EXPECT_EQ(numbers, (Numbers{{30, 21, 40, 4}}));
}

TEST_P(Bias, what_has_read_very_much_leaves_nothing_to_the_next)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const Option on("bias", "3");
    become_alone();
    static std::array<std::array<char, 32>, 5000> many; // a stripe each
    for (const unsigned flags : {TM_READ_ONLY, TM_READ_MOSTLY}) {
        atomically(how(flags), [] {
            std::array<char, 32> copy;
            for (const auto &stripe : many) tm_load_bytes(&stripe, &copy, sizeof copy); // through orecs
        });
        unsigned attempts = 0;
        tx([&] {
            ++attempts;
            EXPECT_EQ(tm_irrevocable(), 0);
        });
        EXPECT_EQ(attempts, 1u);
    }
}

TEST_P(Bias, L3_a_label_counts_alone_what_needs_no_orecs)
{
    TM_SKIP_IF_SHAKEN();
    const auto alone = [] {
        tm_label_stats stats;
        tm_label_stats_get("alone", &stats);
        return stats.alone;
    };
    std::uint64_t one = 0, two[2] = {};
    const std::uint64_t before = alone(), all = alone_so_far();
    atomically(how(0, "alone"), [&] { store(one, std::uint64_t{1}); });
    EXPECT_EQ(alone() - before, alone_so_far() - all);
    atomically(how(0, "alone"), [&] { tm_store_bytes(&two, &one, sizeof one); });
    EXPECT_EQ(alone() - before, alone_so_far() - all);
}

TEST_P(Bias, what_was_retired_before_is_destroyed)
{
    static int destroyed;
    destroyed = 0;
    const auto retire = [](unsigned flags) {
        atomically(how(flags), [] { tm_retire(&destroyed, [](void *) { ++destroyed; }); });
    };
    {
        const Option off("bias", "0");
        retire(TM_NO_QUIESCENCE); // waits for more of its kind
        EXPECT_EQ(destroyed, 0);
    }
    become_alone();
    EXPECT_EQ(destroyed, 0);
    retire(TM_NO_QUIESCENCE);
    EXPECT_EQ(destroyed, 2);
}

TEST_P(Bias, blocks_are_made_and_freed)
{
    auto *block = static_cast<Numbers *>(tm_aligned_alloc(alignof(Numbers), sizeof(Numbers)));
    new (block) Numbers;
    unsigned attempts = 0;
    tx([&] {
        ++attempts;
        EXPECT_EQ(load(block->words[3]), 4u);
        store(block->words[3], std::uint64_t{5});
        auto *const made = static_cast<Numbers *>(tm_aligned_alloc(alignof(Numbers), sizeof(Numbers)));
        store(made->words[0], std::uint64_t{7});
        tm_free(made);
        tm_free(block);
        if (attempts == 1) tm_restart();
    });
    EXPECT_EQ(attempts, 2u);
    EXPECT_TRUE(is_alone());
}

TEST_P(Bias, many_blocks_are_freed_and_none_twice)
{
    TM_SKIP_IF_SHAKEN();
    constexpr std::size_t count = 40;
    void *blocks[count];
    for (void *&block : blocks) block = tm_malloc(24);
    for (const std::size_t twice : {0ul, 10ul, 20ul, 39ul}) {
        try {
            tx([&] {
                for (void *block : blocks) tm_free(block);
                tm_free(blocks[twice]);
            });
            FAIL() << "freed twice: " << twice;
        } catch (const error &refused) {
            EXPECT_EQ(refused.kind(), TM_ERROR_FREE);
        }
    }
    long value = 0;
    try {
        tx([&] {
            tm_free(blocks[0]);
            tm_memset(&value, 1, sizeof value); // from here on with orecs
            tm_free(blocks[0]);
        });
        FAIL() << "freed twice";
    } catch (const error &refused) {
        EXPECT_EQ(refused.kind(), TM_ERROR_FREE);
    }
    tx([&] {
        for (void *block : blocks) tm_free(block);
    });
}

TEST_P(Bias, a_read_only_transaction_stores_nothing)
{
    long value = 1;
    try {
        atomically(make_attr(GetParam(), TM_READ_ONLY), [&] {
            EXPECT_EQ(load(value), 1);
            store(value, 2L);
        });
        FAIL() << "stored";
    } catch (const error &refused) {
        EXPECT_EQ(refused.kind(), TM_ERROR_READ_ONLY);
    }
    EXPECT_EQ(value, 1);
    atomically(make_attr(GetParam(), TM_READ_MOSTLY), [&] { store(value, load(value) + 1); });
    EXPECT_EQ(value, 2);
}

TEST_P(Bias, irrevocable_from_the_begin_and_in_the_middle)
{
    TM_SKIP_IF_SHAKEN();
    long value = 0;
    atomically(make_attr(GetParam(), TM_IRREVOCABLE), [&] { store(value, load(value) + 1); });
    unsigned attempts = 0;
    tx([&] {
        ++attempts;
        store(value, load(value) + 1);
        EXPECT_EQ(tm_irrevocable(), 0);
        store(value, load(value) + 1);
    });
    EXPECT_EQ(attempts, 1u);
    EXPECT_EQ(value, 3);
}

TEST_P(Bias, actions_run_outside)
{
    static long seen, value;
    seen = value = 0;
    const auto apply = [](void *) {
        seen = load(value);
        store(value, 10L); // not the transaction's any more
        return 0;
    };
    const auto undo = [](void *) { store(value, 20L); };
    tx([&] {
        store(value, 5L);
        tm_log(apply, undo, nullptr, nullptr, 0);
    });
    EXPECT_EQ(seen, 5);
    EXPECT_EQ(value, 10);
    EXPECT_THROW(tx([&] {
                     store(value, 6L);
                     tm_log(apply, undo, nullptr, nullptr, 0);
                     throw std::runtime_error("no");
                 }),
                 std::runtime_error);
    EXPECT_EQ(value, 20);
}

TEST_P(Bias, another_thread_ends_it)
{
    long value = 0;
    tx([&] { store(value, 1L); });
    std::thread([&] { tx([&] { store(value, load(value) + 1); }); }).join();
    EXPECT_EQ(value, 2);
    const Option late("bias", "1000000");
    EXPECT_FALSE(is_alone());
}

TEST_P(Bias, another_thread_waits_for_the_end_of_the_attempt)
{
    TM_SKIP_IF_SHAKEN();
    Cell cell;
    std::atomic<bool> is_in{false};
    std::thread other;
    tx([&] {
        store(cell.value, 1L);
        other = std::thread([&] {
            EXPECT_EQ(tx([&] { return load(cell.value); }), 2);
            is_in = true;
        });
        for (int i = 0; i < 200; ++i) std::this_thread::yield();
        EXPECT_FALSE(is_in);
        store(cell.value, 2L);
    });
    other.join();
}

TEST_P(Bias, who_comes_with_a_deadline_does_not_wait_longer)
{
    TM_SKIP_IF_SHAKEN();
    Cell cell;
    std::thread other;
    Flag gone;
    tx([&] {
        store(cell.value, 1L);
        other = std::thread([&] {
            attr soon = make_attr(GetParam());
            soon.deadline = in_ms(2);
            try {
                atomically(soon, [&] { store(cell.value, 5L); });
                ADD_FAILURE() << "has not waited";
            } catch (const error &late) {
                EXPECT_EQ(late.kind(), TM_ERROR_DEADLINE);
            }
            gone.raise();
        });
        gone.await();
        store(cell.value, 2L);
    });
    other.join();
    EXPECT_EQ(cell.value, 2);
    EXPECT_EQ(tx([&] { return load(cell.value); }), 2);
}

TEST_P(Bias, a_holder_ends_it)
{
    Cell cell;
    std::thread holding;
    Flag holds, done;
    holding = std::thread([&] {
        tm_holder *const holder = tm_hold_begin();
        EXPECT_EQ(tm_hold(holder, &cell, sizeof cell), 0);
        cell.value = 1;
        holds.raise();
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        cell.value = 2;
        tm_hold_end(holder);
        done.raise();
    });
    holds.await();
    for (int i = 0; i < 100 && !done.raised(); ++i) EXPECT_FALSE(is_alone() && !done.raised()) << "beside a holder";
    EXPECT_EQ(tx([&] { return load(cell.value); }), 2);
    holding.join();
}

TEST_P(Bias, lost_and_taken_again_at_the_same_begin)
{
    const auto hold_nothing = [] { tm_hold_end(tm_hold_begin()); };
    const auto run = [](int transactions) {
        for (int i = 0; i < transactions; ++i) atomically(how(0), [] {});
    };
    for (int until_lost = 0; until_lost < 60; ++until_lost) { // each time at another distance from where the thread looks whether to take it
        std::thread([&] {
            run(until_lost);
            hold_nothing();
            run(2);
        }).join();
        hold_nothing(); // would wait for ever for an attempt of that thread that seems to run still
    }
}

TEST_P(Bias, a_thread_that_ends_in_it)
{
    static long value;
    value = 0;
    std::thread([] {
        become_alone();
        const attr how = make_attr(GetParam());
        c_block(&how, [](void *) {
            store(value, 5L);
            pthread_exit(nullptr);
        }, nullptr, nullptr);
    }).join();
    EXPECT_EQ(value, 0);
    EXPECT_EQ(tx([] { return load(value); }), 0);
}

/** Of two transactions alone, one after the other, the second finds nothing of the first. `how`: of the mode. */
void each_begins_afresh(const attr &how)
{
    static const char label[] = "begins afresh";
    const auto plain = [&how](auto block) { return atomically(how, block); };
    const auto restart_once = [] {
        if (tm_attempt() == 1) tm_restart();
    };
    attr read_only = how, labelled = how, late = how;
    read_only.flags |= TM_READ_ONLY;
    labelled.label = label;
    long value = 0;
    for (int i = 0; i < 3; ++i) {
        plain([] {});
        plain(restart_once);
        plain([] {
            EXPECT_EQ(tm_attempt(), 1u);
            EXPECT_EQ(tm_last_abort(), TM_ABORTED_NOT);
        });
        EXPECT_THROW(plain([] { tm_abort(3); }), error);
        plain([] {});
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_NONE);

        plain([&] { store(value, 1L); });
        EXPECT_THROW(atomically(read_only, [&] { store(value, 2L); }), error);
        EXPECT_EQ(atomically(read_only, [&] { return load(value); }), 1);
        plain([&] { store(value, 3L); });
        EXPECT_EQ(value, 3);

        plain([] {});
        tm_label_stats before, after;
        tm_label_stats_get(label, &before);
        atomically(labelled, [] {});
        plain([] {});
        tm_label_stats_get(label, &after);
        EXPECT_EQ(after.commits - before.commits, 1u);

        late.deadline = in_ms(2);
        try {
            atomically(late, [] {});
        } catch (const error &) { // on a busy machine
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        EXPECT_NO_THROW(plain(restart_once)) << "the deadline was another one's";

        plain([] {});
        plain([] { tm_set_failure_behavior(TM_FAILURE_RETURN); });
        plain([] { EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_ABORT); });
    }
}

TEST_P(Bias, each_transaction_begins_afresh)
{
    const Option seldom{"bias", "50"};
    become_alone();
    each_begins_afresh(how());
}

TEST_P(Bias, each_transaction_by_its_turn_begins_afresh)
{
    const Option off{"bias", "0"}, turns{"turns", "always"};
    become_alone();
    each_begins_afresh(how());
}

/** An attempt that writes more than scalars goes on with stripes, and tells the mode by that. */
bool writes_in_place()
{
    Cell cell;
    bool yes = false;
    atomically([&] {
        tm_memset(&cell.value, 1, sizeof cell.value);
        yes = std::atomic_ref(cell.value).load() != 0;
    });
    return yes;
}

TEST(BiasAndOptions, count_from_the_next_transaction_on)
{
    const Option seldom{"bias", "50"}, back{"mode", "write-back"};
    become_alone();
    for (int i = 0; i < 3; ++i) {
        atomically([] {});
        EXPECT_FALSE(writes_in_place());
        atomically([] {});
        const Option through{"mode", "write-through"};
        EXPECT_TRUE(writes_in_place());
        atomically([] {});
    }
}

/** A destroy function runs when its transaction has ended: those that it runs have company again. */
TEST_P(Bias, what_a_destroy_function_retires_waits_for_others)
{
    const Option side_by_side{"turns", "off"}; // the reader waits within a transaction
    static long object, *link;
    static std::atomic<bool> destroyed;
    static Flag *inside, *go;
    static std::thread reader;
    Flag is_inside, may_go;
    inside = &is_inside, go = &may_go;
    link = &object;
    tx([] { tm_retire(&object, [](void *) {}); }); // alone: with what an earlier test has left to be destroyed
    destroyed = false;
    tx([] {
        tm_retire(&object, [](void *) {
            reader = std::thread([] {
                atomically([] {
                    load(link);
                    inside->raise();
                    go->await();
                });
            });
            inside->await();
            atomically(how(TM_NO_QUIESCENCE), [] {
                store(link, nullptr);
                tm_retire(&object, [](void *) { destroyed = true; });
            });
        });
    });
    EXPECT_FALSE(destroyed) << "somebody may still look at it";
    may_go.raise();
    reader.join();
}

TEST_P(Bias, bursts_of_threads)
{
    constexpr unsigned others = 3;
    Cell a, b;
    std::atomic<unsigned> torn{0};
    const std::uint64_t rounds = scaled(20000);
    std::uint64_t alone = alone_so_far();
    run_threads(others + 1, [&](unsigned me) {
        Random random(me + 1);
        const std::uint64_t mine = me ? rounds / 50 : rounds;
        for (std::uint64_t i = 0; i < mine; ++i) {
            if (me) std::this_thread::sleep_for(std::chrono::microseconds(random.below(200)));
            const long by = static_cast<long>(random.below(5));
            const long difference = tx([&] {
                const long was = load(a.value);
                store(a.value, was + by);
                if (random.below(64) == 0 && tm_attempt() == 1) tm_restart();
                if (random.below(16) == 0) tm_memset(&b.value, 0, 0);
                store(b.value, load(b.value) - by);
                return load(a.value) + load(b.value);
            });
            torn += difference != 0;
        }
    });
    EXPECT_EQ(torn.load(), 0u);
    EXPECT_EQ(a.value, -b.value);
    EXPECT_GT(alone_so_far(), alone);
}

TEST_P(Bias, a_range_of_hooks_ends_it)
{
    EXPECT_TRUE(is_alone());
    char pool[64];
    tm_hooks_range(pool, pool + sizeof pool);
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(is_alone());
    tm_hooks_range(nullptr, nullptr);
    become_alone();
    unsigned told = 0;
    tx([&] { // in the middle
        tm_hooks_range(pool, pool + sizeof pool);
        store(told, 1u);
    });
    EXPECT_EQ(told, 1u);
    EXPECT_FALSE(is_alone());
    tm_hooks_range(nullptr, nullptr);
}

} // namespace
