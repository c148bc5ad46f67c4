// SPDX-License-Identifier: MIT
#include "hooks.hpp"

#include "access.hpp"
#include "algorithm.hpp"
#include "alone.hpp"

#include <cerrno>

namespace libtm::engine::hooks {

constinit Range range;

[[gnu::noinline]] bool wrote_between(const Context &tx, std::uintptr_t low, std::uintptr_t high)
{
    bool any = false;
    tx.writes.for_each([&](const Stripe &stripe) { any |= stripe.base >= low && stripe.base < high; });
    return any;
}

} // namespace libtm::engine::hooks

using namespace libtm::engine;

extern "C" void tm_each_written(const tm_written *written, void (*visit)(void *, void *, std::size_t), void *data)
{
    std::uintptr_t begin = 0, end = 0; // of the run so far: what is written in a row is one, over stripes too
    const auto add = [&](std::uintptr_t at, std::size_t size) {
        if (at != end) {
            if (begin != end) visit(data, reinterpret_cast<void *>(begin), end - begin);
            begin = at;
        }
        end = at + size;
    };
    reinterpret_cast<const Context *>(written)->writes.for_each([&](const Stripe &stripe) {
        std::uint64_t mask = stripe.flags & Stripe::touched ? ~std::uint32_t{0} : stripe.mask;
        for (unsigned at = 0; mask;) {
            const auto gap = static_cast<unsigned>(std::countr_zero(mask));
            const auto size = static_cast<unsigned>(std::countr_one(mask >> gap));
            add(stripe.base + at + gap, size);
            at += gap + size;
            mask >>= gap + size;
        }
    });
    if (begin != end) visit(data, reinterpret_cast<void *>(begin), end - begin);
}

extern "C" int tm_hooks_install(const tm_hooks *table)
{
    const tm_hooks *there = nullptr;
    return hooks::range.table.compare_exchange_strong(there, table, std::memory_order_acq_rel) || there == table ? 0 : EBUSY;
}

extern "C" void tm_hooks_range(const void *low, const void *high)
{
    hooks::range.low.store(reinterpret_cast<std::uintptr_t>(low), std::memory_order_relaxed);
    hooks::range.high.store(low < high ? reinterpret_cast<std::uintptr_t>(high) : 0, std::memory_order_seq_cst);
    if (low < high) alone::end_for_good(self());
}

extern "C" int tm_hooks_call(void)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!tx.limit || tx.in_action) return EPERM;
    tx.duties |= duty_hooks;
    return 0;
}
