// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-applications-bench [--rounds=N] [--threads=N,...] [options of Google Benchmark]
 *
 * As tm-bench does it: each round runs every variant of an application once, A B C A B C. The sequential program is among them whatever the numbers of threads are.
 */
#include "suite.hpp"
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace applications {

bool damaged = false;

namespace {

struct options {
    int rounds = 1;
    std::vector<int> threads{1, 2, 4, 8};
};

/** Numbers from 1 to `most`, with commas between them; nothing if it is not that. */
std::vector<int> parse_numbers(std::string_view text, int most)
{
    std::vector<int> numbers;
    const char *const end = text.data() + text.size();
    for (const char *at = text.data();; ++at) {
        int number = 0;
        const auto [rest, error] = std::from_chars(at, end, number);
        if (error != std::errc{} || number < 1 || number > most) return {};
        numbers.push_back(number);
        if (rest == end) return numbers;
        if (*rest != ',') return {};
        at = rest;
    }
}

/** What Google Benchmark has left over. */
bool parse(int argc, char **argv, options &to)
{
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        const std::size_t equals = arg.find('=');
        if (equals == std::string_view::npos) return false;
        const std::string_view name = arg.substr(0, equals);
        const std::vector<int> numbers = parse_numbers(arg.substr(equals + 1), name == "--threads" ? 64 : 1'000'000);
        if (numbers.empty()) return false;
        if (name == "--rounds" && numbers.size() == 1)
            to.rounds = numbers[0];
        else if (name == "--threads")
            to.threads = numbers;
        else
            return false;
    }
    return true;
}

void enroll(const std::vector<subject> &subjects, int rounds)
{
    std::vector<std::string> names;
    for (const subject &s : subjects)
        if (std::ranges::find(names, s.application) == names.end()) names.push_back(s.application);
    for (const std::string &application : names)
        for (int round = 0; round < rounds; ++round)
            for (const subject &s : subjects)
                if (s.application == application)
                    benchmark::RegisterBenchmark((s.application + "/" + s.variant + "/" + std::to_string(s.threads)).c_str(), s.run)
                        ->Iterations(1)
                        ->UseManualTime()
                        ->Unit(benchmark::kMillisecond);
}

void describe(const options &chosen)
{
    benchmark::AddCustomContext("applications", "yes");
    // The engine and the C library treat a thread that never had company better, and what ran before would make a difference.
    benchmark::AddCustomContext("alone", std::ranges::max(chosen.threads) == 1 ? "yes" : "no");
    benchmark::AddCustomContext("compiler", __VERSION__);
    for (const char *const option : {"version", "heap"}) {
        char value[64] = "?";
        tm_config_get(option, value, sizeof value);
        benchmark::AddCustomContext(std::string("libtm ") + option, value);
    }
    benchmark::AddCustomContext("libitm method", std::getenv("ITM_DEFAULT_METHOD"));
}

} // namespace
} // namespace applications

int main(int argc, char **argv)
{
    // Its default depends on the number of threads, and for one it is not to synchronise at all.
    setenv("ITM_DEFAULT_METHOD", "ml_wt", 1);
    benchmark::Initialize(&argc, argv);
    applications::options options;
    if (!applications::parse(argc, argv, options)) {
        std::cerr << "usage: tm-applications-bench [--rounds=N] [--threads=N,..., each up to 64] [--benchmark_...]\n";
        return 2;
    }
    applications::catalogue catalogue(options.threads);
    applications::add_locks(catalogue);
    applications::add_libtm(catalogue);
    applications::add_libitm(catalogue);
    applications::enroll(catalogue.subjects, options.rounds);
    applications::describe(options);
    const std::size_t run = benchmark::RunSpecifiedBenchmarks();
    return run == 0 || applications::damaged;
}
