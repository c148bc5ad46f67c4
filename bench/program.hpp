// SPDX-License-Identifier: MIT
/**
 * @file program.hpp
 * What the programs with a catalogue of benchmarks have in common: their options, the order in which everything runs, what is said about the machine.
 *
 *     PROGRAM [--rounds=N] [--window=MILLISECONDS] [--threads=N,...] [options of its own] [options of Google Benchmark]
 *
 * The benchmarks of one workload stand together, and each round runs every one of them once: A B C A B C, so that
 * the n-th figures of all were measured within a second or so and can be compared on a machine whose speed changes.
 */
#ifndef BENCH_PROGRAM_HPP
#define BENCH_PROGRAM_HPP

#include "driver.hpp"

namespace bench {

/** One program of benchmarks. */
struct program {
    const char *name;
    const char *suite;                                                         /**< what its results are called */
    const char *usage;                                                         /**< its own options, as in `[--design=quick|full] `; or "" */
    int window_ms;                                                             /**< of a benchmark, unless `--window` says so; 0: they have none, and the option is refused */
    int most_threads;                                                          /**< more are refused */
    std::function<bool(const std::string &name, const std::string &value)> set; /**< an option of its own; false: there is none such */
    std::function<void(catalogue &)> fill;                                     /**< called when all options are known */
};

/** Run what the command line asks for. The program's exit status: 2, it was called wrongly; 1, nothing was run, or some data were damaged; else 0. */
int run(int argc, char **argv, const program &what);

} // namespace bench

#endif
