// SPDX-License-Identifier: MIT
#include "contention.hpp"

#include "annotate.hpp"

#include <sched.h>

namespace libtm::engine::contention {

namespace {

Contention policy() { return static_cast<Contention>(get(config.contention)); }

std::uint64_t birth_of(Word slot)
{
    for (const Context *context = registry.first(); context; context = context->next_context)
        if (slot_of(context->lock_tag) == slot) return context->birth.load(std::memory_order_relaxed);
    return 0;
}

std::uint64_t next_random(Context &tx) // xorshift64 (Marsaglia 2003)
{
    tx.random ^= tx.random << 13;
    tx.random ^= tx.random >> 7;
    tx.random ^= tx.random << 17;
    return tx.random;
}

void back_off(Context &tx)
{
    constexpr unsigned patient = 3;  // attempts after which the processor is given away
    constexpr unsigned longest = 10; // log2 of the most pauses
    const unsigned exponent = tx.attempts < longest ? tx.attempts : longest;
    const std::uint64_t pauses = next_random(tx) & ((std::uint64_t{1} << exponent) - 1);
    for (std::uint64_t i = 0; i < pauses; ++i) annotate::pause();
    if (tx.attempts > patient) sched_yield();
}

} // namespace

void take_birth(Context &tx)
{
    static constinit std::atomic<std::uint64_t> next{0};
    tx.birth.store(next.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
}

bool keeps_waiting(const Context &tx, Word owner_slot, unsigned looks)
{
    switch (policy()) {
    case Contention::suicide: return false;
    case Contention::timestamp:
        if (looks == 0 && tx.birth.load(std::memory_order_relaxed) > birth_of(owner_slot)) return false;
        break;
    default: break;
    }
    return looks < get(config.spin);
}

void before_retry(Context &tx)
{
    if (policy() == Contention::suicide) return;
    if (tx.awaited) {
        Patience patience;
        while (is_locked(tx.awaited->load(std::memory_order_relaxed)) && patience.looks() < get(config.wait)) patience.wait();
    }
    if (policy() != Contention::delay) back_off(tx);
}

} // namespace libtm::engine::contention
