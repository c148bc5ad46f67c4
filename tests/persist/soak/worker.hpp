// SPDX-License-Identifier: MIT
/**
 * @file worker.hpp
 * The process that is killed: opens or creates a pool and works in it until then, with several threads.
 */
#pragma once

#include "content.hpp"

#include <atomic>

namespace libtm::testing {

/** What a worker may be at when it is killed. */
enum Activity { creating, opening, stepping, shelving, committing, checkpointing, trimming, growing, closing, activities };
inline constexpr const char *activity_names[activities] = {"creating", "opening", "stepping", "shelving", "committing", "checkpointing", "trimming", "growing", "closing"};

/** Shared with the worker: what survives it. */
struct Ledger {
    std::atomic<std::uint64_t> created{0};      ///< a creation has returned
    std::atomic<std::uint64_t> begun{0};        ///< the last step that may have been done
    std::atomic<std::uint64_t> acknowledged{0}; ///< the last step that a commit which has returned contained
    std::atomic<std::uint64_t> shelf_begun{0}, shelf_acknowledged{0}; ///< the same of transactions that change the heap
    std::atomic<std::uint64_t> commits{0};      ///< that returned
    std::atomic<int> at[activities] = {};       ///< threads that are at it
    char failure[512] = "";                     ///< what it could not stand
};

/** A pool's circumstances. */
struct Setting {
    std::string path;
    std::uint64_t seed = 1;
    std::uint64_t journal = 0;
    std::uint64_t keep = 0;
    unsigned flags = 0;
    unsigned threads = 2;
    bool has_heap = false; ///< the memory does not grow then
    const char *mode = "write-back";

    tm_pool_attr attr() const
    {
        tm_pool_attr attr;
        attr.journal = journal;
        attr.keep = keep;
        attr.flags = flags;
        return attr;
    }
};

/** Another one each time. */
std::uint64_t random_seed();

/** Work until killed. Returns when something has failed, which is in the ledger then. */
void work(const Setting &setting, Ledger &ledger, std::uint64_t random_seed);

} // namespace libtm::testing
