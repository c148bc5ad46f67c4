// SPDX-License-Identifier: MIT
/**
 * @file bias.hpp
 * One thread alone: it pays for no orecs.
 *
 * A thread that has run `bias` transactions (an option) while no other has begun one takes the *bias*. Its attempts are then *alone* (alone.hpp).
 *
 * Who holds the bias is in Clock::bias_holder, and says so by the bit `biased` in the clock, which every attempt reads when it has made itself known (10). An attempt of another thread
 * withdraws, sets the bit `wanted`, waits until the holder's attempt has ended, and takes both bits away. The holder looks at the clock when its next attempt has made itself
 * known: either it sees `wanted` and withdraws, or it is seen and waited for. All of these are sequentially consistent.
 *
 * Whoever takes the bias sets its bit and then looks: it backs out if somebody is active, holds memory (hold.cpp), has the serial token, or if hooks are to learn of writes.
 * Those look at the clock after they have said what they are.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine::bias {

/** At a begin, every so often: take the bias, if it has been quiet for long enough. */
void consider(Context &tx);
/** Between attempts: wait until nobody has the bias. Progress: depends on the holder's transaction. False: the deadline (CLOCK_MONOTONIC, ns; 0: none) has passed. */
bool revoke(const Context &tx, std::uint64_t deadline);
/** The same if anybody has it, for who can be seen to be in its way. The holder itself goes on with orecs, and loses the bias at its end. */
void end_for_good(Context &tx);

inline bool is_held() { return (clock.now.load(std::memory_order_seq_cst) & Clock::biased) != 0; }
/** With `now` as an attempt of tx has read it: whether it is alone. */
inline bool is_mine(const Context &tx, Word now)
{
    return __builtin_expect(now >> Clock::flag_shift == Clock::biased >> Clock::flag_shift, 1) && clock.bias_holder.load(std::memory_order_relaxed) == &tx;
}

} // namespace libtm::engine::bias
