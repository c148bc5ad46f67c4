// SPDX-License-Identifier: MIT
/**
 * @file book.hpp
 * What is known of a pool's file while it is written to: its bytes, and which of them a crash may still take or change.
 */
#pragma once

#include "format.hpp"

#include <vector>

namespace libtm::testing {

/** A valid copy of a data file's header. */
struct HeaderCopy {
    persist::Header header;
    int copy;
    bool is_durable;
};

/** A file, by sectors of 512 bytes. */
class Book {
public:
    const std::string &path() const { return path_; }
    void set_path(const std::string &path) { path_ = path; }
    /** Of a file that is there already: all of it counts as durable. */
    void begin(std::vector<char> bytes);
    /** What the file holds as a program sees it, after a failure that leaves this open. What differs, and `offset` to `end`, is unknown to the disk. */
    void doubt(std::vector<char> bytes, std::uint64_t offset, std::uint64_t end);
    void write(std::uint64_t offset, const std::vector<char> &bytes);
    void resize(std::uint64_t size);
    /** A sync has returned 0: all is durable, but what an earlier failed one has left open and nobody has written since. */
    void settle();
    /** A sync has failed. */
    void fail();

    const std::vector<char> &bytes() const { return bytes_; }
    bool is_durable(std::uint64_t offset, std::uint64_t size) const;
    /** Of a data file: those that are valid, as a program sees them. */
    std::vector<HeaderCopy> headers() const;
    /** The durable one that counts. */
    std::optional<persist::Header> certain_header() const;
    /** Whether no byte waits for a sync. What an earlier failed one has left open is not asked. */
    bool is_synced() const;

    std::string pool;           ///< path of the data file that it belongs to
    bool is_named = true;       ///< somebody may open it
    bool has_durable_name = true;

private:
    std::string path_;
    std::vector<char> bytes_;
    enum Sector : unsigned char { durable, pending, lost }; // pending: the next sync makes it durable. lost: it does not
    std::vector<Sector> sectors_;
    std::uint64_t version_ = 0;       ///< of all that is_durable() and bytes() say; no two books share one
    void change();
    mutable std::optional<std::vector<HeaderCopy>> headers_; ///< if they are known
    friend class Groups;
};

/** The valid groups of a journal and the bytes that they hold. */
class Groups {
public:
    struct Group {
        persist::GroupHeader header;
        bool is_durable;
    };
    /** Of the pool with this header, of its generation; good until the book changes. Cheap if it has not. */
    void read(const Book &journal, const persist::Header &header);
    const std::vector<Group> &all() const { return all_; }
    /** Whether durable groups behind `applied` have the bytes in which these lines of 64 bytes at `offset` of the image differ, as they are in `after`. */
    bool hold(std::uint64_t offset, const char *before, const char *after, std::uint64_t applied) const;

private:
    struct Held {
        std::uint64_t sequence, offset, size;
        const char *bytes; ///< of the journal's book
    };
    std::vector<Group> all_;
    std::vector<Held> frames_; ///< of the durable ones
    std::uint64_t version_ = 0, generation_ = 0; ///< that were read
};

} // namespace libtm::testing
