// SPDX-License-Identifier: MIT
/** M12, M13: the heap in a pool: what is allocated after a crash is what committed transactions have allocated and not freed. */
#include "blocks.hpp"
#include "files.hpp"
#include "pool.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <tm/action.h>
#include <tm/persist.hpp>

using namespace libtm::testing;
using libtm::pool;
namespace persist = libtm::persist;

namespace {

/** The allocated blocks that the file of a pool in use or closed has: offset and bytes. */
std::map<std::uint64_t, std::uint64_t> blocks_of(const std::string &path)
{
    tm_pool_attr attr{};
    attr.flags = TM_POOL_READ_ONLY | TM_POOL_ANYWHERE;
    return blocks_in(*persist::Pool::open(path, attr));
}

template <class Body> bool rolled_back(Body &&body)
{
    try {
        libtm::atomically([&] {
            body();
            libtm::cancel(1);
        });
    } catch (const libtm::error &) {
        return true;
    }
    return false;
}

std::uint64_t offset_in(const pool &in, const void *block) { return static_cast<std::uint64_t>(static_cast<const char *>(block) - in.data()); }

} // namespace

TEST(Heap, size_classes_fit_their_chunks)
{
    std::uint32_t last = 0;
    for (const persist::SizeClass &it : persist::size_classes) {
        EXPECT_GT(it.bytes, last);
        EXPECT_LE(it.bytes - last, std::max(16u, it.bytes / 4)) << "too much is wasted";
        EXPECT_EQ(it.bytes % 16, 0u);
        EXPECT_GE(it.first, it.words() * 8);
        EXPECT_LE(it.first + it.blocks * it.bytes, persist::chunk_size);
        EXPECT_LE(it.words() * 8, persist::most_bits);
        last = it.bytes;
    }
    EXPECT_EQ(last, persist::most_small);
}

TEST(Heap, M12_a_block_is_there_when_its_transaction_has_committed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, 10000};
        char *kept = nullptr;
        libtm::atomically([&] {
            kept = static_cast<char *>(tm_pool_malloc(made.handle(), 100));
            std::strcpy(kept, "stored plainly");
            libtm::store(kept[50], 't');
        });
        made.set_root("kept", kept);
        DEMAND(rolled_back([&] { DEMAND(tm_pool_malloc(made.handle(), 100)); }));
        DEMAND(blocks_of(path).size() == 1);
        void *const other = tm_pool_calloc(made.handle(), 10, 1000); // a transaction of its own
        DEMAND(other && blocks_of(path).size() == 2);
        DEMAND(rolled_back([&] { DEMAND(tm_pool_free(made.handle(), other) == 0); }));
        DEMAND(blocks_of(path).size() == 2 && tm_pool_block_size(made.handle(), other) >= 10000);
        DEMAND(tm_pool_free(made.handle(), other) == 0);
        DEMAND(tm_pool_free(made.handle(), other) == EINVAL && tm_pool_free(made.handle(), kept + 16) == EINVAL && tm_pool_free(made.handle(), made.data()) == EINVAL);
        DEMAND(tm_pool_free(made.handle(), nullptr) == 0);
        die();
    });
    pool opened{path};
    EXPECT_EQ(opened.size(), 12288u) << "the memory before the heap stays";
    const char *const kept = opened.root<char>("kept");
    ASSERT_NE(kept, nullptr);
    EXPECT_STREQ(kept, "stored plainly");
    EXPECT_EQ(kept[50], 't');
    EXPECT_EQ(blocks_of(path).size(), 1u);
    EXPECT_EQ(tm_pool_block_size(opened.handle(), kept), 112u);
    EXPECT_EQ(tm_pool_grow(opened.handle(), 100000), ENOTSUP);
    EXPECT_EQ(tm_pool_free(opened.handle(), const_cast<char *>(kept)), 0);
    opened.close();
    EXPECT_TRUE(blocks_of(path).empty());
}

