// SPDX-License-Identifier: MIT
/**
 * @file write_through.hpp
 * Write-through: memory holds the new bytes, the stripe's data the old ones. See the contract in algorithm.hpp.
 *
 * A rollback writes the old bytes of the mask and no other: bytes beside them may belong to somebody else (P15).
 */
#pragma once

#include "algorithm.hpp"

namespace libtm::engine::write_through {

/** Keep the bytes of `wanted` that have not been kept yet. */
inline void keep(Stripe &stripe, std::uint32_t wanted)
{
    for_each_piece(wanted & ~stripe.mask, [&](unsigned offset, auto word) {
        word = memory::load<decltype(word)>(stripe.base + offset);
        std::memcpy(stripe.data + offset, &word, sizeof word);
    });
    stripe.mask |= wanted;
}

template <class Value> inline void write(Stripe &stripe, unsigned offset, Value value)
{
    const std::uint32_t wanted = mask_of(offset, sizeof value);
    if ((stripe.mask & wanted) == 0) {
        const Value old = memory::load<Value>(stripe.base + offset);
        std::memcpy(stripe.data + offset, &old, sizeof old);
        stripe.mask |= wanted;
    } else if ((stripe.mask & wanted) != wanted) {
        keep(stripe, wanted);
    }
    memory::store(stripe.base + offset, value);
}

template <class Value> inline Value read(const Stripe &stripe, unsigned offset)
{
    return memory::load<Value>(stripe.base + offset);
}

inline void commit(Stripe &) {} // memory is new already

inline void roll_back(Stripe &stripe)
{
    for_each_piece(stripe.mask, [&](unsigned offset, auto word) {
        std::memcpy(&word, stripe.data + offset, sizeof word);
        memory::store(stripe.base + offset, word);
    });
}

/** Turn a write-back stripe into a write-through one: memory and data exchange the masked bytes. */
inline void take_over(Stripe &stripe)
{
    if (stripe.is_through()) return;
    for_each_piece(stripe.mask, [&](unsigned offset, auto fresh) {
        std::memcpy(&fresh, stripe.data + offset, sizeof fresh);
        const auto old = memory::load<decltype(fresh)>(stripe.base + offset);
        std::memcpy(stripe.data + offset, &old, sizeof old);
        memory::store(stripe.base + offset, fresh);
    });
    stripe.flags |= Stripe::through;
}

} // namespace libtm::engine::write_through
