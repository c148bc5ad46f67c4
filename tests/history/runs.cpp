// SPDX-License-Identifier: MIT
// P12 on real threads: random programs of transactions, each history of which is decided. Options of the process come from TM_CONF; HISTORIES, from the
// build, is how many for each buffering and number of threads.
#include "program.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace {

using namespace libtm;
using namespace libtm::test;
using history::Verdict;

/** All threads wait for each other; spins at first, since histories are short. */
class Barrier {
public:
    explicit Barrier(unsigned threads) : threads_(threads) {}
    void wait()
    {
        const unsigned round = round_.load(std::memory_order_relaxed);
        if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
            waiting_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (unsigned looks = 0; round_.load(std::memory_order_acquire) == round; ++looks)
            if (looks > 200) std::this_thread::yield();
    }

private:
    const unsigned threads_;
    alignas(64) std::atomic<unsigned> waiting_{0};
    alignas(64) std::atomic<unsigned> round_{0};
};

struct Counts {
    std::uint64_t histories = 0, attempts = 0, aborted = 0, overlapping = 0, conflicts = 0, violated = 0, undecided = 0;
    Counts &operator+=(const Counts &by)
    {
        histories += by.histories, attempts += by.attempts, aborted += by.aborted, overlapping += by.overlapping;
        conflicts += by.conflicts, violated += by.violated, undecided += by.undecided;
        return *this;
    }
};

/** Whether two committed attempts of different threads both write, at the same time. */
bool writers_overlap(const history::History &run)
{
    std::vector<const history::Attempt *> writers;
    for (const auto &attempt : run.attempts)
        if (attempt.outcome == history::Outcome::committed &&
            std::any_of(attempt.operations.begin(), attempt.operations.end(), [](const auto &o) { return o.kind == history::Operation::write; }))
            writers.push_back(&attempt);
    for (std::size_t i = 0; i < writers.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            if (writers[i]->thread != writers[k]->thread && writers[i]->end >= writers[k]->begin && writers[k]->end >= writers[i]->begin) return true;
    return false;
}

class Runs : public Concurrent {
protected:
    static constexpr std::size_t batch = 32; // histories that run before they are decided, by all threads
    static constexpr unsigned shown = 2;     // violations that are explained

    static void SetUpTestSuite() { ASSERT_EQ(tm_config_error(), nullptr) << tm_config_error(); }
    static void TearDownTestSuite()
    {
        const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
        const auto percent = [](std::uint64_t part) {
            return 100.0 * static_cast<double>(part) / static_cast<double>(std::max<std::uint64_t>(total.histories, 1));
        };
        std::printf("explored: %llu histories, %llu with conflicts, %llu violations, %llu undecided\n", number(total.histories),
                    number(total.conflicts), number(total.violated), number(total.undecided));
        std::printf("%.0f %% with an attempt that the engine aborted, %.0f %% with writers that overlap, %.1f attempts each\n", percent(total.aborted),
                    percent(total.overlapping), percent(total.attempts) / 100);
    }

    /** The n-th history's layout; where nothing waits for readers, nobody may use plainly what he has taken. */
    static const Layout &layout_of(std::uint64_t n)
    {
        const auto &all = layouts();
        const Layout &layout = all[n % all.size()];
        return layout.is_guarded && option("quiescence") == "off" ? all[n / all.size() % 8] : layout;
    }

    /**
     * Most are short, with pauses that make transactions overlap. Every seventh is long, without a pause: what needs two accesses in
     * the same nanoseconds happens there, if anywhere. In a quarter of them many attempts are given up in their middle.
     */
    static Pace pace_of(std::uint64_t n, unsigned threads)
    {
        const unsigned aborts = n / 10 % 4 == 2 ? 25 : 3;
        if (n % 7 == 3) return {120 / threads, 0, 0, aborts};
        return {threads > 4 ? 2 : 2 + static_cast<unsigned>(n % 3), 50, static_cast<unsigned>(n / 7 % 3) * 6, aborts};
    }

    void decide(World &world, std::uint64_t number, Counts &counts)
    {
        const auto run = world.recorder.history(world.final());
        const auto decision = history::decide(run);
        const auto aborted = static_cast<std::uint64_t>(
            std::count_if(run.attempts.begin(), run.attempts.end(), [](const auto &attempt) { return attempt.outcome == history::Outcome::aborted; }));
        const bool by_engine = aborted > world.user_aborts.load(std::memory_order_relaxed), overlapping = writers_overlap(run);
        counts += {1, run.attempts.size(), by_engine, overlapping, by_engine || overlapping, decision.verdict == Verdict::violated,
                   decision.verdict == Verdict::undecided};
        const bool intact = world.rest_is_untouched();
        if (decision.verdict == Verdict::opaque && intact) return;
        const std::lock_guard guard(telling);
        if (told++ >= shown) return;
        ADD_FAILURE() << "history " << number << " of these parameters, layout \"" << world.layout().name << "\" (" << threads() << " threads)\n"
                      << (intact ? "" : "bytes beside the locations have changed\n") << history::explain(run);
    }

    static inline Counts total;
    std::mutex telling;
    unsigned told = 0;
};
INSTANTIATE_TEST_SUITE_P(, Runs,
                         ::testing::Combine(::testing::Values(Buffering::write_back, Buffering::write_through, Buffering::mixed), ::testing::Values(2u, 3u, 4u, 8u)),
                         libtm::test::concurrent_name);

TEST_P(Runs, P12_every_history_is_opaque)
{
    const std::uint64_t batches = (scaled(HISTORIES) * (std::getenv("TM_TEST_LONG") ? 75 : 1) + batch - 1) / batch;
    const unsigned count = threads();
    Barrier barrier(count);
    std::vector<std::unique_ptr<World>> worlds;
    for (std::size_t i = 0; i < batch; ++i) {
        worlds.push_back(std::make_unique<World>(count));
        worlds.back()->reset(layout_of(i));
    }
    std::vector<Counts> counts(count);
    run_threads(count, [&](unsigned me) {
        Counts mine;
        for (std::uint64_t n = 0; n < batches; ++n) {
            for (std::size_t i = 0; i < batch; ++i) {
                const std::uint64_t number = n * batch + i;
                Programmer programmer(number * 16 + me, buffering());
                const Program program = programmer(worlds[i]->layout(), pace_of(number, count));
                Runner runner(*worlds[i], me, count);
                barrier.wait();
                runner.run(program);
            }
            barrier.wait();
            for (std::size_t i = me; i < batch; i += count) {
                decide(*worlds[i], n * batch + i, mine);
                worlds[i]->reset(layout_of((n + 1) * batch + i));
            }
            barrier.wait();
        }
        counts[me] = mine;
    });
    Counts all;
    for (const Counts &part : counts) all += part;
    EXPECT_EQ(all.histories, batches * batch);
    EXPECT_EQ(all.violated, 0u);
    EXPECT_EQ(all.undecided, 0u);
    total += all;
}

} // namespace
