// SPDX-License-Identifier: MIT
/** What a program asks to be called when a transaction is durable. */
#include "durable.hpp"

#include <thread>

using namespace libtm::testing;
using libtm::pool;

TEST(Durable, H7_on_durable_is_called_in_the_order_of_commits_and_not_before)
{
    const Directory directory;
    tm_pool_attr how = pool_of(TM_DURABILITY_ASYNC, 0);
    how.interval = 1000000;
    pool made{directory / "pool", 100000, how};
    std::vector<int> called;
    for (int i = 0; i < 5; ++i)
        libtm::atomically([&] {
            libtm::store(made.data<long>()[0], long{i});
            libtm::on_durable([&called, i] { called.push_back(2 * i); });
            libtm::on_durable([&called, i] { called.push_back(2 * i + 1); });
        });
    EXPECT_TRUE(called.empty());
    error_of({}, [&] {
        libtm::store(made.data<long>()[0], -1l);
        libtm::on_durable([&] { called.push_back(-1); });
        libtm::cancel(1);
    });
    made.wait();
    EXPECT_EQ(called, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    static long counter;
    libtm::atomically([&] {
        libtm::store(counter, 1l);
        libtm::on_durable([&] { called.clear(); });
        EXPECT_FALSE(called.empty());
    });
    EXPECT_TRUE(called.empty()) << "memory alone is as durable as it will be";
    libtm::on_durable([&] { called.push_back(1); });
    EXPECT_EQ(called.size(), 1u) << "outside of a transaction it is called at once";
    EXPECT_EQ(tm_on_durable(nullptr, nullptr), EINVAL);
}

TEST(Durable, H7_what_is_called_may_change_the_pool_and_wait)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 100000};
    const auto count = [&] {
        tm_begin
            libtm::store(made.data<long>()[0], libtm::load(made.data<long>()[0]) + 1);
            libtm::on_durable([&] {
                add(made, 1);
                EXPECT_EQ(words(path, 2)[1], made.data<long>()[1]) << "what was called has waited";
            });
        tm_commit
            ADD_FAILURE() << tm_last_error()->message;
        tm_end
    };
    for (int i = 0; i < 10; ++i) count();
    EXPECT_EQ(words(path, 2), (std::vector<long>{10, 10}));
}

TEST(Durable, H7_is_called_whoever_makes_it_durable)
{
    const Directory directory;
    for (const unsigned how : {0u, unsigned{TM_POOL_NO_THREAD}}) {
        pool made{directory / ("pool" + std::to_string(how)), 100000, pool_of(TM_DURABILITY_NONE, how)};
        int called = 0;
        const auto ask = [&] {
            libtm::atomically([&] {
                libtm::store(made.data<long>()[0], libtm::load(made.data<long>()[0]) + 1);
                libtm::on_durable([&called] { ++called; });
            });
        };
        ask();
        made.commit();
        EXPECT_EQ(called, 1) << "commit";
        ask();
        made.checkpoint();
        EXPECT_EQ(called, 2) << "checkpoint";
        ask();
        made.trim();
        EXPECT_EQ(called, 3) << "trim";
        ask();
        add(made, 1, asking(TM_DURABILITY_SYNC));
        EXPECT_EQ(called, 4) << "a transaction";
        ask();
        made.close();
        EXPECT_EQ(called, 5) << "close";
    }
}

TEST(Durable, H7_each_is_called_though_what_is_called_commits)
{
    const Directory directory;
    pool made{directory / "pool", 1000, pool_of(TM_DURABILITY_ASYNC)};
    int called = 0;
    libtm::atomically([&] {
        libtm::on_durable([&] {
            add(made, 0);
            ++called;
        });
        libtm::on_durable([&] { ++called; });
    });
    EXPECT_EQ(called, 2);
    tm_pool *const handle = made.handle();
    long *const counter = made.data<long>();
    libtm::atomically([&] {
        libtm::store(counter[1], 1l);
        libtm::on_durable([&, handle, counter] {
            EXPECT_EQ(tm_pool_close(handle), EDEADLK);
            libtm::atomically(asking(TM_DURABILITY_NONE), [&] { libtm::store(*counter, libtm::load(*counter) + 1); });
            libtm::on_durable([&] { ++called; }); // outside of a transaction
        });
    });
    made.close(); // makes it durable, and what was called, too
    EXPECT_EQ(called, 3);
    EXPECT_EQ(words(directory / "pool", 1)[0], 2);
}

TEST(Durable, H7_of_several_pools_when_all_have_it_whichever_is_closed_first)
{
    const Directory directory;
    for (int first = 0; first < 2; ++first) {
        std::vector<pool> pools;
        for (int i = 0; i < 3; ++i) pools.emplace_back(directory / ("pool" + std::to_string(3 * first + i)), 1000, pool_of(TM_DURABILITY_NONE));
        int called = 0;
        const auto ask = [&] {
            libtm::atomically([&] {
                for (pool &each : pools) libtm::store(each.data<long>()[0], 1l);
                libtm::on_durable([&called] { ++called; });
            });
        };
        ask();
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(called, 0) << i;
            pools[static_cast<std::size_t>(first ? i : 2 - i)].wait();
        }
        EXPECT_EQ(called, 1);
        ask();
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(called, 1) << i;
            pools[static_cast<std::size_t>(first ? i : 2 - i)].close();
        }
        EXPECT_EQ(called, 2);
        pools.clear();
    }
}

TEST(Durable, H7_of_several_threads_each_is_called_once_in_the_order_of_commits)
{
    const Directory directory{in_memory()};
    pool made{directory / "pool", 100000, pool_of(TM_DURABILITY_ASYNC, 0)};
    constexpr int threads = 3;
    constexpr long rounds = 500;
    std::vector<long> called;
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
        running.emplace_back([&] {
            for (long i = 0; i < rounds; ++i) {
                tm_attr how{};
                how.durability = i % 7 == 0 ? TM_DURABILITY_SYNC : TM_DURABILITY_DEFAULT;
                libtm::atomically(how, [&] {
                    const long number = libtm::load(made.data<long>()[0]);
                    libtm::store(made.data<long>()[0], number + 1);
                    libtm::on_durable([&called, number] { called.push_back(number); });
                });
            }
        });
    for (std::thread &thread : running) thread.join();
    made.wait();
    made.close();
    ASSERT_EQ(called.size(), static_cast<std::size_t>(threads * rounds));
    for (long i = 0; i < threads * rounds; ++i) ASSERT_EQ(called[static_cast<std::size_t>(i)], i);
}
