// SPDX-License-Identifier: MIT
/**
 * @file heap.hpp
 * The allocator below tm_malloc: heap_jemalloc.cpp or heap_system.cpp, picked by the build.
 */
#ifndef LIBTM_HEAP_HPP
#define LIBTM_HEAP_HPP

#include <cstddef>

namespace libtm::engine::heap {

extern const char *const name;

inline constexpr std::size_t least_alignment = 16;

/** `size` bytes; null: no memory. `alignment` is a power of two. Never for size 0. */
void *allocate(std::size_t size, std::size_t alignment);
/** As allocate(), zeroed. */
void *allocate_zeroed(std::size_t size);
/** Give a block of allocate() back with the very size and alignment it was asked for. */
void release_sized(void *block, std::size_t size, std::size_t alignment);
/** Give back a block of this heap or of malloc(3). */
void release(void *block);
/** Bytes that may be used in a block of this heap or of malloc(3). */
std::size_t usable_size(void *block);

} // namespace libtm::engine::heap

#endif
