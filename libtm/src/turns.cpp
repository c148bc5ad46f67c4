// SPDX-License-Identifier: MIT
#include "turns.hpp"

#include "alone.hpp"
#include "annotate.hpp"
#include "fence.hpp"
#include "hooks.hpp"
#include "pace.hpp"
#include "serial.hpp"
#include "tx.hpp"

#include <algorithm>
#include <ctime>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace libtm::engine::turns {

constinit Turn turn;

namespace {

enum Option : std::uint32_t { off, automatic, always }; // of `turns`

constexpr unsigned looks_every = 64; // turns: short, so that turns which do not pay end soon
constexpr long short_nap = 50'000, long_nap = 400'000; // ns
constexpr unsigned naps_until_next = 5;

/** Of so many ns; also for a thread that may be cancelled: not by the C library, whose sleep would end it here. */
void nap(long length)
{
    if constexpr (annotate::is_instrumented) { // the explorer knows who waits by this call alone
        sched_yield();
    } else {
        const KeepErrno keep;
        const timespec time{0, length};
        syscall(SYS_nanosleep, &time, nullptr);
    }
}

bool are_on(Word now) { return (now & Clock::in_turns) != 0; }

void clear_bits() { clock.now.fetch_and(~(Clock::in_turns | Clock::wanted), std::memory_order_seq_cst); }

/** Wait until the attempts have ended that run now. False: they take long. */
bool others_end(const Context &tx)
{
    constexpr std::uint64_t longest = Pace::window; // nobody begins meanwhile
    const std::uint64_t until = now_ns() + longest;
    Patience patience;
    for (const Context *other = registry.first(); other; other = other->next_context) {
        if (other == &tx) continue;
        const Word before = other->activity.look();
        for (; !Activity::is_idle(before) && !Activity::has_ended(before, other->activity.look()); patience.wait())
            if (patience.yields() && is_past(until)) return false;
    }
    return true;
}

/** From here on transactions take turns. False: somebody is in the way. */
bool start(const Context &tx)
{
    fence::works(); // asked for the first time it takes long
    HaveTurn mine;
    if (!clock.has_no_flags() || !mine.try_take(tx) || !clock.has_no_flags()) return false;
    clock.now.fetch_or(Clock::in_turns, std::memory_order_seq_cst);
    const bool in_the_way = clock.token_holder.load(std::memory_order_seq_cst) || serial::has_holders() || hooks::has_range() ||
                            config.turns.load(std::memory_order_seq_cst) == off || (clock.now.load(std::memory_order_seq_cst) & Clock::stop);
    if (!in_the_way && others_end(tx)) return true;
    clear_bits();
    return false;
}

/** How it goes; used by one thread at a time. */
class Measured {
public:
    /** What `tx`, which has the turn if there are turns, should do about them. */
    Pace::Change look(const Context &tx, bool in_turns)
    {
        if (busy_.load(std::memory_order_relaxed) || busy_.exchange(true, std::memory_order_acquire)) return Pace::Change::none;
        Pace::Change change = Pace::Change::none;
        if (const std::uint64_t now = now_ns(); pace_.is_over(now, &tx)) {
            Pace::Seen seen = count();
            seen.now = now;
            seen.in_turns = in_turns;
            seen.was_stopped = was_stopped_.exchange(false, std::memory_order_relaxed);
            change = pace_.judge(seen);
            if (change == Pace::Change::start) {
                start(tx); // if not, the next look finds that out
                pace_.begin(now_ns(), count().commits);
            }
        }
        busy_.store(false, std::memory_order_release);
        return change;
    }
    void stopped() { was_stopped_.store(true, std::memory_order_relaxed); }

private:
    /** The commits so far, and whether they were alike since the last count. */
    static Pace::Seen count()
    {
        constexpr std::uint64_t unlike = 16; // times fewer than the mean
        Pace::Seen seen{};
        std::uint64_t fewest = ~std::uint64_t{0}, sum = 0, committers = 0;
        for (Context *context = registry.first(); context; context = context->next_context) {
            const std::uint64_t commits = context->stats.commits(), since = commits - context->commits_counted;
            context->commits_counted = commits;
            seen.commits += commits;
            if (since == 0) continue;
            fewest = std::min(fewest, since);
            sum += since;
            ++committers;
        }
        seen.alike = committers && fewest * unlike >= sum / committers;
        return seen;
    }
    std::atomic<bool> busy_{false}, was_stopped_{false};
    Pace pace_;
};
constinit Measured measured;

} // namespace

