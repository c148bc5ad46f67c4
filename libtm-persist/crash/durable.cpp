// SPDX-License-Identifier: MIT
#include "pending.hpp"

#include <algorithm>

namespace libtm::crash {

struct Durable::Data {
    explicit Data(const Files &before) : pending({before, {}}, Model{})
    {
        for (const auto &[path, number] : before.data->names) by_label[path] = number;
    }
    const PendingFile *find(const std::string &path) const
    {
        const auto found = by_label.find(path);
        return found == by_label.end() ? nullptr : &pending.files.at(found->second);
    }
    Pending pending;
    std::map<std::string, std::uint64_t> by_label; // the last file made with this name
    std::uint32_t events = 0;
};

Durable::Durable(const Files &before) : data_(std::make_unique<Data>(before)) {}
Durable::~Durable() = default;

void Durable::operator()(const Event &event)
{
    data_->pending.apply(data_->events++, event);
    if (event.kind == Event::create || event.kind == Event::create_unnamed) data_->by_label[event.path] = event.file;
    else if (event.kind == Event::name) data_->by_label[event.path] = event.file;
    else if (event.kind == Event::rename) data_->by_label[event.to] = event.file;
}

std::uint64_t Durable::pending(const std::string &path) const
{
    const PendingFile *const file = data_->find(path);
    std::uint64_t bytes = 0;
    if (file)
        for (const Operation &o : file->operations)
            if (o.kind == Operation::write) bytes += o.size;
    return bytes;
}

std::vector<std::byte> Durable::bytes(const std::string &path) const
{
    const PendingFile *const file = data_->find(path);
    if (!file) return {};
    std::vector<std::byte> all(file->durable.size());
    file->durable.read(all.data(), all.size(), 0);
    return all;
}

bool Durable::holds(const std::string &path, std::span<const std::byte> wanted) const
{
    const PendingFile *const file = data_->find(path);
    if (!file) return false;
    const std::vector<std::byte> all = bytes(path);
    std::set<std::uint64_t> unsure; // sectors
    std::uint64_t end = all.size();
    for (const Operation &o : file->operations)
        if (o.kind == Operation::write)
            for (std::uint64_t s = o.offset / sector_size; s <= (o.offset + o.size - 1) / sector_size; ++s) unsure.insert(s);
        else if (o.kind == Operation::cut) end = std::min(end, o.size);
    for (auto from = all.begin();; ++from) {
        from = std::search(from, all.begin() + static_cast<std::ptrdiff_t>(end), std::boyer_moore_searcher(wanted.begin(), wanted.end()));
        if (from == all.begin() + static_cast<std::ptrdiff_t>(end)) return false;
        const auto at = static_cast<std::uint64_t>(from - all.begin());
        const auto next = unsure.lower_bound(at / sector_size);
        if (next == unsure.end() || *next * sector_size >= at + wanted.size()) return true;
    }
}

} // namespace libtm::crash