TEST(Heap, M12_in_one_transaction_allocated_and_freed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 1000};
    EXPECT_TRUE(rolled_back([&] {
        EXPECT_NE(tm_pool_malloc(made.handle(), 100), nullptr);
        EXPECT_NE(tm_pool_malloc(made.handle(), 100000), nullptr);
    }));
    EXPECT_EQ(made.stat().heap_blocks, 0u) << "a rollback gives back what was taken";
    libtm::atomically([&] {
        void *const block = tm_pool_malloc(made.handle(), 100);
        EXPECT_EQ(tm_pool_free(made.handle(), block), 0);
        EXPECT_EQ(tm_pool_free(made.handle(), block), EINVAL);
        void *const large = tm_pool_malloc(made.handle(), 100000);
        EXPECT_EQ(tm_pool_free(made.handle(), large), 0);
    });
    EXPECT_TRUE(blocks_of(path).empty());
    std::set<void *> seen;
    for (int i = 0; i < 100; ++i) {
        void *const block = tm_pool_malloc(made.handle(), 200000);
        seen.insert(block);
        EXPECT_EQ(tm_pool_free(made.handle(), block), 0);
    }
    EXPECT_LE(seen.size(), 2u) << "what is freed is used again";
}

TEST(Heap, errors_leave_the_transaction_alive)
{
    const Directory directory;
    tm_pool_attr how{};
    how.reserve = 4 << 20;
    pool made{directory / "pool", 1000, how};
    libtm::atomically([&] {
        EXPECT_EQ(tm_pool_malloc(made.handle(), 8 << 20), nullptr);
        EXPECT_EQ(Told().code, ENOBUFS);
        EXPECT_EQ(tm_pool_calloc(made.handle(), ~0ul / 2, 3), nullptr);
        EXPECT_EQ(Told().code, ENOMEM);
        EXPECT_EQ(tm_pool_malloc(made.handle(), ~0ul), nullptr);
        EXPECT_NE(tm_pool_malloc(made.handle(), 1), nullptr);
        EXPECT_NE(tm_pool_malloc(made.handle(), 0), nullptr);
    });
    made.close();
    pool reading{directory / "pool", flags(TM_POOL_READ_ONLY)};
    EXPECT_EQ(tm_pool_malloc(reading.handle(), 1), nullptr);
    EXPECT_EQ(Told().code, EROFS);
    EXPECT_EQ(blocks_of(directory / "pool").size(), 2u);
}

/** Blocks of all sizes come and go, in transactions that commit or do not; in every life the file has those that are allocated, with what is in them. */
TEST(Heap, M13_random_blocks_against_a_model)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    std::map<std::uint64_t, std::pair<std::uint64_t, unsigned char>> model; // offset: bytes that were asked for, what they are filled with
    Random random(7);
    for (int life = 0; life < 12; ++life) {
        const bool is_killed = life % 3 != 2;
        tm_pool_attr how = journal_of(life % 2 ? 1 << 16 : 1 << 20, life % 4 < 2 ? unsigned{TM_POOL_NO_THREAD} : 0u);
        auto made = std::make_unique<pool>(path, 4096, how);
        char *const base = made->data();
        const auto check = [&] {
            const auto there = blocks_of(path);
            ASSERT_EQ(there.size(), model.size());
            for (const auto &[offset, what] : model) {
                ASSERT_TRUE(there.contains(offset) && there.at(offset) >= what.first);
                for (std::uint64_t i = 0; i < what.first; ++i) ASSERT_EQ(static_cast<unsigned char>(base[offset + i]), what.second);
            }
        };
        check();
        for (int turn = 0; turn < 60; ++turn) {
            auto next = model;
            const bool commits = random.below(4) != 0;
            const auto body = [&] {
                next = model;
                Random mine(static_cast<std::uint64_t>(turn) + static_cast<std::uint64_t>(life) * 1000);
                for (std::size_t i = mine.below(12); i-- > 0;) {
                    if (next.empty() || mine.below(5) < 3) {
                        const std::uint64_t bytes = mine.below(8) == 0 ? mine.below(300000) : mine.below(mine.below(3) ? 200 : 9000);
                        const auto fill = static_cast<unsigned char>(mine.below(256));
                        char *const block = static_cast<char *>(tm_pool_malloc(made->handle(), bytes));
                        ASSERT_NE(block, nullptr) << Told().message;
                        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % 16, 0u);
                        if (mine.below(2)) tm_memset(block, fill, bytes);
                        else std::memset(block, fill, bytes);
                        ASSERT_TRUE(next.emplace(static_cast<std::uint64_t>(block - base), std::pair(bytes, fill)).second) << "used twice";
                    } else {
                        auto chosen = next.begin();
                        std::advance(chosen, static_cast<long>(mine.below(next.size())));
                        ASSERT_EQ(tm_pool_free(made->handle(), base + chosen->first), 0) << Told().message;
                        next.erase(chosen);
                    }
                }
                if (!commits) libtm::cancel(1);
            };
            try {
                libtm::atomically(body);
                model = next;
            } catch (const libtm::error &error) {
                ASSERT_EQ(error.code(), 1);
            }
            if (random.below(10) == 0) made->commit();
            if (random.below(10) == 0) made->checkpoint();
            if (random.below(20) == 0) made->trim();
        }
        check();
        if (is_killed) { // as far as the files are concerned
            const int status = in_child([] { die(); });
            ASSERT_TRUE(was_killed(status));
        }
        made.reset();
    }
}

