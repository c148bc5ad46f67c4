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

template <class Sync> void add_all(catalogue &to, const std::string &variant)
{
    to.add<reservation, Sync>("reservation", variant);
    to.add<reassembly, Sync>("reassembly", variant);
    to.add<kmeans, Sync>("kmeans", variant);
    to.add<graph, Sync>("graph", variant);
    to.add<maze, Sync>("maze", variant);
}

/** One per source file. */
void add_locks(catalogue &to);
void add_libtm(catalogue &to);
void add_libitm(catalogue &to);

} // namespace applications

#endif
