// SPDX-License-Identifier: MIT
/**
 * @file privatize.cpp
 * Memory made private to a transaction, for plain code to use.
 *
 * A stripe that is privatized becomes write-through, whatever it was: memory must hold the bytes that plain loads shall see, and the
 * stripe's data those that a rollback needs. The bytes of a store before are exchanged with memory (write_through::take_over).
 */
#include "access.hpp"
#include "algorithm.hpp"
#include "annotate.hpp"
#include "tx.hpp"
#include "write_through.hpp"

#include <cerrno>

namespace libtm::engine {

namespace {

constexpr unsigned all_flags = TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE | TM_PRIVATIZE_DISCARD | TM_PRIVATIZE_NOUNDO;

/** 0, or the recorded error. */
int check(Context &tx, unsigned flags)
{
    if (flags & ~all_flags) return has_context() ? record(tx, TM_ERROR_MISUSE, EINVAL, "tm_privatize", "unknown flag; use the values of TM_PRIVATIZE_") : EINVAL;
    if (tx.limit == 0) {
        before_load_outside(tx);
        return has_context() ? record(tx, TM_ERROR_MISUSE, EPERM, "tm_privatize", "there is no running transaction to privatize for") : EPERM;
    }
    if (tx.asks(TM_READ_ONLY)) return record(tx, TM_ERROR_READ_ONLY, EPERM, "tm_privatize", "the transaction is read-only; begin it without TM_READ_ONLY");
    return 0;
}

void privatize_part(Context &tx, std::uintptr_t addr, std::size_t size, unsigned flags)
{
    Stripe &stripe = *own_stripe(tx, base_of(addr), "tm_privatize");
    const std::uint32_t bytes = mask_of(offset_of(addr), size);
    // Nobody wants what was stored in these bytes: write-back can forget it, since memory has never changed.
    if ((flags & TM_PRIVATIZE_DISCARD) && !stripe.is_through()) stripe.mask &= ~bytes;
    write_through::take_over(stripe);
    if (flags & TM_PRIVATIZE_STORE) {
        if (flags & TM_PRIVATIZE_NOUNDO)
            stripe.flags |= Stripe::touched;
        else
            write_through::keep(stripe, bytes);
    }
}

void before_plain_writes(Context &tx, unsigned flags)
{
    if (!(flags & TM_PRIVATIZE_STORE) || (tx.duties & duty_plain_writes)) return;
    tx.duties |= duty_plain_writes;
    annotate::plain_writes_begin();
}

} // namespace

} // namespace libtm::engine

using namespace libtm::engine;

extern "C" int tm_privatize(const void *addr, size_t size, unsigned flags)
{
    Context &tx = self();
    if (const int fault = check(tx, flags)) return fault;
    for_each_stripe(reinterpret_cast<std::uintptr_t>(addr), size, [&](std::uintptr_t at, std::size_t part) { privatize_part(tx, at, part, flags); });
    before_plain_writes(tx, flags);
    return 0;
}

extern "C" size_t tm_privatize_until(const void *addr, int byte, unsigned flags)
{
    Context &tx = self();
    if (check(tx, flags)) return 0;
    const auto start = reinterpret_cast<std::uintptr_t>(addr);
    for (std::uintptr_t at = start;;) {
        const std::uintptr_t next = base_of(at) + stripe_size;
        own_stripe(tx, base_of(at), "tm_privatize_until");
        bool found = false;
        std::uintptr_t end = at; // byte by byte: what follows the end may be anybody's
        while (end != next && !found) found = tm_read_1_(reinterpret_cast<const void *>(end++)) == static_cast<unsigned char>(byte);
        privatize_part(tx, at, end - at, flags);
        at = end;
        if (!found) continue;
        before_plain_writes(tx, flags);
        return at - start;
    }
}
