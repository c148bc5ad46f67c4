// SPDX-License-Identifier: MIT
#include "files.hpp"
#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

namespace bench {

void fail(const std::string &what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

long check(long result, const std::string &what)
{
    if (result == -1) fail(what);
    return result;
}

file::file(const std::string &path, int flags) : path_(path), descriptor_(open(path.c_str(), flags | O_CLOEXEC, 0600))
{
    check(descriptor_, "open " + path);
}

file::~file()
{
    close(descriptor_);
}

void file::write(const char *bytes, std::size_t size, std::size_t offset)
{
    iovec part{const_cast<char *>(bytes), size};
    write({&part, 1}, offset);
}

void file::write(std::span<iovec> parts, std::size_t offset)
{
    while (!parts.empty()) {
        const int most = static_cast<int>(std::min<std::size_t>(parts.size(), IOV_MAX));
        auto done = static_cast<std::size_t>(check(pwritev(descriptor_, parts.data(), most, static_cast<off_t>(offset)), "write " + path_));
        offset += done;
        while (!parts.empty() && done >= parts.front().iov_len) {
            done -= parts.front().iov_len;
            parts = parts.subspan(1);
        }
        if (!parts.empty()) {
            parts.front().iov_base = static_cast<char *>(parts.front().iov_base) + done;
            parts.front().iov_len -= done;
        }
    }
}

void file::read(char *to, std::size_t size, std::size_t offset) const
{
    while (size > 0) {
        const long done = check(pread(descriptor_, to, size, static_cast<off_t>(offset)), "read " + path_);
        if (done == 0) throw std::runtime_error(path_ + " is too short");
        to += done;
        offset += static_cast<std::size_t>(done);
        size -= static_cast<std::size_t>(done);
    }
}

void file::prewrite(std::size_t size)
{
    const std::vector<char> zeros(std::size_t{1} << 20);
    for (std::size_t offset = 0; offset < size; offset += zeros.size())
        write(zeros.data(), std::min(zeros.size(), size - offset), offset);
    sync();
}

void file::sync()
{
    check(fsync(descriptor_), "fsync " + path_);
}

void file::sync_data()
{
    check(fdatasync(descriptor_), "fdatasync " + path_);
}

mapping::mapping(const file &from, std::size_t size, int flags) : size_(size)
{
    void *const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, from.descriptor(), 0);
    if (at == MAP_FAILED) fail("mmap");
    data_ = static_cast<char *>(at);
    touch(data_, size_);
}

mapping::~mapping()
{
    munmap(data_, size_);
}

std::uint64_t bytes_written()
{
    std::ifstream io("/proc/self/io");
    std::string name;
    for (std::uint64_t value = 0; io >> name >> value;)
        if (name == "wchar:") return value;
    return 0;
}

void touch(const char *data, std::size_t size)
{
    for (std::size_t at = 0; at < size; at += page_size) static_cast<void>(*static_cast<const volatile char *>(data + at));
}

namespace {

/** How the destructor tells the janitor. */
constexpr int all_done = SIGUSR1;

sigset_t endings()
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, all_done}) sigaddset(&set, signal);
    return set;
}

} // namespace

workplace::workplace(const std::string &parent) : path_(parent + "/tm-pool-bench-XXXXXX")
{
    if (!mkdtemp(path_.data())) fail("mkdtemp " + path_);
    const sigset_t set = endings();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    janitor_ = std::thread([this, set] {
        int signal = 0;
        sigwait(&set, &signal);
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
        if (signal != all_done) _exit(128 + signal);
    });
}

workplace::~workplace()
{
    pthread_kill(janitor_.native_handle(), all_done);
    janitor_.join();
}

std::size_t free_space(const std::string &directory)
{
    struct statvfs space {};
    check(statvfs(directory.c_str(), &space), "statvfs " + directory);
    return space.f_bavail * space.f_frsize;
}

std::string medium(const std::string &directory)
{
    const std::string path = std::filesystem::weakly_canonical(directory).string() + "/";
    std::ifstream mounts("/proc/self/mountinfo");
    std::string best, found = "unknown file system";
    for (std::string line; std::getline(mounts, line);) {
        // "36 35 98:0 /root /mount options optional... - type source options"; the last of several that match lies on top.
        std::istringstream fields(line);
        std::string skip, mount, type, source;
        fields >> skip >> skip >> skip >> skip >> mount;
        while (fields >> skip && skip != "-") continue;
        fields >> type >> source;
        const std::string prefix = mount == "/" ? mount : mount + "/";
        if (!path.starts_with(prefix) || prefix.size() < best.size()) continue;
        best = prefix;
        found = type + " on " + source;
    }
    return found;
}

} // namespace bench
