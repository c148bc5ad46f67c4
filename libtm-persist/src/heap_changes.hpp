// SPDX-License-Identifier: MIT
/**
 * @file heap_changes.hpp
 * What the running transaction of this thread does to the heaps of pools when it commits.
 */
#pragma once

#include "heap.hpp"

#include <functional>

namespace libtm::persist {

/** One block. The transaction's log owns it, then its commit. */
struct HeapChange {
    Pool *pool;
    std::uint64_t number;  ///< of the pool
    Block block;
    bool frees;            ///< else the block is new
    std::uint64_t content; ///< bytes of a new block that are journaled
    bool is_retired = false; ///< libtm says when nobody can see the freed block any more
    HeapChange *next = nullptr;

    /** In the journal. */
    std::uint64_t bytes() const;
};

/** A word that transactions store to when they free the block: see heap_changes.cpp. */
void *touched_by_free(const void *block);

void each_heap_change(const std::function<void(const HeapChange &)> &use);
/** Into the image and the journals, in their order. For the holder of the order mutexes. */
void publish_heap_changes(const std::function<std::uint64_t(Pool &)> &ticket_of) noexcept;
/** They never reach a journal. */
void drop_heap_changes() noexcept;

} // namespace libtm::persist
