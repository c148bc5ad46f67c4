// SPDX-License-Identifier: MIT
// Transactions run side by side or in turns, whichever makes more commits (libtm/src/pace.hpp), and are isolated either way (turns.hpp).
#include "../../libtm/src/pace.hpp"
#include "support.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace {

using namespace libtm;
using namespace libtm::test;
using engine::Pace;

/** Threads that make commits at one rate side by side, and at another in turns. */
class Workload {
public:
    Workload(double commits_apart, double commits_in_turns) : apart(commits_apart), in_turns(commits_in_turns) {}

    double apart, in_turns; ///< commits for each us
    unsigned threads = 2;
    std::uint64_t waking_up = 0; ///< so long after turns most of the threads still sleep
    std::uint64_t fetching = 0;  ///< so long after turns begin they make nine tenths of what is made side by side
    std::uint64_t between_looks = 400'000, between_looks_in_turns = 400'000;
    unsigned starts = 0; ///< that were asked for

    /** Run for so long. What part of the commits was made in turns. */
    double run(std::uint64_t ns)
    {
        double made = 0, made_in_turns = 0;
        for (const std::uint64_t end = now_ + ns; now_ < end;) {
            const std::uint64_t step = turns_ ? between_looks_in_turns : between_looks;
            now_ += step;
            const double now_made = static_cast<double>(step) / 1000 * (turns_ ? now_ < fetched_ ? apart * 0.9 : in_turns : now_ < awake_ ? apart / 4 : apart);
            made += now_made;
            made_in_turns += turns_ ? now_made : 0;
            commits_ += static_cast<std::uint64_t>(now_made);
            if (!pace_.is_over(now_, &who_[looks_++ % threads])) continue;
            switch (pace_.judge({now_, commits_, alike, turns_, turns_ && stops})) {
            case Pace::Change::none: continue;
            case Pace::Change::start:
                turns_ = can_start;
                fetched_ = now_ + fetching;
                ++starts;
                break;
            case Pace::Change::end:
                turns_ = false;
                awake_ = now_ + waking_up;
                break;
            }
            pace_.begin(now_, commits_);
        }
        return made_in_turns / made;
    }
    void pause(std::uint64_t ns) { now_ += ns; }
    void end_turns() { turns_ = false; }
    bool are_in_turns() const { return turns_; }
    bool can_start = true, alike = true, stops = false;

private:
    Pace pace_;
    std::uint64_t now_ = 5, commits_ = 0, awake_ = 0, fetched_ = 0;
    bool turns_ = false;
    char who_[8] = {};
    unsigned looks_ = 0;
};

constexpr std::uint64_t ms = 1'000'000;

TEST(Pace, turns_that_pay_stay)
{
    Workload work(1, 3);
    work.run(10 * ms);
    EXPECT_TRUE(work.are_in_turns());
    EXPECT_GT(work.run(1000 * ms), 0.97);
}

TEST(Pace, turns_that_do_not_pay_are_tried_less_and_less)
{
    Workload work(3, 1);
    EXPECT_LT(work.run(1000 * ms), 0.02);
    EXPECT_LT(work.run(10000 * ms), 0.003);
}

TEST(Pace, a_small_gain_is_none)
{
    Workload work(1, 1.05);
    EXPECT_LT(work.run(2000 * ms), 0.05);
}

TEST(Pace, other_work_is_noticed)
{
    Workload work(3, 1);
    work.run(5000 * ms);
    work.apart = 0.3;
    work.run(40 * ms);
    EXPECT_TRUE(work.are_in_turns());
    work.run(5000 * ms);
    work.in_turns = 0.1;
    work.run(40 * ms);
    EXPECT_FALSE(work.are_in_turns());
}

TEST(Pace, slow_changes_are_noticed_in_time)
{
    Workload work(1, 1.3);
    work.run(20000 * ms);
    EXPECT_TRUE(work.are_in_turns());
    work.apart = 1.4;
    work.run(2100 * ms);
    EXPECT_FALSE(work.are_in_turns());
}

