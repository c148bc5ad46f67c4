// SPDX-License-Identifier: MIT
/**
 * @file heap.hpp
 * The heap of explored programs: the same addresses in each schedule, none used twice in one, and each block's fate known.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace libtm::explore::heap {

/** Before each schedule: empty. */
void reset();
std::size_t live_blocks();
/** What a trace calls an address in a block; empty: none. */
std::string name_of(std::uintptr_t addr);

/** What the explorer wants to hear of. */
struct Listener {
    void (*made)(std::uintptr_t block, std::size_t size);
    void (*freed)(std::uintptr_t block, std::size_t size);
    void (*wrong)(const char *what); ///< a block was freed twice, or never made
};
void listen(const Listener &listener);

} // namespace libtm::explore::heap
