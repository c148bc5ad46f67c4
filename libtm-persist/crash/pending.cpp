// SPDX-License-Identifier: MIT
#include "pending.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::crash {

bool PendingFile::settles() const
{
    return !operations.empty() && operations.back().kind != Operation::synced && operations.back().kind != Operation::failed;
}

Pending::Pending(const Recording &recording, const Model &model) : names(recording.before.data->names, model), model_(model)
{
    for (const auto &[path, number] : recording.before.data->names) {
        const auto [file, is_new] = files.try_emplace(number);
        if (!is_new) continue;
        file->second.label = path;
        file->second.durable = recording.before.data->contents.at(number);
        file->second.live_size = file->second.durable.size();
    }
}

bool Pending::settles(const Event &event) const
{
    switch (event.kind) {
    case Event::mark: return true;
    case Event::sync: {
        const auto found = files.find(event.file);
        return event.result == 0 && found != files.end() && found->second.settles();
    }
    case Event::sync_directory: return names.settles(event);
    default: return false;
    }
}

void Pending::grow(PendingFile &file, std::uint32_t index, std::uint64_t size, std::uint64_t step)
{
    if (size <= file.live_size) return;
    constexpr std::uint64_t most_steps = 64; // each costs as much as a state
    if (step) step *= (size - file.live_size) / step / most_steps + 1;
    if (step)
        for (std::uint64_t at = file.live_size / step * step + step; at < size; at += step) file.operations.push_back({Operation::grow, index, 0, at});
    file.operations.push_back({Operation::grow, index, 0, size});
    file.live_size = size;
}

void Pending::apply(std::uint32_t index, const Event &event)
{
    if (event.kind == Event::mark) return marks.push_back({event.path, event.offset});
    names.apply(index, event);
    if (event.file == 0) return;
    PendingFile &file = files[event.file];
    switch (event.kind) {
    case Event::create:
    case Event::create_unnamed: file.label = event.path; break;
    case Event::write:
        grow(file, index, event.offset + event.size, model_.size_step);
        file.operations.push_back({Operation::write, index, event.offset, event.size, event.bytes});
        break;
    case Event::reserve: grow(file, index, event.offset + event.size, 0); break;
    case Event::truncate:
        if (event.size < file.live_size) file.operations.push_back({Operation::cut, index, 0, event.size});
        else grow(file, index, event.size, 0);
        file.live_size = event.size;
        break;
    case Event::sync:
        if (event.result == -EINTR || file.operations.empty()) break;
        if (event.result != 0) {
            file.failed = true;
            file.operations.push_back({Operation::failed, index});
        } else if (file.failed) {
            file.operations.push_back({Operation::synced, index});
        } else {
            for (const Operation &o : file.operations)
                if (o.kind == Operation::write) file.durable.write(o.bytes->data(), o.size, o.offset);
                else if (o.kind == Operation::cut || o.size > file.durable.size()) file.durable.resize(o.size);
            file.operations.clear();
        }
        break;
    default: break;
    }
}

} // namespace libtm::crash
