// SPDX-License-Identifier: MIT
/**
 * @file measure.hpp
 * What is measured, for Google Benchmark: the name is WORKLOAD/VARIANT, each iteration is a window of time.
 */
#ifndef BENCH_POOL_MEASURE_HPP
#define BENCH_POOL_MEASURE_HPP

#include "store.hpp"
#include <benchmark/benchmark.h>
#include <optional>

namespace bench {

struct settings {
    int rounds = 1;
    int window_ms = 100;
    int sustain_ms = 1500;
    std::size_t size_mib = 256;
    std::size_t crash_mib = 64; /**< of journal, when opened after a crash */
    std::string dir;            /**< the parent of the files' directory */

    std::size_t bytes() const { return size_mib << 20; }
    /** Of what is opened after a crash. */
    std::size_t crash_size() const { return std::max(bytes() / 4, crash_mib << 20); }
};

/** A benchmark; all of a workload stand together, and run in turn. */
struct subject {
    std::string workload;
    std::string variant;
    std::function<void(benchmark::State &)> run;
};

/** Everything that lives while the benchmarks run: the files, and the stores, each made when it is first wanted. */
class bench_run {
public:
    bench_run(const settings &chosen, catalogue what);
    ~bench_run();
    bench_run(const bench_run &) = delete;
    bench_run &operator=(const bench_run &) = delete;

    const settings &chosen() const { return chosen_; }
    const catalogue &known() const { return known_; }
    /** A path for a new file. */
    std::string path(const std::string &name);

    struct opened {
        std::unique_ptr<store> target;
        work what;
    };
    opened &get(const variant &which);
    /** Whether some files do not hold what they should; says so. */
    bool damaged();
    /** Run `body`; what it throws ends the benchmark with an error. */
    void guard(benchmark::State &state, const std::function<void()> &body);

private:
    struct stage;

    settings chosen_;
    catalogue known_;
    std::unique_ptr<stage> stage_;
    bool failed_ = false;
};

/** commit-N, commit-N-word: windows of commits of N pages, or of a word in each of them. sustain-N, sustain-N-word: longer, and write-back is part of it. */
void add_commits(std::vector<subject> &to, bench_run &run);
/** detect: find 1 % of changed pages. */
void add_detection(std::vector<subject> &to, bench_run &run);
/** open: after a crash. */
void add_opening(std::vector<subject> &to, bench_run &run);
/** The program that crashes: commits until the journal holds `crash_mib`, says how many, waits to be killed. */
int prepare_crash(const bench_run &run, const std::string &name, const std::string &path);

/** Nanoseconds of a steady clock. */
std::int64_t now();

} // namespace bench

#endif