/** Threads make and destroy lists of blocks; no block is anybody's twice. */
TEST(Heap, M13_threads_share_no_block)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    struct Node {
        Node *next;
        std::uint64_t owner;
    };
    {
        tm_pool_attr how{};
        how.durability = TM_DURABILITY_ASYNC;
        pool made{path, 4096, how};
        Node **const heads = made.data<Node *>();
        std::vector<std::thread> running;
        for (std::uint64_t thread = 0; thread < 4; ++thread)
            running.emplace_back([&, thread] {
                Random random(thread);
                for (int i = 0; i < 2000; ++i) {
                    Node *&head = heads[random.below(4) == 0 ? random.below(4) * 8 : thread * 8];
                    libtm::atomically([&] {
                        Node *const first = libtm::load(head);
                        if (first && random.below(2)) {
                            libtm::store(head, libtm::load(first->next));
                            libtm::store(first->owner, std::uint64_t{0});
                            EXPECT_EQ(tm_pool_free(made.handle(), first), 0);
                        } else {
                            auto *const node = static_cast<Node *>(tm_pool_malloc(made.handle(), sizeof(Node) + random.below(200)));
                            node->next = first;
                            node->owner = 1;
                            libtm::store(head, node);
                        }
                    });
                }
            });
        for (std::thread &thread : running) thread.join();
    }
    pool opened{path};
    std::set<std::uint64_t> reached;
    for (int thread = 0; thread < 4; ++thread)
        for (const Node *node = opened.data<Node *>()[thread * 8]; node; node = node->next) {
            EXPECT_EQ(node->owner, 1u);
            EXPECT_TRUE(reached.insert(offset_in(opened, node)).second);
        }
    const auto blocks = blocks_of(path);
    EXPECT_EQ(blocks.size(), reached.size()) << "a leak, or a block that is used and free";
    for (const std::uint64_t offset : reached) EXPECT_TRUE(blocks.contains(offset));
}

namespace {

/** Blocks of `bytes` bytes, more than three chunks have. */
std::vector<void *> fill_chunks(const pool &in, std::size_t bytes)
{
    std::vector<void *> blocks;
    for (std::size_t i = 0; i * bytes < 200000; ++i) {
        blocks.push_back(tm_pool_malloc(in.handle(), bytes));
        EXPECT_NE(blocks.back(), nullptr) << Told().message;
        std::memset(blocks.back(), 0xff, bytes);
    }
    return blocks;
}

} // namespace