TEST(Pace, who_still_sleeps_after_turns_is_waited_for)
{
    Workload work(1, 2);
    work.run(10 * ms);
    EXPECT_TRUE(work.are_in_turns());
    work.apart = 3;
    work.waking_up = ms;
    work.run(1000 * ms);
    EXPECT_LT(work.run(1000 * ms), 0.02);
}

TEST(Pace, who_begins_slowly_in_turns_has_a_second_window)
{
    Workload work(1, 2);
    work.fetching = Pace::window * 3 / 2;
    work.run(10 * ms);
    EXPECT_TRUE(work.are_in_turns());
    EXPECT_EQ(work.starts, 1u);
    work.fetching = 3 * Pace::window;
    work.end_turns();
    work.run(2000 * ms);
    EXPECT_FALSE(work.are_in_turns()) << "but no third one";
}

TEST(Pace, one_thread_is_left_to_the_bias)
{
    Workload work(1, 3);
    work.threads = 1;
    EXPECT_EQ(work.run(1000 * ms), 0);
    work.threads = 2;
    work.run(100 * ms);
    EXPECT_TRUE(work.are_in_turns());
    work.threads = 1;
    work.run(40 * ms);
    EXPECT_FALSE(work.are_in_turns());
}

TEST(Pace, starts_over_when_somebody_has_ended_them)
{
    Workload work(1, 3);
    work.run(100 * ms);
    work.end_turns();
    work.run(5 * ms);
    EXPECT_FALSE(work.are_in_turns()) << "not at once";
    work.run(40 * ms);
    EXPECT_TRUE(work.are_in_turns());
    work.pause(1000 * ms);
    work.run(10 * ms);
    EXPECT_TRUE(work.are_in_turns()) << "after a pause at once";
}

TEST(Pace, a_trial_that_takes_long_has_failed)
{
    Workload work(1, 1);
    work.between_looks_in_turns = 50 * ms;
    EXPECT_LT(work.run(10000 * ms), 0.15);
}

TEST(Pace, after_a_long_pause_there_is_other_work)
{
    Workload work(3, 1);
    work.run(3200 * ms); // not long after a trial: the next is far
    work.in_turns = 6;
    work.pause(1000 * ms);
    work.run(10 * ms);
    EXPECT_TRUE(work.are_in_turns());
}

TEST(Pace, after_a_long_pause_what_was_found_out_holds_for_a_while)
{
    Workload work(3, 1);
    work.run(3200 * ms);
    for (int i = 0; i < 3; ++i) {
        work.pause(1000 * ms);
        const unsigned before = work.starts;
        work.run(60 * ms);
        EXPECT_EQ(work.starts, before + 1);
    }
    work.pause(1000 * ms);
    work.run(10 * ms);
    work.in_turns = 6;
    work.run(300 * ms);
    EXPECT_TRUE(work.are_in_turns()) << "not as long as before the pause";
}

TEST(Pace, a_short_pause_says_nothing)
{
    Workload work(1, 3);
    work.run(10 * ms);
    for (int i = 0; i < 20; ++i) {
        EXPECT_GT(work.run(100 * ms), 0.9);
        work.pause(40 * ms);
    }
    work.apart = 3;
    work.in_turns = 1;
    work.run(600 * ms);
    for (int i = 0; i < 20; ++i) {
        EXPECT_LT(work.run(100 * ms), 0.1);
        work.pause(40 * ms);
    }
}

TEST(Pace, transactions_that_grow_long_end_turns)
{
    Workload work(1, 3);
    work.run(10 * ms);
    EXPECT_TRUE(work.are_in_turns());
    work.between_looks = work.between_looks_in_turns = 20 * ms;
    work.run(100 * ms);
    EXPECT_FALSE(work.are_in_turns());
    EXPECT_EQ(work.run(10000 * ms), 0);
}

