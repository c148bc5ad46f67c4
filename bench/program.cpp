// SPDX-License-Identifier: MIT
#include "program.hpp"
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <tm/tm.h>

namespace bench {

nanoseconds window;
bool damaged = false;

namespace {

struct options {
    int rounds = 1;
    int window_ms;
    std::vector<int> threads{1, 2, 4, 8};
};

/** Numbers from 1 to `most`, with commas between them; nothing if it is not that. */
std::vector<int> numbers_of(std::string_view text, int most)
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
bool parse(int argc, char **argv, const program &what, options &to)
{
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        const std::size_t equals = arg.find('=');
        if (equals == std::string::npos) return false;
        const std::string name = arg.substr(0, equals), value = arg.substr(equals + 1);
        if (what.set && what.set(name, value)) continue;
        const std::vector<int> numbers = numbers_of(value, name == "--threads" ? what.most_threads : 1'000'000);
        if (numbers.empty()) return false;
        if (name == "--threads")
            to.threads = numbers;
        else if (name == "--rounds" && numbers.size() == 1)
            to.rounds = numbers[0];
        else if (name == "--window" && numbers.size() == 1 && what.window_ms)
            to.window_ms = numbers[0];
        else
            return false;
    }
    return true;
}

void enroll(const subject &one)
{
    std::string name = one.workload + "/" + one.variant;
    if (one.starts_threads) name.append("/").append(std::to_string(one.threads));
    auto *const entry = benchmark::RegisterBenchmark(name.c_str(), one.run)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);
    if (!one.starts_threads) entry->Threads(one.threads);
}

void enroll_all(const std::vector<subject> &subjects, int rounds)
{
    std::vector<std::string> workloads;
    for (const subject &s : subjects)
        if (std::ranges::find(workloads, s.workload) == workloads.end()) workloads.push_back(s.workload);
    for (const std::string &workload : workloads)
        for (int round = 0; round < rounds; ++round)
            for (const subject &s : subjects)
                if (s.workload == workload)
                    enroll(s);
}

void describe(const program &what, const catalogue &all)
{
    const auto joined = [](const std::vector<std::string> &phrases) {
        std::string text;
        for (const std::string &phrase : phrases) text += (text.empty() ? "" : "; ") + phrase;
        return text;
    };
    benchmark::AddCustomContext("suite", what.suite);
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

int run(int argc, char **argv, const program &what)
{
    benchmark::Initialize(&argc, argv);
    options options{.window_ms = what.window_ms};
    if (!parse(argc, argv, what, options)) {
        std::cerr << "usage: " << what.name << " [--rounds=N] " << (what.window_ms ? "[--window=MILLISECONDS] " : "") << "[--threads=N,...] " << what.usage << "[--benchmark_...]\n"
                  << "At most " << what.most_threads << " threads.\n";
        return 2;
    }
    window = nanoseconds{options.window_ms} * 1'000'000;
    catalogue catalogue(options.threads);
    what.fill(catalogue);
    enroll_all(catalogue.subjects, options.rounds);
    describe(what, catalogue);
    const bool alone = std::ranges::max(options.threads) == 1;
    benchmark::AddCustomContext("alone", alone ? "yes" : "no");
    std::optional<company> company;
    if (!alone) company.emplace();
    const std::size_t ran = benchmark::RunSpecifiedBenchmarks();
    return ran == 0 || damaged;
}

} // namespace bench
