// SPDX-License-Identifier: MIT
#include "storage.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace libtm::fuzz {

namespace {

constexpr std::uint64_t capacity = 1ull << 30;

} // namespace

/** Handles are the index of the file and, above it, nothing: a pool has no use for two handles of one file. */
Storage::Storage() : tm_storage{}
{
    open = [](tm_storage *s, const char *path, int how) { return self(s).open_file(path, how); };
    create_unnamed = [](tm_storage *, const char *) { return -EOPNOTSUPP; };
    name = [](tm_storage *, int, const char *) { return -EOPNOTSUPP; };
    remove = [](tm_storage *s, const char *path) {
        if (!self(s).count(0)) return -EIO;
        const int file = self(s).index_of(path);
        if (file == 0) self(s).blame("the data file is removed", 0, 0);
        if (file < 0 || !self(s).files_[file].exists) return -ENOENT;
        self(s).files_[file].exists = false;
        return self(s).resize(file, 0);
    };
    rename = [](tm_storage *, const char *, const char *) { return -EOPNOTSUPP; };
    close = [](tm_storage *s, int file) {
        self(s).files_[file].is_locked = false;
        return 0;
    };
    info = [](tm_storage *s, int file, tm_storage_info *info) {
        if (!self(s).count(0)) return -EIO;
        *info = {self(s).files_[file].size, 1, static_cast<std::uint64_t>(file) + 1, 1, S_IFREG | 0600};
        return 0;
    };
    read = [](tm_storage *s, int file, void *to, size_t size, std::uint64_t offset, int) { return self(s).read_bytes(file, static_cast<char *>(to), size, offset); };
    write = [](tm_storage *s, int file, const iovec *parts, int count, std::uint64_t offset) { return self(s).write_bytes(file, parts, count, offset); };
    reserve = [](tm_storage *s, int file, std::uint64_t offset, std::uint64_t size) {
        if (!self(s).count(0)) return -EIO;
        if (file == 0) self(s).blame("space is reserved in the data file", offset, size);
        if (offset > capacity || size > capacity - offset) return -ENOSPC;
        return self(s).files_[file].size >= offset + size ? 0 : self(s).resize(file, offset + size);
    };
    truncate = [](tm_storage *s, int file, std::uint64_t size) {
        if (!self(s).count(0)) return -EIO;
        if (file == 0) self(s).blame("the data file's size is changed", 0, size);
        return size > capacity ? -EFBIG : self(s).resize(file, size);
    };
    sync = [](tm_storage *s, int file) {
        self(s).files_[file].is_dirty = false;
        return self(s).count(0) ? 0 : -EIO;
    };
    sync_directory = [](tm_storage *s, const char *) { return self(s).count(0) ? 0 : -EIO; };
    lock = [](tm_storage *s, int file, std::int64_t *) { return std::exchange(self(s).files_[file].is_locked, true) ? -EAGAIN : 0; };
    map = [](tm_storage *s, int file, void *address, size_t size, std::uint64_t offset) {
        if (file != 0 || offset != image_at || size != self(s).image_size_) self(s).blame("something else than the image is mapped", offset, size);
        void *const at = ::mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, self(s).files_[file].memory, static_cast<off_t>(offset));
        return at == MAP_FAILED ? -errno : 0;
    };
    weakness = [](tm_storage *, int) -> const char * { return nullptr; };
    for (File &file : files_) {
        file.memory = ::memfd_create("libtm-fuzz", MFD_CLOEXEC);
        void *const at = file.memory < 0 ? MAP_FAILED : ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.memory, 0);
        if (at == MAP_FAILED) std::abort();
        file.bytes = static_cast<char *>(at);
    }
}

Storage::~Storage()
{
    for (File &file : files_) {
        ::munmap(file.bytes, capacity);
        ::close(file.memory);
    }
}

void Storage::load(const Found &found)
{
    const std::vector<char> *const contents[files_of_a_pool] = {&found.data, &found.journal};
    const bool exists[files_of_a_pool] = {true, found.has_journal};
    for (int i = 0; i < files_of_a_pool; ++i) {
        files_[i].exists = exists[i];
        files_[i].is_dirty = files_[i].is_locked = false;
        resize(i, exists[i] ? contents[i]->size() : 0);
        if (files_[i].size) std::memcpy(files_[i].bytes, contents[i]->data(), files_[i].size);
    }
    permit(0, ~0ull, ~0ull);
    fault_.clear();
}

