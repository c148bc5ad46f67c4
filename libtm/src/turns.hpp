// SPDX-License-Identifier: MIT
/**
 * @file turns.hpp
 * Transactions that gain nothing from running side by side run one at a time, and pay for no orecs.
 *
 * The bit `in_turns` of the clock tells every begin. An attempt then takes the lock *the turn*, looks at the clock again, and is alone as one with the bias is (bias.hpp), until it has ended and gives
 * the turn to somebody else, or keeps it. While it unwinds it keeps it: its destructors may load what the next one would free.
 *
 * The bit is set by who has the turn, and then waits until the attempts that run with orecs have ended; who would be in the way of the bias is in the way here. It is taken away by who has the turn, when nobody else is alone. Nobody
 * who is inside an attempt does either.
 *
 * Whether it pays is measured: pace.hpp. For short transactions on the same data it does, since a thread runs many of them before another one has been given the processor or the cache lines.
 */
#pragma once

#include "annotate.hpp"
#include "context.hpp"

namespace libtm::engine::turns {

/**
 * The turn, a lock. Who changes the bits of the clock has it, too.
 *
 * Who has had it for some attempts in a row *keeps* it between them: the next attempt makes itself known, looks whether it is still the owner, and runs. Others may take it from an owner that is idle: first they become the owner, then
 * they look whether one attempt has begun meanwhile, and give it back if so. One of the two sees the other: as with the bias, the order is the business of who takes it away (fence.hpp).
 *
 * Who waits looks for about a microsecond, and then sleeps, and so on: what follows each other closely is run by one thread while the others sleep, and nobody has to wake them. The more sleep, the longer each does, so
 * that up to 20 of them one comes every 400 us: the data move to its processor's cache, which must pay. Who has slept says that it wants the turn, and the owner lets it go after its attempt.
 * Who has slept five times is the next: the others leave the turn to it, and it looks all the time, or after a while every 50 us.
 */
class alignas(128) Turn {
public:
    bool try_take(const Context &who);
    /** False: the deadline (CLOCK_MONOTONIC, ns; 0: none) has passed. `soon`: sleep for short times only, as who has a deadline does. */
    bool take(const Context &who, std::uint64_t deadline, bool soon = false);
    /** For who has it. */
    void give(const Context &who);
    /** For an attempt that had it and has ended: give it, or keep it. */
    void keep(const Context &who)
    {
        if (owner_.load(std::memory_order_relaxed) != kept_by(who) || wanted_.load(std::memory_order_relaxed)) keep_or_give(who);
    }
    /** For an attempt that is active: whether it has the turn. Before, whether it is worth trying. */
    bool is_kept_by(const Context &who) const { return owner_.load(std::memory_order_seq_cst) == kept_by(who); }

    unsigned taken_since_look = 0; ///< for who has it

private:
    static constexpr Word held = 1;
    static Word kept_by(const Context &who) { return reinterpret_cast<Word>(&who); }
    static Word held_by(const Context &who) { return kept_by(who) | held; }

    bool is_for_another(const Context &who) const;
    void taken_by(const Context &who, bool from_another);
    /** If nobody has it; or who itself has kept it, and holds it now. */
    bool take_free(const Context &who);
    /** From one that has kept it, and was idle. */
    bool take_from(const Context &owner, const Context &who);
    /** As try_take(), with some looks. `asks`: who has it shall let it go. */
    bool look_for(const Context &who, bool asks);
    /** The owner, if it has kept the turn and is idle, and its activity. */
    const Context *kept_idle(Word &activity) const;
    void keep_or_give(const Context &who);

    std::atomic<Word> owner_{0};       ///< 0: nobody. A context: it has the turn while it is active. The same and `held`: it has the turn
    std::atomic<bool> wanted_{false};  ///< by somebody who is looking
    std::atomic<const Context *> last_{nullptr}; ///< who has taken it
    static constexpr unsigned shortest_row = annotate::is_instrumented ? 1 : 16, longest_row = annotate::is_instrumented ? 1 : 1024;
    unsigned in_a_row_ = 0, row_ = shortest_row; ///< how often, and how often it must be to be kept: longer where it was taken from an idle owner. For who has it
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
        if (mine_) turn.give(*mine_);
    }
    HaveTurn(const HaveTurn &) = delete;
    HaveTurn &operator=(const HaveTurn &) = delete;
    bool try_take(const Context &who) { return turn.try_take(who) && (mine_ = &who); }
    bool take(const Context &who, std::uint64_t deadline) { return turn.take(who, deadline, true) && (mine_ = &who); }

private:
    const Context *mine_ = nullptr;
};

/** For an attempt that begins: the turn. The clock's word, and the context is active. 0: the deadline has passed, or there are no turns any more. */
Word enter(Context &tx, std::uint64_t deadline);
/** The same for who may have kept the turn. 0: not so, or there is more to do. */
Word enter_again(Context &tx);
/** The attempt has ended. */
inline void leave(Context &tx)
{
    tx.has_turn = false;
    turn.keep(tx);
}
/** At a begin, every so often: measure, and change over if that pays. */
void consider(Context &tx);
/** Between attempts: no attempt is alone by its turn, and none will be. False: the deadline has passed. */
bool end(const Context &tx, std::uint64_t deadline);
/** The same, for who can be seen to be in the way. An attempt that has its turn keeps it, but goes on with orecs, and others will end the turns. */
void end_for_good(Context &tx);

} // namespace libtm::engine::turns
