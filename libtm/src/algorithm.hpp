// SPDX-License-Identifier: MIT
/**
 * @file algorithm.hpp
 * The contract of the two buffering modes, and what they share: taking orecs, finding stripes, letting orecs go.
 *
 * A mode is four functions over one Stripe whose orec the transaction holds; write_back.hpp and write_through.hpp define them:
 *
 *     write(stripe, offset, value)     the transaction stores `value` at this offset of the stripe
 *     read(stripe, offset) -> value    what it has stored there, or the memory's value
 *     commit(stripe)                   after it, memory holds the new values. Past the point of no return: cannot fail
 *     roll_back(stripe)                after it, memory holds the old values. Cannot fail
 *
 * Each stripe has its mode in its flags, so both modes live side by side, within one transaction too: privatized memory is
 * always write-through.
 */
#pragma once

#include "context.hpp"
#include "memory.hpp"

#include <bit>

namespace libtm::engine {

inline constexpr std::uintptr_t base_of(std::uintptr_t addr) { return addr & ~std::uintptr_t{stripe_size - 1}; }
inline constexpr unsigned offset_of(std::uintptr_t addr) { return addr & (stripe_size - 1); }
/** The mask of `size` bytes (1 to 32) at an offset. */
inline constexpr std::uint32_t mask_of(unsigned offset, std::size_t size)
{
    return static_cast<std::uint32_t>(((std::uint64_t{1} << size) - 1) << offset);
}

/** Visit the bytes of `mask` in pieces, none of which holds a byte beside: visit(offset, Word{}). */
template <class Visit> inline void for_each_piece(std::uint32_t mask, Visit visit)
{
    while (mask) {
        const unsigned offset = static_cast<unsigned>(std::countr_zero(mask));
        const std::uint32_t rest = mask >> offset;
        if (offset % 8 == 0 && (rest & 0xff) == 0xff) {
            visit(offset, std::uint64_t{});
            mask &= ~(std::uint32_t{0xff} << offset);
        } else if (offset % 4 == 0 && (rest & 0xf) == 0xf) {
            visit(offset, std::uint32_t{});
            mask &= ~(std::uint32_t{0xf} << offset);
        } else {
            visit(offset, std::uint8_t{});
            mask &= mask - 1;
        }
    }
}

/** Room for one more stripe in the full write log; at the first write, whether there may be one. May restart or end the transaction. */
void make_room(Context &tx, const char *operation);
/** Take the orec, whose word was `w`, for writing the stripe at `base`: its new head. May restart or end the transaction. */
Stripe *acquire(Context &tx, Orec &orec, Word w, std::uintptr_t base, const char *operation);
/** The stripe at `base` among those of an orec that the transaction holds. Null: not written so far. */
inline Stripe *find(Word w, std::uintptr_t base)
{
    Stripe *stripe = Context::stripes_of(w);
    while (stripe && stripe->base != base) stripe = stripe->next;
    return stripe;
}
/** Another stripe under an orec that the transaction holds. May end the transaction. */
Stripe *add_alias(Context &tx, Word w, std::uintptr_t base, const char *operation);

/** The stripe at `base`, its orec held by the transaction. May restart or end it. */
inline Stripe *own_stripe(Context &tx, std::uintptr_t base, const char *operation)
{
    Orec &orec = tx.orec_of(base);
    const Word w = orec.load(std::memory_order_acquire);
    if (!tx.owns(w)) return acquire(tx, orec, w, base, operation);
    Stripe *const stripe = find(w, base);
    return stripe ? stripe : add_alias(tx, w, base, operation);
}

/** Write the new values of write-back stripes to memory. */
void copy_back(Context &tx);
/** Write the old values of write-through stripes to memory. */
void restore(Context &tx);
/** Let all orecs go after a commit, with this version where something was written. */
void release_committed(Context &tx, Word version);
/** Let all orecs go after a rollback: as they were where memory was never changed, else with another incarnation. */
void release_rolled_back(Context &tx);

} // namespace libtm::engine