/** What a transaction that came to nothing has left where other chunks have their bits is not taken for bits. */
TEST(Heap, chunks_change_their_kind)
{
    const std::uint64_t usual = std::exchange(persist::least_growth, persist::chunk_size); // so that chunks are used again soon
    for (const std::size_t before : {16, 112, 8192, 150000})
        for (const std::size_t between : {16, 112, 8192, 150000})
            for (const std::size_t after : {16, 112, 8192, 150000}) {
                if (has_sanitizer && after != before) continue; // it takes long there
                SCOPED_TRACE(testing::Message() << before << ", " << between << ", " << after);
                const Directory directory{in_memory()};
                const std::string path = directory / "pool";
                pool made{path, 4096};
                std::vector<void *> blocks;
                const auto free_all = [&] {
                    libtm::atomically([&] {
                        for (void *const block : blocks) EXPECT_EQ(tm_pool_free(made.handle(), block), 0);
                    });
                };
                libtm::atomically([&] { blocks = fill_chunks(made, before); });
                free_all();
                EXPECT_TRUE(rolled_back([&] { fill_chunks(made, between); }));
                libtm::atomically([&] { blocks = fill_chunks(made, after); });
                ASSERT_EQ(blocks_of(path).size(), blocks.size());
                free_all();
                ASSERT_TRUE(blocks_of(path).empty());
                EXPECT_LE(made.stat().heap_size, 16u * persist::chunk_size) << "chunks are used again";
            }
    persist::least_growth = usual;
}

TEST(Heap, objects)
{
    const Directory directory;
    const std::string path = directory / "pool";
    struct Pair {
        long first, second;
    };
    {
        pool made{path, 4096};
        Pair *kept = nullptr;
        made.set_root("pair", kept = made.make<Pair>(3, 4));
        EXPECT_EQ(tm_pool_of(kept), made.handle());
        EXPECT_EQ(tm_pool_of(&kept), nullptr);
        made.destroy(made.make<Pair>(5, 6));
        EXPECT_TRUE(rolled_back([&] { made.destroy(kept); }));
        EXPECT_EQ(blocks_of(path).size(), 1u);
    }
    pool opened{path};
    EXPECT_EQ(opened.root<Pair>("pair")->second, 4);
    opened.destroy(opened.root<Pair>("pair"));
    EXPECT_TRUE(blocks_of(path).empty());
    EXPECT_THROW(opened.destroy(opened.root<Pair>("pair")), libtm::pool_error) << "it is not allocated any more";
}

/** What a transaction has read plainly behind a pointer stays as it was until that transaction ends. */
TEST(Heap, what_a_transaction_may_still_see_is_not_used_again)
{
    const Directory directory;
    pool made{directory / "pool", 4096};
    void **const root = made.data<void *>();
    libtm::atomically([&] { libtm::store(*root, tm_pool_malloc(made.handle(), 100)); });
    std::atomic<bool> has_read{false}, may_end{false};
    std::thread reader([&] {
        tm_attr how{};
        how.flags = TM_READ_ONLY;
        libtm::atomically(how, [&] {
            libtm::load(*root);
            has_read = true;
            while (!may_end) std::this_thread::yield();
        });
    });
    while (!has_read) std::this_thread::yield();
    tm_attr how{};
    how.flags = TM_NO_QUIESCENCE; // else it would wait for the reader
    how.durability = TM_DURABILITY_NONE;
    void *freed = nullptr;
    libtm::atomically(how, [&] {
        freed = libtm::load(*root);
        libtm::store(*root, nullptr);
        EXPECT_EQ(tm_pool_free(made.handle(), freed), 0);
    });
    EXPECT_EQ(tm_pool_block_size(made.handle(), freed), 0u) << "it is no block any more";
    for (int i = 0; i < 1000; ++i)
        libtm::atomically(how, [&] { EXPECT_NE(tm_pool_malloc(made.handle(), 100), freed); });
    may_end = true;
    reader.join();
}