TEST(Pace, may_be_refused)
{
    Workload work(1, 3);
    work.can_start = false;
    EXPECT_EQ(work.run(5000 * ms), 0);
    EXPECT_LT(work.starts, 15u) << "less and less often";
    work.can_start = true;
    work.run(2100 * ms);
    EXPECT_TRUE(work.are_in_turns());
}

TEST(Pace, long_transactions_run_side_by_side)
{
    Workload work(0.2, 3);
    EXPECT_EQ(work.run(1000 * ms), 0);
}

TEST(Pace, so_do_unlike_ones)
{
    Workload work(1, 3);
    work.alike = false;
    EXPECT_EQ(work.run(1000 * ms), 0);
}

TEST(Pace, one_that_stops_the_others_ends_turns)
{
    Workload work(1, 3);
    work.run(10 * ms);
    work.stops = true;
    EXPECT_LT(work.run(10000 * ms), 0.1);
}

class Turns : public Modes {
protected:
    const Option always{"turns", "always"}, soon{"bias", "1"};

    static std::uint64_t alone_so_far()
    {
        tm_stats stats;
        tm_stats_get(&stats);
        return stats.alone;
    }
};
TM_MODES_SUITE(Turns);

TEST_P(Turns, threads_add_up_without_orecs)
{
    constexpr int threads = 4, times = 5000;
    long values[8] = {};
    const std::uint64_t before = alone_so_far();
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < threads; ++i)
            all.emplace_back([&] {
                for (int k = 0; k < times; ++k)
                    tx([&] {
                        for (long &value : values) store(value, load(value) + 1);
                        if (k % 64 == 0 && tm_attempt() == 1) tm_restart();
                    });
            });
    }
    for (const long value : values) EXPECT_EQ(value, threads * times);
    EXPECT_GT(alone_so_far() - before, std::uint64_t{threads * times * 9 / 10});
}

TEST_P(Turns, a_deadline_ends_the_wait_for_the_turn)
{
    std::atomic<bool> inside{false}, go{false};
    std::jthread holder([&] {
        const std::uint64_t before = alone_so_far();
        for (int i = 0; i < 5000 && alone_so_far() == before; ++i) tx([] {}); // its context may have been another thread's, and look seldom
        tx([&] {
            inside = true;
            while (!go) std::this_thread::yield();
        });
    });
    while (!inside) std::this_thread::yield();
    attr a = how(0);
    a.deadline = in_ms(3);
    try {
        atomically(a, [] {});
        ADD_FAILURE() << "it has begun";
    } catch (const error &e) {
        EXPECT_EQ(e.code(), ETIMEDOUT);
    }
    go = true;
    holder.join();
    EXPECT_EQ(tx([] { return 1; }), 1) << "the turn is free";
}

TEST_P(Turns, every_way_out_of_an_attempt_gives_the_turn_back)
{
    const auto others_run = [] { // in a thread of its own: this one may have the turn
        bool ran = false;
        std::jthread([&] { tx([&] { ran = true; }); }).join();
        return ran;
    };
    long value = 0;
    for (int round = 0; round < 3; ++round) {
        tx([&] { store(value, 1L); });
        EXPECT_TRUE(others_run());
        EXPECT_THROW(tx([&] {
                         store(value, 2L);
                         throw std::runtime_error("no");
                     }),
                     std::runtime_error);
        EXPECT_TRUE(others_run());
        EXPECT_THROW(tx([&] {
                         store(value, 2L);
                         tm_abort(EIO);
                     }),
                     error);
        EXPECT_TRUE(others_run());
        tx([&] {
            void *const block = tm_malloc(100);
            tm_free(block);
        });
        EXPECT_TRUE(others_run());
        tx([&] { ASSERT_EQ(tm_irrevocable(), 0); });
        EXPECT_TRUE(others_run());
        const long bytes = 3;
        tx([&] { tm_store_bytes(&value, &bytes, sizeof bytes); });
        EXPECT_TRUE(others_run());
    }
    EXPECT_EQ(value, 3);
}

} // namespace
