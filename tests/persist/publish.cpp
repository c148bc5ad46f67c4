// SPDX-License-Identifier: MIT
/** Changes of plain code (tm/publish.h): all or none on the disk, in the order of commits, and none of it seen by transactions before. */
#include "files.hpp"
#include "shelf.hpp"
#include "support.hpp"

#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>
#include <thread>
#include <tm/publish.h>

using namespace libtm::testing;
using libtm::pool;

namespace {

/** What a holder does in a scope where nothing is published. */
class Holder {
public:
    Holder() : it(tm_hold_begin()) {}
    ~Holder()
    {
        if (it) tm_hold_end(it);
    }
    Holder(const Holder &) = delete;
    Holder &operator=(const Holder &) = delete;
    /** Publishes, and is no more if that works. */
    int publish(const pool &in, std::vector<tm_pool_change> changes)
    {
        const int code = tm_pool_publish(in.handle(), changes.data(), changes.size(), it);
        if (!code) it = nullptr;
        return code;
    }
    tm_holder *it;
};

std::set<const void *> blocks_of(const pool &in)
{
    std::set<const void *> blocks;
    for (const void *block = nullptr; (block = tm_pool_next_block(in.handle(), block));) EXPECT_TRUE(blocks.insert(block).second);
    return blocks;
}

} // namespace

TEST(Publish, is_there_after_an_open_and_what_is_not_published_is_not)
{
    const Directory directory;
    std::uint64_t offset = 0;
    {
        pool made(directory / "pool", 1 << 16);
        auto *const numbers = made.data<long>();
        {
            Holder holder;
            tm_hold(holder.it, numbers, 2 * sizeof *numbers);
            numbers[0] = 1;
            numbers[1] = 2;
            auto *const block = static_cast<long *>(tm_pool_reserve(made.handle(), 100));
            ASSERT_NE(block, nullptr);
            EXPECT_EQ(blocks_of(made).size(), 0u);
            *block = 3;
            EXPECT_EQ(holder.publish(made, {{TM_POOL_STORED, &numbers[0], sizeof numbers[0]}, {TM_POOL_ALLOCATED, block, 100}}), 0);
            EXPECT_EQ(blocks_of(made), std::set<const void *>{block});
            offset = static_cast<std::uint64_t>(reinterpret_cast<char *>(block) - made.data());
        }
        void *const never = tm_pool_reserve(made.handle(), 5000);
        ASSERT_NE(never, nullptr);
    }
    pool opened(directory / "pool");
    EXPECT_EQ(opened.data<long>()[0], 1);
    EXPECT_EQ(opened.data<long>()[1], 0);
    EXPECT_EQ(*reinterpret_cast<long *>(opened.data() + offset), 3);
    EXPECT_EQ(blocks_of(opened).size(), 1u);
    {
        Holder holder;
        EXPECT_EQ(holder.publish(opened, {{TM_POOL_FREED, opened.data() + offset, 0}}), 0);
    }
    EXPECT_EQ(blocks_of(opened).size(), 0u);
    EXPECT_EQ(opened.stat().heap_blocks, 0u);
}

