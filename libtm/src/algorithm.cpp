// SPDX-License-Identifier: MIT
#include "algorithm.hpp"

#include "alone.hpp"
#include "serial.hpp"
#include "snapshot.hpp"
#include "tx.hpp"
#include "write_back.hpp"
#include "write_through.hpp"

#include <sched.h>

namespace libtm::engine {

namespace {

/** A transaction that was begun read-only writes. */
[[gnu::noinline]] void promote(Context &tx, const char *operation)
{
    if (tx.asks(TM_READ_ONLY)) fail(tx, TM_ERROR_READ_ONLY, operation);
    if (tx.reads_dropped && !tx.irrevocable()) restart(tx, TM_ABORTED_PROMOTED);
    tx.log_all_reads = true;
    tx.read_end = tx.read_capacity;
}

[[gnu::noinline]] void add_chunk(Context &tx, const char *operation)
{
    const Growth growth = tx.growth(TM_LOG_SNAPSHOTS);
    while (!tx.writes.grow(growth)) {
        if (!tx.irrevocable()) fail(tx, log_error(growth), operation);
        sched_yield(); // cannot roll back: wait for memory
    }
}

} // namespace

void make_room(Context &tx, const char *operation)
{
    if (tx.writes.empty()) { // the first write; mostly the begin has settled what is asked here
        if (tx.duties & duty_alone) alone::use_orecs(tx);
        if (tx.asks(TM_READ_ONLY | TM_READ_MOSTLY)) promote(tx, operation);
        if (serial::is_taken(tx)) restart(tx, TM_ABORTED_KILLED);
        if (tx.writes.open()) return;
    }
    add_chunk(tx, operation);
}

Stripe *acquire(Context &tx, Orec &orec, Word w, std::uintptr_t base, const char *operation)
{
    if (tx.writes.full()) make_room(tx, operation);
    Stripe *const stripe = tx.writes.add();
    for (;;) {
        if (__builtin_expect(w < tx.limit, 1)) {
            // (5) Lock. Sequentially consistent, before the read of the clock (12) and of the others' activity.
            if (__builtin_expect(orec.compare_exchange_strong(w, tx.locked_by(stripe), std::memory_order_seq_cst), 1)) break;
        } else {
            tx.writes.drop(); // await() may restart
            await(tx, orec, w);
            tx.writes.add();
            w = orec.load(std::memory_order_acquire);
        }
    }
    stripe->take(w, base, tx.stripe_flags() | Stripe::head);
    return stripe;
}

Stripe *add_alias(Context &tx, Word w, std::uintptr_t base, const char *operation)
{
    if (tx.writes.full()) make_room(tx, operation);
    Stripe *const stripe = tx.writes.add();
    Stripe *const head = Context::stripes_of(w);
    stripe->take(0, base, tx.stripe_flags());
    stripe->next = head->next;
    head->next = stripe;
    return stripe;
}

void copy_back(Context &tx)
{
    tx.writes.for_each([](Stripe &stripe) {
        if (!stripe.is_through()) write_back::commit(stripe);
    });
}

void restore(Context &tx)
{
    tx.writes.for_each([](Stripe &stripe) {
        if (stripe.is_through()) write_through::roll_back(stripe);
    });
}

namespace {

/** Release each orec with the word that `word_of(head, changed)` gives. `counts` tells whether a stripe has changed memory. */
template <class Counts, class WordOf> void release(Context &tx, Counts counts, WordOf word_of)
{
    tx.writes.for_each([&](Stripe &stripe) {
        if (!(stripe.flags & Stripe::head)) return;
        bool changed = counts(stripe);
        for (const Stripe *alias = stripe.next; __builtin_expect(alias && !changed, 0); alias = alias->next) changed = counts(*alias);
        tx.orec_of(stripe.base).store(word_of(stripe, changed), std::memory_order_release); // (8)
    });
}

} // namespace

void release_committed(Context &tx, Word version)
{
    const Word fresh = unlocked(version);
    release(
        tx, [](const Stripe &stripe) { return stripe.mask != 0 || (stripe.flags & (Stripe::touched | Stripe::released)) != 0; },
        [fresh](const Stripe &head, bool changed) { return changed ? fresh : head.old_word; });
}

void release_rolled_back(Context &tx)
{
    release(
        tx, [](const Stripe &stripe) { return (stripe.is_through() && stripe.mask != 0) || (stripe.flags & Stripe::touched) != 0; },
        [](const Stripe &head, bool changed) {
            if (!changed) return head.old_word;
            bool restored = true; // all of it; what was written without undo is there to stay
            for (const Stripe *stripe = &head; stripe; stripe = stripe->next) restored = restored && !(stripe->flags & Stripe::touched);
            if (restored && (head.old_word & incarnation_max) != incarnation_max) return head.old_word + 1;
            // Not as before, or out of incarnations: a new version, as a commit takes it.
            return unlocked((clock.now.load(std::memory_order_seq_cst) & ~Clock::flags) + 1);
        });
}

} // namespace libtm::engine
