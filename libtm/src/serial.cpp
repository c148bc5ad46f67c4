// SPDX-License-Identifier: MIT
#include "serial.hpp"

#include "alone.hpp"
#include "snapshot.hpp"
#include "tx.hpp"

namespace libtm::engine::serial {

namespace {

constinit std::atomic<std::size_t> holders{0};
constinit std::atomic<bool> alone{false};

/** From here on no holder begins. False: there is one. */
bool try_be_alone()
{
    alone.store(true, std::memory_order_seq_cst);
    if (holders.load(std::memory_order_seq_cst) == 0) return true;
    alone.store(false, std::memory_order_seq_cst);
    return false;
}

/** The same, when there is none any more. `meanwhile` runs at every look; false stops the wait. */
template <class Meanwhile> bool be_alone(Meanwhile meanwhile)
{
    for (Patience patience; !try_be_alone(); patience.wait())
        if (!meanwhile()) return false;
    return true;
}

bool try_take(const Context &tx)
{
    const void *nobody = nullptr;
    return clock.token_holder.compare_exchange_strong(nobody, &tx, std::memory_order_seq_cst); // (14)
}

/** Whether the attempt seen as `before` has ended and let its orecs go. */
bool has_ended(const Context &other, Word before)
{
    const Word now = other.activity.look();
    return Activity::began_since(before, now) || (Activity::is_idle(now) && !other.holds_orecs.load(std::memory_order_acquire));
}

/** Wait until every attempt that is active now has ended. `meanwhile` runs at every look; false stops the wait. */
template <class Meanwhile> bool wait_until_ended(const Context &tx, Meanwhile meanwhile)
{
    for (const Context *other = registry.first(); other; other = other->next_context) {
        if (other == &tx) continue;
        const Word before = other->activity.look();
        Patience patience;
        while (!has_ended(*other, before)) {
            if (!meanwhile()) return false;
            patience.wait();
        }
    }
    return true;
}

} // namespace

bool take(Context &tx)
{
    Patience patience;
    while (!tx.serial && !try_take(tx)) { // an attempt that ran with the token keeps it for the next
        if (deadline_passed(tx)) return false;
        patience.wait();
    }
    tx.serial = true;
    const auto in_time = [&] { return !deadline_passed(tx); };
    if (wait_until_ended(tx, in_time) && be_alone(in_time)) return true;
    give_back(tx);
    return false;
}

bool take_in_place(Context &tx)
{
    if (tx.reads_dropped || (!tx.serial && !try_take(tx))) return false;
    tx.serial = true; // a restart keeps the token
    // A holder may be waiting for what this transaction has locked: then it must begin again, and wait while it has nothing.
    return wait_until_ended(tx, [&] { return assure(tx); }) && try_be_alone() && validate(tx);
}

void give_back(Context &tx)
{
    tx.serial = tx.is_irrevocable = false;
    alone.store(false, std::memory_order_release);
    clock.token_holder.store(nullptr, std::memory_order_release);
}

bool wait_until_free(const Context &tx)
{
    Patience patience;
    while (is_taken(tx)) {
        if (deadline_passed(tx)) return false;
        patience.wait();
    }
    return true;
}

void begin_holding(bool nested)
{
    constexpr unsigned polite = 2000; // looks, most of which give the processor away
    for (Patience patience; !nested && clock.token_holder.load(std::memory_order_relaxed) && patience.looks() < polite;) patience.wait();
    for (;;) {
        holders.fetch_add(1, std::memory_order_seq_cst);
        if (nested || !alone.load(std::memory_order_seq_cst)) return alone::end_for_good(self());
        end_holding();
        for (Patience patience; alone.load(std::memory_order_acquire);) patience.wait();
    }
}

bool has_holders() { return holders.load(std::memory_order_seq_cst) != 0; }

void end_holding() { holders.fetch_sub(1, std::memory_order_seq_cst); }

bool reset_clock(Context &tx)
{
    const bool had_token = tx.serial;
    if (!had_token && !take(tx)) return false;
    alone::end_for_good(tx);
    const Word now = clock.now.load(std::memory_order_seq_cst) & ~Clock::flags;
    // One that met the overflow before another's reset finds the clock low again.
    if (now >= clock.last) {
        clock.now.fetch_or(Clock::stop, std::memory_order_seq_cst);
        wait_until_ended(tx, [] { return true; });
        be_alone([] { return true; });
        orec_table.reset();
        clock.now.store(0, std::memory_order_seq_cst);
    }
    if (!had_token) give_back(tx);
    return true;
}

void wait_for_clock()
{
    Patience patience;
    while (clock.now.load(std::memory_order_seq_cst) & Clock::stop) patience.wait();
}

} // namespace libtm::engine::serial
