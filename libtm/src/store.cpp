// SPDX-License-Identifier: MIT
/**
 * @file store.cpp
 * The store of a scalar, and the load out of line: what the inline load of tm/context.h gives up on.
 */
#include "access.hpp"
#include "algorithm.hpp"
#include "snapshot.hpp"
#include "tx.hpp"
#include "write_back.hpp"
#include "write_through.hpp"

#include <exception>

namespace libtm::engine {

namespace {

template <class Value> [[gnu::noinline]] Value load_slow(const void *addr)
{
    Context &tx = self();
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    for (;;) {
        if (tx.limit == 0) {
            before_load_outside(tx);
            return memory::load<Value>(at);
        }
        Orec &orec = tx.orec_of(addr);
        const Word before = orec.load(std::memory_order_seq_cst); // (1)
        if (tx.owns(before)) {
            const Stripe *const stripe = find(before, base_of(at));
            return stripe && !stripe->is_through() ? write_back::read<Value>(*stripe, offset_of(at)) : memory::load<Value>(at);
        }
        if (before >= tx.limit) {
            await(tx, orec, before);
            continue;
        }
        const Value value = memory::load<Value>(at);                       // (2)
        if (orec.load(std::memory_order_relaxed) != before) continue;      // (3)
        log_read(tx, orec);
        return value;
    }
}

/** The stripe that contains the address, if it is the first of its orec, whose word is w, and this transaction's. */
inline Stripe *own_head(const Context &tx, Word w, std::uintptr_t at)
{
    if (tx.limit == 0 || !tx.owns(w)) return nullptr;
    Stripe *const head = Context::stripes_of(w);
    return head->base == base_of(at) ? head : nullptr;
}

/** What this transaction has written, mostly. */
template <class Value> Value load(const void *addr)
{
    const Context &tx = self();
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    const Stripe *const own = own_head(tx, tx.orec_of(addr).load(std::memory_order_relaxed), at);
    if (!own) return load_slow<Value>(addr);
    return own->is_through() ? write_through::read<Value>(*own, offset_of(at)) : write_back::read<Value>(*own, offset_of(at));
}

template <class Value> void store(void *addr, Value value);

template <class Value> inline void write(Stripe &stripe, unsigned offset, Value value)
{
    if (stripe.is_through())
        write_through::write(stripe, offset, value);
    else
        write_back::write(stripe, offset, value);
}

template <class Value> [[gnu::noinline]] void store_slow(void *addr, Value value)
{
    Context &tx = self();
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    if (tx.limit == 0) return store_outside(tx, at, &value, sizeof value);
    if (tx.writes.full()) {
        make_room(tx, "tm_store");
        return store(addr, value);
    }
    write(*own_stripe(tx, base_of(at), "tm_store"), offset_of(at), value);
}

/** To a stripe whose orec is locked, or too new: mostly locked by an earlier write of this transaction. */
template <class Value> [[gnu::noinline]] void store_again(Context &tx, std::uintptr_t at, Word w, Value value)
{
    if (Stripe *const own = own_head(tx, w, at)) return write(*own, offset_of(at), value);
    store_slow(reinterpret_cast<void *>(at), value);
}

/** The first write to a stripe whose orec is free: acquire() and the mode's write(), in a straight line. */
template <class Value> inline void store(void *addr, Value value)
{
    Context &tx = self();
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    Orec &orec = tx.orec_of(addr);
    Word w = orec.load(std::memory_order_acquire);
    Stripe *const stripe = tx.writes.next();
    if (__builtin_expect(w >= tx.limit || tx.writes.full(), 0)) return store_again(tx, at, w, value);
    if (__builtin_expect(!orec.compare_exchange_strong(w, tx.locked_by(stripe), std::memory_order_seq_cst), 0)) // (5)
        return store_slow(addr, value);
    tx.writes.add();
    stripe->take(w, base_of(at), tx.stripe_flags() | Stripe::head);
    stripe->mask = mask_of(offset_of(at), sizeof value);
    if (tx.manner.write_through) {
        const Value old = memory::load<Value>(at);
        std::memcpy(stripe->data + offset_of(at), &old, sizeof old);
        memory::store(at, value);
    } else {
        std::memcpy(stripe->data + offset_of(at), &value, sizeof value);
    }
}

} // namespace

void before_load_outside(Context &tx)
{
    if (has_context() && tx.state == State::unwinding && std::uncaught_exceptions() <= tx.uncaught) leave_block(tx);
}

void store_outside(Context &tx, std::uintptr_t addr, const void *buf, std::size_t size)
{
    if (has_context() && tx.state == State::unwinding) return before_load_outside(tx);
    if (has_context() && tx.state == State::committing)
        for_each_stripe(addr, size, [&](std::uintptr_t at, std::size_t) {
            const Word w = tx.orec_of(at).load(std::memory_order_relaxed);
            if (tx.owns(w)) Context::stripes_of(w)->flags |= Stripe::touched;
        });
    memory::write(addr, buf, size);
}

} // namespace libtm::engine

using namespace libtm::engine;

extern "C" {
uint64_t tm_load_1_(const void *addr) { return load<std::uint8_t>(addr); }
uint64_t tm_load_2_(const void *addr) { return load<std::uint16_t>(addr); }
uint64_t tm_load_4_(const void *addr) { return load<std::uint32_t>(addr); }
uint64_t tm_load_8_(const void *addr) { return load<std::uint64_t>(addr); }
void tm_store_1_(void *addr, uint64_t value) { store(addr, static_cast<std::uint8_t>(value)); }
void tm_store_2_(void *addr, uint64_t value) { store(addr, static_cast<std::uint16_t>(value)); }
void tm_store_4_(void *addr, uint64_t value) { store(addr, static_cast<std::uint32_t>(value)); }
void tm_store_8_(void *addr, uint64_t value) { store(addr, value); }
}
