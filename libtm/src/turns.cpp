// SPDX-License-Identifier: MIT
#include "turns.hpp"

#include "annotate.hpp"
#include "bias.hpp"
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

constexpr unsigned naps_until_next = 5; // 50 + 50 + 100 + 200 + 400 us, and what the kernel adds

/** The n-th one; also for a thread that may be cancelled: not by the C library, whose sleep would end it here. */
void nap(unsigned n)
{
    if constexpr (!annotate::knows_membarrier) { // the explorer knows who waits by this call alone
        sched_yield();
    } else {
        const KeepErrno keep;
        const timespec time{0, 50'000l << std::clamp(n, 1u, 4u) >> 1};
        syscall(SYS_nanosleep, &time, nullptr);
    }
}

std::uint64_t now_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

bool are_on(Word now) { return (now & Clock::in_turns) != 0; }

void clear_bits() { clock.now.fetch_and(~(Clock::in_turns | Clock::wanted), std::memory_order_seq_cst); }

/** Wait until the attempts have ended that run now. False: they take long. */
bool others_end(const Context &tx)
{
    constexpr unsigned most = 3000; // looks
    Patience patience;
    for (const Context *other = registry.first(); other; other = other->next_context) {
        if (other == &tx) continue;
        const Word before = other->activity.look();
        for (; !Activity::is_idle(before) && !Activity::has_ended(before, other->activity.look()); patience.wait())
            if (patience.looks() > most) return false;
    }
    return true;
}

/** From here on transactions take turns. False: somebody is in the way. */
bool start(const Context &tx)
{
    HaveTurn mine;
    if (!mine.try_take(tx) || (clock.now.load(std::memory_order_seq_cst) & Clock::flags)) return false;
    clock.now.fetch_or(Clock::in_turns, std::memory_order_seq_cst);
    const bool in_the_way = clock.token_holder.load(std::memory_order_seq_cst) || serial::has_holders() || hooks::has_range() || get(config.turns) == off ||
                            (clock.now.load(std::memory_order_seq_cst) & Clock::stop);
    if (!in_the_way && others_end(tx)) return true;
    clear_bits();
    return false;
}

/** How it goes; used by one thread at a time. */
class Measured {
public:
    void look(const Context &tx)
    {
        if (busy_.load(std::memory_order_relaxed) || busy_.exchange(true, std::memory_order_acquire)) return;
        if (const std::uint64_t now = now_ns(); pace_.is_over(now, &tx)) {
            switch (pace_.judge(now, commits_so_far(), are_on(clock.now.load(std::memory_order_relaxed)))) {
            case Pace::Change::none: break;
            case Pace::Change::start:
                start(tx); // if not, the next look finds that out
                pace_.begin(now_ns(), commits_so_far());
                break;
            case Pace::Change::end:
                end(tx, 0);
                pace_.begin(now_ns(), commits_so_far());
                break;
            }
        }
        busy_.store(false, std::memory_order_release);
    }

private:
    static std::uint64_t commits_so_far()
    {
        std::uint64_t sum = 0;
        for (const Context *context = registry.first(); context; context = context->next_context) sum += context->stats.commits();
        return sum;
    }
    std::atomic<bool> busy_{false};
    Pace pace_;
};
constinit Measured measured;

} // namespace

bool Turn::try_take(const Context &who)
{
    const Context *const next = next_.load(std::memory_order_relaxed);
    if ((next && next != &who) || taken_.load(std::memory_order_relaxed) || taken_.exchange(true, std::memory_order_seq_cst)) return false;
    if (next) next_.store(nullptr, std::memory_order_relaxed);
    return true;
}

bool Turn::take(const Context &who, std::uint64_t deadline)
{
    const unsigned looks = std::min(40u, get(config.spin));
    for (unsigned naps = 0;; ++naps) {
        for (unsigned i = 0; i < looks; ++i) {
            if (try_take(who)) return true;
            annotate::pause();
        }
        if (try_take(who)) return true;
        if (deadline && is_past(deadline)) break;
        const Context *nobody = nullptr;
        if (next_.load(std::memory_order_relaxed) == &who || (naps >= naps_until_next && next_.compare_exchange_strong(nobody, &who, std::memory_order_relaxed)))
            sched_yield();
        else
            nap(naps);
    }
    const Context *mine = &who;
    next_.compare_exchange_strong(mine, nullptr, std::memory_order_relaxed);
    return false;
}

Word enter(Context &tx, std::uint64_t deadline)
{
    bias::make_undo_log(tx); // without memory for it all goes through orecs
    tx.takes_turns = false;
    tx.activity.leave(); // who has the turn may be waiting for all others
    if (!turn.take(tx, deadline)) return 0;
    const Word now = clock.now.load(std::memory_order_seq_cst);
    if ((now & Clock::flags) != Clock::in_turns) {
        turn.give();
        return 0;
    }
    tx.has_turn = tx.takes_turns = true;
    tx.activity.enter_unordered(); // whoever must see this waits for the turn first
    return now;
}

void leave(Context &tx)
{
    tx.has_turn = false;
    turn.give();
}

void consider(Context &tx)
{
    switch (get(config.turns)) {
    case automatic: return measured.look(tx);
    case always: start(tx); return;
    default: return;
    }
}

bool end(const Context &tx, std::uint64_t deadline)
{
    HaveTurn mine;
    if (!mine.take(tx, deadline)) return false;
    if (are_on(clock.now.load(std::memory_order_seq_cst))) clear_bits();
    return true;
}

void end_for_good(const Context &tx)
{
    if (!are_on(clock.now.load(std::memory_order_seq_cst))) return;
    if (tx.has_turn)
        clock.now.fetch_or(Clock::wanted, std::memory_order_seq_cst);
    else
        end(tx, 0);
}

} // namespace libtm::engine::turns
