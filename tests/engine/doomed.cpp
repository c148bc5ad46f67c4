// SPDX-License-Identifier: MIT
// P14: a doomed transaction never faults, never loops for ever in the library, never touches freed memory. Under
// AddressSanitizer the inline load, compiled into this file, is itself instrumented and reports a touch of a freed block.
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

struct Node {
    static constexpr long alive = 0x600dc0de;
    long magic;
    long key;
    Node *next;
    char load[40];
};

/** A sorted list whose nodes are freed as soon as they are out. */
class Doomed : public Concurrent {
protected:
    static constexpr long keys = 64;
    std::atomic<std::uint64_t> violations{0};
    struct {
        alignas(64) Node *first = nullptr;
    } list;

    void require(bool holds)
    {
        if (!holds) violations.fetch_add(1, std::memory_order_relaxed);
    }

    /** The link that leads to the first node not below `key`. Every node on the way must be alive, and the way finite. */
    Node **find(long key)
    {
        Node **link = &list.first;
        long before = -1, steps = 0;
        while (Node *const node = load(*link)) {
            require(load(node->magic) == Node::alive);
            const long here = load(node->key);
            require(here > before && ++steps <= keys);
            if (here >= key) break;
            before = here;
            link = &node->next;
        }
        return link;
    }

    void toggle(long key)
    {
        Node **const link = find(key);
        Node *const node = load(*link);
        if (node && load(node->key) == key) {
            store(*link, load(node->next));
            store(node->magic, 0xdeadL);
            store<Node *>(node->next, nullptr);
            tm_free(node);
        } else {
            auto *const fresh = static_cast<Node *>(tm_malloc(sizeof(Node)));
            fresh->magic = Node::alive;
            fresh->key = key;
            fresh->next = node;
            store(*link, fresh);
        }
    }

    void churn(unsigned flags, unsigned read_flags)
    {
        const auto rounds = each(20000);
        run_threads(threads(), [&](unsigned me) {
            Random random(me);
            for (std::uint64_t i = 0; i < rounds; ++i) {
                const auto key = static_cast<long>(random.below(keys));
                if (i % 3 == 0)
                    atomically(how(me, flags | read_flags), [&] { find(keys); });
                else
                    atomically(how(me, flags), [&] { toggle(key); });
            }
        });
        // What is left is a list, and each node of it one block of its own.
        long before = -1;
        while (Node *const node = list.first) {
            EXPECT_EQ(node->magic, Node::alive);
            EXPECT_GT(node->key, before);
            before = node->key;
            list.first = node->next;
            node->magic = 0;
            tm_free(node);
        }
        EXPECT_EQ(violations.load(), 0u);
    }
};
TM_CONCURRENT_SUITE(Doomed);

TEST_P(Doomed, P14_reader_never_touches_a_freed_node) { churn(0, 0); }
TEST_P(Doomed, P14_read_only_reader_never_touches_a_freed_node) { churn(0, TM_READ_ONLY); }
TEST_P(Doomed, P14_read_mostly_reader_never_touches_a_freed_node) { churn(0, TM_READ_MOSTLY); }
TEST_P(Doomed, P14_frees_wait_for_readers_without_quiescence_too) { churn(TM_NO_QUIESCENCE, 0); }

TEST_P(Doomed, P14_reader_of_bytes_never_touches_a_freed_block)
{
    // The size travels with the pointer: a reader that mixed two blocks would read beyond the end.
    struct {
        alignas(64) char *block;
        alignas(64) std::size_t size;
    } s{};
    s.size = 16;
    s.block = static_cast<char *>(tm_malloc(s.size));
    std::memset(s.block, 16, s.size);
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        char seen[512];
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(me), [&] {
                if (i % 4 == 0) {
                    const std::size_t size = 16 + random.below(480);
                    auto *const fresh = static_cast<char *>(tm_malloc(size));
                    std::memset(fresh, static_cast<int>(size % 128), size);
                    tm_free(load(s.block));
                    store(s.block, fresh);
                    store(s.size, size);
                } else {
                    const char *const block = load(s.block);
                    const std::size_t size = load(s.size);
                    require(size >= 16 && size <= sizeof seen);
                    tm_load_bytes(block, seen, size);
                    require(seen[0] == static_cast<char>(size % 128) && seen[size - 1] == seen[0]);
                }
            });
        }
    });
    tm_free(s.block);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Doomed, P14_string_that_is_replaced_has_an_end)
{
    struct {
        alignas(64) char *text;
    } s{tm_strdup("start")};
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            if (i % 3 == 0) {
                const std::string text(1 + random.below(60), static_cast<char>('a' + random.below(26)));
                atomically(how(me), [&] {
                    char *const old = load(s.text);
                    store(s.text, tm_strdup(text.c_str()));
                    tm_free(old);
                });
            } else {
                atomically(how(me), [&] { require(tm_strlen(load(s.text)) <= 60); });
            }
        }
    });
    tm_free(s.text);
    EXPECT_EQ(violations.load(), 0u);
}

} // namespace
