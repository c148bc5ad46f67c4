// SPDX-License-Identifier: MIT
// Holders (tm/hold.h): plain code that transactions are kept off.
#include "support.hpp"

#include <cerrno>
#include <mutex>
#include <new>
#include <tm/hold.h>

namespace {

using namespace libtm;
using namespace libtm::test;

/** A holder for a scope. */
class Held {
public:
    Held() : holder_(tm_hold_begin())
    {
        if (!holder_) throw std::bad_alloc(); // it goes no further, where allocations fail
    }
    template <class T> explicit Held(T &object) : Held() { hold(object); }
    ~Held() { tm_hold_end(holder_); }
    Held(const Held &) = delete;
    Held &operator=(const Held &) = delete;
    template <class T> void hold(T &object) { EXPECT_EQ(tm_hold(holder_, &object, sizeof object), 0); }

private:
    tm_holder *holder_;
};

class Holds : public Concurrent {};
TM_CONCURRENT_SUITE(Holds);

TEST_P(Holds, transactions_see_all_of_a_holder_or_nothing)
{
    Cell cells[6];
    std::mutex mutex; // of the holders
    std::atomic<unsigned> torn{0};
    const auto rounds = each(20000);
    run_threads(threads() + 1, [&](unsigned me) {
        Random random(me + 1);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const std::size_t from = random.below(6), to = (from + 1 + random.below(5)) % 6;
            if (me % 2 == 0) { // the last one, too, where there is one thread
                const std::lock_guard lock(mutex);
                Held held;
                held.hold(cells[from]);
                --cells[from].value;
                if (i % 64 == 0) std::this_thread::yield();
                held.hold(cells[to]);
                ++cells[to].value;
            } else {
                long sum = 0;
                if (i % 3)
                    atomically(how(me + static_cast<unsigned>(i)), [&] {
                        sum = 0;
                        store(cells[from].value, load(cells[from].value) - 1);
                        store(cells[to].value, load(cells[to].value) + 1);
                        for (const Cell &cell : cells) sum += load(cell.value);
                    });
                else
                    atomically(how(me, TM_READ_ONLY), [&] {
                        sum = 0;
                        for (const Cell &cell : cells) sum += load(cell.value);
                    });
                torn += sum != 0;
            }
        }
    });
    EXPECT_EQ(torn.load(), 0u);
    long sum = 0;
    for (const Cell &cell : cells) sum += cell.value;
    EXPECT_EQ(sum, 0);
}

TEST_P(Holds, holders_do_not_keep_each_other_off_the_same_bytes)
{
    struct alignas(32) {
        long counts[4];
    } shared{};
    std::mutex mutexes[4]; // of the holders, one for each count
    const auto rounds = each(20000);
    std::atomic<unsigned> torn{0};
    Flag done;
    std::thread reader([&] { // of a stripe that several hold at once
        long last = 0;
        while (!done.raised()) {
            long sum = 0;
            atomically(how(1), [&] {
                sum = 0;
                for (const long &count : shared.counts) sum += load(count);
            });
            torn += sum % 2 != 0 || sum < last;
            last = sum;
        }
    });
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const std::lock_guard lock(mutexes[me % 4]);
            Held held(shared.counts[me % 4]);
            ++shared.counts[me % 4];
            ++shared.counts[me % 4];
        }
    });
    done.raise();
    reader.join();
    EXPECT_EQ(torn.load(), 0u);
}

TEST_P(Holds, a_transaction_waits_for_the_holder)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell held_cell, other;
    std::atomic<bool> has_seen{false};
    std::vector<std::thread> waiting;
    {
        Held held(held_cell);
        held_cell.value = 1;
        std::thread([&] { // who has nothing to do with it
            for (int i = 0; i < 100; ++i) atomically(how(0), [&] { store(other.value, load(other.value) + 1); });
        }).join();
        for (unsigned me = 0; me < threads(); ++me)
            waiting.emplace_back([&, me] {
                const long seen = atomically(how(me), [&] {
                    const long value = load(held_cell.value);
                    if (me % 2) store(held_cell.value, value + 2);
                    return value;
                });
                EXPECT_NE(seen, 1);
                has_seen = true;
            });
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        EXPECT_FALSE(has_seen);
        held_cell.value = 2;
    }
    for (std::thread &thread : waiting) thread.join();
    EXPECT_EQ(held_cell.value, 2 + 2 * static_cast<long>(threads() / 2));
    EXPECT_EQ(other.value, 100);
}

class HoldsAlone : public Modes {};
TM_MODES_SUITE(HoldsAlone);

TEST_P(HoldsAlone, a_holder_waits_for_a_transaction_that_has_stored)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT(); // it stores in its first attempt
    Cell cell;
    Flag stored, asked;
    std::thread writer([&] {
        tx([&] {
            store(cell.value, 1L);
            stored.raise();
            asked.await();
            for (int i = 0; i < 100; ++i) std::this_thread::yield();
            store(cell.value, 2L);
        });
    });
    stored.await();
    asked.raise();
    {
        Held held(cell);
        EXPECT_EQ(cell.value, 2);
        cell.value = 3;
    }
    writer.join();
    EXPECT_EQ(tx([&] { return load(cell.value); }), 3);
}

TEST_P(HoldsAlone, an_old_reader_is_not_fooled_by_bytes_that_are_as_before)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell a, b;
    unsigned attempts = 0;
    const long sum = tx([&] {
        ++attempts;
        const long first = load(a.value);
        if (attempts == 1)
            std::thread([&] { // it must not wait for us, who wait for it: a quiescence would
                Held held(a);
                held.hold(b);
                a.value = b.value = 5;
            }).detach();
        while (attempts == 1 && [&] {
            const long second = load(b.value); // restarts when the other has it, or had
            return second == 0;
        }()) std::this_thread::yield();
        return first + load(b.value);
    });
    EXPECT_EQ(sum, 10);
    EXPECT_GT(attempts, 1u);
}

