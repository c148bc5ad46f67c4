// SPDX-License-Identifier: MIT
/** Transactions that change a pool: isolated as any, and durable when and as was asked. */
#include "durable.hpp"

#include <atomic>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr tm_mode modes[] = {TM_WRITE_BACK, TM_WRITE_THROUGH};

class InEachMode : public ::testing::TestWithParam<tm_mode> {};
INSTANTIATE_TEST_SUITE_P(Durable, InEachMode, ::testing::ValuesIn(modes), [](const auto &info) { return info.param == TM_WRITE_BACK ? "write_back" : "write_through"; });

} // namespace

TEST_P(InEachMode, P1_N1_what_has_committed_survives_a_kill)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, 100000};
        for (std::size_t i = 0; i < 100; ++i) {
            add(made, i * 97, asking(TM_DURABILITY_DEFAULT, GetParam()));
            DEMAND(words(path, 9700)[i * 97] == 1);
        }
        const tm_pool_stats stats = made.stat();
        DEMAND(stats.transactions == 100 && stats.groups == 100 && stats.commits == 0);
        die();
    });
    const pool opened{path};
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(opened.data<long>()[i * 97], 1);
}

TEST_P(InEachMode, P7_plain_stores_beside_it_and_what_was_rolled_back_are_not_there)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, 100000};
        char *const at = made.data();
        at[0] = at[2] = at[9] = 'p'; // the same stripe
        libtm::atomically(asking(TM_DURABILITY_DEFAULT, GetParam()), [&] {
            libtm::store(at[1], 't');
            tm_store_bytes(at + 3, "tuvwxy", 6);
            libtm::store(at[8191], 't');
            libtm::store(at[8192], 't');
        });
        error_of(asking(TM_DURABILITY_DEFAULT, GetParam()), [&] {
            libtm::store(at[1], 'r');
            libtm::store(at[20], 'r');
            libtm::cancel(1);
        });
        add(made, 1000);
        die();
    });
    const pool opened{path};
    EXPECT_EQ(std::string(opened.data(), 21), std::string("\0t\0tuvwxy", 9) + std::string(12, '\0'));
    EXPECT_EQ(std::string(opened.data() + 8190, 4), std::string("\0tt\0", 4));
    EXPECT_EQ(opened.data<long>()[1000], 1);
}

TEST_P(InEachMode, what_plain_code_has_written_to_privatized_memory_is_there)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, 100000};
        char *const at = made.data();
        libtm::atomically(asking(TM_DURABILITY_DEFAULT, GetParam()), [&] {
            libtm::store(at[100], 's');
            tm_privatize(at + 98, 5, TM_PRIVATIZE_STORE);
            std::memcpy(at + 98, "pq", 2);
            std::memcpy(at + 101, "rs", 2);
            tm_privatize(at + 5000, 10, TM_PRIVATIZE_STORE | TM_PRIVATIZE_NOUNDO);
            std::memcpy(at + 5000, "0123456789", 10);
            tm_memset(at + 6000, 'm', 3000);
        });
        die();
    });
    const pool opened{path};
    EXPECT_EQ(std::string(opened.data() + 97, 7), std::string("\0pqsrs\0", 7));
    EXPECT_EQ(std::string(opened.data() + 5000, 11), std::string("0123456789\0", 11));
    EXPECT_EQ(std::string(opened.data() + 5999, 3002), '\0' + std::string(3000, 'm') + '\0');
}

TEST(Durable, N3_N4_none_comes_with_the_next_that_is)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, 100000, pool_of(TM_DURABILITY_NONE)};
        add(made, 0);
        add(made, 1);
        DEMAND(words(path, 2) == (std::vector<long>{0, 0}) && made.stat().groups == 0);
        add(made, 2, asking(TM_DURABILITY_SYNC));
        DEMAND(words(path, 3) == (std::vector<long>{1, 1, 1}) && made.stat().groups == 1);
        add(made, 3);
        made.commit();
        DEMAND(words(path, 4) == (std::vector<long>{1, 1, 1, 1}));
        add(made, 4);
        made.checkpoint();
        DEMAND(words(path, 5)[4] == 1 && made.stat().journal_used == 0);
        add(made, 5);
        die();
    });
    EXPECT_EQ(words(path, 6), (std::vector<long>{1, 1, 1, 1, 1, 0}));
}