Found Storage::files() const
{
    const auto bytes = [](const File &file) { return std::vector<char>(file.bytes, file.bytes + file.size); };
    return {bytes(files_[0]), files_[1].exists, bytes(files_[1])};
}

bool Storage::unchanged(const Found &found) const
{
    const auto same = [](const File &file, const std::vector<char> &bytes) { return file.size == bytes.size() && (bytes.empty() || std::memcmp(file.bytes, bytes.data(), bytes.size()) == 0); };
    return same(files_[0], found.data) && files_[1].exists == found.has_journal && (!found.has_journal || same(files_[1], found.journal));
}

void Storage::permit(std::uint64_t image_size, std::uint64_t most_calls, std::uint64_t most_bytes)
{
    image_size_ = image_size;
    most_calls_ = most_calls;
    most_bytes_ = most_bytes;
    calls_ = bytes_ = 0;
}

bool Storage::count(std::uint64_t bytes)
{
    bytes_ += bytes;
    if (++calls_ <= most_calls_ && bytes_ <= most_bytes_) return true;
    blame("too much work for files of this size", calls_, bytes_);
    return false;
}

void Storage::blame(const char *what, std::uint64_t offset, std::uint64_t size)
{
    if (fault_.empty()) fault_ = std::string(what) + " (" + std::to_string(offset) + ", " + std::to_string(size) + ")";
}

/** The rules: the data file is written in its headers and image alone, and what a write rests on was synced before. */
void Storage::judge_write(int file, std::uint64_t offset, std::uint64_t size)
{
    if (file != 0) return;
    if (offset < 2 * block) {
        if (size != block || offset % block) blame("a header is written in part", offset, size);
        if (files_[0].is_dirty) blame("a header is written before the image is synced", offset, size);
    } else if (offset < image_at || offset - image_at > image_size_ || size > image_size_ - (offset - image_at)) {
        blame("a write outside of headers and image", offset, size);
    } else if (files_[1].is_dirty) {
        blame("the image is written before the journal is synced", offset, size);
    }
    if (offset + size > files_[0].size) blame("a write makes the data file longer", offset, size);
}

int Storage::index_of(const char *path) const { return std::strcmp(path, pool_path) == 0 ? 0 : std::strcmp(path, journal_path) == 0 ? 1 : -1; }

int Storage::resize(int file, std::uint64_t size)
{
    files_[file].size = size;
    return ::ftruncate(files_[file].memory, static_cast<off_t>(size)) < 0 ? -errno : 0;
}

int Storage::open_file(const char *path, int how)
{
    if (!count(0)) return -EIO;
    const int file = index_of(path);
    if (file < 0) {
        blame("another file is opened", 0, 0);
        return -ENOENT;
    }
    if (how == TM_STORAGE_CREATE) {
        if (file == 0) blame("the data file is made", 0, 0);
        if (files_[file].exists) return -EEXIST;
        files_[file].exists = true;
    }
    return files_[file].exists ? file : -ENOENT;
}

ssize_t Storage::read_bytes(int file, char *to, std::uint64_t size, std::uint64_t offset)
{
    if (offset > INT64_MAX) return -EINVAL; // as pread(2)
    const std::uint64_t there = offset < files_[file].size ? std::min(size, files_[file].size - offset) : 0;
    if (!count(there)) return -EIO;
    if (there) std::memcpy(to, files_[file].bytes + offset, there);
    return static_cast<ssize_t>(there);
}

ssize_t Storage::write_bytes(int file, const iovec *parts, int number, std::uint64_t offset)
{
    std::uint64_t size = 0;
    for (int i = 0; i < number; ++i) size += parts[i].iov_len;
    if (!count(size)) return -EIO;
    if (offset > capacity || size > capacity - offset) return -EFBIG;
    judge_write(file, offset, size);
    if (offset + size > files_[file].size)
        if (const int error = resize(file, offset + size)) return error;
    for (int i = 0; i < number; offset += parts[i].iov_len, ++i) std::memcpy(files_[file].bytes + offset, parts[i].iov_base, parts[i].iov_len);
    files_[file].is_dirty = true;
    return static_cast<ssize_t>(size);
}

} // namespace libtm::fuzz
