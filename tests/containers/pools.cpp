// SPDX-License-Identifier: MIT
/** Containers in pools: what is there after a crash, at which address, and what they leave behind. */
#include "support.hpp"

#include <stdexcept>

using namespace libtm::testing;
namespace pooled = libtm::pooled;

namespace {

struct World {
    libtm::var<long> done; ///< transactions
    pooled::hash_map<pooled::string, pooled::vector<long>> hashed;
    pooled::ordered_map<long, pooled::string> ordered;
    pooled::queue<pooled::string> queue;
};

std::string text(long i) { return std::to_string(i) + std::string(static_cast<std::size_t>(i * 7 % 50), 'x'); }

/** The i-th change of the world and of its model. */
struct Model {
    std::map<std::string, std::vector<long>> hashed;
    std::map<long, std::string> ordered;
    std::vector<std::string> queue;

    void change(long i)
    {
        Random random(static_cast<std::uint64_t>(i));
        for (std::size_t n = random.below(6); n-- > 0;) {
            const long number = static_cast<long>(random.below(60));
            if (random.below(4)) hashed[text(number)].push_back(i);
            else hashed.erase(text(number));
            if (random.below(3)) ordered[number] = text(i);
            else ordered.erase(number);
            if (random.below(2)) queue.push_back(text(i));
            else if (!queue.empty()) queue.erase(queue.begin());
        }
    }
};
void change(World &world, long i)
{
    Random random(static_cast<std::uint64_t>(i));
    for (std::size_t n = random.below(6); n-- > 0;) {
        const long number = static_cast<long>(random.below(60));
        if (random.below(4)) world.hashed[text(number)].push_back(i);
        else world.hashed.erase(text(number));
        if (random.below(3)) world.ordered[number] = text(i);
        else world.ordered.erase(number);
        if (random.below(2)) world.queue.emplace(text(i));
        else world.queue.drop();
    }
    world.done = i + 1;
}

void expect_same(World &world, const Model &model)
{
    ASSERT_TRUE(world.hashed.check());
    ASSERT_EQ(world.hashed.size(), model.hashed.size());
    for (const auto &[key, numbers] : model.hashed) {
        ASSERT_TRUE(world.hashed.contains(key)) << key;
        ASSERT_TRUE(values<pooled::vector<long>>::same(world.hashed.at(key), numbers)) << key;
    }
    ASSERT_TRUE(world.ordered.check());
    ASSERT_EQ(world.ordered.size(), model.ordered.size());
    for (const auto &[key, string] : model.ordered) ASSERT_EQ(world.ordered.at(key), string);
    ASSERT_TRUE(std::equal(world.queue.begin(), world.queue.end(), model.queue.begin(), model.queue.end(), [](const auto &a, const auto &b) { return a == b; }));
}

} // namespace

/** Killed in the middle of a transaction, again and again: each time there is what the committed ones have made, and no block more. */
TEST(Pools, containers_are_as_the_committed_transactions_have_made_them)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    Model model;
    long done = 0;
    for (int life = 0; life < 8; ++life) {
        const long until = done + rounds(200) + life;
        and_be_killed([&] {
            libtm::pool pool{path, 4096};
            World &world = *pool.data<World>();
            DEMAND(world.done == done);
            for (long i = done; i < until; ++i) libtm::atomically([&] { change(world, i); });
            libtm::atomically([&] {
                change(world, until);
                die();
            });
        });
        for (; done < until; ++done) model.change(done);
        libtm::pool pool{path};
        World &world = *pool.data<World>();
        ASSERT_EQ(world.done, done);
        expect_same(world, model);
    }
    libtm::pool pool{path};
    libtm::atomically([&] {
        pool.data<World>()->hashed.clear();
        pool.data<World>()->ordered.clear();
        pool.data<World>()->queue.clear();
    });
    EXPECT_EQ(blocks_of(path), 0u) << "a leak";
}

