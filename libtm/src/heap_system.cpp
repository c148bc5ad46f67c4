// SPDX-License-Identifier: MIT
#include "heap.hpp"

#include <cstdlib>
#include <malloc.h>

namespace libtm::engine::heap {

const char *const name = "system";

void *allocate(std::size_t size, std::size_t alignment)
{
    if (alignment <= least_alignment) return std::malloc(size);
    void *block = nullptr;
    return posix_memalign(&block, alignment, size) == 0 ? block : nullptr;
}
void *allocate_zeroed(std::size_t size) { return std::calloc(1, size); }
void release_sized(void *block, std::size_t, std::size_t) { std::free(block); }
void release(void *block) { std::free(block); }
std::size_t usable_size(void *block) { return malloc_usable_size(block); }

} // namespace libtm::engine::heap