/** The owner is changed: `who` holds the turn. */
void Turn::taken_by(const Context &who, bool from_another)
{
    if (next_.load(std::memory_order_relaxed) == &who) next_.store(nullptr, std::memory_order_relaxed);
    if (last_.load(std::memory_order_relaxed) == &who) {
        ++in_a_row_;
    } else {
        in_a_row_ = 1;
        row_ = from_another ? std::min(2 * row_, longest_row) : std::max(row_ / 2, shortest_row);
    }
    last_.store(&who, std::memory_order_relaxed);
    wanted_.store(false, std::memory_order_relaxed);
}

bool Turn::is_for_another(const Context &who) const
{
    const Context *const next = next_.load(std::memory_order_relaxed);
    return next && next != &who;
}

bool Turn::take_free(const Context &who)
{
    Word now = owner_.load(std::memory_order_relaxed);
    if ((now && now != kept_by(who)) || is_for_another(who) || !owner_.compare_exchange_strong(now, held_by(who), std::memory_order_seq_cst)) return false;
    taken_by(who, false);
    return true;
}

bool Turn::take_from(const Context &owner, const Context &who)
{
    Word now = kept_by(owner);
    if (is_for_another(who) || !owner_.compare_exchange_strong(now, held_by(who), std::memory_order_seq_cst)) return false;
    fence::others(); // between the store to its activity word, which has none, and its look at the owner
    if (!Activity::is_idle(owner.activity.look())) {
        owner_.store(kept_by(owner), std::memory_order_release);
        return false;
    }
    taken_by(who, true);
    return true;
}

const Context *Turn::kept_idle(Word &activity) const
{
    const Word owner = owner_.load(std::memory_order_relaxed);
    if (!owner || (owner & held)) return nullptr;
    const auto *const context = reinterpret_cast<const Context *>(owner);
    activity = context->activity.look();
    return Activity::is_idle(activity) ? context : nullptr;
}

bool Turn::try_take(const Context &who)
{
    if (take_free(who)) return true;
    Word activity;
    const Context *const owner = kept_idle(activity);
    return owner && take_from(*owner, who);
}

bool Turn::look_for(const Context &who, bool asks)
{
    if (asks) wanted_.store(true, std::memory_order_relaxed);
    // Whoever else wants it is looking: who has just had it lets it go, and does not take it again at once.
    const bool polite = !asks && last_.load(std::memory_order_relaxed) == &who;
    if (polite && wanted_.load(std::memory_order_relaxed)) give(who);
    Word before = 0, now = 0;
    const Context *const owner = kept_idle(before);
    for (unsigned looks = std::min(40u, get(config.spin)); looks; --looks) {
        if (!(polite && wanted_.load(std::memory_order_relaxed)) && take_free(who)) return true;
        annotate::pause();
    }
    return take_free(who) || (owner && kept_idle(now) == owner && now == before && take_from(*owner, who));
}

