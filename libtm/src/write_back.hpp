// SPDX-License-Identifier: MIT
/**
 * @file write_back.hpp
 * Write-back: the stripe's data holds the new bytes until the commit. See the contract in algorithm.hpp.
 */
#pragma once

#include "algorithm.hpp"

namespace libtm::engine::write_back {

template <class Value> inline void write(Stripe &stripe, unsigned offset, Value value)
{
    std::memcpy(stripe.data + offset, &value, sizeof value);
    stripe.mask |= mask_of(offset, sizeof value);
}

template <class Value> inline Value read(const Stripe &stripe, unsigned offset)
{
    const std::uint32_t wanted = mask_of(offset, sizeof(Value));
    Value value;
    if ((stripe.mask & wanted) == wanted) {
        std::memcpy(&value, stripe.data + offset, sizeof value);
        return value;
    }
    value = memory::load<Value>(stripe.base + offset);
    if ((stripe.mask & wanted) == 0) return value;
    auto *const bytes = reinterpret_cast<std::byte *>(&value);
    for (unsigned i = 0; i < sizeof value; ++i)
        if (stripe.mask >> (offset + i) & 1) bytes[i] = stripe.data[offset + i];
    return value;
}

inline void commit(Stripe &stripe)
{
    for_each_piece(stripe.mask, [&](unsigned offset, auto word) {
        std::memcpy(&word, stripe.data + offset, sizeof word);
        memory::store(stripe.base + offset, word);
    });
}

inline void roll_back(Stripe &) {} // memory has never changed

} // namespace libtm::engine::write_back
