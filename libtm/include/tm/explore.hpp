// SPDX-License-Identifier: MIT
/**
 * @file explore.hpp
 * The schedule explorer: runs a small concurrent program under many schedules that it chooses itself, and tells the one that fails.
 *
 *     #include <tm/explore.hpp>
 *     #include <tm/tm.hpp>
 *
 *     static long counter;
 *
 *     int main(int argc, char **argv)
 *     {
 *         libtm::explore::Options options;
 *         options.name = "counter";
 *         options.replay = argc > 1 ? argv[1] : "";
 *         auto const add = [] { libtm::atomically([] { libtm::store(counter, libtm::load(counter) + 1); }); };
 *         return libtm::explore::explore(options, [&] {
 *             counter = 0;
 *             return libtm::explore::Program{{add, add}, [] { libtm::explore::check(counter == 2, "an addition is lost"); }};
 *         }).print();
 *     }
 *
 * The threads are fibers of one OS thread. Program and engine are compiled with -fsanitize=thread, whose calls before each access to memory are
 * answered by the explorer instead of ThreadSanitizer: every atomic access is a point where another thread may go on, every
 * plain access to static storage and to blocks of tm_malloc is checked for data races (vector clocks) and for memory that has been freed. Build with
 * `pkg-config --cflags --libs libtm-explore`; link without -fsanitize=thread.
 *
 * What is explored: interleavings at atomic accesses to memory which another thread writes (or which is written and another reads); all others commute. With
 * `weak_memory` also loads of values that are not the last ones, as the orders of the atomics allow. What is not: loads that are
 * carried out before an earlier access of their thread (load buffering), blocking on anything but transactions and sched_yield().
 *
 * Threads that wait (sched_yield) go on when what they have read changes. If nobody can go on, the schedule fails as a deadlock.
 *
 * The program must do the same when the schedule is the same: no clocks, no random numbers, no addresses of malloc() that decide; shared data in
 * static storage or made by tm_malloc, whose addresses are the same in each schedule. Not thread-safe: one explore() at a time in the process.
 */
#ifndef TM_EXPLORE_HPP
#define TM_EXPLORE_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace libtm::explore {

/** Threads of a program, at most. */
inline constexpr unsigned max_threads = 6;

/** One concurrent program, freshly made for each schedule. */
struct Program {
    std::vector<std::function<void()>> threads;
    std::function<void()> after = {}; ///< runs when all threads have ended
};

struct Options {
    const char *name = "program";
    /** Exhaustive search: every schedule with at most so many pre-emptions (and stale loads). */
    unsigned preemptions = 2;
    /** Not 0: so many schedules with random priorities (PCT: Burckhardt et al. 2010) instead. */
    std::uint64_t random_schedules = 0;
    std::uint64_t seed = 1;
    unsigned change_points = 3; ///< of the random priorities: finds bugs of this depth + 1
    bool weak_memory = false;   ///< loads may see values that are not the last
    std::uint64_t most_schedules = 0; ///< stop the exhaustive search there; 0: never
    unsigned most_steps = 20000; ///< a schedule that needs more has a livelock
    unsigned orecs = 4;         ///< log2 of the number of orecs
    unsigned clock_bits = 60;
    unsigned clock_start = 0;   ///< the clock's value at the begin of each schedule
    std::string replay = {};    ///< not empty: run this one schedule, as it was printed, and print its trace
};

struct Report {
    std::uint64_t schedules = 0; ///< run
    std::uint64_t distinct = 0;  ///< of these, different from each other
    bool complete = false;       ///< the exhaustive search has seen all within its bound
    std::string failure;         ///< empty: none
    std::string schedule;        ///< the failing one, for Options::replay
    std::string trace;           ///< who did what to which address
    std::string name;

    bool ok() const { return failure.empty(); }
    /** All of it, readable. */
    std::string text() const;
    /** Print text() to standard output. 0 if ok(), else 1: the value of main. */
    int print() const;
};

/** Explore. `make` is called before each schedule. Needs memory for the table of what has been seen: about 40 bytes a random schedule. */
Report explore(const Options &options, const std::function<Program()> &make);

/** From a thread of the program or its `after`: this schedule fails, for this reason. Returns only from `after`. */
void fail(const std::string &reason);
inline void check(bool holds, const char *reason)
{
    if (!holds) fail(reason);
}

/** How the traces call this memory; until the end of the process, or until the address gets another name. */
void name_memory(const void *addr, std::size_t size, const char *name);

/** Blocks of tm_malloc in this schedule that have not been freed. */
std::size_t live_blocks();

/** The thread of the program that runs, from 0. */
unsigned current_thread();

} // namespace libtm::explore

#endif
