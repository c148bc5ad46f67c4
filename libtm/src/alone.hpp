// SPDX-License-Identifier: MIT
/**
 * @file alone.hpp
 * An attempt that is *alone*, because its thread has the bias (bias.hpp) or the turn (turns.hpp), pays for no orecs.
 *
 * Its loads are plain, its stores of scalars go to memory with the old values in an undo log, and its commit takes no version. All else, such as privatizing, goes through orecs as ever, and from the first orec that an attempt takes
 * the rest of it does. The logs of a rollback go backwards in that order: first the stripes, then the undo log.
 *
 * Those whom such an attempt would not see, or who must know what was written, end this: holders of memory, pools, the reset of the clock. Each says first what it is, and then calls end_for_good(); who takes the bias, or starts
 * turns, sets its bit first, and then looks for them.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine::alone {

constexpr std::size_t undo_entries = 1024; // 24 KiB; further stores of an attempt go through orecs

/** What the first attempt of a context that is alone needs. False: no memory. */
bool make_undo_log(Context &tx);

/** Up to where an attempt that is alone may store in place. */
inline tm_undo_ *undo_end(const Context &tx) { return tx.asks(TM_READ_ONLY) ? tx.undo_log : tx.undo_log + undo_entries; }
/** An attempt begins that is alone. The write log is closed: who writes to it shall ask. It has these duties, too. */
inline void begin(Context &tx, unsigned duties, tm_undo_ *end)
{
    tx.duties = duties | duty_alone;
    tx.alone = 1;
    tx.undo_end = end;
}
/** The rest of the attempt goes through orecs, and its commit takes all steps. */
inline void use_orecs(Context &tx)
{
    tx.duties |= duty_orecs;
    tx.alone = 0;
    tx.undo_end = tx.undo_next;
}
/** The attempt has committed, or all is undone. Whether it has stored in place. */
inline bool end(Context &tx)
{
    const bool stored = tx.undo_next != tx.undo_log;
    tx.alone = 0;
    tx.undo_next = tx.undo_end = tx.undo_log;
    return stored;
}
/** Stripes that the undo log is about: changes from one to another, so that one which is come back to counts again. */
std::uint64_t stripes_stored(const Context &tx);
/** Write the old values back, the last one first. */
void undo(Context &tx);

/** Wait until nobody is alone, for who can be seen to be in the way. The caller itself, if it is, goes on with orecs. */
void end_for_good(Context &tx);

} // namespace libtm::engine::alone
