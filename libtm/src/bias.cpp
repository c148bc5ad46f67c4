// SPDX-License-Identifier: MIT
#include "bias.hpp"

#include "alone.hpp"
#include "fence.hpp"
#include "hooks.hpp"
#include "serial.hpp"
#include "turns.hpp"
#include "tx.hpp"

#include <algorithm>

namespace libtm::engine::bias {

namespace {

constexpr unsigned most_patience = 8;

constexpr Word somebody_runs = ~Word{0};

/** The attempts that others have begun, or that one is running. Who has committed and only lets its orecs go is in nobody's way: its stores are in memory. */
Word begun_by_others(const Context &tx)
{
    Word sum = 0;
    for (const Context *other = registry.first(); other; other = other->next_context) {
        if (other == &tx) continue;
        const Word word = other->activity.look();
        if (!Activity::is_idle(word)) return somebody_runs;
        sum += Activity::begins(word);
    }
    return sum;
}

void drop()
{
    clock.bias_holder.store(nullptr, std::memory_order_relaxed);
    clock.now.fetch_and(~(Clock::biased | Clock::wanted), std::memory_order_seq_cst);
}

bool take(Context &tx)
{
    turns::HaveTurn mine;
    if (!clock.has_no_flags() || !mine.try_take(tx) || !clock.has_no_flags()) return false;
    clock.bias_holder.store(&tx, std::memory_order_relaxed);
    clock.now.fetch_or(Clock::biased, std::memory_order_seq_cst);
    const bool is_alone = config.bias.load(std::memory_order_seq_cst) != 0 && begun_by_others(tx) != somebody_runs &&
                          !clock.token_holder.load(std::memory_order_seq_cst) && !serial::has_holders() && !hooks::has_range();
    if (!is_alone) drop();
    return is_alone;
}

} // namespace

void consider(Context &tx)
{
    Quiet &quiet = tx.quiet;
    const unsigned wanted = get(config.bias);
    quiet.begin_round(wanted);
    turns::consider(tx);
    if (!wanted) return;
    if (is_mine(tx, clock.now.load(std::memory_order_relaxed))) {
        if (++quiet.rounds >= most_patience) quiet.patience = 1;
        return;
    }
    if (quiet.had_bias) quiet.patience = std::min(2 * quiet.patience, most_patience);
    quiet.had_bias = false;
    const Word begun = begun_by_others(tx);
    if (begun == somebody_runs || begun != quiet.begun) {
        quiet.begun = begun;
        quiet.rounds = 0;
    } else if (++quiet.rounds >= quiet.patience * (1 + (wanted - 1) / Quiet::longest_round) && alone::make_undo_log(tx)) {
        quiet.rounds = 0;
        quiet.had_bias = take(tx);
        quiet.unordered = quiet.had_bias && fence::works();
    }
}

bool revoke(const Context &tx, std::uint64_t deadline)
{
    turns::HaveTurn mine;
    if (!mine.take(tx, deadline)) return false;
    if (!is_held()) return true;
    clock.now.fetch_or(Clock::wanted, std::memory_order_seq_cst);
    const auto *const holder = static_cast<const Context *>(clock.bias_holder.load(std::memory_order_relaxed));
    fence::others(); // between the store to its activity word, which has none, and its look at the clock
    const Word before = holder->activity.look();
    for (Patience patience; !Activity::is_idle(before) && !Activity::has_ended(before, holder->activity.look()); patience.wait())
        if (deadline && is_past(deadline)) return false;
    drop();
    return true;
}

void end_for_good(Context &tx)
{
    if (!is_held()) return;
    if (tx.activity.is_active() && clock.bias_holder.load(std::memory_order_relaxed) == &tx) {
        if (tx.duties & duty_alone) alone::use_orecs(tx);
        clock.now.fetch_or(Clock::wanted, std::memory_order_seq_cst);
    } else {
        revoke(tx, 0);
    }
}

} // namespace libtm::engine::bias
