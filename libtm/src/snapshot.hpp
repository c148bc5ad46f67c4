// SPDX-License-Identifier: MIT
/**
 * @file snapshot.hpp
 * The snapshot of a transaction: validation, extension, and waiting for an orec.
 *
 * Lazy snapshot (Riegel, Felber, Fetzer 2006): what was read is one consistent state as of version `snapshot`. An orec with a
 * newer version is met by extension: if nothing that was read has changed, the state is also that of now.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine {

/**
 * Whether all that was read is as it was: each orec is below the limit or held by the transaction itself (which took it while it was
 * below the limit). Costs a load for each read.
 */
bool validate(const Context &tx);

/** Move the snapshot up to now. Restarts the transaction if what it has read has changed. `version` is the one that was met. */
void extend(Context &tx, Word version);

/** An orec was found with word `w`, not below the limit and not ours. Returns when it is worth another look, or restarts. */
void await(Context &tx, const Orec &orec, Word w);

/** Append to the read log out of line: it is full. Ends the transaction if there is no memory. */
void log_read_slow(Context &tx, Orec &orec);

inline void log_read(Context &tx, Orec &orec)
{
    if (tx.read_next == tx.read_end) return log_read_slow(tx, orec);
    *tx.read_next++ = reinterpret_cast<std::uint64_t *>(&orec);
}

/**
 * Assure those who wait for us that we have not read what they hold: two bumps, each after a validation, of which the second lies
 * wholly after whatever they did before. False: we have read it.
 */
inline bool assure(Context &tx)
{
    for (int round = 0; round < 2; ++round) {
        if (!tx.irrevocable() && !validate(tx)) return false; // nobody changes what an irrevocable one has read
        tx.activity.bump();
    }
    return true;
}

} // namespace libtm::engine
