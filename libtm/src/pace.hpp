// SPDX-License-Identifier: MIT
/**
 * @file pace.hpp
 * Whether transactions shall run side by side or in turns (turns.hpp), by what was measured: commits in a window of time.
 */
#pragma once

#include <algorithm>
#include <cstdint>

namespace libtm::engine {

/**
 * Tries the other way now and then, and keeps it if it makes more commits: turns are tried for one window, or two if the first is promising; if they are better they stay, and running side by side is tried for one, after one in which those who slept wake up.
 * What was found out holds for longer and longer, unless the rate changes by much, which tells of other work.
 *
 * Turns are for short transactions that are alike. Where they are long, a trial would take long, and where they differ, the number of commits says little: many short ones would be counted for a gain while a long one waits.
 *
 * Used under a lock. Times are in ns.
 */
class Pace {
public:
    enum class Change { none, start, end }; ///< of turns
    /** What is known when a window is over. */
    struct Seen {
        std::uint64_t now, commits; ///< so far
        bool alike;                 ///< everybody who has committed in the window has done so about as often
        bool in_turns;
        bool was_stopped;           ///< somebody has waited long for its turn, or until its deadline
    };

    static constexpr std::uint64_t window = 1'000'000, shortest = 20 * window, longest = 2000 * window, longest_stay = 500 * window;
    static constexpr std::uint64_t a_while = 2 * shortest; ///< the most of a pause or stay that is remembered over a quiet time
    static constexpr std::uint64_t first_pause = 3 * window; ///< the first trials of other work follow each other sooner: a trial may have been disturbed

    /** `who` looks. Whether the window is over. */
    bool is_over(std::uint64_t now, const void *who)
    {
        several_ = several_ || (last_ && who != last_);
        last_ = who;
        return now - since_ >= window;
    }
    /** The window is over: there are so many commits now. What to do; begin() says that it is done. */
    Change judge(const Seen &seen)
    {
        const std::uint64_t now = seen.now;
        const double rate = static_cast<double>(seen.commits - commits_) / static_cast<double>(now - since_);
        const bool had_gap = now - since_ > 10 * window, was_quiet = now - since_ > 100 * window, several = several_;
        begin(now, seen.commits);
        if (state_ == State::trial && !seen.in_turns) return give_up(now); // it could not start
        if (seen.in_turns != (state_ == State::trial || state_ == State::turns)) return start_over(now + shortest, seen.in_turns); // somebody had to end them
        if (seen.in_turns && seen.was_stopped) return give_up(now);
        if (had_gap && state_ == State::trial) return give_up(now);
        if (was_quiet) return look_again(now, seen.in_turns);
        if (had_gap && gaps_ < most_gaps) {
            ++gaps_;
            return Change::none; // the window says nothing
        }
        if (had_gap) return start_over(now + shortest, seen.in_turns); // but that transactions are long now
        gaps_ = 0;
        switch (state_) {
        case State::side_by_side:
            if (!several || !seen.alike || rate < least_rate || !(now >= until_ || has_changed(rate, now))) return Change::none;
            rate_ = rate;
            return go_to(State::trial, now);
        case State::trial:
            if (rate > better * rate_) {
                rate_ = rate;
                return go_to(State::turns, now, stay_);
            }
            if (!is_second_ && rate > promising * rate_) { // at first it fetches what the others have in their caches
                is_second_ = true;
                return Change::none;
            }
            return give_up(now);
        case State::turns:
            lonely_ = several ? 0 : lonely_ + 1;
            if (lonely_ > most_lonely) return go_to(State::side_by_side, now); // one thread is left: for it there is the bias
            if (now < until_ && !has_changed(rate, now)) return Change::none;
            rate_ = rate;
            return go_to(State::check, now);
        case State::check:
            if (now < changed_ + 2 * window) return Change::none; // those who slept until their turn wake up
            if (rate_ > better * rate && seen.alike) {
                stay_ = std::min(2 * stay_, longest_stay);
                return go_to(State::turns, now, stay_);
            }
            pause_ = first_pause;
            return go_to(State::side_by_side, now, shortest);
        }
        return Change::none;
    }
    /** A window begins. */
    void begin(std::uint64_t now, std::uint64_t commits)
    {
        since_ = now;
        commits_ = commits;
        several_ = false;
    }

private:
    enum class State { side_by_side, trial, turns, check };
    static constexpr double better = 1.08, promising = 0.8, least_rate = 0.00025; // 250 commits in a millisecond
    static constexpr unsigned most_gaps = 3;
    static constexpr unsigned most_lonely = 10; // windows: a thread whose turn it is may be the only one for a millisecond

    Change go_to(State next, std::uint64_t now, std::uint64_t for_time = 0)
    {
        const bool before = state_ == State::trial || state_ == State::turns, after = next == State::trial || next == State::turns;
        state_ = next;
        changed_ = now;
        until_ = now + for_time;
        lonely_ = 0;
        is_second_ = false;
        return before == after ? Change::none : after ? Change::start : Change::end;
    }
    /** Turns have not paid. */
    Change give_up(std::uint64_t now)
    {
        pause_ = std::min(2 * pause_, longest);
        return go_to(State::side_by_side, now, pause_);
    }
    /** Perhaps the work is another now: from `until` on turns are tried. If that ends as before, what was found out then is not forgotten altogether. */
    Change look_again(std::uint64_t until, bool in_turns)
    {
        pause_ = std::min(pause_, a_while);
        stay_ = std::min(stay_, a_while);
        state_ = State::side_by_side;
        until_ = changed_ = until;
        lonely_ = gaps_ = 0;
        return in_turns ? Change::end : Change::none;
    }
    /** It is another. */
    Change start_over(std::uint64_t until, bool in_turns)
    {
        pause_ = first_pause;
        stay_ = shortest;
        return look_again(until, in_turns);
    }
    bool has_changed(double rate, std::uint64_t now) const
    {
        constexpr double much = 1.6;
        return now >= changed_ + shortest && (rate > much * rate_ || rate * much < rate_);
    }

    State state_ = State::side_by_side;
    const void *last_ = nullptr;         ///< who has looked
    bool several_ = false;               ///< in this window more than one has
    unsigned lonely_ = 0;                ///< windows in a row in which not
    unsigned gaps_ = 0;                  ///< windows in a row that took long
    bool is_second_ = false;             ///< window of a trial
    std::uint64_t since_ = 0, commits_ = 0; ///< the window's begin
    double rate_ = 0;                    ///< commits for each ns, the way that is compared with
    std::uint64_t changed_ = 0, until_ = 0; ///< the state is as old as this; when to try the other way
    std::uint64_t pause_ = first_pause, stay_ = shortest; ///< how long side by side, and in turns
};

} // namespace libtm::engine
