// SPDX-License-Identifier: MIT
/**
 * @file places.hpp
 * The open pools whose transactions are journaled, by their addresses.
 */
#pragma once

#include <atomic>
#include <algorithm>
#include <cstdint>
#include <mutex>

namespace libtm::persist {

class Pool;

/**
 * Addresses of a pool. Entries are never freed and their addresses never change, so that they can be read at any time; one is used again for a pool in the same
 * place.
 */
struct Place {
    std::uintptr_t low, high;
    std::atomic<Pool *> pool;
    Place *next;
};

extern std::mutex places_mutex; ///< of changes
extern std::atomic<Place *> places;

/** From now on what transactions store there is the pool's. Throws std::bad_alloc. */
void attend_to(Pool &pool, const char *base, std::uint64_t size);
/** It is nobody's again. Functions that wait for its commits, and for those of others, no longer do. */
void no_longer_attend_to(Pool &pool) noexcept;

/** The pool that the address is in, or null. It may be closed at any time, but not by those who may use that memory. */
Pool *pool_at(const void *address) noexcept;

/** Call `use(pool, from, bytes)` for each part of these bytes that lies in a pool: what is behind a pool may be anybody's. */
template <class Use> void each_pool(const void *address, std::size_t size, Use &&use)
{
    auto at = reinterpret_cast<std::uintptr_t>(address);
    for (const std::uintptr_t end = at + size; at < end;) {
        std::uintptr_t next = end;
        Pool *here = nullptr;
        for (const Place *place = places.load(std::memory_order_acquire); place && !here; place = place->next) {
            Pool *const pool = place->pool.load(std::memory_order_acquire);
            if (!pool || end <= place->low || at >= place->high) continue; // one that is gone may overlap one that is there
            if (at < place->low) next = std::min(next, place->low);
            else here = pool, next = std::min(end, place->high);
        }
        if (here) use(*here, reinterpret_cast<const void *>(at), next - at);
        at = next;
    }
}

} // namespace libtm::persist
