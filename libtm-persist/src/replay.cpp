// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include "checksum.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <map>
#include <numeric>

namespace libtm::persist {

namespace {

constexpr std::size_t window_size = 1 << 20; ///< more than a frame of the biggest page
constexpr std::size_t run_size = 8 << 20;    ///< bytes of pages that are written at once

} // namespace

GroupReader::GroupReader(const File &journal, const Header &header)
    : journal_(&journal), header_(header), seed_(seed_of(header.uuid)), buffer_(new char[window_size])
{
}

const char *GroupReader::look(std::uint64_t offset, std::size_t size)
{
    if (offset < loaded_offset_ || offset + size > loaded_offset_ + loaded_) {
        loaded_ = 0;
        loaded_ = journal_->read_some(buffer_.get(), window_size, offset);
        loaded_offset_ = offset;
        if (loaded_ < size) return nullptr;
    }
    return buffer_.get() + (offset - loaded_offset_);
}

const char *GroupReader::window(std::uint64_t offset, std::size_t size)
{
    if (const char *const bytes = look(offset, size)) return bytes;
    throw Failure{EBADMSG, journal_->path(), "size", offset, std::to_string(offset + loaded_) + " bytes", "more", "Somebody has cut off the journal"};
}

Failure GroupReader::nonsense(const GroupHeader &group, std::uint64_t at, const char *field, std::uint64_t found) const
{
    return {EBADMSG, journal_->path(), "group " + std::to_string(group.sequence) + ": " + field, at, std::to_string(found), "what fits the image",
            "The checksum is right, so this was written so: restore the pool from a backup"};
}

std::optional<GroupHeader> GroupReader::header_at(std::uint64_t offset, std::uint64_t sequence)
{
    GroupHeader group;
    const char *const bytes = look(offset, sizeof group);
    if (!bytes) return std::nullopt;
    std::memcpy(&group, bytes, sizeof group);
    if (!is_valid(group, seed_) || group.sequence != sequence || group.generation != header_.generation_of(sequence) || group.offset != offset) return std::nullopt;
    return group;
}

std::optional<GroupHeader> GroupReader::any_header(const char *bytes, std::uint64_t offset) const
{
    GroupHeader group;
    std::memcpy(&group, bytes, sizeof group);
    if (!is_valid(group, seed_) || group.offset != offset) return std::nullopt;
    return group;
}

bool GroupReader::body_is_valid(const GroupHeader &group)
{
    std::uint32_t sum = 0;
    for (std::uint64_t at = group.offset + sizeof group, end = group.offset + group.bytes; at < end;) {
        const std::size_t step = std::min<std::uint64_t>(window_size, end - at);
        const char *const bytes = look(at, step);
        if (!bytes) return false;
        sum = checksum(sum, bytes, step);
        at += step;
    }
    if (sum != group.body) return false;
    each_frame(group, [](const Frame &, const char *) {});
    return true;
}

std::optional<Span> Chain::next()
{
    for (const std::uint64_t offset : {end_, groups_offset}) {
        const std::optional<GroupHeader> group = reader_.header_at(offset, last_ + 1);
        if (!group || !reader_.body_is_valid(*group)) continue;
        last_ = group->sequence;
        end_ = offset + group->bytes;
        return Span{group->sequence, offset, group->bytes};
    }
    return std::nullopt;
}

void Chain::demand_complete(const std::list<Group> &known)
{
    const File &journal = reader_.journal();
    const Header &header = reader_.header();
    const auto missing = [&](const std::string &who, std::uint64_t durable) {
        return Failure{EBADMSG, journal.path(), "group " + std::to_string(last_ + 1), end_, "no valid group", "one, since " + who + " says that " + std::to_string(durable) + " were durable",
                       "The journal is damaged: restore the pool from a backup"};
    };
    if (last_ < header.inherited) throw missing("the header", header.inherited);
    const auto look = [&](const GroupHeader &group) {
        if (group.generation < header.generation) return;
        if (group.generation > header.generation)
            throw Failure{EBADMSG, journal.path(), "group " + std::to_string(group.sequence) + ": generation", group.offset, std::to_string(group.generation),
                          "at most " + std::to_string(header.generation) + ", that of the header",
                          "The newer copy of the header is damaged, or the data file was replaced by an older one: restore the pool from a backup"};
        if (group.durable > last_ && group.sequence > last_) throw missing("group " + std::to_string(group.sequence), group.durable);
    };
    std::map<std::uint64_t, std::uint64_t> known_ends;
    for (const Group &group : known) known_ends[group.offset] = group.end();
    const std::uint64_t size = journal.size();
    std::vector<char> chunk(window_size);
    for (std::uint64_t at = groups_offset; at < size;) {
        const auto next = known_ends.lower_bound(at);
        if (next != known_ends.end() && next->first == at) {
            at = next->second;
            continue;
        }
        const std::uint64_t end = std::min({at + chunk.size(), size, next == known_ends.end() ? size : next->first});
        const std::size_t count = journal.read_some(chunk.data(), end - at, at);
        for (std::size_t i = 0; i + sizeof(GroupHeader) <= count; i += block_size)
            if (const std::optional<GroupHeader> group = reader_.any_header(chunk.data() + i, at + i)) look(*group);
        at = end;
    }
}

void Applier::add(const GroupHeader &group)
{
    reader_.each_frame(group, [&](const Frame &frame, const char *bytes) {
        if (bytes_.size() + frame.bytes + 2 * pieces_.size() * sizeof(Piece) > most_composed) flush();
        pieces_.push_back({frame.offset, frame.bytes, static_cast<std::uint32_t>(bytes_.size())});
        bytes_.insert(bytes_.end(), bytes, bytes + frame.bytes);
    });
}

/** By pages; those of one page stay in the order in which they were added. A radix sort: small transactions make hundreds of thousands of pieces. */
void Applier::sort_pieces()
{
    if (pieces_.empty()) return;
    const auto [low, high] = std::minmax_element(pieces_.begin(), pieces_.end(), [](const Piece &a, const Piece &b) { return a.offset < b.offset; });
    const int page_bits = std::countr_zero(page_size_);
    const std::uint64_t first = low->offset >> page_bits, last = high->offset >> page_bits;
    sorted_.resize(pieces_.size());
    constexpr unsigned bits = 11;
    for (unsigned shift = 0; (last - first) >> shift; shift += bits) {
        std::array<std::uint32_t, (1 << bits) + 1> begins{};
        const auto digit = [&](const Piece &piece) { return ((piece.offset >> page_bits) - first) >> shift & ((1 << bits) - 1); };
        for (const Piece &piece : pieces_) ++begins[digit(piece) + 1];
        std::partial_sum(begins.begin(), begins.end(), begins.begin());
        for (const Piece &piece : pieces_) sorted_[begins[digit(piece)]++] = piece;
        pieces_.swap(sorted_);
    }
}

void Applier::flush()
{
    sort_pieces();
    std::uint64_t run_begin = 0; // the pages in pages_ begin there in the image
    const auto write_run = [&] {
        if (pages_.empty()) return;
        data_.write(pages_.data(), pages_.size(), image_offset + run_begin);
        bytes_written_ += pages_.size();
        pages_.clear();
        if (bytes_written_ - bytes_synced_ < sync_each_) return;
        data_.sync();
        bytes_synced_ = bytes_written_;
    };
    for (std::size_t i = 0; i < pieces_.size();) {
        const std::uint64_t page = pieces_[i].offset / page_size_ * page_size_;
        std::size_t end = i;
        std::size_t first = i; // what is before the last whole page does not matter
        bool is_whole = false;
        for (; end < pieces_.size() && pieces_[end].offset / page_size_ * page_size_ == page; ++end)
            if (pieces_[end].bytes == page_size_) first = end, is_whole = true;
        if (page != run_begin + pages_.size() || pages_.size() >= std::min<std::uint64_t>(run_size, sync_each_)) write_run();
        if (pages_.empty()) run_begin = page;
        const std::size_t at = pages_.size();
        pages_.resize(at + page_size_);
        if (!is_whole) data_.read(pages_.data() + at, page_size_, image_offset + page);
        for (; first < end; ++first) std::memcpy(pages_.data() + at + (pieces_[first].offset - page), bytes_.data() + pieces_[first].from, pieces_[first].bytes);
        i = end;
    }
    write_run();
    pieces_.clear();
    bytes_.clear();
}

} // namespace libtm::persist
