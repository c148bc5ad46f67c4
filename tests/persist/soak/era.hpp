// SPDX-License-Identifier: MIT
/**
 * @file era.hpp
 * One pool, from its creation on, the processes that work in it until they are ended, and the check of what each leaves.
 */
#pragma once

#include "worker.hpp"

#include <sys/types.h>

namespace libtm::testing {

/** What was done in all eras. */
struct Sums {
    unsigned long long ends = 0, at[activities] = {}, commits = 0, steps = 0, shelves = 0, recoveries = 0, groups = 0;
};

class Era {
public:
    explicit Era(const Setting &setting);
    ~Era();
    Era(const Era &) = delete;
    Era &operator=(const Era &) = delete;

    /** Let a process work. */
    void begin(std::uint64_t seed);
    /** Wait for a moment at which to end it. */
    void wait(Random &random) const;
    /** What it could not stand so far, or nothing. */
    std::string failure() const { return ledger_->failure; }
    /** Kill it, if it lives. Returns its status as of waitpid(2). */
    int end();
    /** What is wrong with what it has left, or nothing. Opens the pool for reading, or for writing, or not at all: then the next process has to recover it. */
    std::string check(Random &random);

    static Sums sums;

private:
    std::string check_as(unsigned flags);
    std::string heap_fault(const pool &opened);

    Setting setting_;
    Content content_; ///< what must be there at least
    std::uint64_t shelf_ = 0; ///< transactions of the heap that must be
    bool is_there_ = false;
    Ledger *ledger_; ///< shared with the processes
    pid_t child_ = -1;
};

/** Of pool number `number`. */
Setting setting_of(unsigned number, const std::string &path);

} // namespace libtm::testing
