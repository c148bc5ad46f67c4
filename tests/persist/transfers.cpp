// SPDX-License-Identifier: MIT
/** Commits of the whole image beside transactions and other threads: no uncommitted value becomes durable, and no store is lost. */
#include "files.hpp"

#include <atomic>
#include <thread>

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr std::size_t accounts = 3000; ///< over six pages
constexpr long each = 1000;

enum class Modes { write_back, write_through, mixed };

libtm::attr mode_of(Modes modes, unsigned turn)
{
    libtm::attr how{};
    how.durability = TM_DURABILITY_NONE; // it is the commit that is tried here
    how.mode = modes == Modes::write_back || (modes == Modes::mixed && turn % 2) ? TM_WRITE_BACK : TM_WRITE_THROUGH;
    return how;
}

long sum_of(const long *bank)
{
    long sum = 0;
    for (std::size_t i = 0; i < accounts; ++i) sum += bank[i];
    return sum;
}

void found(pool &made)
{
    std::fill_n(made.data<long>(), accounts, each);
    made.commit();
}

/** Threads that move money until the end. */
class Movers {
public:
    Movers(long *bank, Modes modes, unsigned count)
    {
        for (unsigned i = 0; i < count; ++i)
            threads_.emplace_back([this, bank, modes, i] {
                Random random(i);
                for (unsigned turn = i; !stop_.load(std::memory_order_relaxed); ++turn) {
                    const std::size_t from = random.below(accounts), to = random.below(accounts);
                    const long amount = static_cast<long>(random.below(100));
                    libtm::atomically(mode_of(modes, turn), [&] {
                        libtm::store(bank[from], libtm::load(bank[from]) - amount);
                        libtm::store(bank[to], libtm::load(bank[to]) + amount);
                    });
                    moved_.fetch_add(1, std::memory_order_relaxed);
                }
            });
    }
    ~Movers() { end(); }
    void end()
    {
        stop_.store(true);
        for (std::thread &thread : threads_) thread.join();
        threads_.clear();
    }
    /** Wait until so many more transfers are done. */
    void await(long more) const
    {
        for (const long before = moved_.load(); moved_.load() < before + more;) std::this_thread::yield();
    }

private:
    std::atomic<bool> stop_{false};
    std::atomic<long> moved_{0};
    std::vector<std::thread> threads_;
};

std::string mode_name(const ::testing::TestParamInfo<Modes> &info)
{
    static constexpr const char *names[] = {"write_back", "write_through", "mixed"};
    return names[static_cast<int>(info.param)];
}

class Transfers : public ::testing::TestWithParam<Modes> {};

} // namespace

TEST_P(Transfers, P7_after_each_kill_the_sum_is_right)
{
    const Directory directory;
    const std::string path = directory / "pool";
    {
        pool made{path, accounts * sizeof(long)};
        found(made);
    }
    std::vector<long> before(accounts, each);
    for (int life = 0; life < 6; ++life) {
        and_be_killed([&] {
            pool opened{path, life % 2 ? journal_of(32768) : tm_pool_attr{}};
            Movers movers(opened.data<long>(), GetParam(), 2);
            for (int i = 0; i < 8; ++i) {
                movers.await(20);
                opened.commit();
            }
            die(); // with transactions on their way
        });
        const pool opened{path};
        ASSERT_EQ(sum_of(opened.data<long>()), static_cast<long>(accounts) * each) << "life " << life;
        EXPECT_NE(std::memcmp(opened.data(), before.data(), accounts * sizeof(long)), 0) << "nothing was moved";
        before.assign(opened.data<long>(), opened.data<long>() + accounts);
    }
}

TEST_P(Transfers, P7_a_commit_has_nothing_of_a_transaction_that_is_rolled_back_later)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, accounts * sizeof(long)};
    for (unsigned turn = 0; turn < 4; ++turn) {
        std::atomic<bool> has_stored{false};
        std::thread other([&] {
            try {
                libtm::atomically(mode_of(GetParam(), turn), [&] {
                    libtm::store(made.data<long>()[0], 1l);
                    has_stored = true;
                    std::this_thread::sleep_for(std::chrono::milliseconds(20));
                    libtm::cancel(1);
                });
            } catch (const libtm::error &) {
            }
        });
        while (!has_stored) std::this_thread::yield();
        made.data<long>()[1000] = static_cast<long>(turn) + 1; // so that there is something to commit
        made.commit();
        other.join();
        const pool reading{path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)};
        EXPECT_EQ(reading.data<long>()[0], 0);
        EXPECT_EQ(reading.data<long>()[1000], static_cast<long>(turn) + 1);
    }
}

