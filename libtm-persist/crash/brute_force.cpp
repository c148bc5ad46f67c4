// SPDX-License-Identifier: MIT
/**
 * What is legal, by definition: take the recording up to any event; each sector of each write, each step of a size and each change of a name is a unit; try every
 * subset of the units that are not durable; do what is left, event by event, on plain arrays of bytes. Shares nothing with the explorer but
 * the text of a state, so that the two can be compared.
 */
#include "content.hpp"
#include "disk.hpp"
#include "names.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace libtm::crash {
namespace {

constexpr std::size_t most_units = 24;

struct Unit {
    enum Kind { sector, size, name };
    Kind kind;
    std::size_t event;
    std::uint64_t file;
    std::uint64_t number;           // sector; size: the new size
    bool cut;                       // size: what is beyond is gone
    std::vector<std::string> names; // that it touches
    std::vector<std::pair<std::string, bool>> steps; // name: added or taken
    std::set<std::string> unsynced; // name: directories
    std::vector<std::size_t> after; // units without which it cannot be
    bool lost = false;    // a sync after it has failed
    bool durable = false; // a sync after it has not
};

struct Raw {
    std::vector<std::byte> bytes; // whatever the size is
    std::uint64_t size = 0;
    void cut(std::uint64_t at)
    {
        if (at < bytes.size()) std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), std::byte{});
    }
};

class BruteForce {
public:
    BruteForce(const Recording &recording, const Model &model) : recording_(recording), model_(model)
    {
        for (const auto &[path, number] : recording.before.data->names) live_[number] = recording.before.data->contents.at(number).size();
    }

    std::set<std::string> run()
    {
        crash();
        for (std::size_t i = 0; i < recording_.events.size(); ++i) {
            happen(i, recording_.events[i]);
            crash();
        }
        return std::move(states_);
    }

private:
    void add(Unit unit)
    {
        for (std::size_t i = 0; i < units_.size(); ++i) {
            const Unit &u = units_[i];
            bool follows = false;
            if (unit.kind == Unit::name && u.kind == Unit::name && u.event != unit.event)
                for (const std::string &mine : unit.names)
                    for (const std::string &theirs : u.names)
                        follows |= mine == theirs || (model_.names_in_order && directory(mine) == directory(theirs));
            // A failed sync ends an order: the earlier one may be lost although the later one is there.
            if (unit.kind != Unit::name && u.kind == unit.kind && u.file == unit.file && !u.lost)
                follows = unit.kind == Unit::size || u.number == unit.number;
            if (follows) unit.after.push_back(i);
        }
        units_.push_back(std::move(unit));
    }

    void add_name(std::size_t event, std::uint64_t file, std::vector<std::pair<std::string, bool>> steps, bool after_last = false)
    {
        Unit unit{Unit::name, event, file, 0, false, {}, std::move(steps), {}, {}};
        for (const auto &[name, added] : unit.steps) {
            unit.names.push_back(name);
            unit.unsynced.insert(directory(name));
        }
        if (after_last) unit.after.push_back(units_.size() - 1);
        add(std::move(unit));
    }

    void grow(std::size_t event, const Event &e, std::uint64_t end, std::uint64_t step)
    {
        std::uint64_t &live = live_[e.file];
        if (end <= live) return;
        for (std::uint64_t at = live + 1; at <= end; ++at)
            if (at == end || (step && at % step == 0)) add({Unit::size, event, e.file, at, false, {}, {}, {}, {}});
        live = end;
    }

