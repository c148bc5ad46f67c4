// SPDX-License-Identifier: MIT
/**
 * @file storage.hpp
 * The two files of a pool in memory, and what must not be done to them. The bytes are those of memory files, so that a pool can map them.
 */
#pragma once

#include "oracle.hpp"

#include <cstdint>
#include <string>
#include <tm/storage.h>

namespace libtm::fuzz {

inline constexpr const char *pool_path = "pool";
inline constexpr const char *journal_path = "pool-journal";

/**
 * A storage of just these two names. What breaks a rule is told by fault(), the first of it; the calls go on, but beyond the limit of
 * work they fail, which ends a loop. For one thread.
 */
class Storage : public tm_storage {
public:
    Storage();
    ~Storage();
    Storage(const Storage &) = delete;
    Storage &operator=(const Storage &) = delete;

    /** These files, all synced; no limits. */
    void load(const Found &files);
    Found files() const;
    bool unchanged(const Found &files) const;

    /** From now on: how long the image is that may be written to, and how many calls and bytes may be asked for. */
    void permit(std::uint64_t image_size, std::uint64_t most_calls, std::uint64_t most_bytes);
    const std::string &fault() const { return fault_; }
    std::uint64_t calls() const { return calls_; }
    std::uint64_t bytes() const { return bytes_; }

private:
    struct File {
        int memory = -1;
        char *bytes = nullptr;
        std::uint64_t size = 0;
        bool exists = false, is_dirty = false, is_locked = false;
    };
    static Storage &self(tm_storage *storage) { return static_cast<Storage &>(*storage); }
    static constexpr int files_of_a_pool = 2;

    bool count(std::uint64_t bytes);
    void blame(const char *what, std::uint64_t offset, std::uint64_t size);
    void judge_write(int file, std::uint64_t offset, std::uint64_t size);
    int index_of(const char *path) const;
    int resize(int file, std::uint64_t size);
    int open_file(const char *path, int how);
    ssize_t read_bytes(int file, char *to, std::uint64_t size, std::uint64_t offset);
    ssize_t write_bytes(int file, const iovec *parts, int count, std::uint64_t offset);

    File files_[files_of_a_pool];
    std::uint64_t image_size_ = 0, calls_ = 0, bytes_ = 0, most_calls_ = 0, most_bytes_ = 0;
    std::string fault_;
};

} // namespace libtm::fuzz