TEST(Durable, N3_a_close_forgets_no_transaction)
{
    const Directory directory;
    const std::string path = directory / "pool";
    for (const unsigned how : {0u, unsigned{TM_POOL_NO_THREAD}})
        for (const tm_durability durability : {TM_DURABILITY_NONE, TM_DURABILITY_ASYNC}) {
            pool made{path, 1000, pool_of(durability, how)};
            add(made, 0);
            made.close();
        }
    EXPECT_EQ(words(path, 1)[0], 4);
}

TEST(Durable, N3_async_is_durable_when_somebody_waits)
{
    const Directory directory;
    const std::string path = directory / "pool";
    tm_pool_attr how = pool_of(TM_DURABILITY_ASYNC, 0);
    how.interval = 1000000;
    pool made{path, 100000, how};
    EXPECT_EQ(made.ticket(), 0u);
    made.wait();
    add(made, 0);
    const std::uint64_t first = made.ticket();
    EXPECT_GT(first, 0u);
    add(made, 1);
    EXPECT_GT(made.ticket(), first);
    EXPECT_EQ(words(path, 2), (std::vector<long>{0, 0}));
    made.wait(first);
    EXPECT_EQ(words(path, 2)[0], 1);
    add(made, 2);
    made.wait();
    EXPECT_EQ(words(path, 3), (std::vector<long>{1, 1, 1}));
    EXPECT_EQ(tm_pool_wait(made.handle(), made.ticket() + 1), EINVAL);
    libtm::atomically([&] { EXPECT_EQ(tm_pool_wait(made.handle(), 0), EDEADLK); });
}