TEST_P(Transfers, P7_M15_a_backup_of_a_pool_in_use_has_the_sum)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, accounts * sizeof(long), journal_of(1 << 18)};
    found(made);
    Movers movers(made.data<long>(), GetParam(), 2);
    std::atomic<bool> stop{false};
    std::thread commits([&] {
        while (!stop.load()) made.commit();
    });
    for (int i = 0; i < 8; ++i) {
        const std::string copy = directory / ("copy" + std::to_string(i));
        EXPECT_EQ(tm_pool_backup(path.c_str(), copy.c_str(), nullptr, nullptr, nullptr), 0) << Told().message;
        const pool copied{copy, flags(TM_POOL_ANYWHERE)};
        EXPECT_EQ(sum_of(copied.data<long>()), static_cast<long>(accounts) * each);
        EXPECT_NE(std::memcmp(copied.stat().uuid, made.stat().uuid, 16), 0);
    }
    stop.store(true);
    commits.join();
    movers.end();
    EXPECT_EQ(sum_of(made.data<long>()), static_cast<long>(accounts) * each);
}

TEST_P(Transfers, P7_trim_and_growth_beside_transactions_lose_nothing)
{
    const Directory directory;
    pool made{directory / "pool", accounts * sizeof(long)};
    found(made);
    Movers movers(made.data<long>(), GetParam(), 2);
    for (int i = 0; i < 10; ++i) {
        movers.await(50);
        switch (i % 3) {
        case 0: made.commit(); break;
        case 1: made.trim(); break;
        default: made.grow(made.size() + 1);
        }
    }
    movers.end();
    EXPECT_EQ(sum_of(made.data<long>()), static_cast<long>(accounts) * each);
    made.commit();
    const std::vector<long> last(made.data<long>(), made.data<long>() + accounts);
    made.close();
    const pool opened{directory / "pool"};
    EXPECT_TRUE(std::equal(last.begin(), last.end(), opened.data<long>()));
}

TEST_P(Transfers, P7_in_a_transaction_commits_are_refused_and_it_goes_on)
{
    const Directory directory;
    pool made{directory / "pool", 100000};
    long *const words = made.data<long>();
    for (auto *const call : {tm_pool_commit, tm_pool_checkpoint, tm_pool_trim, +[](tm_pool *it) { return tm_pool_grow(it, 1 << 20); }}) {
        words[0] = words[1000] = 0;
        const int code = libtm::atomically(mode_of(GetParam(), 0), [&] {
            libtm::store(words[0], 1L);
            const int told = call(made.handle());
            libtm::store(words[1000], libtm::load(words[0]) + 1);
            return told;
        });
        EXPECT_EQ(code, EDEADLK);
        EXPECT_EQ(Told().code, EDEADLK);
        EXPECT_FALSE(Told().remedy.empty());
        EXPECT_EQ(words[0], 1);
        EXPECT_EQ(words[1000], 2);
    }
    EXPECT_EQ(made.stat().commits, 0u);
    made.commit();
    EXPECT_EQ(made.stat().commits, 1u);
}

INSTANTIATE_TEST_SUITE_P(, Transfers, ::testing::Values(Modes::write_back, Modes::write_through, Modes::mixed), mode_name);

