// SPDX-License-Identifier: MIT
/**
 * @file survey.hpp
 * The two files of a pool as they are, looked at without a lock, and without writing anything.
 */
#pragma once

#include "output.hpp"
#include "replay.hpp"

#include <array>
#include <optional>
#include <vector>

namespace libtm::tmpool {

using persist::File;
using persist::Header;

/** One of the two headers in the data file. */
struct HeaderCopy {
    Header header;
    std::optional<Failure> fault; ///< not valid
    bool is_blank;                ///< nothing but zeros
};

/** Who has the pool open to write it. */
struct Holder {
    bool is_held = false;
    std::int64_t process = 0; ///< 0: unknown
};

/** What is there. */
class Survey {
public:
    /** Throws Failure where there is no regular file that can be read; a pool need not be in it. */
    explicit Survey(const std::string &path);

    const File &data() const { return data_; }
    const HeaderCopy &copy(int number) const { return copies_[number]; }
    /** The valid header with the greater number: the one that counts. -1: there is none. */
    int current() const { return current_; }
    /** The header that counts. Throws what is wrong if there is none. */
    const Header &header() const;
    Holder holder() const { return holder_; }

    /** Not open: there is none. */
    const File &journal() const { return journal_; }
    /** Whose it is, if there is one. */
    persist::Owner owner() const { return owner_; }
    /** Whether the pool needs it. */
    bool needs_journal() const { return header().state == Header::open; }
    /** Valid groups that the data file does not contain yet. */
    const std::vector<persist::GroupHeader> &pending() const { return pending_; }
    std::uint64_t pending_bytes() const;
    /** The last group that counts. */
    std::uint64_t sequence() const { return pending_.empty() ? header().applied : pending_.back().sequence; }

private:
    void read_headers();
    void read_journal();

    File data_, journal_;
    std::array<HeaderCopy, 2> copies_{};
    int current_ = -1;
    Holder holder_;
    persist::Owner owner_ = persist::Owner::unfinished;
    std::vector<persist::GroupHeader> pending_;
};

/** A survey during which no other header was written, if that can be had. */
Survey steady_survey(const std::string &path);

/** Bytes that the file takes on the disk. */
std::uint64_t allocated(const File &file);
Json to_json(const Holder &holder);
const char *state_name(const Header &header);
const char *owner_name(persist::Owner owner);

} // namespace libtm::tmpool
