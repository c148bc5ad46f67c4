// SPDX-License-Identifier: MIT
// P20: every transaction commits after at most a stated number of attempts: `max_retries` restarts, then it runs alone.
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

/** Every contention policy, each buffering of threads. */
class Progress : public ::testing::TestWithParam<std::tuple<const char *, Buffering>> {
protected:
    /** The last restart may be what makes it run alone, and a reset of the clock may cost one more. */
    static constexpr unsigned slack = 3;
    static constexpr unsigned threads = 8;
    Option policy{"contention", std::get<0>(GetParam())};
    static attr how(unsigned turn, unsigned max_retries)
    {
        attr a = make_attr(mode_of(std::get<1>(GetParam()), turn));
        a.max_retries = max_retries;
        return a;
    }
};
std::string progress_name(const ::testing::TestParamInfo<std::tuple<const char *, Buffering>> &info)
{
    static const char *const names[] = {"write_back", "write_through", "mixed"};
    return std::string(std::get<0>(info.param)) + "_" + names[static_cast<int>(std::get<1>(info.param))];
}
INSTANTIATE_TEST_SUITE_P(, Progress,
                         ::testing::Combine(::testing::Values("suicide", "delay", "backoff", "timestamp"),
                                            ::testing::Values(Buffering::write_back, Buffering::write_through, Buffering::mixed)),
                         progress_name);

TEST_P(Progress, P20_long_transaction_commits_among_many_short_writers)
{
    constexpr std::size_t count = 256;
    constexpr unsigned retries = 5;
    std::vector<Cell> cells(count);
    std::atomic<bool> over{false};
    unsigned most = 0;
    long expected = 0;
    std::atomic<long> short_commits{0};
    const int long_ones = static_cast<int>(scaled(20));
    run_threads(threads, [&](unsigned me) {
        if (me == 0) {
            for (int i = 0; i < long_ones; ++i) {
                atomically(how(me, retries), [&] {
                    for (auto &cell : cells) store(cell.value, load(cell.value) + 1);
                });
                most = std::max(most, tm_attempt());
                expected += count;
            }
            over = true;
        } else {
            Random random(me);
            while (!over) {
                atomically(how(me, 0), [&] {
                    auto &value = cells[random.below(count)].value;
                    store(value, load(value) + 1);
                });
                short_commits.fetch_add(1);
            }
        }
    });
    EXPECT_LE(most, retries + slack);
    long sum = 0;
    for (auto &cell : cells) sum += cell.value;
    EXPECT_EQ(sum, expected + short_commits.load());
}

TEST_P(Progress, P20_attempts_are_bounded_when_all_want_the_same)
{
    constexpr unsigned retries = 4;
    Cell a, b;
    const auto rounds = scaled(2000);
    std::atomic<unsigned> most{0};
    run_threads(threads, [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(static_cast<unsigned>(me + i), retries), [&] {
                // In opposite orders, and slow in between.
                auto &first = me % 2 ? a.value : b.value, &second = me % 2 ? b.value : a.value;
                store(first, load(first) + 1);
                if (i % 8 == 0) std::this_thread::yield();
                store(second, load(second) + 1);
            });
            unsigned seen = most.load();
            const unsigned mine = tm_attempt();
            while (seen < mine && !most.compare_exchange_weak(seen, mine)) {
            }
        }
    });
    EXPECT_EQ(a.value, static_cast<long>(rounds * threads));
    EXPECT_EQ(b.value, a.value);
    EXPECT_LE(most.load(), retries + slack);
}

TEST_P(Progress, P20_long_readers_commit_among_writers)
{
    constexpr std::size_t count = 512;
    constexpr unsigned retries = 3;
    std::vector<Cell> cells(count);
    std::atomic<unsigned> readers{3}, most{0};
    const int reads = static_cast<int>(scaled(20));
    run_threads(threads, [&](unsigned me) {
        if (me < 3) {
            for (int i = 0; i < reads; ++i) {
                attr a = how(me, retries);
                a.flags |= me == 0 ? TM_READ_ONLY : me == 1 ? TM_READ_MOSTLY : 0;
                const long sum = atomically(a, [&] {
                    long seen = 0;
                    for (auto &cell : cells) seen += load(cell.value);
                    return seen;
                });
                EXPECT_EQ(sum, 0);
                unsigned seen = most.load();
                const unsigned mine = tm_attempt();
                while (seen < mine && !most.compare_exchange_weak(seen, mine)) {
                }
            }
            readers.fetch_sub(1);
        } else {
            Random random(me);
            while (readers.load()) {
                atomically(how(me, 0), [&] {
                    auto &from = cells[random.below(count)].value, &to = cells[random.below(count)].value;
                    store(from, load(from) - 1);
                    store(to, load(to) + 1);
                });
            }
        }
    });
    EXPECT_LE(most.load(), retries + slack);
}

TEST_P(Progress, P20_the_statistics_tell_the_most_attempts)
{
    const attr a = how(0, 1000);
    unsigned restarts = 7;
    atomically(a, [&] {
        if (restarts && restarts--) restart();
    });
    EXPECT_EQ(tm_attempt(), 8u);
    tm_stats stats;
    tm_stats_get(&stats);
    EXPECT_GE(stats.max_attempts, 8u);
}

TEST_P(Progress, P20_it_runs_alone_after_max_retries)
{
    TM_SKIP_IF_SHAKEN();
    if (short_clock()) GTEST_SKIP() << "who overtakes while the other waits for it must not meet an overflow of the clock";
    TM_WITHOUT_BIAS();
    tm_stats before, after;
    tm_stats_get(&before);
    unsigned attempts = 0;
    Cell cell;
    atomically(how(0, 3), [&] {
        if (++attempts <= 4) be_overtaken(cell); // the first attempt and three restarts
        store(cell.value, load(cell.value) + 1);
    });
    tm_stats_get(&after);
    EXPECT_EQ(attempts, 5u);
    EXPECT_EQ(cell.value, 5);
    EXPECT_EQ(after.serial, before.serial + 1);
}

} // namespace
