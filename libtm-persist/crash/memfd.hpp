// SPDX-License-Identifier: MIT
/**
 * @file memfd.hpp
 * Files of the kernel that show a Content, so that it can be mapped.
 */
#pragma once

#include "content.hpp"

#include <memory>

namespace libtm::crash {

/**
 * A file in memory with the bytes of a Content. Made for the first map, and used again for the next state when its Disk is gone: then only the blocks that differ
 * are written, as states share theirs.
 */
class Memfd {
public:
    /** Throws std::system_error. */
    static std::unique_ptr<Memfd> take(const Content &content);
    /** Keep it for the next take(). All its mappings must be gone. */
    static void give_back(std::unique_ptr<Memfd> memfd);
    ~Memfd();
    Memfd(const Memfd &) = delete;
    Memfd &operator=(const Memfd &) = delete;

    int descriptor() const { return descriptor_; }
    /** Make it have these bytes. */
    void show(const Content &content);
    /** `size` bytes at `offset` of the Content have changed. */
    void update(const Content &content, std::uint64_t size, std::uint64_t offset);

private:
    explicit Memfd(int descriptor) : descriptor_(descriptor) {}
    void write(const std::byte *bytes, std::size_t size, std::uint64_t offset);

    int descriptor_;
    Content shown_;                    // as of the last show()
    std::vector<std::uint64_t> since_; // blocks that are no longer so
};

} // namespace libtm::crash
