// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-pool-bench [--rounds=N] [--window=MILLISECONDS] [--sustain=MILLISECONDS] [--size=MIB] [--journal=MIB] [--dir=DIRECTORY]
 * [options of Google Benchmark]
 *
 * As tm-bench does it: each round runs every variant of a workload once, A B C A B C.
 */
#include "files.hpp"
#include "measure.hpp"
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <numeric>

namespace bench {
namespace {

/** That this is the program to be killed: see opening.cpp. */
struct victim {
    std::string name, path;
};

bool parse_number(const std::string &text, std::size_t &to)
{
    char *end = nullptr;
    to = std::strtoul(text.c_str(), &end, 10);
    return !text.empty() && *end == '\0' && to >= 1 && to <= std::size_t{1} << 20;
}

/** What Google Benchmark has left over. */
bool parse(int argc, char **argv, settings &to, victim &crash)
{
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        const std::size_t equals = arg.find('=');
        if (equals == std::string::npos) return false;
        const std::string name = arg.substr(0, equals), value = arg.substr(equals + 1);
        std::size_t number = 0;
        if (name == "--dir")
            to.dir = value;
        else if (name == "--crash")
            crash.name = value;
        else if (name == "--at")
            crash.path = value;
        else if (!parse_number(value, number))
            return false;
        else if (name == "--rounds")
            to.rounds = static_cast<int>(number);
        else if (name == "--window")
            to.window_ms = static_cast<int>(number);
        else if (name == "--sustain")
            to.sustain_ms = static_cast<int>(number);
        else if (name == "--size" && number >= 8)
            to.size_mib = number;
        else if (name == "--journal")
            to.crash_mib = number;
        else
            return false;
    }
    return true;
}

void enroll(const std::vector<subject> &subjects, int rounds)
{
    for (auto first = subjects.begin(), last = first; first != subjects.end(); first = last) {
        last = std::find_if(first, subjects.end(), [first](const subject &s) { return s.workload != first->workload; });
        for (int round = 0; round < rounds; ++round)
            for (auto s = first; s != last; ++s)
                benchmark::RegisterBenchmark((s->workload + "/" + s->variant).c_str(), s->run)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
    }
}

std::string joined(const std::vector<std::string> &words)
{
    return std::accumulate(words.begin(), words.end(), std::string(), [](const std::string &a, const std::string &b) { return a.empty() ? b : a + ", " + b; });
}

void describe(const bench_run &run)
{
    const settings &chosen = run.chosen();
    benchmark::AddCustomContext("compiler", __VERSION__);
    benchmark::AddCustomContext("directory", chosen.dir);
    benchmark::AddCustomContext("medium", medium(chosen.dir));
    benchmark::AddCustomContext("size", std::to_string(chosen.size_mib));
    benchmark::AddCustomContext("crash journal", std::to_string(chosen.crash_mib));
    benchmark::AddCustomContext("peers", joined(run.known().versions));
    benchmark::AddCustomContext("left out", joined(run.known().missing));
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    bench::settings chosen;
    bench::victim crash;
    // Not /tmp: that is often no disk.
    const char *const temporary = std::getenv("TMPDIR");
    chosen.dir = temporary && *temporary ? temporary : "/var/tmp";
    if (!bench::parse(argc, argv, chosen, crash)) {
        std::cerr << "usage: tm-pool-bench [--rounds=N] [--window=MILLISECONDS] [--sustain=MILLISECONDS] [--size=MIB, at least 8] [--journal=MIB] [--dir=DIRECTORY] [--benchmark_...]\n";
        return 2;
    }
    bench::catalogue known;
    bench::add_append(known);
    bench::add_pool(known);
    bench::add_txmem(known);
    bench::add_mapped(known);
    bench::add_lmdb(known);
    bench::add_sqlite(known);
    bench::bench_run run(chosen, std::move(known));
    if (!crash.name.empty()) {
        try {
            return bench::prepare_crash(run, crash.name, crash.path);
        } catch (const std::exception &e) {
            std::cerr << crash.name << ": " << e.what() << '\n';
            return 1;
        }
    }

    std::vector<bench::subject> subjects;
    bench::add_commits(subjects, run);
    bench::add_detection(subjects, run);
    bench::add_opening(subjects, run);
    bench::enroll(subjects, chosen.rounds);
    bench::describe(run);
    const std::size_t ran = benchmark::RunSpecifiedBenchmarks();
    return ran == 0 || run.damaged();
}
