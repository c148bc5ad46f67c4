// SPDX-License-Identifier: MIT
#include "journal.hpp"

#include "checksum.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::persist {

std::uint64_t group_bytes(std::uint64_t bytes_of_frames) { return rounded_up(sizeof(GroupHeader) + bytes_of_frames, block_size); }

void Frames::add(std::uint64_t offset, const void *from, std::uint32_t size)
{
    const Frame frame{offset, size, 0};
    const std::size_t at = bytes.size();
    bytes.resize(at + frame_bytes(size)); // zeros behind the last byte
    std::memcpy(bytes.data() + at, &frame, sizeof frame);
    std::memcpy(bytes.data() + at + sizeof frame, from, size);
    ++count;
}

Journal::Journal(tm_storage &storage, const std::string &path, const Header &header, std::uint64_t size, bool is_in_use)
    : seed_(seed_of(header.uuid)), generation_(header.generation), usual_end_(file_bytes(size)), end_(usual_end_), last_(header.applied)
{
    file_ = File::open_if_there(storage, path, TM_STORAGE_WRITE);
    if (file_) {
        demand_plain(file_);
        const Owner owner = owner_of(file_, header.uuid);
        if (owner == Owner::another)
            throw Failure{EEXIST, path, "uuid", 16, "another file, or the journal of another pool", "nothing, or the journal of " + to_text(header.uuid),
                          "Move it to the pool that it belongs to, or remove it if that is gone"};
        if (owner != Owner::ours || !is_in_use) {
            // It was left behind by a crash, or a sync of it or of its name may have failed: a new file has no past.
            file_.close();
            storage.remove(&storage, path.c_str());
        }
    }
    const bool is_new = !file_;
    if (is_new) file_ = File::open(storage, path, TM_STORAGE_CREATE);
    try {
        make_whole(header.uuid);
        sync_directory(storage, path);
    } catch (...) {
        if (is_new) storage.remove(&storage, path.c_str()); // a part of one would take space from those who have none
        throw;
    }
}

Journal::Journal(File file, const Header &header, std::list<Group> groups)
    : file_(std::move(file)), seed_(seed_of(header.uuid)), generation_(header.generation), usual_end_(file_.size()), end_(usual_end_),
      head_(groups.empty() ? header.tail : groups.back().end()),
      last_(groups.empty() ? header.applied : groups.back().sequence), groups_(std::move(groups))
{
    for (const Group &group : groups_) used_ += group.bytes;
}

void Journal::make_whole(const Uuid &uuid)
{
    const std::uint64_t there = file_.size();
    if (there < end_) file_.write_zeros(there, end_ - there);
    if (there > end_) file_.truncate(end_);
    file_.sync();
    // The header comes last, so that what has one was written as a whole.
    write_first_block(file_, uuid);
    file_.sync();
}

void Journal::write_first_block(const File &file, const Uuid &uuid)
{
    JournalHeader first{};
    std::memcpy(first.magic, JournalHeader::expected_magic, sizeof first.magic);
    first.byte_order = byte_order_mark;
    first.format = format_version;
    first.uuid = uuid;
    const auto block = sealed(first);
    file.write(block.data(), block.size(), 0);
}

std::optional<Span> Journal::place(std::uint64_t bytes)
{
    const std::uint64_t tail = groups_.empty() ? 0 : groups_.front().offset;
    std::uint64_t offset = head_;
    if (groups_.empty()) {
        if (head_ + bytes > end_) offset = groups_offset;
        if (offset + bytes > end_) return std::nullopt;
    } else if (head_ > tail) { // the free parts are behind the head and before the tail
        if (head_ + bytes > end_) offset = groups_offset;
        if (offset == groups_offset && offset + bytes > tail) return std::nullopt;
    } else if (head_ + bytes > tail) {
        return std::nullopt;
    }
    return Span{last_ + 1, offset, bytes};
}

void Journal::extend_for(std::uint64_t bytes)
{
    if (!groups_.empty() || groups_offset + bytes <= end_) return;
    const std::uint64_t wanted = groups_offset + bytes;
    try {
        file_.reserve(end_, wanted - end_);
    } catch (const Failure &) {
        try {
            file_.truncate(end_);
        } catch (const Failure &) { // it is only longer than it need be
        }
        throw;
    }
    try {
        // Space that is only reserved becomes the file's when the file system notes that it was written, and ext4 that is shut down meanwhile loses
        // that note and answers the sync with success. So the group goes to where zeros are that were synced, like any other.
        file_.write_zeros(end_, wanted - end_);
        file_.sync();
    } catch (Failure &failure) {
        failure.code = EIO; // there was space
        throw;
    }
    end_ = wanted;
}

void Journal::shrink()
{
    if (!groups_.empty() || end_ == usual_end_) return;
    file_.truncate(usual_end_);
    end_ = usual_end_;
    if (head_ > end_) head_ = groups_offset;
}

void Journal::write(const Span &span, const Frames &before, std::span<const Change> changes) const
{
    static constexpr char zeros[block_size] = {};
    GroupHeader group{};
    std::uint64_t bytes = sizeof group;
    const auto count = [&](const void *from, std::size_t size) {
        group.body = checksum(group.body, from, size);
        bytes += size;
    };
    const auto seal = [&] {
        std::memcpy(group.magic, GroupHeader::expected_magic, sizeof group.magic);
        group.sequence = span.sequence;
        group.generation = generation_;
        group.offset = span.offset;
        group.bytes = span.bytes;
        group.durable = span.sequence - 1;
        group.frames = before.count + static_cast<std::uint32_t>(changes.size());
        group.checksum = checksum_of(group, seed_);
    };
    count(before.bytes.data(), before.bytes.size());
    if (changes.empty()) {
        count(zeros, span.bytes - bytes);
        seal();
        iovec parts[] = {{&group, sizeof group}, {const_cast<char *>(before.bytes.data()), before.bytes.size()}, {const_cast<char *>(zeros), 0}};
        parts[2].iov_len = span.bytes - sizeof group - before.bytes.size();
        return file_.write(parts, span.offset);
    }
    std::vector<Frame> frames;
    frames.reserve(changes.size());
    std::vector<iovec> parts;
    parts.reserve(changes.size() * 3 + 3);
    parts.push_back({&group, sizeof group});
    if (before.count) parts.push_back({const_cast<char *>(before.bytes.data()), before.bytes.size()});
    const auto add = [&](const void *from, std::size_t size) {
        if (size == 0) return;
        parts.push_back({const_cast<void *>(from), size});
        count(from, size);
    };
    for (const Change &change : changes) {
        frames.push_back({change.offset, change.bytes, 0});
        add(&frames.back(), sizeof(Frame));
        add(change.from, change.bytes);
        add(zeros, rounded_up(change.bytes, 8) - change.bytes);
    }
    add(zeros, span.bytes - bytes);
    seal();
    file_.write(parts, span.offset);
}

void Journal::push(std::list<Group> &next) noexcept
{
    const Span span = next.front();
    groups_.splice(groups_.end(), next);
    used_ += span.bytes;
    head_ = span.end();
    last_ = span.sequence;
}

void Journal::let_go(std::uint64_t sequence)
{
    while (!groups_.empty() && groups_.front().sequence <= sequence) {
        used_ -= groups_.front().bytes;
        groups_.pop_front();
    }
}

} // namespace libtm::persist
