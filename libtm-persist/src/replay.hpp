// SPDX-License-Identifier: MIT
/**
 * @file replay.hpp
 * Reading the journal and applying it to the data file: the same code in recovery, in a checkpoint, and for a copy of a pool in use.
 *
 * Frames hold absolute bytes, so applying groups in their order makes the same image however often and from wherever it is begun again,
 * as long as it goes on to the last one.
 */
#pragma once

#include "format.hpp"

#include <list>
#include <memory>
#include <vector>

namespace libtm::persist {

/** Where a valid group is in the journal. */
struct Span {
    std::uint64_t sequence;
    std::uint64_t offset;
    std::uint64_t bytes;

    std::uint64_t end() const { return offset + bytes; }
};

/** A group that counts. */
struct Group : Span {
    std::uint64_t ticket = 0; ///< of the last commit in it
};

/** The frames of groups, read a window of the journal at a time. */
class GroupReader {
public:
    GroupReader(const File &journal, const Header &header);

    /** The header of the valid group at `offset` with that sequence, or nothing. Reads only the header. */
    std::optional<GroupHeader> header_at(std::uint64_t offset, std::uint64_t sequence);
    /** The header of a group of this pool, whichever it is, whose bytes these are; they lie at `offset`. */
    std::optional<GroupHeader> any_header(const char *bytes, std::uint64_t offset) const;
    /** Whether the body has its checksum. Throws EBADMSG if it has, and its frames are nonsense all the same. */
    bool body_is_valid(const GroupHeader &group);
    /** Call `use(frame, bytes)` for each frame; the bytes stay for the time of the call. */
    template <class Use> void each_frame(const GroupHeader &group, Use &&use);

    /** What was read of the journal may have changed since. */
    void forget() { loaded_ = 0; }
    /** Whether the whole group was read at once, so that what was found valid of it is what is read next. */
    bool holds(const Span &span) const { return span.offset >= loaded_offset_ && span.end() <= loaded_offset_ + loaded_; }

    const Header &header() const { return header_; }
    const File &journal() const { return *journal_; }

private:
    /** `size` bytes of the journal at `offset`, valid until the next call; nullptr if it is shorter. */
    const char *look(std::uint64_t offset, std::size_t size);
    /** The same; it has so many. */
    const char *window(std::uint64_t offset, std::size_t size);
    Failure nonsense(const GroupHeader &group, std::uint64_t at, const char *field, std::uint64_t found) const;

    const File *journal_;
    Header header_;
    std::uint32_t seed_;
    std::unique_ptr<char[]> buffer_;
    std::uint64_t loaded_offset_ = 0;
    std::size_t loaded_ = 0;
};

/** Walks the valid groups from one on: each follows the one before, or is the first in the file. */
class Chain {
public:
    /** Begin behind group `applied`, whose end is `tail`. */
    Chain(GroupReader &reader, std::uint64_t applied, std::uint64_t tail) : reader_(reader), last_(applied), end_(tail) {}
    /** The next group, all of it valid; or nothing, and then later again, if it has come meanwhile. */
    std::optional<Span> next();
    std::uint64_t last() const { return last_; }
    std::uint64_t end() const { return end_; }
    /**
     * That neither the header nor a group in the journal says that there was more: no group that is later and says that more of the chain was durable, none of a later
     * generation than the header. EBADMSG, since no crash can have done that: a header is durable before the first group of its generation. What lies in `known`, groups
     * of the chain, is not looked at.
     */
    void demand_complete(const std::list<Group> &known = {});

private:
    GroupReader &reader_;
    std::uint64_t last_, end_;
};

/**
 * Bytes of frames that are composed at once, with what is kept about each: small ones of a quarter of a journal of 64 MiB. The more, the more of them are for the same page, which is written once. Tests
 * set it to less.
 */
inline std::size_t most_composed = 32 << 20;

/** Where the frames of groups go: page by page, each composed of all that was added, in ascending order. */
class Applier {
public:
    /**
     * `data` is a file that the image lies in at image_offset. It is left to be synced; but whoever syncs another file meanwhile waits for what the device was given
     * before, so about `sync_each` bytes are synced at a time.
     */
    Applier(GroupReader &reader, const File &data, std::uint32_t page_size, std::uint64_t sync_each = ~0ull)
        : reader_(reader), data_(data), page_size_(page_size), sync_each_(sync_each)
    {
    }
    /** Add a valid group; may write out those before. */
    void add(const GroupHeader &group);
    void flush();
    std::uint64_t bytes_written() const { return bytes_written_; }

private:
    struct Piece {
        std::uint64_t offset;
        std::uint32_t bytes;
        std::uint32_t from; ///< in bytes_: grows in the order in which they were added
    };
    void sort_pieces();

    GroupReader &reader_;
    const File &data_;
    std::uint32_t page_size_;
    std::uint64_t sync_each_;
    std::vector<Piece> pieces_, sorted_;
    std::vector<char> bytes_;
    std::vector<char> pages_;
    std::uint64_t bytes_written_ = 0, bytes_synced_ = 0;
};

template <class Use> void GroupReader::each_frame(const GroupHeader &group, Use &&use)
{
    std::uint64_t at = group.offset + sizeof(GroupHeader);
    const std::uint64_t end = group.offset + group.bytes;
    for (std::uint32_t i = 0; i < group.frames; ++i) {
        if (end - at < sizeof(Frame)) throw nonsense(group, at, "frames", group.frames);
        Frame frame;
        std::memcpy(&frame, window(at, sizeof frame), sizeof frame);
        if (frame.bytes == 0 || frame.bytes > header_.page_size || frame_bytes(frame.bytes) > end - at) throw nonsense(group, at + 8, "frame: bytes", frame.bytes);
        if (frame.offset >= header_.image_size || frame.offset % header_.page_size + frame.bytes > header_.page_size) throw nonsense(group, at, "frame: offset", frame.offset);
        if (frame.zero != 0) throw nonsense(group, at + 12, "frame: zero", frame.zero);
        use(static_cast<const Frame &>(frame), window(at + sizeof frame, frame.bytes));
        at += frame_bytes(frame.bytes);
    }
    if (end - at >= block_size) throw nonsense(group, at, "frames", group.frames);
}

} // namespace libtm::persist
