// SPDX-License-Identifier: MIT
/**
 * The explorer: at each crash point of a recording it lets the Point tell the states, opens those whose files and marks are new, and does the same with
 * the recording of what the opening did.
 */
#include "explorer.hpp"

#include "trace.hpp"

#include <algorithm>
#include <cstdlib>

namespace libtm::crash {
namespace {

/** Files and marks are what a check may depend on. */
Hash with_marks(Hash files, std::size_t marks)
{
    return {files.a + fold(marks + 1, 0x9e3779b97f4a7c15), files.b + fold(marks + 1, 0xd1b54a32d192ed03)};
}

/** No file of the recording has this number. */
std::uint64_t next_file(const Recording &recording)
{
    std::uint64_t next = recording.before.data->next;
    for (const Event &event : recording.events) next = std::max(next, event.file + 1);
    return next;
}

} // namespace

bool Moment::reached(std::string_view what, std::uint64_t number) const
{
    return std::any_of(marks.begin(), marks.end(), [&](const Mark &m) { return m.what == what && m.number == number; });
}

std::uint64_t Moment::last(std::string_view what, std::uint64_t none) const
{
    const auto found = std::find_if(marks.rbegin(), marks.rend(), [&](const Mark &m) { return m.what == what; });
    return found == marks.rend() ? none : found->number;
}

std::string Explorer::state() const
{
    std::string all;
    for (const Crash &crash : crashes_) all += (all.empty() ? "" : "/") + crash.point.encode(crash.choice);
    return all;
}

std::string Explorer::traces() const
{
    std::string all;
    for (std::size_t i = 0; i < crashes_.size(); ++i) {
        all += i == 0 ? "the run:\n" : i == 1 ? "the recovery:\n" : "its recovery:\n";
        all += trace(crashes_[i].recording, crashes_[i].point, crashes_[i].choice);
    }
    return all;
}

std::string Explorer::check(const Files &files, const std::vector<Mark> &marks, bool record, Recording &recovery)
{
    const Moment moment{marks, static_cast<unsigned>(crashes_.size() - 1), state()};
    if (options_.opening) options_.opening(moment.state);
    try {
        if (record && options_.recover) {
            Disk disk(files);
            options_.recover(disk.storage());
            recovery = disk.recording();
            record = false;
        }
        Disk disk(files, record);
        std::string wrong = check_(disk.storage(), moment);
        if (record) recovery = disk.recording();
        return wrong;
    } catch (const std::exception &e) {
        return std::string("exception: ") + e.what();
    } catch (...) {
        return "exception";
    }
}

void Explorer::reduce(const std::vector<Mark> &marks)
{
    constexpr unsigned most_tries = 1000;
    Crash &crash = crashes_.back();
    const Choice newest = crash.point.newest();
    unsigned tries = 0;
    const auto fails = [&](const Choice &choice) {
        const Choice before = crash.choice;
        crash.choice = choice;
        Recording none;
        if (!check(crash.point.build(choice), marks, false, none).empty()) return true;
        crash.choice = before;
        return false;
    };
    // Halves, quarters, ... of the variables at a time: what is not needed for the failure has happened.
    for (std::size_t size = crash.choice.size(); size; size /= 2)
        for (std::size_t begin = 0; begin < crash.choice.size() && tries < most_tries; begin += size) {
            Choice choice = crash.choice;
            std::copy_n(newest.begin() + static_cast<std::ptrdiff_t>(begin), std::min(size, choice.size() - begin),
                        choice.begin() + static_cast<std::ptrdiff_t>(begin));
            if (choice == crash.choice) continue;
            ++tries;
            fails(choice);
        }
}

void Explorer::failed(std::string what, const std::vector<Mark> &marks)
{
    const Choice found = crashes_.back().choice;
    reduce(marks);
    Recording none;
    std::string reduced = check(crashes_.back().point.build(crashes_.back().choice), marks, false, none);
    if (!reduced.empty()) what = std::move(reduced); // else the check is not the same each time
    if (report_.failures.empty() && !options_.save.empty()) crashes_.back().point.build(crashes_.back().choice).save(options_.save);
    report_.failures.push_back({std::move(what), state(), traces()});
    crashes_.back().choice = found;
}

bool Explorer::enough() const
{
    // Each round has its share.
    return options_.most_recovery_states && depth_ && report_.in_recovery >= options_.most_recovery_states * depth_ / options_.recoveries;
}

bool Explorer::open(const Hash &hash, const std::vector<Mark> &marks)
{
    const auto recovery = static_cast<unsigned>(crashes_.size() - 1);
    const Hash key = with_marks(hash, marks.size());
    if (options_.parts > 1 && recovery == 0 && fold(key.a, 0x8bb84b93962eacc9) % options_.parts != options_.part) return true;
    const std::uint64_t one_in = std::max<std::uint64_t>(1, recovery ? options_.again_one_in : options_.recover_one_in);
    const bool deeper = recovery < depth_ && !enough() && fold(key.b | 7, 0x4b33a62ed433d4a3) % one_in == 0;
    const Seen::Answer answer = seen_.insert(key, deeper ? std::min(7u, depth_ - recovery) : 0);
    if (answer == Seen::known) return true;
    if (answer == Seen::is_new) {
        ++report_.opened;
        report_.in_recovery += recovery > 0;
        report_.in_second_recovery += recovery > 1;
    }

    Recording recorded;
    std::string wrong = check(crashes_.back().point.build(crashes_.back().choice), marks, deeper, recorded);
    if (!wrong.empty()) {
        if (!failed_.emplace(key.a, key.b).second) return true; // in the round before
        failed(std::move(wrong), marks);
        return report_.failures.size() < std::max(1u, options_.most_failures);
    }
    if (options_.most_states && report_.opened >= options_.most_states) {
        report_.stopped = true;
        return false;
    }
    return !deeper || recorded.events.empty() || explore(recorded, &marks);
}

bool Explorer::explore(const Recording &recording, const std::vector<Mark> *marks)
{
    const bool in_recovery = !crashes_.empty();
    Pending pending(recording, options_.model);
    const std::uint64_t next = next_file(recording);
    const auto count = static_cast<std::uint32_t>(recording.events.size());
    for (std::uint32_t i = 0; i <= count; ++i) {
        if (i == count || pending.settles(recording.events[i])) {
            if (in_recovery && enough()) {
                report_.stopped = true;
                return true;
            }
            crashes_.push_back({recording, Point(pending, i, next), {}});
            const bool went_on = visit(marks ? *marks : pending.marks);
            crashes_.pop_back();
            if (!went_on) return false;
        }
        if (i < count) pending.apply(i, recording.events[i]);
    }
    return true;
}

bool Explorer::visit(const std::vector<Mark> &marks)
{
    Crash &here = crashes_.back();
    const Bounds &bounds = crashes_.size() > 1 ? options_.recovery_bounds : options_.bounds;
    const double legal = here.point.count();
    const bool all = here.point.complete() && legal <= static_cast<double>(bounds.exhaustive);
    if (crashes_.size() - 1 == depth_) { // new in this round
        ++report_.points;
        report_.exhausted += all;
        report_.legal += legal;
    }
    const auto one = [&](const Choice &choice) {
        report_.visited += crashes_.size() - 1 == depth_;
        here.choice = choice;
        return open(here.point.hash(choice), marks);
    };
    return all ? here.point.each(one) : here.point.some(bounds, options_.seed, one);
}

Report Explorer::run(const Recording &recording)
{
    report_.name = options_.name;
    report_.events = recording.events.size();
    if (!options_.replay.empty()) {
        replay(recording, options_.replay);
        return std::move(report_);
    }
    // First no recovery is interrupted, then one, then two in a row: the failure that is told is one that needs the fewest crashes.
    for (depth_ = 0; depth_ <= options_.recoveries && explore(recording, nullptr); ++depth_) {}
    return std::move(report_);
}

void Explorer::replay(const Recording &run, std::string_view state)
{
    std::vector<Mark> marks;
    Recording recording = run;
    while (true) {
        const std::string_view word = state.substr(0, state.find('/'));
        state.remove_prefix(std::min(state.size(), word.size() + 1));
        const std::uint64_t event = std::strtoull(std::string(word).c_str(), nullptr, 10);
        Pending pending(recording, options_.model);
        for (std::uint32_t i = 0; i < std::min<std::uint64_t>(event, recording.events.size()); ++i) pending.apply(i, recording.events[i]);
        if (crashes_.empty()) marks = pending.marks;
        recordings_.push_back(recording);
        crashes_.push_back({recordings_.back(), Point(pending, static_cast<std::uint32_t>(event), next_file(recording)), {}});
        const std::optional<Choice> choice = event <= recording.events.size() ? crashes_.back().point.decode(word) : std::nullopt;
        if (!choice) {
            report_.failures.push_back({"no such state: the run is not the same each time, or has changed", std::string(word), {}});
            return;
        }
        crashes_.back().choice = *choice;
        Recording recorded;
        std::string wrong = check(crashes_.back().point.build(*choice), marks, !state.empty(), recorded);
        ++report_.opened;
        if (state.empty()) {
            report_.replayed = traces() + (wrong.empty() ? "this state is right\n" : "");
            if (!wrong.empty()) report_.failures.push_back({std::move(wrong), this->state(), traces()});
            if (!options_.save.empty()) crashes_.back().point.build(*choice).save(options_.save);
            return;
        }
        recording = std::move(recorded);
    }
}

Report explore(const Recording &recording, const Check &check, const Options &options)
{
    return Explorer(check, options).run(recording);
}

Report explore(const Run &run, const Check &check, const Options &options)
{
    Disk disk;
    Marks marks(disk);
    run(disk.storage(), marks);
    return explore(disk.recording(), check, options);
}

} // namespace libtm::crash
