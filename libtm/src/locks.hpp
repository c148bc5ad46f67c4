// SPDX-License-Identifier: MIT
/**
 * @file locks.hpp
 * Mutexes and read-write locks that a transaction holds (tm/stage.h).
 *
 * No deadlock between locks and transactions, for these reasons:
 * - A running attempt never waits for a lock: it gives way, and waits between two attempts, when it is not active and holds no orec. So nobody's quiescence waits for one who waits for a lock.
 * - Nobody waits for a lock while it holds the serial token: it gives the token back first. An irrevocable transaction, which cannot, gets EBUSY.
 * - So whoever holds a lock and waits for the token, for an orec, or in its quiescence, waits for somebody who goes on.
 * Between locks alone there is none if the program takes them in an order: between attempts they are taken in the order in which the block has asked for them.
 */
#pragma once

#include "logs.hpp"

#include <cstdint>
#include <tm/stage.h>

namespace libtm::engine {

struct Context;

struct Lock {
    void *address;
    tm_lock_kind kind;
    bool by_begin; ///< from the parameters of the outermost block: each attempt has it
    bool asked;    ///< the present attempt has asked for it; else it is taken ahead, since the one before had
    bool taken;    ///< else it shall be, before the next attempt
    int failure;   ///< why it could not be taken between attempts, for whoever asks for it; EOWNERDEAD: it is taken all the same
};

/** The locks of the transaction that runs: those asked for, in this order, then those taken ahead. */
class Locks {
public:
    bool empty() const { return held_.empty(); }
    /** Whether the lock is held for the transaction. */
    bool hold(const void *address) const;
    /** Before the first attempt: wait for a lock and take it. 0 or an errno value; EOWNERDEAD: taken all the same. `deadline` in ns of CLOCK_MONOTONIC, or 0. */
    int take_first(tm_lock_ref lock, std::uint64_t deadline);
    /** In an attempt: take it if it is free. EBUSY: it will be taken before the next attempt, unless it `must` be this one. */
    int ask(tm_lock_ref lock, bool must);
    /** Between attempts: let all go, and take what the next one shall have. 0, or the errno value for which there shall be none. May give the serial token back. */
    int take_again(Context &tx);
    /** Let them go, in reverse. */
    void release();

private:
    void let_go();
    int take_all(Context &tx);
    List<Lock> held_;
};

} // namespace libtm::engine
