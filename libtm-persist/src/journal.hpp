// SPDX-License-Identifier: MIT
/**
 * @file journal.hpp
 * The journal that is written to: a ring of groups in a file whose blocks were all written before, so that a commit is one write and one sync.
 *
 * The ring has room where no group is that the data file may still need: groups are let go from the oldest on, when a header that says so is
 * durable. A group never wraps; where it does not fit before the end it goes to the beginning. A reader needs no more than that: the next group
 * is behind the last one or at the beginning, and the sequence tells which.
 */
#pragma once

#include "replay.hpp"

namespace libtm::persist {

/** Bytes to journal: they lie in one page of the image, and stay as they are until the group is written. */
struct Change {
    std::uint64_t offset; ///< in the image
    std::uint32_t bytes;
    const char *from;
};

/** Bytes of a group of so many bytes of frames. */
std::uint64_t group_bytes(std::uint64_t bytes_of_frames);

/** Frames as they stand in the journal. */
struct Frames {
    std::vector<char> bytes;
    std::uint32_t count = 0;

    /** Add one; there is room: bytes.reserve(). All of it lies in one page. */
    void add(std::uint64_t offset, const void *from, std::uint32_t size);
};

/** The ring. Not thread-safe: the pool's mutex guards it, but for write() and sync(), which one thread calls at a time. */
class Journal {
public:
    Journal() = default;
    /**
     * The journal `path` of a pool whose data file contains all groups up to header.applied; a new one, unless the durable header says that it is in use. Its
     * blocks are written, it and its name are durable. Throws EEXIST if there is a file that does not belong to the pool.
     */
    Journal(tm_storage &storage, const std::string &path, const Header &header, std::uint64_t size, bool is_in_use);
    /** The journal of an open before, which this one goes on with: as long as it shall be, with these groups behind header.applied. */
    Journal(File file, const Header &header, std::list<Group> groups);
    /** That it is the journal of that pool. */
    static void write_first_block(const File &file, const Uuid &uuid);
    /** Bytes of the file for a ring of so many. */
    static std::uint64_t file_bytes(std::uint64_t size) { return groups_offset + rounded_up(size, block_size); }

    /** Where a group of so many bytes fits now; it is next in sequence. Nothing: groups must be let go first. */
    std::optional<Span> place(std::uint64_t bytes);
    /** Make the ring so long that it fits, if it is empty. Throws ENOSPC and the like; then it is as before. */
    void extend_for(std::uint64_t bytes);
    /** Go back to the usual size, if it is empty. */
    void shrink();
    /** Write the group: `frames`, then `changes`. Throws std::bad_alloc before the first byte is written, and without changes never. */
    void write(const Span &span, const Frames &frames, std::span<const Change> changes) const;
    void sync() const { file_.sync(); }
    /** The one group in `next` counts from now on. It cannot fail: the group is durable. */
    void push(std::list<Group> &next) noexcept;
    /** Groups up to `sequence` are in the data file. */
    void let_go(std::uint64_t sequence);

    const std::list<Group> &groups() const { return groups_; }
    const File &file() const { return file_; }
    File &file() { return file_; }
    std::uint64_t size() const { return end_; }
    /** Bytes of the biggest group that fits without extend_for(). */
    std::uint64_t usual_bytes() const { return usual_end_ - groups_offset; }
    std::uint64_t used() const { return used_; }
    std::uint64_t last() const { return last_; }
    /** The end of the last group: where the next one is looked for. */
    std::uint64_t head() const { return head_; }

private:
    /** As long as it is to be, all of it written; then the header. */
    void make_whole(const Uuid &uuid);

    File file_;
    std::uint32_t seed_ = 0;
    std::uint64_t generation_ = 0;
    std::uint64_t usual_end_ = 0; ///< bytes of the file, as asked for
    std::uint64_t end_ = 0;       ///< bytes of the file
    std::uint64_t head_ = groups_offset;
    std::uint64_t last_ = 0; ///< sequence
    std::uint64_t used_ = 0;
    std::list<Group> groups_;
};

} // namespace libtm::persist
