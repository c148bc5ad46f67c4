// SPDX-License-Identifier: MIT
/**
 * @file decide.cpp
 * The search for a serial order.
 *
 * A state is: how many attempts of each thread stand in the order already, and the memory that they left. The next one is the first of the rest of
 * some thread, if nobody else of the rest ended before it began, and if memory explains its reads. Five things keep the search small:
 *
 * 1. An attempt that changes nothing is put in place as soon as it can stand there. That loses no solution: wherever a solution has it, it can be moved
 *    forward to here, since it changes nothing for those that it passes, and all that must precede it are in place.
 * 2. So is a writer if what it overwrites is read by nobody else of the rest, and nobody that it would pass can write there too in a way that matters: because
 *    what it leaves there is not read either, or nobody else writes there, or it has itself read what it overwrites, which nobody writes again.
 *    A chain of reads and updates of one location needs no choice then; only writers that were blind, and whose values were read, are chosen among.
 * 3. A state is given up when a value that the rest still reads (or the final memory has) is neither in memory nor written by the rest. With unique
 *    values this finds a wrong choice at once: a writer that buries what others have yet to read.
 * 4. States that have failed are remembered, exactly, not by a hash alone. Values in memory that nobody reads any more are all the same there.
 * 5. Of the writers that could be next, the one that ended first is tried first, which mostly is right.
 */
#include "problem.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <unordered_set>

namespace libtm::history {

namespace {

struct Choice {
    std::size_t thread;
    bool takes_effect;
};

class Search {
public:
    Search(const Problem &problem, std::uint64_t limit)
        : problem_(problem), limit_(limit), memory_(problem.initial), done_(problem.threads.size()), readers_(problem.data), writers_(problem.data),
          writers_of_(problem.initial.size())
    {
        for (const auto &steps : problem.threads) {
            left_ += steps.size();
            for (const Step &step : steps) count(step, 1);
        }
        for (const Datum datum : problem.final) ++readers_[datum];
    }

    Decision run();

private:
    struct Placed {
        Choice choice;
        std::size_t overwritten; ///< size of overwritten_ before it
    };
    /** A state in which there was a choice. */
    struct Branch {
        std::size_t placed; ///< size of placed_ in it
        std::vector<Choice> choices; ///< still to be tried, the next one last
    };

    const Step &next(std::size_t thread) const { return problem_.threads[thread][done_[thread]]; }
    void count(const Step &step, int by)
    {
        for (const Item &item : step.needs) readers_[item.datum] += static_cast<std::size_t>(by);
        for (const Item &item : step.leaves) {
            writers_[item.datum] += static_cast<std::size_t>(by);
            writers_of_[item.location] += static_cast<std::size_t>(by);
        }
    }
    /** See 3. */
    bool is_lost(std::uint32_t location, Datum datum) const { return readers_[datum] != 0 && writers_[datum] == 0 && memory_[location] != datum; }

    bool explained(const Step &step) const
    {
        return std::all_of(step.needs.begin(), step.needs.end(), [&](const Item &item) { return memory_[item.location] == item.datum; });
    }
    bool may_stand_here(std::size_t thread) const
    {
        if (done_[thread] == problem_.threads[thread].size()) return false;
        const Step &step = next(thread);
        for (std::size_t other = 0; other < done_.size(); ++other)
            if (other != thread && problem_.first_ends[other][done_[other]] < step.begin) return false;
        return explained(step);
    }

    bool anything_is_lost() const;
    bool place(Choice choice);
    void take_back(std::size_t placed);
    bool leaves_no_choice(const Step &step) const;
    void place_those_without_choice();
    std::vector<Choice> choices() const;
    bool ends_well() const { return problem_.final.empty() || memory_ == problem_.final; }
    std::string key() const;
    void note_progress();
    Decision answer(Verdict verdict);

