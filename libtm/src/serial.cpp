// SPDX-License-Identifier: MIT
#include "serial.hpp"

#include "snapshot.hpp"
#include "tx.hpp"

namespace libtm::engine::serial {

namespace {

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
    if (wait_until_ended(tx, [&] { return !deadline_passed(tx); })) return true;
    give_back(tx);
    return false;
}

bool take_in_place(Context &tx)
{
    if (tx.reads_dropped || (!tx.serial && !try_take(tx))) return false;
    tx.serial = true; // a restart keeps the token
    return wait_until_ended(tx, [&] { return assure(tx); }) && validate(tx);
}

void give_back(Context &tx)
{
    tx.serial = tx.is_irrevocable = false;
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

bool reset_clock(Context &tx)
{
    const bool had_token = tx.serial;
    if (!had_token && !take(tx)) return false;
    const Word now = clock.now.load(std::memory_order_seq_cst);
    // One that met the overflow before another's reset finds the clock low again.
    if (now >= clock.last) {
        clock.now.fetch_or(Clock::stop, std::memory_order_seq_cst);
        wait_until_ended(tx, [] { return true; });
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
