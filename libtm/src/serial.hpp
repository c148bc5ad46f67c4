// SPDX-License-Identifier: MIT
/**
 * @file serial.hpp
 * Running alone among writers: the serial token. It bounds the attempts of a transaction that keeps losing, carries the
 * irrevocable one, and stands still the world for the reset of the clock.
 *
 * Whoever holds the token has waited until every attempt that was active when it was taken has ended. Whoever begins later finds
 * the token taken (13), closes its write log, and gives way at its first write; readers go on.
 *
 * Holders (hold.cpp) may wait for each other, by locks of the program. So while there is one, others may begin still; when there is none, the holder of the token is *alone*, and
 * they wait for it. The count of holders and that flag are a Dekker's protocol: each is stored before the other one is looked at, sequentially consistent.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine::serial {

/** (13) Whether another holds the token. Sequentially consistent, against the exchange (10) of this attempt and (14). */
inline bool is_taken(const Context &tx)
{
    const void *const now = clock.token_holder.load(std::memory_order_seq_cst);
    return now && now != &tx;
}

/** Between attempts: wait for the token, then for all others. False: the deadline has passed. */
bool take(Context &tx);
/** In a running attempt: the same if nobody else has the token and nothing that was read changes meanwhile. */
bool take_in_place(Context &tx);
void give_back(Context &tx);
/** Between attempts: wait until the token is free. False: the deadline has passed. */
bool wait_until_free(const Context &tx);

/** A holder begins: when nobody is alone. It is polite to who has the token, for a while, unless it is `nested` in another one. */
void begin_holding(bool nested);
bool has_holders();
void end_holding();

/** Between attempts, after TM_ABORTED_CLOCK: reset the clock and the orecs, unless another has done so. */
bool reset_clock(Context &tx);
/** The clock is being reset: wait for its end. */
void wait_for_clock();

} // namespace libtm::engine::serial
