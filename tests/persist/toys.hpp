// SPDX-License-Identifier: MIT
/**
 * @file toys.hpp
 * Small protocols on a tm_storage that keep some pages durable, right ones and wrong ones: what the crash enumerator is tested on.
 */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tm/crash.hpp>
#include <vector>

namespace libtm::test {

/** What is wrong with a protocol. */
enum class Bug {
    none,
    no_sync_before_apply,
    no_sync_after_apply,
    no_checksum,
    checksum_of_the_header_only,
    in_place,
    atomic_page,
    size_is_the_commit,
    no_directory_sync,
    rename_before_sync,
    remove_is_the_commit,
    sync_again_after_failure,
    recovery_forgets_to_sync,
    second_recovery_forgets_to_sync
};

struct Toy {
    Bug bug = Bug::none;
    unsigned pages = 1;   // of a commit
    std::size_t page = 4096;
    unsigned commits = 3; // of a run

    virtual ~Toy() = default;
    /** Make the files, with the state 0. */
    virtual void create(tm_storage *s) = 0;
    /** Make the state `n` durable. */
    virtual void commit(tm_storage *s, std::uint64_t n) = 0;
    /** Recover, and tell which state there is; none: mixed. */
    virtual std::optional<std::uint64_t> recover(tm_storage *s) = 0;

    void run(tm_storage *s, crash::Marks &marks);
    /** As a Check: the state must be the last that returned, or the one in progress. */
    std::string check(tm_storage *s, const crash::Moment &moment);
    crash::Report explore(const crash::Options &options = {});
    crash::Recording record();

protected:
    /** Page `p` of the state `n`: each word tells both. */
    std::vector<std::byte> page_of(std::uint64_t n, unsigned p) const;
    void write_pages(tm_storage *s, int file, std::uint64_t n) const;
    void create_with_pages(tm_storage *s, const std::string &path) const;
    /** A header of a sector with a checksum, and the pages. */
    std::vector<std::byte> record_of(std::uint64_t n) const;
    /** The state of the record at `offset`, if it is right, and its pages. `flag`: a bit of the header that no checksum covers. */
    std::optional<std::uint64_t> read_record(tm_storage *s, int file, std::uint64_t offset, std::vector<std::byte> &body, bool *flag = nullptr) const;
    /** The state that these pages are of, if of one. */
    std::optional<std::uint64_t> state_of(const std::vector<std::byte> &bytes) const;
};

/** Pages in "data", the next state first in "journal". */
struct Redo : Toy {
    void create(tm_storage *s) override;
    void commit(tm_storage *s, std::uint64_t n) override;
    std::optional<std::uint64_t> recover(tm_storage *s) override;
};
/** Pages in "data", the state before in "journal", which is there while they change. */
struct Undo : Toy {
    void create(tm_storage *s) override;
    void commit(tm_storage *s, std::uint64_t n) override;
    std::optional<std::uint64_t> recover(tm_storage *s) override;
};
/** Records appended to "log". */
struct Append : Toy {
    void create(tm_storage *s) override;
    void commit(tm_storage *s, std::uint64_t n) override;
    std::optional<std::uint64_t> recover(tm_storage *s) override;
};
/** A new file for each state, renamed to its number. */
struct Versions : Toy {
    void create(tm_storage *s) override;
    void commit(tm_storage *s, std::uint64_t n) override;
    std::optional<std::uint64_t> recover(tm_storage *s) override;
};

/** Calls that must not fail: they throw std::runtime_error. */
int open_file(tm_storage *s, const std::string &path, int how);
void write_file(tm_storage *s, int file, const void *bytes, std::size_t size, std::uint64_t offset);
void sync_file(tm_storage *s, int file);
std::vector<std::byte> read_file(tm_storage *s, int file, std::size_t size, std::uint64_t offset);

} // namespace libtm::test