TEST(Durable, N3_async_is_durable_after_the_interval_though_nobody_waits)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 100000, pool_of(TM_DURABILITY_ASYNC, 0)};
    for (long i = 1; i <= 5; ++i) {
        add(made, 0);
        for (int waited = 0; words(path, 1)[0] != i; ++waited) {
            ASSERT_LT(waited, 5000) << "transaction " << i;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    made.wait(); // what a reader sees may be on its way
    EXPECT_EQ(made.stat().groups, 5u);
}

TEST(Durable, N3_async_without_a_thread_is_durable_with_the_first_that_comes_after_the_interval)
{
    const Directory directory;
    const std::string path = directory / "pool";
    tm_pool_attr how = pool_of(TM_DURABILITY_ASYNC);
    how.interval = 20;
    pool made{path, 100000, how};
    add(made, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    EXPECT_EQ(words(path, 1)[0], 0);
    add(made, 0);
    EXPECT_EQ(words(path, 1)[0], 2);
}

TEST(Durable, what_nobody_waits_for_does_not_pile_up)
{
    const Directory directory{in_memory()};
    tm_pool_attr how = pool_of(TM_DURABILITY_NONE);
    how.journal = 1 << 20;
    pool made{directory / "pool", 1 << 20, how};
    for (int i = 0; i < 3000; ++i)
        libtm::atomically([&] { tm_memset(made.data() + i % 200 * 4096, i, 4096); });
    EXPECT_GT(made.stat().groups, 10u);
    EXPECT_LT(made.stat().groups, 300u);
    made.wait();
    EXPECT_EQ(made.stat().journal_size, pool(directory / "other", 1 << 20, how).stat().journal_size) << "the journal need not be longer";
}

TEST(Durable, P11_what_fits_the_journal_one_by_one_does_not_make_it_longer_together)
{
    const Directory directory{in_memory()};
    tm_pool_attr how = pool_of(TM_DURABILITY_NONE);
    how.journal = 1 << 16;
    pool made{directory / "pool", 1 << 17, how};
    const std::uint64_t before = made.stat().journal_size;
    for (int i = 0; i < 5; ++i) {
        libtm::atomically([&] { tm_memset(made.data(), i, 12000); });
        libtm::atomically([&] { tm_memset(made.data() + 16384, i, 55000); });
        EXPECT_LE(made.stat().journal_size, before);
    }
    made.wait();
    EXPECT_LE(made.stat().journal_size, before);
}

TEST(Durable, N2_threads_share_the_syncs)
{
    for (const tm_durability durability : {TM_DURABILITY_SYNC, TM_DURABILITY_GROUP}) {
        const Directory directory;
        const std::string path = directory / "pool";
        constexpr int threads = 4, rounds = 100;
        pool made{path, 100000, pool_of(durability, 0)};
        std::vector<std::thread> running;
        for (std::size_t thread = 0; thread < threads; ++thread)
            running.emplace_back([&, thread] {
                for (long i = 1; i <= rounds; ++i) {
                    add(made, thread * 1000);
                    if (i % 10 == 0) {
                        EXPECT_GE(words(path, 4000)[thread * 1000], i) << "not durable when it returned";
                    }
                }
            });
        for (std::thread &thread : running) thread.join();
        const tm_pool_stats stats = made.stat();
        EXPECT_EQ(stats.transactions, std::uint64_t{threads * rounds});
        EXPECT_LT(stats.groups, durability == TM_DURABILITY_GROUP ? stats.transactions : stats.transactions + 1);
    }
}

TEST(Durable, N5_memory_alone_needs_no_pool)
{
    const Directory directory;
    pool made{directory / "pool", 100000};
    static long counter;
    counter = 0;
    auto *const block = static_cast<long *>(tm_calloc(1, sizeof(long)));
    for (int i = 0; i < 100; ++i)
        libtm::atomically([&] {
            libtm::store(counter, libtm::load(counter) + 1);
            libtm::store(*block, libtm::load(*block) + libtm::load(made.data<long>()[0]));
        });
    EXPECT_EQ(counter, 100);
    tm_free(block);
    const tm_pool_stats stats = made.stat();
    EXPECT_EQ(stats.transactions, 0u);
    EXPECT_EQ(stats.groups, 0u);
}

TEST(Durable, N5_memory_and_pool_change_together)
{
    const Directory directory;
    pool made{directory / "pool", 100000};
    static long counter = 0;
    counter = 0;
    std::vector<std::thread> running;
    for (int thread = 0; thread < 3; ++thread)
        running.emplace_back([&] {
            for (int i = 0; i < 100; ++i)
                libtm::atomically([&] {
                    libtm::store(counter, libtm::load(counter) + 1);
                    libtm::store(made.data<long>()[7], libtm::load(counter));
                });
        });
    for (std::thread &thread : running) thread.join();
    EXPECT_EQ(counter, 300);
    EXPECT_EQ(made.data<long>()[7], 300);
}

TEST(Durable, one_transaction_may_change_several_pools)
{
    const Directory directory;
    std::vector<pool> pools;
    for (int i = 0; i < 9; ++i) pools.emplace_back(directory / ("pool" + std::to_string(i)), 1000);
    const auto add_to = [&](std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) libtm::store(pools[i].data<long>()[0], libtm::load(pools[i].data<long>()[0]) + 1);
    };
    libtm::atomically([&] { add_to(8); });
    for (int i = 0; i < 8; ++i) EXPECT_EQ(words(directory / ("pool" + std::to_string(i)), 1)[0], 1);
    const tm_error_record refused = error_of({}, [&] { add_to(9); });
    EXPECT_EQ(refused.kind, TM_ERROR_POOL);
    EXPECT_EQ(refused.code, ENOTSUP);
    for (const pool &each : pools) EXPECT_EQ(each.data<long>()[0], &each == &pools[8] ? 0 : 1) << "rolled back";
    // From both sides at once: neither waits for the other for ever.
    std::thread other([&] {
        for (int i = 0; i < 100; ++i)
            libtm::atomically([&] {
                libtm::store(pools[1].data<long>()[1], 1l);
                libtm::store(pools[0].data<long>()[1], 1l);
            });
    });
    for (int i = 0; i < 100; ++i)
        libtm::atomically([&] {
            libtm::store(pools[0].data<long>()[100], 1l);
            libtm::store(pools[1].data<long>()[100], 1l);
        });
    other.join();
}

TEST(Durable, an_irrevocable_one_over_too_many_pools_poisons_them_all)
{
    const Directory directory;
    std::vector<pool> pools;
    for (int i = 0; i < 9; ++i) pools.emplace_back(directory / ("pool" + std::to_string(i)), 1000);
    tm_attr how{};
    how.flags = TM_IRREVOCABLE;
    const tm_error_record told = error_of(how, [&] {
        for (pool &each : pools) libtm::store(each.data<long>()[0], 1l);
    });
    EXPECT_EQ(told.code, EIO);
    for (const pool &each : pools) EXPECT_NE(each.stat().poisoned, 0);
}

TEST(Durable, what_lies_right_behind_a_pool_is_not_its)
{
    const Directory directory;
    const std::string path = directory / "pool";
    tm_pool_attr how{};
    how.base = reinterpret_cast<void *>(0x7ec000000000);
    how.reserve = 8192; // the directory of roots and one page
    {
        pool made{path, 4096, how};
        ASSERT_EQ(made.stat().reserve, 8192u);
        void *const behind = ::mmap(made.data() + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        ASSERT_EQ(behind, made.data() + 4096);
        for (const tm_mode mode : modes)
            libtm::atomically(asking(TM_DURABILITY_DEFAULT, mode), [&] { tm_memset(made.data() + 4000, 'x', 200); });
        const std::uint64_t before = made.ticket();
        libtm::atomically([&] { tm_memset(behind, 'y', 100); });
        EXPECT_EQ(made.ticket(), before);
        made.checkpoint();
        ::munmap(behind, 4096);
    }
    const pool opened{path};
    EXPECT_EQ(std::string(opened.data() + 3999, 97), '\0' + std::string(96, 'x'));
}

TEST(Durable, who_finds_the_journal_full_waits_for_nobody_who_waits_for_it)
{
    const Directory directory{in_memory()};
    for (const tm_durability durability : {TM_DURABILITY_ASYNC, TM_DURABILITY_SYNC}) {
        tm_pool_attr how = pool_of(durability, 0);
        how.journal = 16384;
        how.interval = 1;
        pool made{directory / ("pool" + std::to_string(durability)), 1 << 20, how};
        std::vector<std::thread> running;
        for (int thread = 0; thread < 2; ++thread)
            running.emplace_back([&, thread] {
                Random random(static_cast<std::uint64_t>(thread));
                for (int i = 0; i < 3000; ++i)
                    libtm::atomically([&] {
                        tm_memset(made.data() + random.below(250) * 4096, i, random.below(20) ? 8 : 3000);
                        // Called by whoever finds it durable, the pool's thread too.
                        if (i % 10 == 0) libtm::on_durable([&made] { add(made, 1); });
                    });
            });
        for (std::thread &thread : running) thread.join();
    }
}

TEST(Durable, a_closed_pool_is_not_asked_and_a_copy_is_not_journaled)
{
    const Directory directory;
    const std::string path = directory / "pool";
    { pool made{path, 1000}; }
    static long counter = 0;
    libtm::atomically([&] { libtm::store(counter, 1l); });
    pool copy{path, flags(TM_POOL_THROWAWAY)};
    add(copy, 0);
    EXPECT_EQ(copy.data<long>()[0], 1);
    EXPECT_EQ(copy.ticket(), 0u);
    copy.wait();
    EXPECT_EQ(words(path, 1)[0], 0);
    pool again{path, flags(TM_POOL_ANYWHERE)}; // beside the copy, at another address
    add(again, 0);
    EXPECT_EQ(again.stat().transactions, 1u);
    EXPECT_EQ(copy.data<long>()[0], 1);
}

TEST(Durable, pools_that_were_mapped_there_before_are_not_in_the_way)
{
    const Directory directory;
    tm_pool_attr how{};
    how.base = reinterpret_cast<void *>(0x7eb000000000);
    for (int turn = 0; turn < 2; ++turn)
        for (const std::uint64_t reserve : {1ull << 30, 1ull << 31, 1ull << 20}) {
            how.reserve = reserve;
            const std::string path = directory / ("pool" + std::to_string(turn) + "-" + std::to_string(reserve));
            pool made{path, 1000, how};
            add(made, 0);
            EXPECT_EQ(words(path, 1)[0], 1);
        }
}

TEST(Durable, P26_in_the_child_of_a_fork_it_is_refused)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 1000, pool_of(TM_DURABILITY_SYNC)};
    EXPECT_TRUE(ended_well(in_child([&] {
        const tm_error_record refused = error_of({}, [&] { libtm::store(made.data<long>()[0], 1l); });
        DEMAND(refused.kind == TM_ERROR_POOL && refused.code == EPERM && made.data<long>()[0] == 0);
    })));
    add(made, 0);
    EXPECT_EQ(words(path, 1)[0], 1);
}

