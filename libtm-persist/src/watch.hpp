// SPDX-License-Identifier: MIT
/**
 * @file watch.hpp
 * What happens to the process and concerns its pools: a fork, and a file that somebody has cut off.
 */
#pragma once

#include "file.hpp"

#include <cstdint>

namespace libtm::persist {

/** An open pool, as a fork and a SIGBUS must know it. Lists itself for its life. */
class Watched {
public:
    Watched(std::uint64_t base, std::uint64_t size, const std::string &path);
    ~Watched();
    Watched(const Watched &) = delete;
    Watched &operator=(const Watched &) = delete;
    /** A file that a forked child must not hold: its lock would outlive us. */
    void add(File &file);
    /** The image is this long now. */
    void set_size(std::uint64_t size);
    /** Whether this process opened the pool. */
    bool is_ours() const { return is_ours_; }

private:
    static void in_child();
    std::size_t slot_;
    File *files_[2] = {nullptr, nullptr};
    bool is_ours_ = true;
};

} // namespace libtm::persist
