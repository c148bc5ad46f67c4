// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-durable-bench [--rounds=N] [--window=MILLISECONDS] [--dir=DIRECTORY] [options of Google Benchmark]
 *
 * The name is WORKLOAD/VARIANT: `u8-16` is 16 threads whose transactions add to 8 random counters each and wait for the disk; `ins-1` one that inserts into a map;
 * `soon-u1-2` two whose transactions do not wait; `memory-u1-1` counters in plain memory, with and without an open pool in the process. As tm-bench does it: each round runs every variant
 * of a workload once, A B C A B C. A window ends with a check of all that was done.
 */
#include "../pool/files.hpp"
#include "stores.hpp"
#include <algorithm>
#include <atomic>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <numeric>
#include <thread>
#include <tm/persist.hpp>
#include <unistd.h>

namespace bench {
namespace {

struct settings {
    int rounds = 1;
    int window_ms = 200;
    std::string dir;
};

struct workload {
    const char *name;
    std::vector<variant> catalogue::*stores; ///< the kind of them
    wait_for waits;
    unsigned changes; ///< of a transaction
    unsigned threads;
};

constexpr workload workloads[] = {
    {"u1-1", &catalogue::counters, wait_for::disk, 1, 1}, {"u8-1", &catalogue::counters, wait_for::disk, 8, 1}, {"u1-2", &catalogue::counters, wait_for::disk, 1, 2},
    {"u1-4", &catalogue::counters, wait_for::disk, 1, 4}, {"u1-8", &catalogue::counters, wait_for::disk, 1, 8}, {"u1-16", &catalogue::counters, wait_for::disk, 1, 16},
    {"ins-1", &catalogue::maps, wait_for::disk, 1, 1}, {"ins-16", &catalogue::maps, wait_for::disk, 1, 16},
    {"soon-u1-1", &catalogue::counters, wait_for::nothing, 1, 1}, {"soon-u8-1", &catalogue::counters, wait_for::nothing, 8, 1}, {"soon-u1-2", &catalogue::counters, wait_for::nothing, 1, 2},
    {"soon-ins-1", &catalogue::maps, wait_for::nothing, 1, 1}, {"soon-ins-2", &catalogue::maps, wait_for::nothing, 1, 2},
};

using clock = std::chrono::steady_clock;

/** All that lives while the benchmarks run: stores are made when they are first wanted, and anew when they are full. */
class stage {
public:
    explicit stage(const std::string &dir) : place_(dir) {}

    store &get(const workload &what, const variant &which)
    {
        const std::string name = path((what.stores == &catalogue::maps ? "map-" : "") + which.name + (which.waits == wait_for::disk ? "" : "-soon"));
        std::unique_ptr<store> &it = stores_[name];
        if (it && !it->is_full()) return *it;
        it.reset();
        std::filesystem::remove_all(name);
        std::filesystem::create_directory(name);
        it = which.create(name + "/data");
        return *it;
    }
    std::string path(const std::string &name) const { return place_.path() + "/" + name; }

private:
    workplace place_;
    std::map<std::string, std::unique_ptr<store>> stores_;
};

/** Threads that run transactions until the time is over; how many they have done. */
std::uint64_t run_threads(store &on, const workload &what, clock::duration length, std::atomic<bool> &failed)
{
    std::atomic<std::uint64_t> all{0};
    const clock::time_point end = clock::now() + length;
    const auto body = [&](unsigned thread) {
        std::uint64_t done = 0;
        // The clock is looked at now and then where a transaction takes less than a microsecond.
        const std::uint64_t looks = what.waits == wait_for::disk ? 1 : 64;
        try {
            while (done % looks != 0 || clock::now() < end) {
                on.transaction(thread, what.changes);
                ++done;
            }
        } catch (const std::exception &e) {
            std::cerr << what.name << ": " << e.what() << '\n';
            failed = true;
        }
        all += done;
    };
    std::vector<std::thread> running;
    for (unsigned thread = 1; thread < what.threads; ++thread) running.emplace_back(body, thread);
    body(0);
    for (std::thread &thread : running) thread.join();
    return all;
}

/** What a window has cost, per transaction. `written` is all that went to the disk for `in_all` transactions; the rest is of the `timed` ones. */
void count(benchmark::State &state, const store::work_done &before, const store::work_done &after, std::uint64_t timed, std::uint64_t in_all, std::uint64_t written, std::size_t bytes)
{
    const auto add = [&state](const char *name, std::uint64_t above, std::uint64_t below) {
        if (above && below) state.counters[name] = static_cast<double>(above) / static_cast<double>(below);
    };
    add("bytes", after.bytes - before.bytes, timed);
    add("syncs", after.syncs - before.syncs, timed);
    add("group", timed, after.groups - before.groups);
    add("written", written, in_all);
    add("amplification", written, in_all * bytes);
}

void measure(benchmark::State &state, store &on, const workload &what, int window_ms)
{
    const clock::duration length = std::chrono::milliseconds(window_ms);
    std::atomic<bool> failed{false};
    ::sync(); // what others have left to the system is not in our time
    for (auto _ : state) {
        const std::uint64_t written = bytes_written();
        const std::uint64_t warm = run_threads(on, what, length / 8, failed);
        const store::work_done before = on.done();
        const clock::time_point begin = clock::now();
        const std::uint64_t done = run_threads(on, what, length, failed);
        state.SetIterationTime(std::chrono::duration<double>(clock::now() - begin).count());
        state.SetItemsProcessed(static_cast<std::int64_t>(done));
        const store::work_done after = on.done();
        if (!failed) on.settle(); // so that nothing of it is still to be written
        count(state, before, after, done, warm + done, bytes_written() - written, what.changes * on.bytes_of_change());
    }
    if (failed) throw std::runtime_error("a transaction failed");
    on.check();
}

/** Counters in plain memory. */
class in_memory final : public counters {
public:
    in_memory() { std::fill_n(at_, count_of_counters, 0); }

private:
    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        libtm::atomically([&] {
            for (const std::uint32_t i : which) libtm::store(at_[i], libtm::load(at_[i]) + 1);
        });
    }
    std::uint64_t sum() override { return std::accumulate(at_, at_ + count_of_counters, std::uint64_t{0}); }

