// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-applications-bench [--rounds=N] [--threads=N,...] [options of Google Benchmark]: see program.hpp.
 *
 * The sequential program is among the benchmarks whatever the numbers of threads are.
 */
#include "../program.hpp"
#include "suite.hpp"
#include <cstdlib>

int main(int argc, char **argv)
{
    // Its default depends on the number of threads, and for one it is not to synchronise at all.
    setenv("ITM_DEFAULT_METHOD", "ml_wt", 1);
    const auto fill = [](bench::catalogue &to) {
        applications::add_locks(to);
        applications::add_libtm(to);
        applications::add_libitm(to);
    };
    return bench::run(argc, argv, {"tm-applications-bench", "applications", "", 0, 64, {}, fill});
}