TEST_P(InEachMode, P11_a_full_disk_refuses_it_before_anything_has_happened)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        tm_pool_attr how = journal_of(1 << 16, TM_POOL_NO_THREAD);
        pool made{path, 1 << 20, how};
        add(made, 0);
        const auto limit = [](rlim_t bytes) {
            const rlimit now{bytes, RLIM_INFINITY};
            DEMAND(::setrlimit(RLIMIT_FSIZE, &now) == 0);
        };
        limit(std::filesystem::file_size(path));
        const auto change = [&] { // frames take more than the bytes
            for (std::size_t i = 0; i < made.size() / sizeof(long); i += 2) libtm::store(made.data<long>()[i], 2l);
        };
        for (int i = 0; i < 2; ++i) {
            const tm_error_record refused = error_of(asking(TM_DURABILITY_NONE, GetParam()), change);
            DEMAND(refused.kind == TM_ERROR_POOL && refused.code == EFBIG && tm_pool_error()->remedy);
            DEMAND(made.data<long>()[0] == 1 && made.data<long>()[2] == 0 && made.data<long>()[made.size() / sizeof(long) - 2] == 0);
        }
        add(made, 1); // the others go on
        limit(RLIM_INFINITY);
        libtm::atomically(asking(TM_DURABILITY_SYNC, GetParam()), change);
        die();
    });
    EXPECT_TRUE(was_killed(status)) << status;
    const pool opened{path};
    for (std::size_t i = 0; i < opened.size() / sizeof(long); ++i) ASSERT_EQ(opened.data<long>()[i], i % 2 == 0 ? 2 : i == 1);
}