/** Its first words of every 64 KiB, too. */
TEST(Heap, a_reader_of_a_large_block_sees_it_whole_while_it_is_freed)
{
    const Directory directory;
    pool made{directory / "pool", 4096};
    constexpr std::size_t size = 200000;
    auto *&root = *made.data<unsigned char *>();
    for (const unsigned flags : {0u, unsigned{TM_NO_QUIESCENCE}}) {
        libtm::atomically([&] {
            auto *const block = static_cast<unsigned char *>(tm_pool_malloc(made.handle(), size));
            std::memset(block, 0x77, size);
            libtm::store(root, block);
        });
        std::atomic<bool> has_begun{false}, is_freed{false};
        std::size_t wrong = 0;
        std::thread reader([&] {
            libtm::atomically([&] {
                const unsigned char *const block = libtm::load(root);
                if (!block) return;
                has_begun = true;
                for (int i = 0; i < 200 && !is_freed; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1)); // the other one may wait for this
                wrong = static_cast<std::size_t>(std::count_if(block, block + size, [](unsigned char byte) { return byte != 0x77; }));
            });
        });
        while (!has_begun) std::this_thread::yield();
        tm_attr how{};
        how.flags = flags;
        how.durability = TM_DURABILITY_NONE;
        libtm::atomically(how, [&] {
            auto *const block = libtm::load(root);
            libtm::store(root, nullptr);
            EXPECT_EQ(tm_pool_free(made.handle(), block), 0);
        });
        is_freed = true;
        reader.join();
        EXPECT_EQ(wrong, 0u);
    }
}

/** Two threads that pop the same element free it both, before they find out that one of them is late. */
TEST(Heap, M13_two_transactions_that_free_the_same_block)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    struct Node {
        Node *next;
        std::uint64_t stamp;
    };
    std::set<const Node *> listed;
    for (const unsigned flags : {0u, unsigned{TM_NO_QUIESCENCE}}) {
        tm_pool_attr attr{};
        attr.durability = TM_DURABILITY_NONE;
        pool made{path, 4096, attr};
        Node *&head = *made.data<Node *>();
        std::atomic<unsigned> refused{0};
        std::vector<std::thread> running;
        for (std::uint64_t thread = 0; thread < 4; ++thread)
            running.emplace_back([&, thread] {
                Random random(thread);
                tm_attr how{};
                how.flags = flags;
                for (int i = 0; i < (has_sanitizer ? 1000 : 10000); ++i) {
                    const bool pushes = random.below(2) == 0;
                    bool restarts = random.below(8) == 0;
                    libtm::atomically(how, [&] {
                        Node *const first = libtm::load(head);
                        if (!first || pushes) return libtm::store(head, made.make<Node>(first, 0x1234u));
                        if (tm_pool_free(made.handle(), first) != 0) return static_cast<void>(++refused);
                        Node *const next = libtm::load(first->next);
                        if (random.below(4) == 0) std::this_thread::yield();
                        if (std::exchange(restarts, false)) libtm::restart();
                        libtm::store(head, next);
                    });
                }
            });
        for (std::thread &thread : running) thread.join();
        EXPECT_EQ(refused, 0u) << "a transaction that is late begins again";
        listed.clear();
        for (const Node *node = head; node && listed.insert(node).second; node = node->next) EXPECT_EQ(node->stamp, 0x1234u);
    }
    EXPECT_EQ(blocks_of(path).size(), listed.size());
}