    static inline std::uint64_t at_[count_of_counters]; // always at the same place
};

void measure_memory(benchmark::State &state, const stage &on, bool with_pool, int window_ms)
{
    std::unique_ptr<libtm::pool> open;
    if (with_pool) open = std::make_unique<libtm::pool>(on.path("beside"), std::size_t{1} << 20);
    in_memory memory;
    measure(state, memory, {"memory-u1-1", nullptr, wait_for::nothing, 1, 1}, window_ms);
}

bool parse(int argc, char **argv, settings &to)
{
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        const std::size_t equals = arg.find('=');
        const std::string name = arg.substr(0, equals), value = equals == std::string::npos ? "" : arg.substr(equals + 1);
        const int number = std::atoi(value.c_str());
        if (name == "--dir" && !value.empty()) to.dir = value;
        else if (name == "--rounds" && number > 0) to.rounds = number;
        else if (name == "--window" && number > 0) to.window_ms = number;
        else return false;
    }
    return true;
}

std::string joined(const std::vector<std::string> &words)
{
    return std::accumulate(words.begin(), words.end(), std::string(), [](const std::string &a, const std::string &b) { return a.empty() ? b : a + ", " + b; });
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
    using namespace bench;
    benchmark::Initialize(&argc, argv);
    settings chosen;
    const char *const temporary = std::getenv("TMPDIR");
    chosen.dir = temporary && *temporary ? temporary : "/var/tmp"; // not /tmp: that is often no disk
    if (!parse(argc, argv, chosen)) {
        std::cerr << "usage: tm-durable-bench [--rounds=N] [--window=MILLISECONDS] [--dir=DIRECTORY] [--benchmark_...]\n";
        return 2;
    }
    catalogue known;
    for (const auto add : {add_append, add_pool, add_sqlite, add_lmdb, add_pmdk, add_pmemobj, add_rocksdb}) add(known);
    std::unique_ptr<stage> on;
    bool failed = false;
    const auto guarded = [&](benchmark::State &state, auto &&body) {
        try {
            if (!on) on = std::make_unique<stage>(chosen.dir);
            body();
        } catch (const std::exception &e) {
            state.SkipWithError(e.what());
        }
        failed |= state.error_occurred();
    };
    const auto enroll = [](const std::string &name, const auto &body) { benchmark::RegisterBenchmark(name.c_str(), body)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond); };
    for (const workload &what : workloads)
        for (int round = 0; round < chosen.rounds; ++round)
            for (const variant &v : known.*what.stores)
                if (v.waits == what.waits)
                    enroll(std::string(what.name) + "/" + v.name, [&](benchmark::State &state) { guarded(state, [&] { measure(state, on->get(what, v), what, chosen.window_ms); }); });
    for (int round = 0; round < chosen.rounds; ++round)
        for (const bool with_pool : {false, true})
            enroll(std::string("memory-u1-1/") + (with_pool ? "with-pool" : "without"), [&, with_pool](benchmark::State &state) { guarded(state, [&] { measure_memory(state, *on, with_pool, chosen.window_ms); }); });
    benchmark::AddCustomContext("compiler", __VERSION__);
    benchmark::AddCustomContext("directory", chosen.dir);
    benchmark::AddCustomContext("durable medium", medium(chosen.dir));
    benchmark::AddCustomContext("peers", joined(known.versions));
    benchmark::AddCustomContext("left out", joined(known.missing));
    const std::size_t ran = benchmark::RunSpecifiedBenchmarks();
    return ran == 0 || failed;
}
