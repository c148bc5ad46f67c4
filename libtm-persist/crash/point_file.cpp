// SPDX-License-Identifier: MIT
// What one file may hold after a crash.
#include "point_file.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace libtm::crash {
namespace {

/**
 * Things that happen one after the other, of which a crash keeps a prefix: `top` is what there is if all has happened so far, `stopped` what there is if
 * it stopped before. A failed sync ends a prefix without any of it being certain, so there may be several tops.
 */
template <typename T> struct Prefixes {
    std::vector<T> stopped;
    std::vector<T> top;

    template <typename Happen> void maybe(Happen happen)
    {
        stopped.insert(stopped.end(), top.begin(), top.end());
        for (T &t : top) happen(t);
    }
    template <typename Happen> void surely(Happen happen)
    {
        for (T &t : stopped) happen(t);
        for (T &t : top) happen(t);
    }
    void synced() { stopped.clear(); }
    void failed()
    {
        stopped.insert(stopped.end(), std::make_move_iterator(top.begin()), std::make_move_iterator(top.end()));
        top = std::move(stopped);
        stopped.clear();
    }
    std::vector<T> all() &&
    {
        failed();
        return std::move(top);
    }
};

struct SizeAndCuts {
    std::uint64_t size;
    std::uint32_t event;
    std::vector<std::size_t> cuts; // operations
};

std::vector<SizeAndCuts> possible_sizes(const PendingFile &file)
{
    Prefixes<SizeAndCuts> sizes{{}, {{file.durable.size(), no_event, {}}}};
    for (std::size_t i = 0; i < file.operations.size(); ++i) {
        const Operation &o = file.operations[i];
        switch (o.kind) {
        case Operation::grow:
            sizes.maybe([&](SizeAndCuts &s) {
                s.size = std::max(s.size, o.size);
                s.event = o.event;
            });
            break;
        case Operation::cut:
            sizes.maybe([&](SizeAndCuts &s) {
                s.size = o.size;
                s.event = o.event;
                s.cuts.push_back(i);
            });
            break;
        case Operation::synced: sizes.synced(); break;
        case Operation::failed: sizes.failed(); break;
        case Operation::write: break;
        }
    }
    return std::move(sizes).all();
}

/** The part of a write that is in a sector. */
void overwrite(std::byte *sector, std::uint64_t number, const Operation &write)
{
    const std::uint64_t begin = number * sector_size, end = begin + sector_size;
    const std::uint64_t from = std::max(begin, write.offset), to = std::min(end, write.offset + write.size);
    if (from < to) std::memcpy(sector + (from - begin), write.bytes->data() + (from - write.offset), to - from);
}

void clear_beyond(std::byte *sector, std::uint64_t number, std::uint64_t size)
{
    const std::uint64_t begin = number * sector_size;
    const std::uint64_t from = size > begin ? std::min<std::uint64_t>(size - begin, sector_size) : 0;
    std::memset(sector + from, 0, sector_size - from);
}

/** What sector `number` may hold if these cuts have happened. `writes`: the operations that touch it. */
std::vector<Value> possible_values(const PendingFile &file, std::uint64_t number, const std::vector<std::size_t> &writes,
                                   const std::vector<std::size_t> &marks, const std::vector<std::size_t> &cuts)
{
    Prefixes<Value> values{{}, {Value{{}, {}, no_event, false}}};
    file.durable.sector(number, values.top[0].bytes.data());
    std::vector<std::size_t> steps = writes;
    steps.insert(steps.end(), marks.begin(), marks.end());
    steps.insert(steps.end(), cuts.begin(), cuts.end());
    std::sort(steps.begin(), steps.end());
    for (const std::size_t i : steps) {
        const Operation &o = file.operations[i];
        switch (o.kind) {
        case Operation::write:
            values.maybe([&](Value &v) {
                overwrite(v.bytes.data(), number, o);
                v.event = o.event;
            });
            break;
        case Operation::cut: values.surely([&](Value &v) { clear_beyond(v.bytes.data(), number, o.size); }); break;
        case Operation::synced: values.synced(); break;
        case Operation::failed: values.failed(); break;
        case Operation::grow: break;
        }
    }
    std::vector<Value> all = std::move(values).all();
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].hash = hash_sector(number, all[i].bytes.data());
        all[i].repeat = std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i), [&](const Value &v) { return v.hash == all[i].hash; });
    }
    return all;
}

} // namespace