    void happen(std::size_t i, const Event &e)
    {
        switch (e.kind) {
        case Event::create:
        case Event::name: add_name(i, e.file, {{e.path, true}}); break;
        case Event::remove: add_name(i, e.file, {{e.path, false}}); break;
        case Event::rename:
            if (model_.rename == Rename::atomic) {
                add_name(i, e.file, {{e.path, false}, {e.to, true}});
            } else {
                add_name(i, e.file, {{e.to, true}});
                add_name(i, e.file, {{e.path, false}}, model_.rename == Rename::both_names);
            }
            break;
        case Event::write:
            grow(i, e, e.offset + e.size, model_.size_step);
            for (std::uint64_t s = e.offset / sector_size; s * sector_size < e.offset + e.size; ++s) add({Unit::sector, i, e.file, s, false, {}, {}, {}, {}});
            break;
        case Event::reserve: grow(i, e, e.offset + e.size, 0); break;
        case Event::truncate:
            if (e.size > live_[e.file]) grow(i, e, e.size, 0);
            else if (e.size < live_[e.file]) add({Unit::size, i, e.file, e.size, true, {}, {}, {}, {}});
            live_[e.file] = e.size;
            break;
        case Event::sync:
            for (Unit &u : units_)
                if (u.kind != Unit::name && u.file == e.file && !u.lost && e.result != -EINTR) (e.result ? u.lost : u.durable) |= !u.durable;
            break;
        case Event::sync_directory:
            for (Unit &u : units_) {
                if (u.kind != Unit::name || u.durable || u.lost || e.result == -EINTR || !u.unsynced.contains(e.path)) continue;
                u.unsynced.erase(e.path);
                if (e.result) u.lost = true;
                else u.durable = u.unsynced.empty();
            }
            for (std::size_t u = units_.size(); u-- > 0;)
                if (units_[u].kind == Unit::name && units_[u].durable)
                    for (const std::size_t before : units_[u].after) units_[before].durable = true;
            break;
        case Event::create_unnamed: break;
        case Event::mark: ++marks_; break;
        }
    }

    void crash()
    {
        std::vector<std::size_t> open;
        std::vector<char> chosen(units_.size(), true);
        for (std::size_t u = 0; u < units_.size(); ++u)
            if (!units_[u].durable) open.push_back(u);
        if (open.size() > most_units) throw std::length_error("too many pending units for brute force");
        for (std::uint64_t set = 0; set < std::uint64_t{1} << open.size(); ++set) {
            for (std::size_t i = 0; i < open.size(); ++i) chosen[open[i]] = set >> i & 1;
            bool legal = true;
            for (std::size_t u = 0; u < units_.size() && legal; ++u)
                if (chosen[u])
                    for (const std::size_t before : units_[u].after) legal &= chosen[before] != 0;
            if (legal) states_.insert(std::to_string(marks_) + " marks: " + build(chosen));
        }
    }

    std::string build(const std::vector<char> &chosen) const
    {
        Naming names = recording_.before.data->names;
        std::map<std::uint64_t, Raw> files;
        for (const auto &[path, number] : names) {
            const Content &content = recording_.before.data->contents.at(number);
            Raw &raw = files[number];
            raw.size = content.size();
            raw.bytes.resize(raw.size);
            content.read(raw.bytes.data(), raw.size, 0);
        }
        for (std::size_t u = 0; u < units_.size(); ++u) {
            if (!chosen[u]) continue;
            const Unit &unit = units_[u];
            Raw &raw = files[unit.file];
            if (unit.kind == Unit::name) {
                for (const auto &[name, added] : unit.steps)
                    if (added) names[name] = unit.file;
                    else if (const auto old = names.find(name); old != names.end() && old->second == unit.file) names.erase(old);
            } else if (unit.kind == Unit::size) {
                raw.size = unit.cut ? unit.number : std::max(raw.size, unit.number);
                if (unit.cut) raw.cut(unit.number);
            } else {
                const Event &e = recording_.events[unit.event];
                const std::uint64_t from = std::max(e.offset, unit.number * sector_size), to = std::min(e.offset + e.size, (unit.number + 1) * sector_size);
                if (raw.bytes.size() < to) raw.bytes.resize(to);
                std::memcpy(raw.bytes.data() + from, e.bytes->data() + (from - e.offset), to - from);
            }
        }
        auto data = std::make_shared<FilesData>();
        data->names = names;
        for (const auto &[path, number] : names) {
            Raw raw = files[number];
            raw.bytes.resize(raw.size);
            data->contents[number].write(raw.bytes.data(), raw.bytes.size(), 0);
        }
        Files result;
        result.data = std::move(data);
        return result.text();
    }

    const Recording &recording_;
    const Model &model_;
    std::vector<Unit> units_; // of all that has happened
    std::map<std::uint64_t, std::uint64_t> live_; // sizes
    std::size_t marks_ = 0;
    std::set<std::string> states_;
};

} // namespace

std::set<std::string> brute_force_states(const Recording &recording, const Model &model)
{
    return BruteForce(recording, model).run();
}

} // namespace libtm::crash
