// SPDX-License-Identifier: MIT
/** The skip list of the examples against std::set: plainly, in transactions some of which are rolled back, and by threads. */
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <structures/skip_list.hpp>
#include <thread>
#include <vector>

namespace {

using Key = std::uint64_t;

/** The same numbers in every run. */
struct Random : std::mt19937_64 {
    using std::mt19937_64::mt19937_64;
    std::uint64_t below(std::uint64_t limit) { return (*this)() % limit; }
};

/** Counts the blocks there are, which a rollback has to put right. */
struct counted : structures::transactional {
    static inline std::uint64_t blocks = 0;
    static void *allocate(std::size_t size)
    {
        store(blocks, load(blocks) + 1);
        return structures::transactional::allocate(size);
    }
    static void release(void *block)
    {
        store(blocks, load(blocks) - 1);
        structures::transactional::release(block);
    }
};

template <class List> std::vector<Key> contents(List &list)
{
    std::vector<Key> keys;
    list.for_each([&](const Key &key) { keys.push_back(key); });
    return keys;
}

/** One random operation on both; what they say must agree. */
template <class List> bool agree(List &list, std::set<Key> &model, Key key, std::uint64_t verb)
{
    if (verb % 3 == 0) return list.insert(key) == model.insert(key).second;
    if (verb % 3 == 1) return list.erase(key) == (model.erase(key) == 1);
    return list.contains(key) == model.contains(key);
}

template <class List> void expect_equal(List &list, const std::set<Key> &model)
{
    EXPECT_TRUE(list.check());
    EXPECT_EQ(contents(list), std::vector<Key>(model.begin(), model.end()));
}

/** All keys are equally high: everything is in one list, or in all. */
template <std::size_t Hash> struct same_height {
    std::size_t operator()(Key) const { return Hash; }
};

template <class List> void play_plainly(Key range)
{
    List list;
    std::set<Key> model;
    Random random(1);
    for (int i = 0; i < 20000; ++i) {
        const Key key = random.below(range);
        ASSERT_TRUE(agree(list, model, key, random.below(3))) << "operation " << i << ", key " << key;
        if (i % 1000 == 0) expect_equal(list, model);
    }
    expect_equal(list, model);
}

TEST(SkipList, DoesWhatASetDoes)
{
    play_plainly<structures::skip_list<structures::plain, Key>>(1000);
    play_plainly<structures::skip_list<structures::plain, Key>>(20);
}

TEST(SkipList, NeedsNoGoodHash)
{
    play_plainly<structures::skip_list<structures::plain, Key, std::less<Key>, same_height<0>>>(100);
    play_plainly<structures::skip_list<structures::plain, Key, std::less<Key>, same_height<1>>>(100);
}

TEST(SkipList, SortsByAnyOrder)
{
    structures::skip_list<structures::plain, Key, std::greater<Key>> list;
    for (const Key key : {3, 1, 2}) EXPECT_TRUE(list.insert(key));
    EXPECT_EQ(contents(list), (std::vector<Key>{3, 2, 1}));
    EXPECT_TRUE(list.check());
}

TEST(SkipList, RollsBackWithItsBlocks)
{
    {
        structures::skip_list<counted, Key> list;
        std::set<Key> model;
        Random random(2);
        for (int i = 0; i < 2000; ++i) {
            std::set<Key> next;
            const bool commits = random.below(3) != 0;
            const auto seed = random.below(1u << 30);
            try {
                libtm::atomically([&] {
                    next = model;
                    Random mine(seed);
                    for (std::size_t operations = 1 + mine.below(6); operations-- > 0;) {
                        const Key key = mine.below(200);
                        EXPECT_TRUE(agree(list, next, key, mine.below(3)));
                    }
                    if (!commits) libtm::cancel(1);
                });
                model = next;
            } catch (const libtm::error &error) {
                ASSERT_EQ(error.code(), 1) << error.what();
            }
            if (i % 100 == 0) expect_equal(list, model);
            ASSERT_EQ(counted::blocks, model.size());
        }
        expect_equal(list, model);
    }
    EXPECT_EQ(counted::blocks, 0u) << "a leak";
}

TEST(SkipList, IsSharedByThreads)
{
    structures::skip_list<structures::transactional, Key> list;
    constexpr Key range = 128;
    std::atomic<std::int64_t> growth[range] = {};
    std::vector<std::thread> threads;
    for (std::uint64_t number = 0; number < 4; ++number)
        threads.emplace_back([&, number] {
            Random random(number + 10);
            for (int i = 0; i < 5000; ++i) {
                const Key key = random.below(range);
                if (random.below(2))
                    growth[key] += libtm::atomically([&] { return list.insert(key); });
                else
                    growth[key] -= libtm::atomically([&] { return list.erase(key); });
            }
        });
    for (auto &thread : threads) thread.join();
    std::set<Key> model;
    for (Key key = 0; key < range; ++key) {
        const auto there = growth[key].load();
        ASSERT_TRUE(there == 0 || there == 1) << "key " << key << " was inserted " << there << " times more than erased";
        if (there) model.insert(key);
    }
    expect_equal(list, model);
}

} // namespace
