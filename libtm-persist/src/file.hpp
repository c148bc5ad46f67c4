// SPDX-License-Identifier: MIT
/**
 * @file file.hpp
 * An open file of a storage: whole transfers, interrupted and short ones continued, every error with the name of the file.
 * All of a pool's files are used through it.
 */
#pragma once

#include "failure.hpp"

#include <atomic>
#include <cerrno>
#include <mutex>
#include <span>
#include <string>
#include <tm/storage.h>
#include <utility>

namespace libtm::persist {

/** Call again while it is interrupted. */
template <class Call> auto continued(Call &&call)
{
    auto result = call();
    while (result == -EINTR) result = call();
    return result;
}

/** An open file; closed at the end. Thread-safe but for moves. All members throw Failure. */
class File {
public:
    File() = default;
    File(tm_storage &storage, std::string path, int handle) : storage_(&storage), path_(std::move(path)), handle_(handle) {}
    File(File &&other) noexcept : storage_(other.storage_), path_(std::move(other.path_)), handle_(std::exchange(other.handle_, -1)), syncs_(other.syncs_.load()), sync_fault_(other.sync_fault_) {}
    File &operator=(File &&other) noexcept;
    ~File() { close(); }

    /** Open as TM_STORAGE_READ, ... says. */
    static File open(tm_storage &storage, const std::string &path, int how);
    /** The same; not open if there is no such file. */
    static File open_if_there(tm_storage &storage, const std::string &path, int how);

    explicit operator bool() const { return handle_ >= 0; }
    const std::string &path() const { return path_; }
    tm_storage &storage() const { return *storage_; }
    int handle() const { return handle_; }
    void close() noexcept;
    /** In the child of a fork: forget the handle. */
    void disown() noexcept { handle_ = -1; }

    tm_storage_info info() const;
    std::uint64_t size() const { return info().size; }

    /** Read `size` bytes; those beyond the end of the file are an error (EBADMSG). */
    void read(void *to, std::size_t size, std::uint64_t offset) const;
    /** Read up to `size` bytes, fewer only at the end of the file. */
    std::size_t read_some(void *to, std::size_t size, std::uint64_t offset) const;
    /** Read `size` bytes if no device is needed for it. Any difficulty is a no. */
    bool read_cached(void *to, std::size_t size, std::uint64_t offset) const noexcept;
    /** Write all of `parts`, which it uses up. */
    void write(std::span<iovec> parts, std::uint64_t offset) const;
    void write(const void *from, std::size_t size, std::uint64_t offset) const;
    void write_zeros(std::uint64_t offset, std::uint64_t size) const;
    /** Have space for the bytes from `offset` on. */
    void reserve(std::uint64_t offset, std::uint64_t size) const;
    void truncate(std::uint64_t size) const;
    /** One at a time; after one has failed all do. */
    void sync() const;
    /** EBUSY, and who has it. */
    void lock() const;
    void map(void *address, std::size_t size, std::uint64_t offset) const;

    std::uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

private:
    tm_storage *storage_ = nullptr;
    std::string path_;
    int handle_ = -1;
    mutable std::atomic<std::uint64_t> syncs_{0};
    mutable std::mutex sync_mutex_;
    mutable int sync_fault_ = 0; ///< an errno value
};

/** Make the names in the directory of `path` durable. */
void sync_directory(tm_storage &storage, const std::string &path);

} // namespace libtm::persist
