// SPDX-License-Identifier: MIT
// Counts what the library allocates: operator new for the whole program.
#include "property.hpp"

#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <new>

namespace {

std::atomic<std::size_t> now{0}, peak{0};

void *allocate(std::size_t size)
{
    void *const at = std::malloc(size ? size : 1);
    if (!at) throw std::bad_alloc();
    const std::size_t total = now.fetch_add(::malloc_usable_size(at), std::memory_order_relaxed) + ::malloc_usable_size(at);
    if (total > peak.load(std::memory_order_relaxed)) peak.store(total, std::memory_order_relaxed);
    return at;
}

void release(void *at)
{
    if (at) now.fetch_sub(::malloc_usable_size(at), std::memory_order_relaxed);
    std::free(at);
}

} // namespace

void *operator new(std::size_t size) { return allocate(size); }
void *operator new[](std::size_t size) { return allocate(size); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept
{
    try {
        return allocate(size);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}
void *operator new[](std::size_t size, const std::nothrow_t &nothrow) noexcept { return operator new(size, nothrow); }
void operator delete(void *at) noexcept { release(at); }
void operator delete[](void *at) noexcept { release(at); }
void operator delete(void *at, std::size_t) noexcept { release(at); }
void operator delete[](void *at, std::size_t) noexcept { release(at); }
void operator delete(void *at, const std::nothrow_t &) noexcept { release(at); }
void operator delete[](void *at, const std::nothrow_t &) noexcept { release(at); }

namespace libtm::fuzz {

std::size_t allocated() { return now.load(std::memory_order_relaxed); }
std::size_t allocated_peak() { return peak.load(std::memory_order_relaxed); }
void forget_peak() { peak.store(allocated(), std::memory_order_relaxed); }

} // namespace libtm::fuzz
