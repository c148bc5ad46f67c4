// SPDX-License-Identifier: MIT
/** What a pool is for: stores, commits, and what is there afterwards. */
#include "support.hpp"

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>

using libtm::testing::Directory;
using libtm::testing::in_child;

TEST(Pool, what_was_committed_is_there_after_a_kill_and_what_was_not_is_gone)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        libtm::pool pool{path, 100000};
        std::strcpy(pool.data(), "committed");
        std::strcpy(pool.data() + 50000, "too");
        pool.commit();
        std::strcpy(pool.data(), "forgotten");
        ::raise(SIGKILL);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    libtm::pool pool{path};
    EXPECT_STREQ(pool.data(), "committed");
    EXPECT_STREQ(pool.data() + 50000, "too");
    EXPECT_EQ(pool.stat().recovered, 1u);
}

TEST(Pool, a_clean_close_leaves_one_file_that_holds_everything)
{
    const Directory directory;
    const std::string path = directory / "pool";
    {
        libtm::pool pool{path, 10000};
        pool.data()[9999] = 'x';
        pool.commit();
    }
    EXPECT_FALSE(std::filesystem::exists(path + "-journal"));
    libtm::pool pool{path};
    EXPECT_EQ(pool.data()[9999], 'x');
    EXPECT_EQ(pool.stat().recovered, 0u);
}

TEST(Pool, one_that_grew_beyond_its_recorded_reserve_opens_again)
{
    const Directory directory;
    const std::string path = directory / "pool";
    libtm::pool::attr attr{};
    attr.reserve = 1 << 20;
    libtm::pool{path, 10000, attr}.close();
    attr.reserve = 16 << 20;
    {
        libtm::pool pool{path, attr};
        pool.grow(8 << 20);
        pool.data()[(8 << 20) - 1] = 'x';
        pool.commit();
    }
    libtm::pool pool{path};
    EXPECT_EQ(pool.data()[(8 << 20) - 1], 'x');
}

TEST(Pool, a_transaction_may_ask_for_the_figures_while_another_thread_commits)
{
    const Directory directory;
    libtm::pool pool{directory / "pool", 10000};
    std::atomic<bool> in_transaction{false};
    std::thread committer([&] {
        while (!in_transaction) std::this_thread::yield();
        pool.commit(); // waits for the transaction
    });
    libtm::atomically([&] {
        libtm::store(*pool.data<long>(), 1);
        in_transaction = true;
        for (int i = 0; i < 1000; ++i) {
            EXPECT_GT(pool.stat().size, 0u);
            EXPECT_EQ(pool.root("none"), nullptr);
            std::this_thread::yield();
        }
    });
    committer.join();
}
