// SPDX-License-Identifier: MIT
// P13: memory privatized by a committed transaction may be used plainly at once, also through a third thread; published memory
// likewise. The plain accesses are really plain, so ThreadSanitizer sees a race if the engine lets one happen.
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

class Privatization : public Concurrent {
protected:
    std::atomic<std::uint64_t> violations{0};
    void SetUp() override { TM_SKIP_WITHOUT_QUIESCENCE(); }
    void require(bool holds)
    {
        if (!holds) violations.fetch_add(1, std::memory_order_relaxed);
    }
};
TM_CONCURRENT_SUITE(Privatization);

struct Node {
    alignas(64) long a = 0;
    alignas(64) long b = 0; // on another stripe: a delayed write-back of one of the two shows
};

TEST_P(Privatization, P13_unlinked_node_is_used_plainly_at_once)
{
    Node node;
    struct {
        alignas(64) Node *node;
    } slot{&node};
    const auto rounds = each(30000);
    long plain_sum = 0; // guarded by the ownership of the node
    std::atomic<long> shared_sum{0};
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const attr a = how(me);
            if ((me + i) % 2) {
                // A user: works on the node in transactions as long as it is linked.
                const bool done = atomically(a, [&] {
                    Node *const mine = load(slot.node);
                    if (!mine) return false;
                    const long value = load(mine->a);
                    require(value == load(mine->b));
                    store(mine->a, value + 1);
                    store(mine->b, value + 1);
                    return true;
                });
                if (done) shared_sum.fetch_add(1);
            } else {
                // An owner: takes the node out, and from the commit on needs no transaction.
                Node *const mine = atomically(a, [&] {
                    Node *const found = load(slot.node);
                    if (found) store<Node *>(slot.node, nullptr);
                    return found;
                });
                if (!mine) continue;
                require(mine->a == mine->b);
                ++mine->a;
                ++plain_sum;
                std::this_thread::yield();
                ++mine->b;
                require(mine->a == mine->b);
                atomically(a, [&] { store(slot.node, mine); }); // published again
            }
        }
    });
    EXPECT_EQ(node.a, shared_sum.load() + plain_sum);
    EXPECT_EQ(node.a, node.b);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Privatization, P13_commit_waits_for_transactions_that_see_the_old_state)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    Cell cell;
    tm_stats before, after;
    tm_stats_get(&before);
    // That the commit comes while the reader still runs is likely, not certain: until it was seen to wait.
    for (int round = 0; round < 1000; ++round) {
        Flag reading, committing, committed;
        std::thread reader([&] {
            atomically(how(0, TM_READ_ONLY), [&] {
                load(cell.value);
                reading.raise();
                committing.await();
                for (int i = 0; i < 1000; ++i) std::this_thread::yield();
                require(!committed.raised());
            });
        });
        reading.await();
        atomically(how(1), [&] {
            store(cell.value, load(cell.value) + 1);
            committing.raise();
        });
        committed.raise();
        reader.join();
        tm_stats_get(&after);
        if (after.waits > before.waits) break;
    }
    EXPECT_GT(after.waits, before.waits);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Privatization, P13_through_a_third_thread)
{
    // state: 0 shared; 1 marked as taken, by one thread; whoever *reads* the mark in a transaction of its own may claim it.
    struct {
        alignas(64) int state = 0;
        alignas(64) long a = 0;
        alignas(64) long b = 0;
    } s;
    const auto rounds = each(30000);
    std::atomic<int> owner{0}; // nobody (0) or somebody; handed on with relaxed order, so that only the transactions synchronize
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            switch ((me + i) % 3) {
            case 0: // uses it transactionally while it is shared
                atomically(how(me), [&] {
                    if (load(s.state) != 0) return;
                    const long value = load(s.a);
                    require(value == load(s.b));
                    store(s.a, value + 1);
                    store(s.b, value + 1);
                });
                break;
            case 1: // marks it as taken, for somebody else
                atomically(how(me), [&] {
                    if (load(s.state) == 0) store(s.state, 1);
                });
                break;
            default: // reads the mark, and uses the data plainly
                if (atomically(how(me), [&] { return load(s.state); }) != 1) break;
                int nobody = 0;
                if (!owner.compare_exchange_strong(nobody, 1, std::memory_order_acquire)) break;
                // Somebody may have given it back since: ask again, now as the only one who may.
                if (atomically(how(me), [&] { return load(s.state); }) == 1) {
                    require(s.a == s.b);
                    ++s.a;
                    std::this_thread::yield();
                    ++s.b;
                    require(s.a == s.b);
                    atomically(how(me), [&] { store(s.state, 0); });
                }
                owner.store(0, std::memory_order_release);
            }
        }
    });
    EXPECT_EQ(s.a, s.b);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Privatization, P13_published_memory_is_seen_whole)
{
    struct Message {
        long number, square;
        char text[100];
    };
    struct {
        alignas(64) Message *next;
    } box{nullptr};
    const auto rounds = each(10000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            // Written plainly, published by a transaction.
            auto *const mine = static_cast<Message *>(tm_malloc(sizeof(Message)));
            mine->number = static_cast<long>(i);
            mine->square = static_cast<long>(i * i);
            std::memset(mine->text, static_cast<int>(i % 100), sizeof mine->text);
            Message *const old = atomically(how(me), [&] {
                Message *const found = load(box.next);
                if (found) {
                    const long number = load(found->number);
                    require(load(found->square) == number * number);
                    const auto text = load(found->text[50]);
                    require(text == number % 100);
                }
                store(box.next, mine);
                return found;
            });
            // What the commit took out is private: plain reads, and freed at once.
            if (old) {
                require(old->square == old->number * old->number);
                require(old->text[0] == old->number % 100 && old->text[99] == old->text[0]);
                std::memset(static_cast<void *>(old), 0x5a, sizeof *old);
                tm_free(old);
            }
        }
    });
    tm_free(box.next);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Privatization, P13_private_when_an_inner_block_took_it_out)
{
    Node node;
    struct {
        alignas(64) Node *node;
    } slot{&node};
    const auto rounds = each(10000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            Node *const mine = atomically(how(me), [&] {
                return atomically([&] {
                    Node *const found = load(slot.node);
                    if (found && i % 2)
                        store<Node *>(slot.node, nullptr);
                    else if (found)
                        store(found->a, load(found->a) + 1), store(found->b, load(found->b) + 1);
                    return i % 2 ? found : nullptr;
                });
            });
            if (!mine) continue;
            require(mine->a == mine->b);
            ++mine->a, ++mine->b;
            atomically(how(me), [&] { store(slot.node, mine); });
        }
    });
    EXPECT_EQ(node.a, node.b);
    EXPECT_EQ(violations.load(), 0u);
}

} // namespace
