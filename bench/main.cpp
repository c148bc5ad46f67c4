// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-bench [--rounds=N] [--window=MILLISECONDS] [--threads=N,...] [options of Google Benchmark]: see program.hpp.
 */
#include "program.hpp"
#include "suite.hpp"
#include <cstdlib>

int main(int argc, char **argv)
{
    // Its default depends on the number of threads, and for one it is not to synchronise at all.
    setenv("ITM_DEFAULT_METHOD", "ml_wt", 1);
    benchmark::AddCustomContext("libitm method", "ml_wt");
    return bench::run(argc, argv,
                      {"tm-bench", "", bench::arena<bench::empty<int>>::most_threads, {}, [](bench::catalogue &catalogue) {
                           bench::add_locks(catalogue);
                           bench::add_libtm(catalogue);
                           bench::add_libitm(catalogue);
                       }});
}
