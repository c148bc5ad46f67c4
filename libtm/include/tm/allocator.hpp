// SPDX-License-Identifier: MIT
/**
 * @file allocator.hpp
 * Where the containers of tm/containers.hpp have their blocks from: libtm::heap_allocator by default, libtm::pool_allocator (tm/persist.hpp) in pools.
 */
#ifndef TM_ALLOCATOR_HPP
#define TM_ALLOCATOR_HPP

#include <concepts>
#include <cstddef>
#include <new>
#include <tm/tm.hpp>

namespace libtm {

/**
 * What a container asks of an allocator: blocks aligned to 16, of which a rollback takes back what was allocated and undoes what was freed, and which are used
 * again only when nobody can see them any more. allocate() throws when there is no block; it never returns NULL. `owner` is the container, by whose address a
 * stateless allocator can find out where it lies; `bytes` of deallocate() are those of allocate(). Both are called in transactions, and by all threads at once.
 *
 * Optional: `bool fits(const void *owner, const void *block) const`, whether a block may belong to a container there. Containers ask before they take over the
 * content of another one; without it any block fits any container of the same type.
 */
template <class Allocator>
concept container_allocator = std::copyable<Allocator> && requires(const Allocator &allocator, const void *owner, void *block, std::size_t bytes) {
    { allocator.allocate(owner, bytes) } -> std::same_as<void *>;
    { allocator.deallocate(owner, block, bytes) };
};

/** Blocks of tm_malloc(). Out of memory ends the transaction, or, with TM_NULL_ON_OOM and in irrevocable transactions, throws std::bad_alloc. */
struct heap_allocator {
    void *allocate(const void *, std::size_t bytes) const
    {
        void *const block = tm_malloc(bytes);
        if (!block) throw std::bad_alloc{};
        return block;
    }
    void deallocate(const void *, void *block, std::size_t) const { tm_free(block); }
};

} // namespace libtm

#endif