/** The committed state is what the transaction has made of it, whatever the data file or a copy of an earlier commit say. */
TEST(Durable, M5_what_plain_code_puts_back_after_a_transaction_is_committed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 100000};
    long *const at = made.data<long>();
    const auto change_and_put_back = [&] {
        for (const tm_durability durability : {TM_DURABILITY_SYNC, TM_DURABILITY_NONE}) {
            const long before = at[0];
            libtm::atomically(asking(durability), [&] { libtm::store(at[0], before + 1); });
            at[0] = before;
            made.commit();
            EXPECT_EQ(words(path, 1)[0], before);
        }
    };
    change_and_put_back(); // the file has the page
    at[1] = 1;
    made.commit();
    change_and_put_back(); // the last commit has left a copy
    made.checkpoint();
    change_and_put_back();
}

TEST(Durable, P19_a_thread_that_is_cancelled_while_it_commits_holds_nobody_up)
{
    if (has_sanitizer) GTEST_SKIP() << "they do not follow the unwinding of a cancelled thread";
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 100000};
    long done = 0;
    for (int round = 0; round < 10; ++round) {
        std::atomic<bool> runs{false};
        std::thread victim([&] {
            for (;; runs = true) {
                add(made, 0);
                errno = 77;
                add(made, 1);
                EXPECT_EQ(errno, 77);
                ::pthread_testcancel();
            }
        });
        while (!runs) std::this_thread::yield();
        ::pthread_cancel(victim.native_handle());
        victim.join();
        add(made, 2);
        ++done;
    }
    EXPECT_EQ(words(path, 3)[2], done);
    EXPECT_EQ(words(path, 3), (std::vector<long>{made.data<long>(), made.data<long>() + 3}));
}

