// SPDX-License-Identifier: MIT
#include "places.hpp"

#include "pool.hpp"
#include "transaction.hpp"

#include <tm/hooks.h>

namespace libtm::persist {

std::mutex places_mutex;
std::atomic<Place *> places{nullptr};

namespace {

/** The range of the hooks: from the lowest to the highest address of all pools. For the holder of the mutex. */
void tell_range()
{
    std::uintptr_t low = ~std::uintptr_t{0}, high = 0;
    for (const Place *place = places.load(std::memory_order_relaxed); place; place = place->next) {
        if (!place->pool.load(std::memory_order_relaxed)) continue;
        low = std::min(low, place->low);
        high = std::max(high, place->high);
    }
    tm_hooks_range(reinterpret_cast<void *>(low), reinterpret_cast<void *>(high));
}

} // namespace

void attend_to(Pool &pool, const char *base, std::uint64_t size)
{
    const std::lock_guard lock(places_mutex);
    if (tm_hooks_install(&hooks) != 0) throw Failure{EBUSY, {}, "hooks of libtm", 0, "those of another library", "none", {}};
    const auto low = reinterpret_cast<std::uintptr_t>(base);
    Place *place = places.load(std::memory_order_relaxed);
    while (place && (place->low != low || place->high != low + size)) place = place->next;
    if (!place) {
        place = new Place{low, low + size, nullptr, places.load(std::memory_order_relaxed)};
        places.store(place, std::memory_order_release);
    }
    place->pool.store(&pool, std::memory_order_release);
    tell_range();
}

void no_longer_attend_to(Pool &gone) noexcept
{
    const std::lock_guard lock(places_mutex);
    for (Place *place = places.load(std::memory_order_relaxed); place; place = place->next) {
        Pool *const pool = place->pool.load(std::memory_order_relaxed);
        if (pool == &gone) place->pool.store(nullptr, std::memory_order_relaxed);
        else if (pool) pool->forget_shares_of(gone);
    }
    tell_range();
}

Pool *pool_at(const void *address) noexcept
{
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    for (const Place *place = places.load(std::memory_order_acquire); place; place = place->next)
        if (at >= place->low && at < place->high)
            if (Pool *const pool = place->pool.load(std::memory_order_acquire)) return pool;
    return nullptr;
}

} // namespace libtm::persist