bool Turn::take(const Context &who, std::uint64_t deadline, bool soon)
{
    constexpr std::uint64_t long_wait = 60'000'000;
    constexpr unsigned most_yields = 1000;
    constexpr long most_nappers = 20;
    unsigned yields = 0;
    std::uint64_t since = 0;
    for (unsigned naps = 0; !naps || !deadline || !is_past(deadline); ++naps) {
        if (look_for(who, naps || soon)) {
            if (naps) nappers_.fetch_sub(1, std::memory_order_relaxed);
            if (naps > naps_until_next && now_ns() - since > long_wait) measured.stopped();
            return true;
        }
        if (naps == 0) {
            since = now_ns();
            nappers_.fetch_add(1, std::memory_order_relaxed);
        }
        const Context *nobody = nullptr;
        const bool is_next =
            next_.load(std::memory_order_relaxed) == &who || (naps >= naps_until_next && next_.compare_exchange_strong(nobody, &who, std::memory_order_relaxed));
        if (is_next && ++yields < most_yields) {
            sched_yield();
        } else {
            if (!is_next) wanted_.store(false, std::memory_order_relaxed); // nobody shall wait for who sleeps
            nap(is_next || soon || deadline ? short_nap : long_nap * std::min(nappers_.load(std::memory_order_relaxed), most_nappers));
        }
    }
    nappers_.fetch_sub(1, std::memory_order_relaxed);
    measured.stopped();
    const Context *mine = &who;
    next_.compare_exchange_strong(mine, nullptr, std::memory_order_relaxed);
    return false;
}

void Turn::give(const Context &who)
{
    Word now = kept_by(who);
    if (owner_.load(std::memory_order_relaxed) == held_by(who))
        owner_.store(0, std::memory_order_release);
    else // it may have been taken already
        owner_.compare_exchange_strong(now, 0, std::memory_order_release, std::memory_order_relaxed);
}

// Not inlined, that the ends of transactions stay short.
[[gnu::noinline]] void Turn::keep_or_give(const Context &who)
{
    const bool keeps = owner_.load(std::memory_order_relaxed) == held_by(who) && in_a_row_ >= row_ && !wanted_.load(std::memory_order_relaxed);
    if (keeps && (fence::works() || !annotate::knows_membarrier))
        owner_.store(kept_by(who), std::memory_order_release);
    else
        give(who);
}

Word enter(Context &tx, std::uint64_t deadline)
{
    alone::make_undo_log(tx); // without memory for it all goes through orecs
    tx.takes_turns = false;
    tx.activity.leave(); // who has the turn may be waiting for all others
    if (!turn.take(tx, deadline)) return 0;
    const Word now = clock.now.load(std::memory_order_seq_cst);
    if ((now & Clock::flags) != Clock::in_turns) {
        turn.give(tx);
        return 0;
    }
    if (++turn.taken_since_look % looks_every == 0 && get(config.turns) == automatic && measured.look(tx, true) == Pace::Change::end) {
        clear_bits();
        turn.give(tx);
        return 0;
    }
    tx.has_turn = tx.takes_turns = true;
    tx.activity.enter_unordered(); // whoever must see this waits for the turn first
    return now;
}

Word enter_again(Context &tx)
{
    if (!turn.is_kept_by(tx)) return 0;
    if constexpr (annotate::knows_membarrier)
        tx.activity.enter_unordered();
    else
        tx.activity.enter();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (turn.is_kept_by(tx) && (turn.taken_since_look + 1) % looks_every != 0) {
        const Word now = clock.now.load(std::memory_order_seq_cst);
        if ((now & Clock::flags) == Clock::in_turns) {
            ++turn.taken_since_look;
            tx.has_turn = true;
            return now;
        }
    }
    tx.activity.leave();
    return 0;
}

void consider(Context &tx)
{
    switch (get(config.turns)) {
    case automatic:
        if (!are_on(clock.now.load(std::memory_order_relaxed))) measured.look(tx, false);
        return;
    case always: start(tx); return;
    default: return;
    }
}

bool end(const Context &tx, std::uint64_t deadline)
{
    if (!are_on(clock.now.load(std::memory_order_seq_cst))) return true;
    HaveTurn mine;
    if (!mine.take(tx, deadline)) return false;
    if (are_on(clock.now.load(std::memory_order_seq_cst))) clear_bits();
    return true;
}

void end_for_good(Context &tx)
{
    if (!are_on(clock.now.load(std::memory_order_seq_cst))) return;
    if (tx.has_turn) {
        if (tx.duties & duty_alone) alone::use_orecs(tx);
        clock.now.fetch_or(Clock::wanted, std::memory_order_seq_cst);
    } else {
        end(tx, 0);
    }
}

} // namespace libtm::engine::turns
