// SPDX-License-Identifier: MIT
#include "point_file.hpp"

#include <algorithm>
#include <functional>

namespace libtm::crash {

namespace {

/** What is certain of a file. */
struct Known {
    std::vector<std::byte> bytes;   // as many as there are whatever happens
    std::set<std::uint64_t> unsure; // sectors that may have one of several contents
};

Known known_of(const PointFile &file)
{
    const PointFile::Size &size = *std::min_element(file.sizes.begin(), file.sizes.end(), [](const auto &x, const auto &y) { return x.size < y.size; });
    Content content = size.base;
    Known known;
    for (const PointFile::Sector &sector : file.sectors) {
        const Value &first = sector.values[0][0];
        const bool sure = std::all_of(sector.values.begin(), sector.values.end(), [&](const std::vector<Value> &values) {
            return std::all_of(values.begin(), values.end(), [&](const Value &v) { return v.hash == first.hash; });
        });
        const std::uint64_t at = sector.number * sector_size;
        if (!sure) known.unsure.insert(sector.number);
        else if (at < size.size) content.write(first.bytes.data(), std::min<std::uint64_t>(sector_size, size.size - at), at);
    }
    known.bytes.resize(content.size());
    content.read(known.bytes.data(), known.bytes.size(), 0);
    return known;
}

} // namespace

struct Durable::Data {
    explicit Data(const Files &before) : pending({before, {}}, Model{}), by_label(before.data->names) {}
    Known known(const std::string &path) const
    {
        const auto found = by_label.find(path);
        return found == by_label.end() ? Known{} : known_of(make_point_file(found->second, pending.files.at(found->second)));
    }
    Pending pending;
    std::map<std::string, std::uint64_t> by_label; // the last file that has had this name
    std::uint32_t events = 0;
};

Durable::Durable(const Files &before) : data_(std::make_unique<Data>(before)) {}
Durable::~Durable() = default;

void Durable::operator()(const Event &event)
{
    data_->pending.apply(data_->events++, event);
    if (event.kind == Event::create || event.kind == Event::create_unnamed || event.kind == Event::name) data_->by_label[event.path] = event.file;
    else if (event.kind == Event::rename) data_->by_label[event.to] = event.file;
}

std::uint64_t Durable::pending(const std::string &path) const
{
    return data_->known(path).unsure.size() * sector_size;
}

std::vector<std::byte> Durable::bytes(const std::string &path) const
{
    return data_->known(path).bytes;
}

bool Durable::holds(const std::string &path, std::span<const std::byte> wanted) const
{
    const Known known = data_->known(path);
    const std::boyer_moore_searcher searcher(wanted.begin(), wanted.end());
    for (auto from = known.bytes.begin();; ++from) {
        from = std::search(from, known.bytes.end(), searcher);
        if (from == known.bytes.end()) return false;
        const auto at = static_cast<std::uint64_t>(from - known.bytes.begin());
        const auto next = known.unsure.lower_bound(at / sector_size);
        if (next == known.unsure.end() || *next * sector_size >= at + wanted.size()) return true;
    }
}

} // namespace libtm::crash
