// SPDX-License-Identifier: MIT
#include "problem.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

namespace libtm::history {

namespace {

class Numbering {
public:
    Datum operator()(std::size_t location, Value value)
    {
        return numbers_.try_emplace({location, value}, static_cast<Datum>(numbers_.size())).first->second;
    }
    std::size_t size() const { return numbers_.size(); }

private:
    std::map<std::pair<std::size_t, Value>, Datum> numbers_;
};

void require(bool holds, std::size_t attempt, const char *what)
{
    if (!holds) throw std::invalid_argument("history: attempt " + std::to_string(attempt) + " of History::attempts " + what);
}

Item *find(std::vector<Item> &items, std::uint32_t location)
{
    const auto found = std::find_if(items.begin(), items.end(), [&](const Item &item) { return item.location == location; });
    return found == items.end() ? nullptr : &*found;
}

/** False: it contradicts itself. */
bool reduce(const Attempt &attempt, Numbering &number, Step &step)
{
    for (const Operation &operation : attempt.operations) {
        const Datum datum = number(operation.location, operation.value);
        Item *const own = find(step.leaves, operation.location);
        if (operation.kind == Operation::write) {
            if (own)
                own->datum = datum;
            else
                step.leaves.push_back({operation.location, datum});
        } else {
            const Item *const before = own ? own : find(step.needs, operation.location);
            if (before && before->datum != datum) return false;
            if (!before) step.needs.push_back({operation.location, datum});
        }
    }
    if (attempt.outcome == Outcome::aborted) step.leaves.clear();
    return true;
}

} // namespace

Problem::Problem(const History &history)
{
    Numbering number;
    for (std::size_t location = 0; location < history.initial.size(); ++location) initial.push_back(number(location, history.initial[location]));
    if (!history.final.empty() && history.final.size() != history.initial.size())
        throw std::invalid_argument("history: History::final must have one value for each of History::initial, or none");
    for (std::size_t location = 0; location < history.final.size(); ++location) final.push_back(number(location, history.final[location]));

    std::map<unsigned, std::size_t> thread_numbers;
    std::vector<Moment> last_begin;
    for (std::size_t i = 0; i < history.attempts.size(); ++i) {
        const Attempt &attempt = history.attempts[i];
        require(attempt.begin <= attempt.end, i, "ends before it begins");
        for (const Operation &operation : attempt.operations)
            require(operation.location < history.initial.size(), i, "uses a location that has no value in History::initial");
        const auto [found, fresh] = thread_numbers.try_emplace(attempt.thread, threads.size());
        if (fresh) {
            threads.emplace_back();
            last_begin.push_back(0);
        }
        Moment &begin = last_begin[found->second];
        require(attempt.end >= begin, i, "ends before an earlier one of its thread begins");
        begin = std::max(begin, attempt.begin);
        Step step{i, attempt.begin, attempt.end, attempt.outcome, {}, {}};
        if (!reduce(attempt, number, step)) contradicts_itself = std::min(contradicts_itself, i);
        threads[found->second].push_back(std::move(step));
    }
    data = number.size();

    for (const auto &steps : threads) {
        std::vector<Moment> ends(steps.size() + 1, ~Moment{0});
        for (std::size_t i = steps.size(); i-- > 0;) ends[i] = std::min(ends[i + 1], steps[i].end);
        first_ends.push_back(std::move(ends));
    }
}

} // namespace libtm::history