/** What it has allocated and not yet filled must not be in the image that is committed. */
TEST(Heap, P7_a_commit_of_the_whole_image_waits_for_a_transaction_that_only_allocates)
{
    const Directory directory;
    pool made{directory / "pool", 4096};
    std::atomic<int> commits{0};
    std::atomic<bool> has_allocated{false};
    std::thread committing([&] {
        while (!has_allocated) std::this_thread::yield();
        made.commit();
        ++commits;
    });
    libtm::atomically([&] {
        void *const block = tm_pool_malloc(made.handle(), 100000);
        const int before = commits;
        has_allocated = true;
        std::memset(block, 0x77, 100000);
        for (int i = 0; i < 50; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(commits, before) << "a commit in the middle of the transaction";
    });
    committing.join();
}

TEST(Heap, a_transaction_that_must_not_write_cannot_allocate)
{
    const Directory directory;
    pool made{directory / "pool", 4096};
    tm_attr how{};
    how.flags = TM_READ_ONLY;
    EXPECT_THROW(libtm::atomically(how, [&] { tm_pool_malloc(made.handle(), 8); }), libtm::error);
    EXPECT_EQ(made.stat().heap_blocks, 0u);
}

namespace {

struct Answers {
    pool *in;
    void *block;
    int codes[4] = {}, freed[4] = {};
    void ask(int when)
    {
        void *const more = tm_pool_malloc(in->handle(), 8);
        codes[when] = more ? 0 : Told().code;
        freed[when] = tm_pool_free(in->handle(), block);
    }
};

} // namespace

TEST(Heap, functions_of_the_action_log_cannot_allocate)
{
    const Directory directory;
    pool made{directory / "pool", 4096};
    static Answers answers{&made, tm_pool_malloc(made.handle(), 8)};
    answers.in = &made;
    static const tm_action ask = {[](void *) { return answers.ask(0), 0; }, [](void *) { return answers.ask(1), 0; }, [](void *) { answers.ask(2); }, nullptr};
    for (const bool commits : {true, false}) {
        try {
            libtm::atomically([&] {
                tm_log_action(&ask, nullptr, 0);
                if (!commits) libtm::cancel(1);
            });
        } catch (const libtm::error &error) {
            EXPECT_EQ(error.code(), 1);
        }
    }
    for (const int when : {0, 1, 2}) {
        EXPECT_EQ(answers.codes[when], EPERM) << when;
        EXPECT_EQ(answers.freed[when], EPERM) << when;
    }
    libtm::atomically([&] { libtm::store(*made.data<long>(), 1L); });
    EXPECT_EQ(made.stat().heap_blocks, 1u);
}

/** A growth that has failed when its header was written leaves a length that no heap of another beginning may take over. */
TEST(Heap, begins_after_a_growth_that_was_not_mapped)
{
    static int failing = 0;
    static tm_storage storage = *tm_storage_system();
    storage.map = [](tm_storage *, int file, void *address, std::size_t size, std::uint64_t offset) {
        if (failing > 0) return --failing, -ENOMEM;
        return tm_storage_system()->map(tm_storage_system(), file, address, size, offset);
    };
    tm_pool_attr attr{};
    attr.storage = &storage;
    for (const bool heap_first : {false, true}) {
        const Directory directory;
        {
            pool made{directory / "pool", 4096, attr};
            failing = heap_first ? 2 : 1; // the heap tries with less
            if (heap_first) EXPECT_EQ(tm_pool_malloc(made.handle(), 100), nullptr);
            else EXPECT_EQ(tm_pool_grow(made.handle(), 5000000), ENOMEM);
            EXPECT_EQ(failing, 0);
            EXPECT_EQ(made.stat().heap_size, 0u);
            if (heap_first) made.grow(20000);
            EXPECT_NE(tm_pool_malloc(made.handle(), 100), nullptr);
        }
        pool opened{directory / "pool", attr};
        EXPECT_EQ(blocks_of(directory / "pool").size(), 1u);
    }
}

TEST(Heap, takes_what_is_free_at_the_end_before_it_grows_by_the_rest)
{
    const Directory directory;
    tm_pool_attr attr{};
    attr.reserve = (4 << 20) + 8192;
    pool made{directory / "pool", 4096, attr};
    ASSERT_NE(tm_pool_malloc(made.handle(), 8), nullptr);
    EXPECT_NE(tm_pool_malloc(made.handle(), 62 << 16), nullptr) << Told().message;
    EXPECT_EQ(made.stat().heap_size, 4u << 20);
}

TEST(Heap, an_object_whose_constructor_throws_is_not_there)
{
    const Directory directory;
    const std::string path = directory / "pool";
    struct Thrower {
        explicit Thrower(bool throws)
        {
            if (throws) throw std::runtime_error("no");
        }
    };
    pool made{path, 4096};
    EXPECT_THROW(made.make<Thrower>(true), std::runtime_error);
    libtm::atomically([&] {
        EXPECT_THROW(made.make<Thrower>(true), std::runtime_error);
        made.make<Thrower>(false);
    });
    EXPECT_EQ(blocks_of(path).size(), 1u);
}

TEST(Heap, P26_a_forked_child_cannot_use_it)
{
    const Directory directory;
    pool made{directory / "pool", 4096};
    void *const block = made.make<long>(1);
    EXPECT_TRUE(ended_well(in_child([&] {
        DEMAND(tm_pool_malloc(made.handle(), 8) == nullptr && Told().code == EPERM);
        DEMAND(tm_pool_free(made.handle(), block) == EPERM && tm_pool_block_size(made.handle(), block) == 0);
    })));
}
