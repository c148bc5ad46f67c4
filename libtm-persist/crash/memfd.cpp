// SPDX-License-Identifier: MIT
#include "memfd.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace libtm::crash {
namespace {

constexpr std::size_t most_kept = 8;

struct Kept {
    std::mutex mutex;
    std::vector<std::unique_ptr<Memfd>> memfds;
};
Kept &kept()
{
    static Kept kept;
    return kept;
}

[[noreturn]] void fail(const char *what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

std::unique_ptr<Memfd> Memfd::take(const Content &content)
{
    std::unique_ptr<Memfd> memfd;
    {
        Kept &k = kept();
        const std::scoped_lock lock(k.mutex);
        // One of this size was most likely the same file before.
        auto found = std::find_if(k.memfds.begin(), k.memfds.end(), [&](const auto &m) { return m->shown_.size() == content.size(); });
        if (found == k.memfds.end() && !k.memfds.empty()) found = k.memfds.begin();
        if (found != k.memfds.end()) {
            memfd = std::move(*found);
            k.memfds.erase(found);
        }
    }
    if (!memfd) {
        const int descriptor = memfd_create("tm-crash", MFD_CLOEXEC);
        if (descriptor < 0) fail("memfd_create");
        memfd.reset(new Memfd(descriptor));
    }
    memfd->show(content);
    return memfd;
}

void Memfd::give_back(std::unique_ptr<Memfd> memfd)
{
    Kept &k = kept();
    const std::scoped_lock lock(k.mutex);
    if (k.memfds.size() < most_kept) k.memfds.push_back(std::move(memfd));
}

Memfd::~Memfd()
{
    close(descriptor_);
}

void Memfd::write(const std::byte *bytes, std::size_t size, std::uint64_t offset)
{
    while (size) {
        const ssize_t done = pwrite(descriptor_, bytes, size, static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) fail("pwrite to a memfd");
        bytes += done;
        size -= static_cast<std::size_t>(done);
        offset += static_cast<std::uint64_t>(done);
    }
}

void Memfd::show(const Content &content)
{
    static const std::byte zeros[block_size] = {};
    if (content.size() != shown_.size() && ftruncate(descriptor_, static_cast<off_t>(content.size())) != 0) fail("ftruncate of a memfd");
    if (content.size() < shown_.size()) shown_.resize(content.size());
    std::sort(since_.begin(), since_.end());
    for (std::uint64_t b = 0; b < content.blocks(); ++b) {
        const std::byte *const now = content.block(b);
        if (now == shown_.block(b) && !std::binary_search(since_.begin(), since_.end(), b)) continue;
        write(now ? now : zeros, std::min<std::uint64_t>(block_size, content.size() - b * block_size), b * block_size);
    }
    since_.clear();
    shown_ = content;
}

void Memfd::update(const Content &content, std::uint64_t size, std::uint64_t offset)
{
    std::byte bytes[block_size];
    for (std::uint64_t end = offset + size; offset < end;) {
        const std::size_t part = std::min<std::uint64_t>(block_size - offset % block_size, end - offset);
        content.read(bytes, part, offset);
        write(bytes, part, offset);
        since_.push_back(offset / block_size);
        offset += part;
    }
}

} // namespace libtm::crash
