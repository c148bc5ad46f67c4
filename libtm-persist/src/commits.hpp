// SPDX-License-Identifier: MIT
/**
 * @file commits.hpp
 * What is committed in memory and on its way to the journal: the order of commits, and the transactions that take part in it.
 *
 * A commit gets a *ticket*, the next number, under the pool's order mutex. A transaction holds that from before it is validated until its bytes are in the
 * line (tm/hooks.h), so the order of tickets is an order in which the transactions could have run one by one. The *line* is a list of batches; each becomes one
 * group of the journal, so that after a crash there is what a first part of all commits has made, whatever was asked of each of them.
 */
#pragma once

#include "failure.hpp"
#include "image.hpp"

#include <tm/control.h>

namespace libtm::persist {

class Pool;

/** A commit of the whole image. */
struct Whole {
    Capture changed;
    Failure failure; ///< why it could not be written; what was before it in the line was
};

/** Commits that share a group of the journal: transactions, then perhaps one of the whole image, which closes it. */
struct Batch {
    Frames frames;
    std::uint64_t ticket = 0;  ///< of the last of them
    Whole *whole = nullptr;
    std::list<Group> listing;  ///< one; made beforehand, since nothing may fail when the group is durable

    std::uint64_t group_bytes() const { return persist::group_bytes(frames.bytes.size() + (whole ? whole->changed.frame_bytes : 0)); }
};

/** Bytes of the open batch from which on a commit that need not wait makes it durable all the same. */
inline constexpr std::uint64_t most_waiting = 4 << 20;

/** Pools that one transaction may write to. */
inline constexpr unsigned most_shares = 8;

/** What a transaction has written to a pool. */
struct Share {
    Pool *pool;
    std::uint64_t bytes;  ///< of frames
    std::uint64_t ticket;
};

/** What is to be called when a transaction is durable in all of its pools. */
struct OnDurable {
    void (*function)(void *);
    void *data;
    OnDurable *next;
    unsigned count = 0;
    Share shares[most_shares] = {}; ///< the last one is waited for now
};

/** Call it, and delete it. */
void call(OnDurable *it);

/** Whether the calling thread is in a function that was given to tm_on_durable(). */
bool is_called_back();

} // namespace libtm::persist
