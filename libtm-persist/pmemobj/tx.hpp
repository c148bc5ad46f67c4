// SPDX-License-Identifier: MIT
/** @file tx.hpp */
#pragma once

#include "changes.hpp"

#include <type_traits>

namespace libtm::pmemobj {

/** What this thread has flushed and not drained. */
struct Flushed {
    PMEMobjpool *pool;
    std::uint64_t run; ///< of the pool then
    const void *address;
    std::size_t size;

    bool is_of(const PMEMobjpool &open) const { return pool == &open && run == open.run; }
};

/** What a thread has of its own. Made when it is first needed; given up when the thread ends, not when the process does: programs use pools until then. */
struct ThreadState {
    std::vector<Flushed> flushed;
};
/** Throws std::bad_alloc. */
ThreadState &thread_state();

int do_in_work(std::uint64_t flags, std::uint64_t valid_flags, void (*work)(void *data, Changes &changes), void *data);

/**
 * Do a part of the running transaction's work, which may throw. That aborts the transaction, unless it is asked not to: `flags` has POBJ_FLAG_TX_NO_ABORT, or that is the failure behaviour.
 * Outside of the stage of work the call is refused. Returns 0 or the code. An abort may jump out of it, past the caller: nothing there may need a destructor.
 */
template <class Work> int in_work(std::uint64_t flags, std::uint64_t valid_flags, Work work)
{
    static_assert(std::is_trivially_destructible_v<Work>);
    return do_in_work(
        flags, valid_flags, [](void *data, Changes &changes) { (*static_cast<Work *>(data))(changes); }, &work);
}

} // namespace libtm::pmemobj