TEST(Publish, refuses_all_of_what_is_wrong_in_part)
{
    const Directory directory;
    pool made(directory / "pool", 1 << 16);
    char *const data = made.data();
    char *const block = static_cast<char *>(tm_pool_malloc(made.handle(), 100));
    Holder holder;
    EXPECT_EQ(holder.publish(made, {{TM_POOL_STORED, data, 8}, {TM_POOL_STORED, data - 1, 1}}), EINVAL);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_STORED, data + (1 << 30), 8}}), EINVAL);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_STORED, &holder, 8}}), EINVAL);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_FREED, block, 0}, {TM_POOL_FREED, block, 0}}), EINVAL);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_FREED, block + 16, 0}}), EINVAL);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_ALLOCATED, block, 1000}}), EINVAL);
    EXPECT_EQ(holder.publish(made, {{7, data, 1}}), EINVAL);
    EXPECT_EQ(tm_pool_publish(nullptr, nullptr, 0, holder.it), EINVAL);
    void *const reserved = tm_pool_reserve(made.handle(), 100);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_FREED, reserved, 0}}), EINVAL) << "it is to be cancelled";
    EXPECT_EQ(tm_pool_cancel(made.handle(), reserved), 0);
    EXPECT_EQ(blocks_of(made).size(), 1u);
    EXPECT_EQ(holder.publish(made, {{TM_POOL_FREED, block, 0}}), 0) << "the failed ones have let go of it";
    EXPECT_EQ(made.stat().heap_blocks, 0u);
    Holder again;
    EXPECT_EQ(again.publish(made, {}), 0);
    EXPECT_EQ(tm_pool_reserve(nullptr, 8), nullptr);
    EXPECT_EQ(tm_pool_cancel(made.handle(), data), EINVAL);
    EXPECT_EQ(tm_pool_next_block(nullptr, nullptr), nullptr);
    libtm::atomically([&] { EXPECT_EQ(tm_pool_reserve(made.handle(), 8), nullptr); });
    EXPECT_EQ(tm_pool_error()->code, EDEADLK);
}

TEST(Publish, next_block_finds_every_block_of_any_size)
{
    const Directory directory;
    pool made(directory / "pool", 4096);
    std::set<const void *> blocks;
    Random random(7);
    for (int i = 0; i < 3000; ++i) {
        const std::size_t kind = random.below(50), size = kind == 0 ? 70000 + random.below(400000) : kind < 10 ? random.below(9000) : random.below(300);
        tm_attr soon{};
        soon.durability = TM_DURABILITY_NONE;
        libtm::atomically(soon, [&] {
            void *const block = tm_pool_malloc(made.handle(), size);
            ASSERT_NE(block, nullptr);
            blocks.insert(block);
            if (random.below(3) == 0) {
                const auto gone = std::next(blocks.begin(), static_cast<std::ptrdiff_t>(random.below(blocks.size())));
                ASSERT_EQ(tm_pool_free(made.handle(), const_cast<void *>(*gone)), 0);
                blocks.erase(gone);
            }
        });
    }
    EXPECT_EQ(blocks_of(made), blocks);
    made.close();
    tm_pool_attr attr{};
    attr.flags = TM_POOL_READ_ONLY;
    EXPECT_EQ(blocks_of(pool(directory / "pool", attr)).size(), blocks.size()) << "also in a copy for reading";
}

/** Transactions and plain code move money between the same accounts; nobody sees some of it missing, nor does the disk. */
TEST(Publish, transactions_and_plain_code_on_the_same_data)
{
    const Directory directory;
    constexpr std::size_t accounts = 64;
    {
        pool made(directory / "pool", 1 << 16);
        long *const of = made.data<long>();
        std::atomic<unsigned> torn{0};
        std::mutex mutex;
        std::vector<std::thread> threads;
        for (unsigned me = 0; me < 4; ++me)
            threads.emplace_back([&, me] {
                Random random(me);
                for (int i = 0; i < 300; ++i) {
                    const std::size_t from = random.below(accounts), to = (from + 1 + random.below(accounts - 1)) % accounts;
                    if (me < 2) {
                        const std::lock_guard lock(mutex);
                        Holder holder;
                        tm_hold(holder.it, &of[from], sizeof of[from]);
                        tm_hold(holder.it, &of[to], sizeof of[to]);
                        --of[from];
                        std::this_thread::yield();
                        ++of[to];
                        EXPECT_EQ(holder.publish(made, {{TM_POOL_STORED, &of[from], sizeof of[from]}, {TM_POOL_STORED, &of[to], sizeof of[to]}}), 0);
                    } else {
                        tm_attr how{};
                        how.mode = i % 2 ? TM_WRITE_BACK : TM_WRITE_THROUGH;
                        how.durability = TM_DURABILITY_ASYNC;
                        long sum = 0;
                        libtm::atomically(how, [&] {
                            sum = 0;
                            libtm::store(of[from], libtm::load(of[from]) - 1);
                            libtm::store(of[to], libtm::load(of[to]) + 1);
                            for (std::size_t at = 0; at < accounts; ++at) sum += libtm::load(of[at]);
                        });
                        torn += sum != 0;
                    }
                    if (i % 100 == 0) made.commit(); // waits for all of them
                }
            });
        for (std::thread &thread : threads) thread.join();
        EXPECT_EQ(torn, 0u);
    }
    const pool opened(directory / "pool");
    long sum = 0;
    for (std::size_t at = 0; at < accounts; ++at) sum += opened.data<long>()[at];
    EXPECT_EQ(sum, 0);
}