TEST(Durable, keep_holds_for_transactions_too)
{
    const Directory directory{in_memory()};
    tm_pool_attr how = journal_of(1 << 20);
    how.keep = 64 * 4096;
    pool made{directory / "pool", 4 << 20, how};
    for (int i = 0; i < 1000; ++i) {
        add(made, static_cast<std::size_t>(i) * 512);
        ASSERT_LE(made.stat().private_bytes, how.keep + 4096);
    }
    for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(made.data<long>()[i * 512], 1);
}

/** Transactions, plain stores and commits of both kinds, by several threads, while the pool is trimmed, grows and makes checkpoints; then a kill. */
TEST(Durable, P1_P7_M5_all_at_once)
{
    for (int round = 0; round < 4; ++round) {
        const Directory directory{in_memory()};
        const std::string path = directory / "pool";
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        constexpr std::size_t threads = 3, counters = 64;
        const int status = in_child([&] {
            tm_pool_attr how = journal_of(round % 2 ? 16 * 4096 : 1 << 20, round / 2 ? unsigned{TM_POOL_NO_THREAD} : 0u);
            pool made{path, 100000, how};
            std::atomic<long> acknowledged[threads] = {};
            std::vector<std::thread> running;
            for (std::size_t thread = 0; thread < threads; ++thread)
                running.emplace_back([&, thread] {
                    Random random(thread + static_cast<std::size_t>(round) * 10);
                    long mine = 0;
                    for (;;) {
                        tm_attr attr{};
                        attr.mode = modes[random.below(2)];
                        attr.durability = static_cast<tm_durability>(random.below(5));
                        // Money goes from one counter to another; each thread counts its transactions.
                        const std::size_t from = random.below(counters), to = random.below(counters);
                        ++mine;
                        libtm::atomically(attr, [&] {
                            long *const at = made.data<long>();
                            libtm::store(at[from * 100], libtm::load(at[from * 100]) - 1);
                            libtm::store(at[to * 100], libtm::load(at[to * 100]) + 1);
                            libtm::store(at[8000 + thread], mine);
                        });
                        if (attr.durability == TM_DURABILITY_NONE || attr.durability == TM_DURABILITY_ASYNC) {
                            if (random.below(20)) continue;
                            if (random.below(2)) made.wait();
                            else made.commit();
                        }
                        acknowledged[thread] = mine;
                        const long told[2] = {static_cast<long>(thread), mine};
                        DEMAND(::write(ends[1], told, sizeof told) == sizeof told);
                        switch (random.below(40)) {
                        case 0: made.trim(); break;
                        case 1: made.checkpoint(); break;
                        case 2: made.commit(); break;
                        case 3: made.grow(made.size() + 4096); break;
                        default: break;
                        }
                    }
                });
            for (std::size_t thread = 0; thread < threads; ++thread)
                while (acknowledged[thread] < 300) std::this_thread::yield();
            die();
        });
        ::close(ends[1]);
        ASSERT_TRUE(was_killed(status)) << status;
        std::vector<long> promised(threads);
        for (long told[2]; ::read(ends[0], told, sizeof told) == sizeof told;) promised[static_cast<std::size_t>(told[0])] = told[1];
        ::close(ends[0]);
        const pool opened{path};
        long sum = 0;
        for (std::size_t i = 0; i < counters; ++i) sum += opened.data<long>()[i * 100];
        EXPECT_EQ(sum, 0) << "a transaction is there in part";
        for (std::size_t thread = 0; thread < threads; ++thread) EXPECT_GE(opened.data<long>()[8000 + thread], promised[thread]) << "lost";
    }
}
