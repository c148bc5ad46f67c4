// SPDX-License-Identifier: MIT
#include "file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace libtm::persist {

File &File::operator=(File &&other) noexcept
{
    close();
    storage_ = other.storage_;
    path_ = std::move(other.path_);
    handle_ = std::exchange(other.handle_, -1);
    syncs_ = other.syncs_.load();
    sync_fault_ = other.sync_fault_;
    return *this;
}

File File::open(tm_storage &storage, const std::string &path, int how)
{
    const int handle = continued([&] { return storage.open(&storage, path.c_str(), how); });
    if (handle < 0) throw call_failed(-handle, path, how == TM_STORAGE_CREATE ? "create" : "open");
    return {storage, path, handle};
}

File File::open_if_there(tm_storage &storage, const std::string &path, int how)
{
    try {
        return open(storage, path, how);
    } catch (const Failure &failure) {
        if (failure.code != ENOENT) throw;
        return {};
    }
}

void File::close() noexcept
{
    // A failing close has closed all the same, and what mattered was synced before.
    if (handle_ >= 0) storage_->close(storage_, std::exchange(handle_, -1));
}

tm_storage_info File::info() const
{
    tm_storage_info info{};
    const int result = continued([&] { return storage_->info(storage_, handle_, &info); });
    if (result < 0) throw call_failed(-result, path_, "stat");
    return info;
}

std::size_t File::read_some(void *to, std::size_t size, std::uint64_t offset) const
{
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = continued([&] { return storage_->read(storage_, handle_, static_cast<char *>(to) + done, size - done, offset + done, 0); });
        if (count < 0) throw call_failed(static_cast<int>(-count), path_, "read", offset + done);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

void File::read(void *to, std::size_t size, std::uint64_t offset) const
{
    const std::size_t done = read_some(to, size, offset);
    if (done == size) return;
    throw Failure{EBADMSG, path_, "size", 0, std::to_string(offset + done) + " bytes", "at least " + std::to_string(offset + size),
                  "The file has been cut off; restore it from a backup"};
}

bool File::read_cached(void *to, std::size_t size, std::uint64_t offset) const noexcept
{
    const ssize_t count = continued([&] { return storage_->read(storage_, handle_, to, size, offset, 1); });
    return count == static_cast<ssize_t>(size);
}

void File::write(std::span<iovec> parts, std::uint64_t offset) const
{
    constexpr std::size_t most = 1024; // IOV_MAX
    while (!parts.empty()) {
        const int count = static_cast<int>(std::min(parts.size(), most));
        const ssize_t result = continued([&] { return storage_->write(storage_, handle_, parts.data(), count, offset); });
        if (result <= 0) throw call_failed(result < 0 ? static_cast<int>(-result) : EIO, path_, "write", offset);
        offset += static_cast<std::size_t>(result);
        for (std::size_t left = static_cast<std::size_t>(result); left != 0;) {
            const std::size_t step = std::min(left, parts[0].iov_len);
            parts[0].iov_base = static_cast<char *>(parts[0].iov_base) + step;
            parts[0].iov_len -= step;
            left -= step;
            if (parts[0].iov_len == 0) parts = parts.subspan(1);
        }
        while (!parts.empty() && parts[0].iov_len == 0) parts = parts.subspan(1);
    }
}

void File::write(const void *from, std::size_t size, std::uint64_t offset) const
{
    iovec part{const_cast<void *>(from), size};
    if (size) write({&part, 1}, offset);
}

void File::write_zeros(std::uint64_t offset, std::uint64_t size) const
{
    static constexpr std::array<char, 65536> zeros{};
    while (size) {
        std::array<iovec, 16> parts;
        std::size_t count = 0;
        std::uint64_t bytes = 0;
        for (; count < parts.size() && bytes < size; ++count) {
            parts[count] = {const_cast<char *>(zeros.data()), std::min<std::uint64_t>(zeros.size(), size - bytes)};
            bytes += parts[count].iov_len;
        }
        write({parts.data(), count}, offset);
        offset += bytes;
        size -= bytes;
    }
}

void File::reserve(std::uint64_t offset, std::uint64_t size) const
{
    const int result = continued([&] { return storage_->reserve(storage_, handle_, offset, size); });
    if (result < 0) throw call_failed(-result, path_, "reserve space", offset);
}

void File::truncate(std::uint64_t size) const
{
    const int result = continued([&] { return storage_->truncate(storage_, handle_, size); });
    if (result < 0) throw call_failed(-result, path_, "truncate", size);
}

void File::sync() const
{
    // A failure is told once: whoever syncs beside or after it would take for durable what is lost (P4).
    const std::lock_guard lock(sync_mutex_);
    if (sync_fault_) throw call_failed(sync_fault_, path_, "sync");
    syncs_.fetch_add(1, std::memory_order_relaxed);
    // An interrupted one has not failed: what it was to write is still to be written.
    const int result = continued([&] { return storage_->sync(storage_, handle_); });
    if (result >= 0) return;
    sync_fault_ = -result;
    throw call_failed(sync_fault_, path_, "sync");
}

void File::lock() const
{
    std::int64_t holder = 0;
    const int result = continued([&] { return storage_->lock(storage_, handle_, &holder); });
    if (result == -EAGAIN)
        throw Failure{EBUSY, path_, "lock", 0, holder ? "held by process " + std::to_string(holder) : std::string("held by another process"), {},
                      "A pool has one writer: close it there, or open it with TM_POOL_READ_ONLY"};
    if (result < 0) throw call_failed(-result, path_, "lock");
}

void File::map(void *address, std::size_t size, std::uint64_t offset) const
{
    const int result = continued([&] { return storage_->map(storage_, handle_, address, size, offset); });
    if (result < 0) throw call_failed(-result, path_, "mmap", offset);
}

void sync_directory(tm_storage &storage, const std::string &path)
{
    const int result = continued([&] { return storage.sync_directory(&storage, path.c_str()); });
    if (result < 0) throw call_failed(-result, path, "sync of the directory");
}

} // namespace libtm::persist