/** One takes the block out of a slot and frees it, whoever it is; the other one finds another block there. */
TEST(Publish, a_block_that_a_transaction_frees_too)
{
    const Directory directory;
    tm_pool_attr attr{};
    attr.durability = TM_DURABILITY_NONE;
    pool made(directory / "pool", 4096, attr);
    void **const slot = made.data<void *>();
    *slot = tm_pool_malloc(made.handle(), 100);
    std::atomic<unsigned> refused{0};
    std::atomic<bool> is_over{false};
    std::thread transactions([&] {
        while (!is_over)
            libtm::atomically([&] {
                refused += tm_pool_free(made.handle(), libtm::load(*slot)) != 0;
                libtm::store(*slot, tm_pool_malloc(made.handle(), 100));
            });
    });
    for (int i = 0; i < 20000; ++i) {
        void *const block = tm_pool_reserve(made.handle(), 100);
        Holder holder;
        tm_hold(holder.it, slot, sizeof *slot);
        void *const old = *slot;
        *slot = block;
        refused += holder.publish(made, {{TM_POOL_STORED, slot, sizeof *slot}, {TM_POOL_ALLOCATED, block, 100}, {TM_POOL_FREED, old, 0}}) != 0;
    }
    is_over = true;
    transactions.join();
    EXPECT_EQ(refused, 0u);
    EXPECT_EQ(made.stat().heap_blocks, 1u);
}

TEST(Publish, P11_a_full_heap_is_told_and_nothing_is_lost)
{
    const Directory directory;
    tm_pool_attr attr{};
    attr.reserve = 4 << 20;
    pool made(directory / "pool", 4096, attr);
    std::vector<void *> blocks;
    while (void *const block = tm_pool_reserve(made.handle(), 100000)) blocks.push_back(block);
    EXPECT_EQ(tm_pool_error()->code, ENOBUFS);
    EXPECT_GT(blocks.size(), 20u);
    for (void *const block : blocks) EXPECT_EQ(tm_pool_cancel(made.handle(), block), 0);
    void *const block = tm_pool_reserve(made.handle(), 2000000);
    EXPECT_NE(block, nullptr);
    EXPECT_EQ(tm_pool_cancel(made.handle(), block), 0);
}

TEST(Publish, P26_a_forked_child_cannot)
{
    const Directory directory;
    pool made(directory / "pool", 4096);
    const int status = in_child([&] {
        if (tm_pool_reserve(made.handle(), 8) || tm_pool_error()->code != EPERM) std::abort();
        if (tm_pool_publish(made.handle(), nullptr, 0, nullptr) != EPERM) std::abort();
    });
    EXPECT_EQ(status, 0);
}

TEST(Publish, plain_code_and_the_shelf)
{
    const Directory directory;
    {
        pool made(directory / "pool", 4096);
        auto &shelf = *made.data<Shelf>();
        for (std::uint64_t number = 1; number <= 100; ++number) {
            rearrange_plainly(made.handle(), shelf, number + 500, true); // in vain
            rearrange_plainly(made.handle(), shelf);
        }
        EXPECT_EQ(shelf.done, 100u);
    }
    pool opened(directory / "pool");
    Blocks blocks;
    for (const void *block : blocks_of(opened)) blocks[static_cast<std::uint64_t>(static_cast<const char *>(block) - opened.data())] = tm_pool_block_size(opened.handle(), block);
    EXPECT_EQ(wrong_with(opened.data(), *opened.data<Shelf>(), blocks), "");
}
