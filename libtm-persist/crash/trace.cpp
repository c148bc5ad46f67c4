// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include "point_file.hpp"

#include <algorithm>

namespace libtm::crash {
namespace {

constexpr std::uint32_t last_events = 40; // shown even if they are durable

/** What the choice does to one event. */
struct Kept {
    std::size_t kept = 0, pending = 0;    // units
    std::vector<std::uint64_t> kept_sectors, lost_sectors;
    std::string size;                     // of the file, where it was pending
};

/** "3-5, 8" */
std::string ranges(const std::vector<std::uint64_t> &numbers)
{
    std::string text;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
        text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]) + (end - i > 1 ? "-" + std::to_string(numbers[end - 1]) : "");
        i = end;
    }
    return text;
}

void add_sectors(std::map<std::uint32_t, Kept> &events, const PointFile &file, const Choice &choice)
{
    const PointFile::Size &size = file.size(choice);
    for (std::size_t i = 0; i < file.sectors.size(); ++i) {
        const PointFile::Sector &sector = file.sectors[i];
        const std::vector<Value> &values = sector.values[size.version];
        const std::size_t chosen = std::min<std::size_t>(choice[file.first + 1 + i], values.size() - 1);
        std::set<std::uint32_t> told; // values of several branches may come from one event
        for (const Value &value : values) {
            if (value.event == no_event || !told.insert(value.event).second) continue;
            Kept &kept = events[value.event];
            const bool is_kept = values[chosen].event != no_event && value.event <= values[chosen].event && i < size.visible;
            ++kept.pending;
            kept.kept += is_kept;
            (is_kept ? kept.kept_sectors : kept.lost_sectors).push_back(sector.number);
        }
    }
}

std::string text(const Event &event, const Kept &kept)
{
    if (event.kind == Event::write) {
        std::string text;
        if (kept.kept == 0) text = "LOST, sectors " + ranges(kept.lost_sectors);
        else if (kept.kept == kept.pending) text = "kept, sectors " + ranges(kept.kept_sectors);
        else text = "TORN: sectors " + ranges(kept.kept_sectors) + " kept, " + ranges(kept.lost_sectors) + " LOST";
        return text + kept.size;
    }
    if (!kept.size.empty()) return kept.size.substr(2);
    return kept.kept == 0 ? "LOST" : kept.kept == kept.pending ? "kept" : "half kept";
}

} // namespace

std::string trace(const Recording &recording, const Point &point, const Choice &choice)
{
    std::map<std::uint32_t, Kept> events; // those with something pending
    const Names::Alternative &naming = point.naming(choice);
    std::set<std::uint64_t> named;
    for (const auto &[path, number] : naming.names) named.insert(number);
    for (const std::uint32_t event : point.pending_names()) ++events[event].pending;
    for (const std::uint32_t event : naming.kept) ++events[event].kept;
    for (const PointFile &file : point.files()) {
        if (!named.contains(file.number)) continue; // gone with its name
        add_sectors(events, file, choice);
        const PointFile::Size &chosen = file.size(choice);
        for (const PointFile::Size &size : file.sizes) {
            if (size.event == no_event) continue;
            Kept &kept = events[size.event];
            ++kept.pending;
            const bool is_kept = chosen.event != no_event && size.event <= chosen.event;
            kept.kept += is_kept;
            if (recording.events[size.event].kind != Event::write || !kept.kept_sectors.empty() || !kept.lost_sectors.empty())
                kept.size = std::string("; its size ") + (is_kept ? "kept" : "LOST") + ": " + std::to_string(chosen.size) + " bytes";
        }
    }

    const std::uint32_t end = std::min<std::uint32_t>(point.event(), static_cast<std::uint32_t>(recording.events.size()));
    std::string all;
    std::size_t left_out = 0;
    for (std::uint32_t i = 0; i < end; ++i) {
        const auto pending = events.find(i);
        if (pending == events.end() && recording.events[i].kind != Event::mark && i + last_events < end) {
            ++left_out;
            continue;
        }
        if (left_out) all += "         (" + std::to_string(left_out) + " events, durable)\n";
        left_out = 0;
        const std::string number = std::to_string(i);
        all += std::string(number.size() < 7 ? 7 - number.size() : 0, ' ') + number + "  " + recording.events[i].text();
        if (pending != events.end()) all += "   [" + text(recording.events[i], pending->second) + "]";
        all += "\n";
    }
    if (left_out) all += "         (" + std::to_string(left_out) + " events, durable)\n";
    all += "         ** crash";
    if (end < recording.events.size()) all += " before: " + recording.events[end].text();
    return all + "\n         left: " + point.build(choice).text() + "\n";
}

} // namespace libtm::crash
