// SPDX-License-Identifier: MIT
/**
 * @file turns.hpp
 * Transactions that gain nothing from running side by side run one at a time, and pay for no orecs.
 *
 * The bit `in_turns` of the clock tells every begin. An attempt then takes the lock *the turn*, looks at the clock again, and is alone as one with the bias is (bias.hpp), until it has ended and gives
 * the turn to somebody else. While it unwinds it keeps it: its destructors may load what the next one would free.
 *
 * The bit is set by who has the turn, and then waits until the attempts that run with orecs have ended; who would be in the way of the bias is in the way here. It is taken away by who has the turn, when nobody else is alone. Nobody
 * who is inside an attempt does either.
 *
 * Whether it pays is measured: pace.hpp. For short transactions on the same data it does, since a thread runs many of them before another one has been given the processor or the cache lines.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine::turns {

/**
 * The turn, a lock. Who changes the bits of the clock has it, too.
 *
 * Who waits looks for about a microsecond, and then sleeps, and so on: what follows each other closely is run by one thread while the others sleep, and nobody has to wake them. The more sleep, the longer each does, so
 * that up to 20 of them one comes every 200 us: the data move to its processor's cache, which must pay. Who has slept five times is the next: the others leave the turn to it, and it looks all the time, or after a while every 50 us.
 */
class alignas(128) Turn {
public:
    bool try_take(const Context &who);
    /** False: the deadline (CLOCK_MONOTONIC, ns; 0: none) has passed. `soon`: sleep for short times only, as who has a deadline does. */
    bool take(const Context &who, std::uint64_t deadline, bool soon = false);
    void give() { taken_.store(false, std::memory_order_release); }

    unsigned taken_since_look = 0; ///< for who has it

private:
    std::atomic<bool> taken_{false};
    alignas(128) std::atomic<const Context *> next_{nullptr};
    std::atomic<long> nappers_{0};
};
extern constinit Turn turn;

/** Has it, for a block, to change something for all. */
class HaveTurn {
public:
    HaveTurn() = default;
    ~HaveTurn()
    {
        if (mine_) turn.give();
    }
    HaveTurn(const HaveTurn &) = delete;
    HaveTurn &operator=(const HaveTurn &) = delete;
    bool try_take(const Context &who) { return mine_ = turn.try_take(who); }
    bool take(const Context &who, std::uint64_t deadline) { return mine_ = turn.take(who, deadline, true); }

private:
    bool mine_ = false;
};

/** For an attempt that begins: the turn. The clock's word, and the context is active. 0: the deadline has passed, or there are no turns any more. */
Word enter(Context &tx, std::uint64_t deadline);
/** The attempt has ended. */
void leave(Context &tx);
/** At a begin, every so often: measure, and change over if that pays. */
void consider(Context &tx);
/** Between attempts: no attempt is alone by its turn, and none will be. False: the deadline has passed. */
bool end(const Context &tx, std::uint64_t deadline);
/** The same, for who can be seen to be in the way. An attempt that has its turn keeps it, but goes on with orecs, and others will end the turns. */
void end_for_good(Context &tx);

} // namespace libtm::engine::turns