TEST_P(HoldsAlone, P13_what_a_holder_has_taken_out_is_used_plainly_at_once)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_WITHOUT_QUIESCENCE();
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell node, *slot = &node;
    Flag read, ended;
    std::thread owner([&] {
        read.await();
        {
            Held held(slot);
            slot = nullptr;
        }
        node.value = 99; // plain: nobody sees it any more
        ended.raise();
    });
    const long seen = tx([&] {
        const Cell *const found = load(slot);
        read.raise();
        for (int i = 0; i < 2000 && !ended.raised(); ++i) std::this_thread::yield();
        return found ? load(found->value) : 0;
    });
    owner.join();
    EXPECT_EQ(seen, 0);
}

TEST_P(HoldsAlone, a_thread_that_holds_begins_no_transaction)
{
    Cell cell;
    {
        Held held;
        EXPECT_TRUE(tm_in_transaction());
        try {
            tx([&] { store(cell.value, 1L); });
            FAIL() << "began";
        } catch (const error &refused) {
            EXPECT_EQ(refused.kind(), TM_ERROR_MISUSE);
        }
        {
            Held inner(cell);
            cell.value = 7;
        }
        EXPECT_THROW(tx([&] { store(cell.value, 1L); }), error);
        EXPECT_EQ(tm_irrevocable(), EPERM);
    }
    EXPECT_FALSE(tm_in_transaction());
    EXPECT_EQ(tx([&] { return load(cell.value); }), 7);
}

TEST_P(HoldsAlone, a_transaction_begins_no_holder)
{
    tx([&] {
        errno = 0;
        EXPECT_EQ(tm_hold_begin(), nullptr);
        EXPECT_EQ(errno, EDEADLK);
    });
}

TEST_P(HoldsAlone, who_runs_alone_waits_for_holders_and_they_for_it)
{
    Cell cell;
    std::atomic<int> step{0};
    std::thread alone;
    {
        Held outer(cell);
        alone = std::thread([&] {
            atomically(how(TM_IRREVOCABLE), [&] {
                EXPECT_EQ(step.load(), 1);
                store(cell.value, load(cell.value) * 10);
                for (int i = 0; i < 100; ++i) std::this_thread::yield();
                step = 2;
            });
        });
        for (int i = 0; i < 1000; ++i) { // also while it waits: an inner holder does not wait for who waits for the outer one
            Held inner(cell);
            ++cell.value;
        }
        step = 1;
    }
    {
        while (step.load() != 2 && [&] {
            Held later; // may come before it, or after
            return cell.value == 1000;
        }()) std::this_thread::yield();
    }
    alone.join();
    EXPECT_EQ(cell.value, 10000);
}

TEST_P(HoldsAlone, a_holder_begins_when_nobody_runs_alone)
{
    Flag alone;
    std::atomic<bool> is_over{false};
    std::thread other([&] {
        atomically(how(TM_IRREVOCABLE), [&] {
            alone.raise();
            for (int i = 0; i < 200; ++i) std::this_thread::yield();
            is_over = true;
        });
    });
    alone.await();
    {
        Held held;
        EXPECT_TRUE(is_over);
    }
    other.join();
}

TEST_P(HoldsAlone, a_holder_waits_for_another_one_that_has_not_begun_while_somebody_wants_to_run_alone)
{
    Cell cell;
    std::mutex mutex; // taken before the holder begins, as programs do
    Flag locked, wants;
    std::thread second([&] {
        const std::lock_guard lock(mutex);
        locked.raise();
        wants.await();
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        Held held(cell);
        ++cell.value;
    });
    locked.await();
    std::thread alone;
    {
        Held held(cell);
        alone = std::thread([&] {
            wants.raise();
            atomically(how(TM_IRREVOCABLE), [&] { store(cell.value, load(cell.value) * 10); });
        });
        wants.await();
        const std::lock_guard lock(mutex); // a deadlock, if the other one could not begin
        ++cell.value;
    }
    second.join();
    alone.join();
    EXPECT_EQ(cell.value, 20);
}

TEST_P(HoldsAlone, irrevocable_in_the_middle_while_a_holder_wants_what_it_has)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell mine, held_cell;
    Flag stored, holds;
    std::thread holder([&] {
        stored.await();
        Held held(held_cell);
        holds.raise();
        held.hold(mine); // waits for the transaction
        ++mine.value;
    });
    unsigned attempts = 0;
    tx([&] {
        store(mine.value, load(mine.value) + 10);
        if (++attempts == 1) {
            stored.raise();
            holds.await();
        }
        tm_irrevocable();
    });
    holder.join();
    EXPECT_EQ(mine.value, 11);
}

TEST_P(HoldsAlone, many_bytes_at_any_alignment_and_none)
{
    std::vector<char> bytes(100000);
    std::atomic<bool> is_done{false};
    std::thread reader;
    {
        Held held(bytes[0]);
        tm_holder *const other = tm_hold_begin();
        EXPECT_EQ(tm_hold(other, bytes.data() + 1, bytes.size() - 1), 0);
        EXPECT_EQ(tm_hold(other, bytes.data() + 17, 0), 0);
        EXPECT_EQ(tm_hold(other, bytes.data() + 31, 2), 0);
        tm_hold_end(other);
        reader = std::thread([&] {
            EXPECT_EQ(tx([&] { return load(bytes[99999]); }), 0);
            is_done = true;
        });
        if (!few_orecs()) wait_until([&] { return is_done.load(); }); // it is let go
    }
    reader.join();
}

} // namespace