PointFile make_point_file(std::uint64_t number, const PendingFile &file)
{
    PointFile result{number, file.label, 0, {}, {}};
    std::map<std::vector<std::size_t>, std::size_t> versions; // cuts -> number
    for (SizeAndCuts &s : possible_sizes(file)) {
        const std::size_t version = versions.try_emplace(s.cuts, versions.size()).first->second;
        const bool repeat = std::any_of(result.sizes.begin(), result.sizes.end(),
                                        [&](const PointFile::Size &t) { return t.size == s.size && t.version == version; });
        PointFile::Size size{s.size, version, s.event, repeat, file.durable, {}, 0, {}};
        for (const std::size_t cut : s.cuts)
            if (file.operations[cut].size < size.base.size()) size.base.resize(file.operations[cut].size);
        size.base.resize(s.size);
        result.sizes.push_back(std::move(size));
    }

    std::map<std::uint64_t, std::vector<std::size_t>> writes; // sector -> operations
    std::vector<std::size_t> marks;
    for (std::size_t i = 0; i < file.operations.size(); ++i) {
        const Operation &o = file.operations[i];
        if (o.kind == Operation::write)
            for (std::uint64_t s = o.offset / sector_size; s <= (o.offset + o.size - 1) / sector_size; ++s) writes[s].push_back(i);
        else if (o.kind == Operation::synced || o.kind == Operation::failed) marks.push_back(i);
    }
    for (const auto &[sector, touching] : writes) {
        PointFile::Sector s{sector, std::vector<std::vector<Value>>(versions.size()), 0};
        bool pending = false;
        for (const auto &[cuts, version] : versions) {
            s.values[version] = possible_values(file, sector, touching, marks, cuts);
            s.most = std::max(s.most, s.values[version].size());
            // Also one value, if it is not what the base has: then the sector is durable, by a sync after one that failed.
            std::byte base[sector_size];
            file.durable.sector(sector, base);
            for (const std::size_t cut : cuts) clear_beyond(base, sector, file.operations[cut].size);
            for (const Value &v : s.values[version]) pending |= std::memcmp(v.bytes.data(), base, sector_size) != 0;
        }
        if (pending) result.sectors.push_back(std::move(s));
    }

    for (PointFile::Size &size : result.sizes) {
        size.rest = size.base.hash();
        for (const PointFile::Sector &s : result.sectors) {
            if (s.number * sector_size >= size.size) break;
            ++size.visible;
            std::byte bytes[sector_size];
            size.base.sector(s.number, bytes);
            size.rest -= hash_sector(s.number, bytes);
            if ((s.number + 1) * sector_size <= size.size) continue;
            for (Value v : s.values[size.version]) {
                clear_beyond(v.bytes.data(), s.number, size.size);
                size.tail.push_back(hash_sector(s.number, v.bytes.data()));
            }
        }
    }
    return result;
}

Hash PointFile::hash(const Choice &choice) const
{
    const Size &s = size(choice);
    Hash all = s.rest;
    const std::size_t whole = s.visible - !s.tail.empty();
    for (std::size_t i = 0; i < whole; ++i) all += sectors[i].value(s.version, choice[first + 1 + i]).hash;
    if (whole < s.visible) all += s.tail[std::min<std::size_t>(choice[first + 1 + whole], s.tail.size() - 1)];
    return all;
}

Content PointFile::build(const Choice &choice) const
{
    const Size &s = size(choice);
    Content content = s.base;
    for (std::size_t i = 0; i < s.visible; ++i) {
        const std::uint64_t at = sectors[i].number * sector_size;
        const std::size_t size = std::min<std::uint64_t>(sector_size, s.size - at);
        const Value &value = sectors[i].value(s.version, choice[first + 1 + i]);
        std::byte old[sector_size];
        content.read(old, size, at);
        if (std::memcmp(old, value.bytes.data(), size) != 0) content.write(value.bytes.data(), size, at); // shares the block if it can
    }
    return content;
}

} // namespace libtm::crash