TEST(Commits, P7_of_several_threads_are_shared_and_each_is_durable_when_it_returns)
{
    const Directory directory;
    const std::string path = directory / "pool";
    constexpr int threads = 6;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    and_be_killed([&] {
        pool made{path, threads * 4096, journal_of(1 << 16)};
        std::vector<std::thread> running;
        std::atomic<int> begun{0};
        for (int thread = 0; thread < threads; ++thread)
            running.emplace_back([&, thread] {
                for (int i = 1; i <= 40; ++i) {
                    libtm::atomically([&] { libtm::store(made.data<int>()[thread * 1024], i); });
                    made.commit();
                    const int told[2] = {thread, i};
                    DEMAND(::write(ends[1], told, sizeof told) == sizeof told);
                    begun += i == 1;
                }
            });
        // Killed while they are at it, after some.
        while (begun < threads || made.stat().commits < threads * 20) std::this_thread::yield();
        const tm_pool_stats stats = made.stat();
        DEMAND(stats.groups <= stats.commits + stats.transactions);
        die();
    });
    ::close(ends[1]);
    std::vector<int> promised(threads);
    for (int told[2]; ::read(ends[0], told, sizeof told) == sizeof told;) promised[static_cast<std::size_t>(told[0])] = told[1];
    ::close(ends[0]);
    const pool opened{path};
    for (int thread = 0; thread < threads; ++thread) {
        EXPECT_GT(promised[static_cast<std::size_t>(thread)], 0);
        EXPECT_GE(opened.data<int>()[thread * 1024], promised[static_cast<std::size_t>(thread)]) << "thread " << thread;
    }
}

TEST(Commits, M3_counted_when_threads_share_them)
{
    const Directory directory;
    pool made{directory / "pool", 100000};
    constexpr int threads = 4, rounds = 50;
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
        running.emplace_back([&, thread] {
            for (int i = 1; i <= rounds; ++i) {
                libtm::atomically([&] { libtm::store(made.data<int>()[thread * 2048], i); });
                made.commit();
            }
        });
    for (std::thread &thread : running) thread.join();
    const tm_pool_stats stats = made.stat();
    EXPECT_EQ(stats.commits, std::uint64_t{threads * rounds});
    EXPECT_EQ(stats.transactions, std::uint64_t{threads * rounds});
    EXPECT_LE(stats.groups, stats.commits + stats.transactions);
    EXPECT_GE(stats.groups, std::uint64_t{rounds});
    EXPECT_EQ(stats.sequence, stats.groups);
    EXPECT_GE(stats.bytes_journaled, stats.groups * 4096); // more where a page of the file is not in memory, and goes as a whole
}

TEST(Commits, a_checkpoint_syncs_so_little_at_once_that_a_commit_beside_it_does_not_wait_long)
{
    const Directory directory;
    constexpr std::size_t each = 64 << 10, commits = 64;
    pool made{directory / "pool", commits * each, journal_of(16 << 20, TM_POOL_NO_THREAD)};
    for (std::size_t i = 0; i < commits; ++i) {
        std::memset(made.data() + i * each, 1, each);
        made.commit();
    }
    const std::uint64_t before = made.stat().syncs;
    made.checkpoint();
    EXPECT_GE(made.stat().syncs - before, commits * each / (1 << 20)) << "a megabyte or less of the data file with each";
}

TEST(Commits, M3_a_plain_store_beside_a_commit_is_in_it_or_in_the_next)
{
    if (has_thread_sanitizer) GTEST_SKIP() << "plain stores beside a commit are what this is about";
    for (const char *const detection : {"written", "copied", "pagemap", "compare"}) {
        const Option option{"detection", detection};
        const Directory directory;
        const std::string path = directory / "pool";
        constexpr std::size_t pages = 40;
        if (code_of([&] { pool(path, pages * 4096); }) == ENOTSUP) continue;
        std::vector<int> last(pages);
        {
            pool opened{path};
            std::atomic<bool> stop{false};
            std::thread stores([&] {
                Random random(3);
                for (int i = 1; !stop.load(std::memory_order_relaxed); ++i) {
                    const std::size_t page = random.below(pages);
                    std::atomic_ref(opened.data<int>()[page * 1024 + 17]).store(i, std::memory_order_relaxed);
                    last[page] = i;
                }
            });
            for (int i = 0; i < 60; ++i) {
                opened.commit();
                if (i % 10 == 0) opened.checkpoint();
            }
            stop.store(true);
            stores.join();
            opened.commit();
        }
        const pool opened{path};
        for (std::size_t page = 0; page < pages; ++page) EXPECT_EQ(opened.data<int>()[page * 1024 + 17], last[page]) << detection << " page " << page;
    }
}
