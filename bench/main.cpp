// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-bench [--rounds=N] [--window=MILLISECONDS] [--threads=N,...] [--libitm=METHOD] [options of Google Benchmark]: see program.hpp.
 */
#include "program.hpp"
#include "suite.hpp"
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

int main(int argc, char **argv)
{
    // libitm takes its default for one that it does not know.
    static constexpr std::array<std::string_view, 5> methods{"ml_wt", "gl_wt", "serial", "serialirr", "serialirr_onwrite"};
    std::string libitm = "ml_wt";
    const auto set = [&](const std::string &name, const std::string &value) {
        if (name != "--libitm" || std::ranges::find(methods, value) == methods.end()) return false;
        libitm = value;
        return true;
    };
    const auto fill = [&](bench::catalogue &catalogue) {
        bench::add_locks(catalogue);
        bench::add_libtm(catalogue);
        // Read when libitm is used first. Its default depends on the number of threads, and for one it is not to synchronise at all.
        setenv("ITM_DEFAULT_METHOD", libitm.c_str(), 1);
        bench::add_libitm(catalogue, libitm);
        bench::add_tbb(catalogue);
        bench::add_cds(catalogue);
    };
    return bench::run(argc, argv, {"tm-bench", "engine", "[--libitm=ml_wt|gl_wt|serial|serialirr|serialirr_onwrite] ", 50, bench::arena<bench::empty<int>>::most_threads, set, fill});
}