    const Problem &problem_;
    const std::uint64_t limit_;
    std::uint64_t states_ = 0;
    std::vector<Datum> memory_;
    std::vector<std::size_t> done_; ///< attempts of each thread that are in place
    std::size_t left_ = 0;
    std::vector<std::size_t> readers_, writers_; ///< of each datum, among the rest
    std::vector<std::size_t> writers_of_; ///< of each location, among the rest
    std::vector<Placed> placed_;
    std::vector<Item> overwritten_;
    std::unordered_set<std::string> failed_;
    std::vector<std::size_t> order_, longest_; ///< indices in the history
};

bool Search::anything_is_lost() const
{
    for (const auto &steps : problem_.threads)
        for (const Step &step : steps)
            for (const Item &item : step.needs)
                if (is_lost(item.location, item.datum)) return true;
    for (std::uint32_t location = 0; location < problem_.final.size(); ++location)
        if (is_lost(location, problem_.final[location])) return true;
    return false;
}

/** False: something is lost by it. */
bool Search::place(Choice choice)
{
    const Step &step = next(choice.thread);
    placed_.push_back({choice, overwritten_.size()});
    order_.push_back(step.attempt);
    ++done_[choice.thread];
    --left_;
    count(step, -1);
    bool good = true;
    for (const Item &item : step.leaves) {
        if (choice.takes_effect) {
            const Datum old = memory_[item.location];
            overwritten_.push_back({item.location, old});
            memory_[item.location] = item.datum;
            good = good && !is_lost(item.location, old);
        } else {
            good = good && !is_lost(item.location, item.datum);
        }
    }
    return good;
}

void Search::take_back(std::size_t placed)
{
    while (placed_.size() > placed) {
        const Placed last = placed_.back();
        placed_.pop_back();
        order_.pop_back();
        --done_[last.choice.thread];
        ++left_;
        count(next(last.choice.thread), 1);
        for (; overwritten_.size() > last.overwritten; overwritten_.pop_back()) memory_[overwritten_.back().location] = overwritten_.back().datum;
    }
}

/** See 1 and 2. The step may stand here. */
bool Search::leaves_no_choice(const Step &step) const
{
    if (step.outcome == Outcome::unknown && step.may_write()) return false;
    return std::all_of(step.leaves.begin(), step.leaves.end(), [&](const Item &item) {
        const Datum old = memory_[item.location];
        const bool has_read_it = std::any_of(step.needs.begin(), step.needs.end(), [&](const Item &need) { return need.location == item.location; });
        if (readers_[old] != has_read_it) return false;
        return readers_[item.datum] == 0 || writers_of_[item.location] == 1 || (has_read_it && writers_[old] == 0);
    });
}

void Search::place_those_without_choice()
{
    for (bool any = true; any;) {
        any = false;
        for (std::size_t thread = 0; thread < done_.size(); ++thread)
            while (may_stand_here(thread) && leaves_no_choice(next(thread))) any = place({thread, next(thread).may_write()}); // loses nothing: true
    }
}

/** The best one last. */
std::vector<Choice> Search::choices() const
{
    std::vector<Choice> found;
    for (std::size_t thread = 0; thread < done_.size(); ++thread) {
        if (!may_stand_here(thread)) continue;
        found.push_back({thread, true});
        if (next(thread).outcome == Outcome::unknown) found.push_back({thread, false});
    }
    // (std::stable_sort of libstdc++ 12 makes clang warn of something deprecated)
    std::sort(found.begin(), found.end(), [&](Choice a, Choice b) {
        const auto rank = [&](Choice c) { return std::tuple(next(c.thread).end, ~c.thread, !c.takes_effect); };
        return rank(a) > rank(b);
    });
    return found;
}

std::string Search::key() const
{
    std::string key;
    for (const Datum datum : memory_) {
        const Datum told = readers_[datum] ? datum : ~Datum{0};
        key.append(reinterpret_cast<const char *>(&told), sizeof told);
    }
    for (const std::size_t done : done_) {
        const auto number = static_cast<std::uint32_t>(done);
        key.append(reinterpret_cast<const char *>(&number), sizeof number);
    }
    return key;
}

void Search::note_progress()
{
    if (order_.size() > longest_.size()) longest_ = order_;
}

Decision Search::answer(Verdict verdict)
{
    if (verdict == Verdict::opaque) longest_ = order_;
    return {verdict, states_, longest_};
}

Decision Search::run()
{
    std::vector<Branch> branches;
    if (anything_is_lost()) {
        place_those_without_choice();
        note_progress();
        return answer(Verdict::violated);
    }
    for (bool alive = true;;) { // alive: nothing is lost in this state
        if (alive) {
            place_those_without_choice();
            note_progress();
            if (left_ == 0 && ends_well()) return answer(Verdict::opaque);
            std::vector<Choice> next_ones = choices();
            if (next_ones.size() == 1) { // no choice, no state to come back to
                alive = place(next_ones[0]);
                continue;
            }
            if (next_ones.size() > 1 && !failed_.contains(key())) {
                if (++states_ > limit_) return answer(Verdict::undecided);
                branches.push_back({placed_.size(), std::move(next_ones)});
            }
        }
        while (!branches.empty() && branches.back().choices.empty()) {
            take_back(branches.back().placed);
            failed_.insert(key());
            branches.pop_back();
        }
        if (branches.empty()) return answer(Verdict::violated);
        take_back(branches.back().placed);
        const Choice choice = branches.back().choices.back();
        branches.back().choices.pop_back();
        alive = place(choice);
    }
}

} // namespace

Decision decide(const History &history, std::uint64_t limit)
{
    const Problem problem(history);
    if (problem.contradicts_itself != ~std::size_t{0}) return {Verdict::violated, 0, {}};
    return Search(problem, limit).run();
}

} // namespace libtm::history
