// SPDX-License-Identifier: MIT
/**
 * @file suite.hpp
 * The table of applications. Every synchronisation goes through it; each lives in a source file of its own.
 *
 * A synchronisation has `access`, the policy for what only transactions touch while the threads run; `exposed`, that for what is looked at outside
 * of them meanwhile; `concurrent`, whether it is right with several threads; `run(body)`, which calls the body once, in isolation, and returns
 * what it returned; and `count()`, libtm's counters or zeros.
 */
#ifndef BENCH_APPLICATIONS_SUITE_HPP
#define BENCH_APPLICATIONS_SUITE_HPP

#include "graph.hpp"
#include "kmeans.hpp"
#include "maze.hpp"
#include "reassembly.hpp"
#include "reservation.hpp"

namespace applications {

template <class Sync> void add_all(bench::catalogue &to, const std::string &variant)
{
    add<reservation, Sync>(to, "reservation", variant);
    add<reassembly, Sync>(to, "reassembly", variant);
    add<kmeans, Sync>(to, "kmeans", variant);
    add<graph, Sync>(to, "graph", variant);
    add<maze, Sync>(to, "maze", variant);
}

/** One per source file. */
void add_locks(bench::catalogue &to);
void add_libtm(bench::catalogue &to);
void add_libitm(bench::catalogue &to);

} // namespace applications

#endif
