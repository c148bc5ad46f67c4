// SPDX-License-Identifier: MIT
#include "strategy.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>

namespace libtm::explore {

namespace {

/** Depth first over all decisions; those that are not free, up to a bound in each run. */
class Exhaustive : public Strategy {
public:
    explicit Exhaustive(const Options &options) : bound_(options.preemptions), most_(options.most_schedules) {}

    void begin_run() override { at_ = 0, spent_ = 0, diverged_ = false; }

    unsigned decide(const Decision &decision) override
    {
        const bool costs = decision.kind != Decision::next;
        if (at_ == path_.size()) path_.push_back({0, costs && spent_ == bound_ ? 1 : decision.alternatives, decision.place, costs});
        const Step &step = path_[at_++];
        if (step.costs && step.taken) ++spent_;
        diverged_ = diverged_ || step.place != decision.place || step.taken >= decision.alternatives;
        return std::min(step.taken, decision.alternatives - 1);
    }

    bool diverged() const override { return diverged_ || at_ < path_.size(); }

    bool next_run() override
    {
        ++runs_;
        path_.resize(at_);
        while (!path_.empty() && path_.back().taken + 1 >= path_.back().alternatives) path_.pop_back();
        if (path_.empty()) return complete_ = true, false;
        ++path_.back().taken;
        return most_ == 0 || runs_ < most_;
    }

    bool complete() const override { return complete_; }
    void restart() override
    {
        path_.clear();
        runs_ = 0;
    }
    bool never_repeats() const override { return true; }

private:
    struct Step {
        unsigned taken, alternatives, place;
        bool costs;
    };
    std::vector<Step> path_;
    std::size_t at_ = 0;
    unsigned spent_ = 0;
    std::uint64_t runs_ = 0;
    const unsigned bound_;
    const std::uint64_t most_;
    bool complete_ = false, diverged_ = false;
};

/**
 * Probabilistic concurrency testing: the thread with the highest priority runs; at a few random moments the running one falls behind
 * all others. A thread that waits falls behind as well, lest it wait for those that it keeps from running.
 */
class Random : public Strategy {
public:
    explicit Random(const Options &options) : left_(options.random_schedules), change_points_(options.change_points), engine_(options.seed) {}

    void begin_run() override
    {
        longest_ = std::max(longest_, step_);
        step_ = 0;
        for (unsigned i = 0; i < max_threads; ++i) priorities_[i] = static_cast<int>(i);
        std::shuffle(priorities_.begin(), priorities_.end(), engine_);
        lowest_ = 0;
        changes_.clear();
        for (unsigned i = 0; i < change_points_; ++i) changes_.push_back(engine_() % longest_);
    }

    unsigned decide(const Decision &decision) override
    {
        if (decision.kind == Decision::message) return engine_() % 4 ? 0 : engine_() % decision.alternatives;
        if (decision.kind == Decision::preemption && std::ranges::count(changes_, step_++)) yields(decision.threads[0]);
        unsigned best = 0;
        for (unsigned i = 1; i < decision.alternatives; ++i)
            if (priorities_[decision.threads[i]] > priorities_[decision.threads[best]]) best = i;
        return best;
    }

    void yields(unsigned thread) override { priorities_[thread] = --lowest_; }
    bool next_run() override { return --left_ != 0; }

private:
    std::uint64_t left_;
    const unsigned change_points_;
    std::mt19937 engine_;
    std::array<int, max_threads> priorities_{};
    int lowest_ = 0;
    unsigned step_ = 0, longest_ = 32;
    std::vector<unsigned> changes_;
};

class Replay : public Strategy {
public:
    explicit Replay(std::vector<std::pair<unsigned, unsigned>> deviations) : deviations_(std::move(deviations)) {}
    unsigned decide(const Decision &decision) override
    {
        for (const auto &[place, taken] : deviations_)
            if (place == decision.place) return std::min(taken, decision.alternatives - 1);
        return 0;
    }
    bool next_run() override { return false; }

private:
    std::vector<std::pair<unsigned, unsigned>> deviations_;
};

} // namespace

std::unique_ptr<Strategy> make_exhaustive(const Options &options) { return std::make_unique<Exhaustive>(options); }
std::unique_ptr<Strategy> make_random(const Options &options) { return std::make_unique<Random>(options); }

std::unique_ptr<Strategy> make_replay(const std::string &schedule)
{
    std::vector<std::pair<unsigned, unsigned>> deviations;
    const char *at = schedule.c_str();
    if (schedule != "-") // nothing was decided otherwise
        for (;;) {
            unsigned place, taken;
            int length = 0;
            if (std::sscanf(at, "%u:%u%n", &place, &taken, &length) != 2) return nullptr;
            deviations.emplace_back(place, taken);
            at += length;
            if (!*at) break;
            if (*at++ != ',') return nullptr;
        }
    return std::make_unique<Replay>(std::move(deviations));
}

} // namespace libtm::explore
