// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-bench [--rounds=N] [--window=MILLISECONDS] [--threads=N,...] [--libitm=METHOD] [options of Google Benchmark]
 *
 * The benchmarks of one workload stand together, and each round runs every one of them once: A B C A B C, so that
 * the n-th figures of all were measured within a second or so and can be compared on a machine whose speed changes.
 */
#include "suite.hpp"
#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>
#include <tm/tm.h>

namespace bench {

nanoseconds window;
bool damaged = false;

namespace {

struct options {
    int rounds = 1;
    int window_ms = 50;
    std::vector<int> threads{1, 2, 4, 8};
    std::string libitm = "ml_wt";
};

/** What Google Benchmark has left over. */
bool parse(int argc, char **argv, options &to)
{
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        const std::size_t equals = arg.find('=');
        if (equals == std::string::npos) return false;
        const std::string name = arg.substr(0, equals);
        if (name == "--libitm") {
            // libitm takes its default for one that it does not know.
            static constexpr std::array<std::string_view, 5> methods{"ml_wt", "gl_wt", "serial", "serialirr", "serialirr_onwrite"};
            to.libitm = arg.substr(equals + 1);
            if (std::ranges::find(methods, to.libitm) == methods.end()) return false;
            continue;
        }
        std::istringstream values(arg.substr(equals + 1));
        std::vector<int> numbers;
        for (std::string value; std::getline(values, value, ',');) numbers.push_back(std::atoi(value.c_str()));
        const bool sane = !numbers.empty() && std::ranges::all_of(numbers, [](int n) { return n >= 1; });
        if (!sane) return false;
        if (name == "--rounds")
            to.rounds = numbers[0];
        else if (name == "--window")
            to.window_ms = numbers[0];
        else if (name == "--threads" && std::ranges::all_of(numbers, [](int n) { return n <= arena<empty<int>>::most_threads; }))
            to.threads = numbers;
        else
            return false;
    }
    return true;
}

void enroll(const std::vector<subject> &subjects, int rounds)
{
    std::vector<std::string> workloads;
    for (const subject &s : subjects)
        if (std::ranges::find(workloads, s.workload) == workloads.end()) workloads.push_back(s.workload);
    for (const std::string &workload : workloads)
        for (int round = 0; round < rounds; ++round)
            for (const subject &s : subjects)
                if (s.workload == workload)
                    benchmark::RegisterBenchmark((s.workload + "/" + s.variant).c_str(), s.run)
                        ->Threads(s.threads)
                        ->Iterations(1)
                        ->UseManualTime()
                        ->Unit(benchmark::kMillisecond);
}

void describe(const catalogue &all)
{
    const auto joined = [](const std::vector<std::string> &phrases) {
        std::string text;
        for (const std::string &phrase : phrases) text += (text.empty() ? "" : "; ") + phrase;
        return text;
    };
    benchmark::AddCustomContext("suite", "engine");
    benchmark::AddCustomContext("compiler", __VERSION__);
    for (const char *const option : {"version", "heap"}) {
        char value[64] = "?";
        tm_config_get(option, value, sizeof value);
        benchmark::AddCustomContext(std::string("libtm ") + option, value);
    }
    benchmark::AddCustomContext("peers", joined(all.peers));
    benchmark::AddCustomContext("left out", joined(all.missing));
}

/**
 * A thread that does nothing. While a process has never had a second thread, the C library leaves the bus locks out of its mutexes,
 * which makes them twice as fast or more. So that a figure does not depend on what ran before it, a process that is to
 * measure several threads has this one from the start, and a process that is to measure one thread alone has none.
 */
class company {
public:
    ~company()
    {
        {
            const std::lock_guard hold(mutex_);
            leave_ = true;
        }
        left_.notify_one();
        thread_.join();
    }

private:
    void stay()
    {
        std::unique_lock hold(mutex_);
        left_.wait(hold, [this] { return leave_; });
    }

    std::mutex mutex_;
    std::condition_variable left_;
    bool leave_ = false;
    std::thread thread_{&company::stay, this};
};

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    bench::options options;
    if (!bench::parse(argc, argv, options)) {
        std::cerr << "usage: tm-bench [--rounds=N] [--window=MILLISECONDS] [--threads=N,...] [--libitm=ml_wt|gl_wt|serial|serialirr|serialirr_onwrite] [--benchmark_...]\n";
        return 2;
    }
    bench::window = bench::nanoseconds{options.window_ms} * 1'000'000;
    bench::catalogue catalogue(options.threads);
    bench::add_locks(catalogue);
    bench::add_libtm(catalogue);
    // Read when libitm is used first. Its default depends on the number of threads, and for one it is not to synchronise at all.
    setenv("ITM_DEFAULT_METHOD", options.libitm.c_str(), 1);
    bench::add_libitm(catalogue, options.libitm);
    bench::add_tbb(catalogue);
    bench::add_cds(catalogue);
    bench::enroll(catalogue.subjects, options.rounds);
    bench::describe(catalogue);
    const bool alone = std::ranges::max(options.threads) == 1;
    benchmark::AddCustomContext("alone", alone ? "yes" : "no");
    std::optional<bench::company> company;
    if (!alone) company.emplace();
    const std::size_t run = benchmark::RunSpecifiedBenchmarks();
    return run == 0 || bench::damaged;
}
