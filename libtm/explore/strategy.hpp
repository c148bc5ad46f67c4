// SPDX-License-Identifier: MIT
/**
 * @file strategy.hpp
 * Who decides: exhaustive search, random priorities, or a schedule that is replayed.
 *
 * A run is a sequence of decisions. In each, alternative 0 is what happens by itself (the thread goes on, the load sees the last value),
 * and a schedule is written down as those that were decided otherwise: `12:1,40:2` takes alternative 1 at place 12 and 2 at place 40. Places count
 * all accesses, also those where nothing is decided, so that a schedule means the same whatever was explored before.
 */
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <tm/explore.hpp>
#include <vector>

namespace libtm::explore {

struct Decision {
    enum Kind : std::uint8_t {
        preemption, ///< alternative 0 goes on with the thread that runs
        next,       ///< the thread has ended or waits: which one goes on is free
        message,    ///< how many messages before the last one a load sees
    } kind;
    unsigned place;
    unsigned alternatives;
    const std::uint8_t *threads; ///< of each alternative, unless it is a message
};

class Strategy {
public:
    virtual ~Strategy() = default;
    virtual void begin_run() {}
    virtual unsigned decide(const Decision &decision) = 0;
    /** The thread that runs waits for others. */
    virtual void yields(unsigned) {}
    /** Whether there is another run. */
    virtual bool next_run() = 0;
    /** The search has seen all within its bound. */
    virtual bool complete() const { return false; }
    /** The run has not repeated what the one before it did up to the first decision that differs. */
    virtual bool diverged() const { return false; }
    /** What was explored so far does not count: more switch points have become known. */
    virtual void restart() {}
    /** All runs differ, by the way they are made. */
    virtual bool never_repeats() const { return false; }
};

std::unique_ptr<Strategy> make_exhaustive(const Options &options);
std::unique_ptr<Strategy> make_random(const Options &options);
/** Null: not a schedule. */
std::unique_ptr<Strategy> make_replay(const std::string &schedule);

} // namespace libtm::explore
