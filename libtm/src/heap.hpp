// SPDX-License-Identifier: MIT
/**
 * @file heap.hpp
 * The allocator below tm_malloc: malloc(3), which the build makes jemalloc's (or not: -Dheap=system).
 */
#pragma once

#include <cstddef>

namespace libtm::engine::heap {

extern const char *const name;

inline constexpr std::size_t least_alignment = 16;

/** `size` bytes; null: no memory. `alignment` is a power of two. Never for size 0. */
void *allocate(std::size_t size, std::size_t alignment);
/** As allocate(), zeroed. */
void *allocate_zeroed(std::size_t size);
/** Give back a block of these or of malloc(3). */
void release(void *block);
/** Bytes that may be used in such a block. */
std::size_t usable_size(void *block);

} // namespace libtm::engine::heap
