// SPDX-License-Identifier: MIT
#include "heap.hpp"

#include <cstdlib>
#include <malloc.h>
#include <new>

// The names of the C and C++ standards, not jemalloc's own: should a program be linked so that malloc is somebody else's, then
// blocks of tm_malloc and malloc are still of one kind. With jemalloc malloc and free are also its shortest paths: its sized
// deallocation takes 97 instructions where free takes 37 (5.3.0), so only over-aligned blocks, which have no other way, use it.
namespace libtm::engine::heap {

const char *const name = "jemalloc";

void *allocate(std::size_t size, std::size_t alignment)
{
    return alignment <= least_alignment ? std::malloc(size < least_alignment ? least_alignment : size)
                                        : ::operator new(size, std::align_val_t{alignment}, std::nothrow);
}
void *allocate_zeroed(std::size_t size) { return std::calloc(1, size < least_alignment ? least_alignment : size); }
void release_sized(void *block, std::size_t size, std::size_t alignment)
{
    if (alignment <= least_alignment)
        std::free(block);
    else
        ::operator delete(block, size, std::align_val_t{alignment});
}
void release(void *block) { std::free(block); }
std::size_t usable_size(void *block) { return malloc_usable_size(block); }

} // namespace libtm::engine::heap