TEST(Pools, an_operation_outside_of_a_transaction_is_durable_by_itself)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    and_be_killed([&] {
        libtm::pool pool{path, 4096};
        World &world = *pool.data<World>();
        world.hashed["a key of more than 16 bytes"].push_back(1);
        for (long i = 0; i < 40; ++i) world.ordered.insert_or_assign(i, pooled::string{"x"});
        world.ordered.erase(3);
        world.queue.emplace("one");
        world.queue.emplace("two");
        world.queue.drop();
        die();
    });
    libtm::pool pool{path};
    World &world = *pool.data<World>();
    EXPECT_EQ(world.hashed.at("a key of more than 16 bytes")[0], 1);
    EXPECT_TRUE(world.ordered.check());
    EXPECT_EQ(world.ordered.size(), 39u);
    EXPECT_EQ(world.queue.front(), "two");
}

TEST(Pools, make_and_destroy_leave_nothing)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    libtm::pool pool{path, 4096};
    World *world = pool.make<World>();
    for (long i = 0; i < 300; ++i) libtm::atomically([&] { change(*world, i); });
    EXPECT_GT(blocks_of(path), 50u);
    roll_back_after([&] { pool.destroy(world); });
    EXPECT_TRUE(world->hashed.check() && world->ordered.check());
    pool.destroy(world);
    EXPECT_EQ(blocks_of(path), 0u) << "a leak";
    roll_back_after([&] { change(*pool.make<World>(), 1); });
    EXPECT_EQ(blocks_of(path), 0u);
}

TEST(Pools, a_container_elsewhere_gets_no_blocks)
{
    const Directory directory{in_memory()};
    libtm::pool pool{directory / "pool", 4096}, other{directory / "other", 4096};
    World &world = *pool.data<World>(), &elsewhere = *other.data<World>();
    pooled::hash_map<long, long> map;
    EXPECT_THROW(map.insert({1, 1}), std::logic_error);
    EXPECT_TRUE(map.empty());
    EXPECT_THROW(pooled::string{"more than the 16 bytes that it has"}, std::logic_error);
    EXPECT_EQ(pooled::string{"up to 16 bytes"}, "up to 16 bytes");
    world.queue.emplace("more than the 16 bytes that it has");
    world.ordered.try_emplace(1, "more than the 16 bytes that it has");
    EXPECT_THROW(elsewhere.ordered = std::move(world.ordered), std::logic_error);
    EXPECT_THROW(swap(elsewhere.ordered, world.ordered), std::logic_error);
    EXPECT_EQ(world.ordered.size(), 1u);
    elsewhere.ordered.try_emplace(2, std::move(world.ordered.at(1))); // a string is copied
    EXPECT_EQ(elsewhere.ordered.at(2), "more than the 16 bytes that it has");
    EXPECT_EQ(world.ordered.at(1), "");
    const auto taken = world.queue.pop();
    EXPECT_EQ(*taken, "more than the 16 bytes that it has");
}

TEST(Pools, an_operation_on_a_full_disk_throws_and_changes_nothing)
{
    const Directory directory{in_memory()};
    tm_pool_attr how{};
    how.reserve = 4 << 20;
    libtm::pool pool{directory / "pool", 4096, how};
    World &world = *pool.data<World>();
    long i = 0;
    const auto code = code_of([&] {
        for (;; ++i) libtm::atomically([&] { world.ordered.try_emplace(i, std::string(2000, 'x')); });
    });
    EXPECT_EQ(code, ENOBUFS);
    EXPECT_GT(i, 500);
    libtm::atomically([&] {
        EXPECT_EQ(code_of([&] { world.ordered.try_emplace(i, std::string(2000, 'x')); }), ENOBUFS);
        EXPECT_EQ(world.ordered.size(), static_cast<std::size_t>(i));
        world.done = 1; // it lives on
    });
    EXPECT_EQ(world.done, 1);
    EXPECT_TRUE(world.ordered.check());
    EXPECT_FALSE(world.ordered.contains(i));
    world.ordered.clear();
    EXPECT_EQ(code_of([&] { world.ordered.try_emplace(i, std::string(2000, 'x')); }), 0);
}

TEST(Pools, opened_for_reading_they_are_read)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    Model model;
    {
        libtm::pool pool{path, 4096};
        for (long i = 0; i < 100; ++i) {
            libtm::atomically([&] { change(*pool.data<World>(), i); });
            model.change(i);
        }
    }
    libtm::pool reading{path, flags(TM_POOL_READ_ONLY)};
    libtm::atomically(libtm::attr{.flags = TM_READ_ONLY}, [&] { expect_same(*reading.data<World>(), model); });
}
