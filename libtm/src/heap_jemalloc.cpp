// SPDX-License-Identifier: MIT
#include "heap.hpp"

#include <jemalloc/jemalloc.h>

namespace libtm::engine::heap {

const char *const name = "jemalloc";

namespace {
// jemalloc's size classes from 16 bytes on are multiples of 16, so only more needs a flag. Sizes below 16 are rounded up.
int flags_of(std::size_t alignment) { return alignment > least_alignment ? MALLOCX_ALIGN(alignment) : 0; }
std::size_t rounded(std::size_t size) { return size < least_alignment ? least_alignment : size; }
} // namespace

void *allocate(std::size_t size, std::size_t alignment) { return mallocx(rounded(size), flags_of(alignment)); }
void *allocate_zeroed(std::size_t size) { return mallocx(rounded(size), MALLOCX_ZERO); }
void release_sized(void *block, std::size_t size, std::size_t alignment) { sdallocx(block, rounded(size), flags_of(alignment)); }
void release(void *block) { dallocx(block, 0); }
std::size_t usable_size(void *block) { return sallocx(block, 0); }

} // namespace libtm::engine::heap
