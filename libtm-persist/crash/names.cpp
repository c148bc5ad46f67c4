// SPDX-License-Identifier: MIT
#include "names.hpp"

#include "disk.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::crash {

void Names::apply(std::uint32_t index, const Event &event)
{
    switch (event.kind) {
    case Event::create:
    case Event::name: add(index, {{event.path, event.file, true}}); break;
    case Event::remove: add(index, {{event.path, event.file, false}}); break;
    case Event::rename: {
        const Step old_name{event.path, event.file, false}, new_name{event.to, event.file, true};
        if (model_.rename == Rename::atomic) {
            add(index, {old_name, new_name});
        } else {
            add(index, {new_name});
            add(index, {old_name}, model_.rename == Rename::both_names);
        }
        break;
    }
    case Event::sync_directory:
        if (event.result == 0) sync(event.path);
        else if (event.result != -EINTR)
            for (Change &change : changes_) change.lost |= change.directories.contains(event.path);
        break;
    default: break;
    }
}

void Names::add(std::uint32_t index, std::vector<Step> steps, bool after_last)
{
    Change change{index, std::move(steps), {}, {}, false};
    for (const Step &step : change.steps) change.directories.insert(directory(step.path));
    for (std::size_t i = 0; i < changes_.size(); ++i) {
        const auto concerns = [&](const Step &theirs) {
            return std::any_of(change.steps.begin(), change.steps.end(), [&](const Step &ours) {
                return ours.path == theirs.path || (model_.names_in_order && directory(ours.path) == directory(theirs.path));
            });
        };
        if (changes_[i].event == index ? after_last : std::any_of(changes_[i].steps.begin(), changes_[i].steps.end(), concerns)) change.after.push_back(i);
    }
    changes_.push_back(std::move(change));
}

void Names::carry_out(const Change &change, Naming &names)
{
    for (const Step &step : change.steps)
        if (step.add) names[step.path] = step.file;
        else names.erase(step.path);
}

bool Names::settles(const Event &event) const
{
    return event.result == 0 &&
           std::any_of(changes_.begin(), changes_.end(), [&](const Change &c) { return !c.lost && c.directories.contains(event.path); });
}

void Names::sync(const std::string &directory)
{
    std::vector<char> done(changes_.size());
    for (std::size_t i = 0; i < changes_.size(); ++i)
        if (!changes_[i].lost && changes_[i].directories.erase(directory)) done[i] = changes_[i].directories.empty();
    for (std::size_t i = changes_.size(); i-- > 0;) // what a durable change rests on has happened
        if (done[i])
            for (const std::size_t before : changes_[i].after) done[before] = true;
    std::vector<Change> left;
    std::vector<std::size_t> place(changes_.size());
    for (std::size_t i = 0; i < changes_.size(); ++i) {
        if (done[i]) {
            carry_out(changes_[i], durable_);
            continue;
        }
        std::erase_if(changes_[i].after, [&](std::size_t before) { return done[before]; });
        for (std::size_t &before : changes_[i].after) before = place[before];
        place[i] = left.size();
        left.push_back(std::move(changes_[i]));
    }
    changes_ = std::move(left);
}

std::vector<std::uint32_t> Names::pending() const
{
    std::vector<std::uint32_t> events;
    for (const Change &change : changes_) events.push_back(change.event);
    return events;
}

std::vector<Names::Alternative> Names::alternatives(std::size_t most, bool &complete) const
{
    const std::size_t n = changes_.size();
    std::vector<std::vector<char>> kept;
    std::vector<char> now(n);
    const auto may = [&](const std::vector<char> &set, std::size_t i) {
        return std::all_of(changes_[i].after.begin(), changes_[i].after.end(), [&](std::size_t before) { return set[before] != 0; });
    };
    const std::function<void(std::size_t)> choose = [&](std::size_t i) {
        if (kept.size() > most) return;
        if (i == n) return kept.push_back(now);
        now[i] = false;
        choose(i + 1);
        if (!may(now, i)) return;
        now[i] = true;
        choose(i + 1);
        now[i] = false;
    };
    choose(0);
    complete = kept.size() <= most;
    if (!complete) {
        kept.clear();
        for (std::size_t count = 0; count <= n; ++count) {
            std::vector<char> set(n);
            std::fill_n(set.begin(), count, true);
            kept.push_back(set);
        }
        for (std::size_t missing = 0; missing < n; ++missing) {
            std::vector<char> set(n);
            for (std::size_t i = 0; i < n; ++i) set[i] = i != missing && may(set, i);
            kept.insert(kept.end() - 1, set);
        }
    }
    std::vector<Alternative> all;
    std::set<Naming> seen;
    for (const std::vector<char> &set : kept) {
        Alternative alternative{durable_, {}, false};
        for (std::size_t i = 0; i < n; ++i)
            if (set[i]) {
                carry_out(changes_[i], alternative.names);
                alternative.kept.push_back(changes_[i].event);
            }
        alternative.repeat = !seen.insert(alternative.names).second;
        all.push_back(std::move(alternative));
    }
    return all;
}

} // namespace libtm::crash
