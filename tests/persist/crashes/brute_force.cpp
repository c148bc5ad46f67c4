// SPDX-License-Identifier: MIT
/**
 * What the crash tests leave out loses nothing: of commits of one and two pages, of the steps of a checkpoint, of a growth, an open, a close and a recovery the explorer
 * finds exactly the states that trying every subset of everything finds.
 */
#include "inspector.hpp"
#include "pool.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <tm/crash.hpp>

using namespace libtm::testing;
using libtm::persist::Pool;
namespace crash = libtm::crash;

namespace {

constexpr std::size_t page = 4096;

/**
 * A pool of two pages whose next steps are recorded apart from those that led to it. The ring of its journal has four blocks, all in use before, so that what
 * is written there differs from what is overwritten in every sector; and so it is in the image.
 */
class BruteForce : public ::testing::Test {
protected:
    void SetUp() override
    {
        attr.storage = disk.storage();
        attr.journal = 4 * 4096;
        attr.flags = TM_POOL_NO_THREAD;
        pool = Pool::create("pool", 2 * page, attr);
        commit(0, 2 * page, 1); // three blocks
        commit(0, 8, 2);        // the fourth
        pool->checkpoint();
    }

    /** Bytes that differ in all sectors, and from those of another seed. */
    void store(std::size_t offset, std::size_t count, unsigned seed)
    {
        for (std::size_t i = offset; i < offset + count; ++i) pool->data()[i] = static_cast<char>(1 + (i / 512 + i / 64 % 8 * 16 + seed * 41) % 255);
    }
    void commit(std::size_t offset, std::size_t count, unsigned seed)
    {
        store(offset, count, seed);
        pool->commit();
    }

    /** What `steps` do: the files before were all durable, and what happened to them since. */
    crash::Recording recording_of(const std::function<void()> &steps)
    {
        const crash::Files before = disk.files();
        const std::size_t first = disk.recording().events.size();
        steps();
        crash::Recording all = disk.recording();
        return {before, {all.events.begin() + static_cast<std::ptrdiff_t>(first), all.events.end()}};
    }

    static void expect_the_same(const crash::Recording &recording)
    {
        const std::set<std::string> legal = crash::legal_states(recording), all = crash::brute_force_states(recording);
        for (const std::string &state : all) EXPECT_TRUE(legal.contains(state)) << "the explorer misses " << state;
        for (const std::string &state : legal) EXPECT_TRUE(all.contains(state)) << "the explorer invents " << state;
        states += all.size();
        if (std::getenv("TM_TEST_VERBOSE")) std::printf("%zu states of %zu events\n", all.size(), recording.events.size());
    }
    void expect_the_same(const std::function<void()> &steps) { expect_the_same(recording_of(steps)); }

    static void TearDownTestSuite() { std::printf("explored: %llu crash states of pools by brute force, the same as by the explorer\n", static_cast<unsigned long long>(states)); }

    static unsigned long long states;
    crash::Disk disk;
    tm_pool_attr attr{};
    std::unique_ptr<Pool> pool;
};
unsigned long long BruteForce::states = 0;

} // namespace

TEST_F(BruteForce, of_a_commit_of_a_line)
{
    expect_the_same([&] { commit(64, 8, 3); });
}

TEST_F(BruteForce, of_a_commit_of_a_page)
{
    expect_the_same([&] { commit(0, page, 3); });
}

TEST_F(BruteForce, of_a_commit_of_lines_in_two_pages)
{
    expect_the_same([&] { commit(page - 512, 1024, 3); });
}

TEST_F(BruteForce, of_a_commit_of_a_page_and_a_line_of_another)
{
    store(page + 64, 64, 4);
    expect_the_same([&] { commit(0, page, 3); });
}

TEST_F(BruteForce, of_two_commits_in_a_row)
{
    expect_the_same([&] {
        commit(0, 8, 3);
        commit(page, 8, 4);
    });
}

TEST_F(BruteForce, of_a_checkpoint_of_a_page)
{
    commit(64, 8, 3);
    commit(0, page, 4);
    expect_the_same([&] { pool->checkpoint(); });
}

TEST_F(BruteForce, of_a_checkpoint_of_two_pages)
{
    commit(page - 512, 1024, 3);
    expect_the_same([&] { pool->checkpoint(); });
}

TEST_F(BruteForce, of_a_commit_its_checkpoint_and_the_next_commit_in_its_place)
{
    commit(0, page, 3);
    commit(0, 8, 4);
    expect_the_same([&] {
        commit(page, 64, 5);
        pool->checkpoint();
        commit(64, 8, 6);
    });
}

TEST_F(BruteForce, of_a_growth)
{
    commit(0, 8, 3);
    expect_the_same([&] { pool->grow(3 * page); });
}

TEST_F(BruteForce, of_a_close)
{
    commit(0, page, 3);
    expect_the_same([&] { pool->close(); });
}

TEST_F(BruteForce, of_a_recovery)
{
    commit(page - 64, 128, 3);
    pool.reset(); // as a kill
    expect_the_same([&] { pool = Pool::open("pool", attr); });
}
