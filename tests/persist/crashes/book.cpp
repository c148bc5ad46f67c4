// SPDX-License-Identifier: MIT
#include "book.hpp"

#include "checksum.hpp"

#include <algorithm>
#include <atomic>

namespace libtm::testing {

using persist::block_size;
using persist::Frame;
using persist::GroupHeader;
using persist::Header;

namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t line = 64;

std::uint64_t sectors(std::uint64_t bytes) { return (bytes + sector - 1) / sector; }

} // namespace

void Book::change()
{
    static std::atomic<std::uint64_t> last{0};
    version_ = ++last;
}

void Book::begin(std::vector<char> bytes)
{
    bytes_ = std::move(bytes);
    headers_.reset();
    sectors_.assign(sectors(bytes_.size()), durable);
    change();
}

void Book::doubt(std::vector<char> bytes, std::uint64_t offset, std::uint64_t end)
{
    bytes_.resize(bytes.size());
    sectors_.resize(sectors(bytes.size()), lost);
    for (std::uint64_t at = 0; at < bytes.size(); at += sector) {
        const std::uint64_t stop = std::min<std::uint64_t>(at + sector, bytes.size());
        const bool differs = std::memcmp(bytes.data() + at, bytes_.data() + at, stop - at) != 0;
        if (differs || (at < end && stop > offset)) sectors_[at / sector] = lost;
    }
    bytes_ = std::move(bytes);
    headers_.reset();
    change();
}

void Book::write(std::uint64_t offset, const std::vector<char> &bytes)
{
    const std::uint64_t end = offset + bytes.size();
    if (end > bytes_.size()) resize(end);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    if (offset < 2 * block_size) headers_.reset();
    std::fill(sectors_.begin() + static_cast<std::ptrdiff_t>(offset / sector), sectors_.begin() + static_cast<std::ptrdiff_t>(sectors(end)), pending);
    change();
}

void Book::resize(std::uint64_t size)
{
    // A sector that becomes longer or shorter has changed as well.
    if (size != bytes_.size() && std::min<std::uint64_t>(size, bytes_.size()) % sector) sectors_[std::min<std::uint64_t>(size, bytes_.size()) / sector] = pending;
    if (std::min<std::uint64_t>(size, bytes_.size()) < 2 * block_size) headers_.reset();
    bytes_.resize(size);
    sectors_.resize(sectors(size), pending);
    change();
}

void Book::settle()
{
    std::replace(sectors_.begin(), sectors_.end(), pending, durable);
    change();
}

void Book::fail()
{
    std::replace(sectors_.begin(), sectors_.end(), pending, lost);
    change();
}

bool Book::is_durable(std::uint64_t offset, std::uint64_t size) const
{
    const auto first = sectors_.begin() + static_cast<std::ptrdiff_t>(offset / sector);
    return offset + size <= bytes_.size() && std::all_of(first, sectors_.begin() + static_cast<std::ptrdiff_t>(sectors(offset + size)), [](Sector s) { return s == durable; });
}

std::vector<HeaderCopy> Book::headers() const
{
    if (!headers_) {
        headers_.emplace();
        for (int copy = 0; copy < 2; ++copy) {
            const std::uint64_t at = static_cast<std::uint64_t>(copy) * block_size;
            if (bytes_.size() < at + block_size) break;
            std::array<char, block_size> block;
            std::memcpy(block.data(), bytes_.data() + at, block_size);
            if (persist::header_fault(block, {}, copy)) continue;
            HeaderCopy &found = headers_->emplace_back(HeaderCopy{{}, copy, false});
            std::memcpy(&found.header, block.data(), sizeof found.header);
        }
    }
    std::vector<HeaderCopy> copies = *headers_;
    for (HeaderCopy &it : copies) it.is_durable = is_durable(static_cast<std::uint64_t>(it.copy) * block_size, block_size);
    return copies;
}

std::optional<Header> Book::certain_header() const
{
    std::optional<Header> best;
    for (const HeaderCopy &copy : headers())
        if (copy.is_durable && (!best || copy.header.number > best->number)) best = copy.header;
    return best;
}

bool Book::is_synced() const { return std::find(sectors_.begin(), sectors_.end(), pending) == sectors_.end(); }

void Groups::read(const Book &journal, const Header &header)
{
    if (version_ == journal.version_ && generation_ == header.generation) return;
    version_ = journal.version_;
    generation_ = header.generation;
    all_.clear();
    frames_.clear();
    const std::vector<char> &bytes = journal.bytes();
    const std::uint32_t seed = persist::seed_of(header.uuid);
    for (std::uint64_t at = persist::groups_offset; at + sizeof(GroupHeader) <= bytes.size(); at += block_size) {
        GroupHeader group;
        std::memcpy(&group, bytes.data() + at, sizeof group);
        if (!persist::is_valid(group, seed) || group.offset != at || group.generation != header.generation_of(group.sequence) || group.bytes > bytes.size() - at) continue;
        if (persist::checksum(0, bytes.data() + at + sizeof group, group.bytes - sizeof group) != group.body) continue;
        all_.push_back({group, journal.is_durable(at, group.bytes)});
        if (!all_.back().is_durable) continue;
        const char *from = bytes.data() + at + sizeof group;
        for (std::uint32_t i = 0; i < group.frames; ++i) {
            Frame frame;
            std::memcpy(&frame, from, sizeof frame);
            frames_.push_back({group.sequence, frame.offset, frame.bytes, from + sizeof frame});
            from += persist::frame_bytes(frame.bytes);
        }
    }
}

bool Groups::hold(std::uint64_t offset, const char *before, const char *after, std::uint64_t applied) const
{
    bool missing[line];
    for (std::uint64_t i = 0; i < line; ++i) missing[i] = before[i] != after[i];
    for (const Held &held : frames_) {
        if (held.sequence <= applied || held.offset >= offset + line || held.offset + held.size <= offset) continue;
        for (std::uint64_t i = std::max(held.offset, offset), end = std::min(held.offset + held.size, offset + line); i < end; ++i)
            if (held.bytes[i - held.offset] == after[i - offset]) missing[i - offset] = false;
    }
    return std::none_of(std::begin(missing), std::end(missing), [](bool is) { return is; });
}

} // namespace libtm::testing
