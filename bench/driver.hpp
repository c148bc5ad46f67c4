// SPDX-License-Identifier: MIT
/**
 * @file driver.hpp
 * How it is measured: a window of time in which the threads of one benchmark do one workload's operations as fast as they can.
 *
 * A fixed time, and not a fixed number of operations, so that all threads compete to the end and a slow one can be told from
 * a fast one. The rates are those of Google Benchmark: items per second of real time, over all threads; for one thread, of its
 * processor time.
 */
#ifndef BENCH_DRIVER_HPP
#define BENCH_DRIVER_HPP

#include "workloads.hpp"
#include <algorithm>
#include <atomic>
#include <benchmark/benchmark.h>
#include <chrono>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <sched.h>
#include <string>
#include <vector>

namespace bench {

using nanoseconds = std::int64_t;

/** One benchmark: a workload under a synchronisation, for some number of threads. */
struct subject {
    std::string workload;
    std::string variant;
    int threads;
    std::function<void(benchmark::State &)> run;
    bool starts_threads = false; ///< itself; else Google Benchmark does
};

/** The length of a window; main() sets it. */
extern nanoseconds window;
/** Whether some workload found its data damaged. */
extern bool damaged;

/** Counters of the synchronisation, if it has any, that are reported per operation. */
struct tally {
    double aborts = 0;
    double waits = 0;
    std::map<std::string, double> more = {}; ///< by name; of these only what has happened is reported
};

inline nanoseconds now()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/** Of the calling thread. */
inline nanoseconds processor_time()
{
    timespec spent{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return spent.tv_sec * 1'000'000'000 + spent.tv_nsec;
}

/**
 * While it lives, the calling thread stays on one processor if there is one for each thread: two threads that the scheduler puts on the
 * same one for a while never meet, and look several times as fast.
 */
class place {
public:
    place(int thread, int threads)
    {
        if (threads < 2 || sched_getaffinity(0, sizeof anywhere_, &anywhere_) != 0 || threads > CPU_COUNT(&anywhere_)) return;
        int cpu = 0;
        for (int before = thread; !CPU_ISSET(cpu, &anywhere_) || before-- > 0;) ++cpu;
        cpu_set_t here;
        CPU_ZERO(&here);
        CPU_SET(cpu, &here);
        pinned_ = sched_setaffinity(0, sizeof here, &here) == 0;
    }
    ~place()
    {
        if (pinned_) sched_setaffinity(0, sizeof anywhere_, &anywhere_);
    }
    place(const place &) = delete;
    place &operator=(const place &) = delete;

private:
    cpu_set_t anywhere_;
    bool pinned_ = false;
};

/** What the threads of one window share. */
template <class Workload> struct arena {
    static constexpr int most_threads = 64;
    struct alignas(64) score {
        std::int64_t operations = 0;
        std::int64_t total = 0;
        std::int64_t warmed = 0; ///< operations before the window
    };

    explicit arena(const typename Workload::parameters &parameters) : workload(parameters) {}

    Workload workload;
    alignas(64) std::atomic<nanoseconds> begin{0};
    score scores[most_threads];
};

/** One operation, under a synchronisation that may want to know what it is going to touch. */
template <class Sync, class Workload, class Arguments> std::int64_t perform(Workload &workload, const Arguments &args)
{
    const auto body = [&workload, args] { return workload.apply(args); };
    if constexpr (requires { Sync::run(workload, args, body); })
        return Sync::run(workload, args, body);
    else
        return Sync::run(body);
}

/** What a thread holds as long as it uses a synchronisation: nothing, where that has no `membership`. */
template <class Sync> struct membership {};
template <class Sync>
    requires requires { typename Sync::membership; }
struct membership<Sync> : Sync::membership {};

/** Run batches of operations until `end`; returns when it really ended. Batches grow until they dwarf the look at the clock. */
template <class Sync, class Workload, class Score>
nanoseconds play_until(nanoseconds end, Workload &workload, player &who, int &batch, Score &score)
{
    constexpr nanoseconds enough = 20'000;
    nanoseconds last = now();
    while (last < end) {
        std::int64_t total = 0;
        for (int i = 0; i < batch; ++i) {
            const auto args = workload.draw(who);
            total += perform<Sync>(workload, args);
        }
        score.operations += batch;
        score.total += total;
        const nanoseconds time = now();
        if (time - last < enough / 2) batch *= 2;
        last = time;
    }
    return last;
}

template <class Sync, class Workload>
void measure(benchmark::State &state, const typename Workload::parameters &parameters)
{
    using Arena = arena<Workload>;
    static std::unique_ptr<Arena> shared;
    static tally before;
    const int thread = state.thread_index();
    const place here(thread, state.threads());
    [[maybe_unused]] const membership<Sync> member;
    if (thread == 0) {
        shared = std::make_unique<Arena>(parameters);
        before = Sync::count();
    }
    for (auto _ : state) {
        Arena &arena = *shared;
        const nanoseconds length = window * std::max(1, state.threads() / 2);
        const nanoseconds warm = length / 8;
        nanoseconds begin = 0;
        const nanoseconds proposed = now() + warm;
        if (arena.begin.compare_exchange_strong(begin, proposed)) begin = proposed;
        player who(thread);
        int batch = 1;
        typename Arena::score warmed;
        play_until<Sync>(begin, arena.workload, who, batch, warmed);
        typename Arena::score measured;
        const nanoseconds busy = processor_time();
        const nanoseconds end = play_until<Sync>(begin + length, arena.workload, who, batch, measured);
        // A thread alone never waits, so it may as well be spared what other processes take of the machine.
        const nanoseconds taken = state.threads() == 1 ? processor_time() - busy : std::max(end - begin, length);
        state.SetIterationTime(static_cast<double>(taken) * 1e-9);
        state.SetItemsProcessed(measured.operations);
        arena.scores[thread] = {measured.operations, warmed.total + measured.total, warmed.operations};
    }
    // The end of the loop is a barrier of Google Benchmark's.
    if (thread == 0) {
        std::int64_t total = 0, all = 0, slowest = INT64_MAX, fastest = 0;
        for (int i = 0; i < state.threads(); ++i) {
            const auto &score = shared->scores[i];
            total += score.total;
            all += score.warmed + score.operations;
            slowest = std::min(slowest, score.operations);
            fastest = std::max(fastest, score.operations);
        }
        const tally after = Sync::count();
        const auto per_operation = [&](double count) { return count / static_cast<double>(std::max<std::int64_t>(all, 1)); };
        state.counters["slowest"] = static_cast<double>(slowest);
        state.counters["fastest"] = static_cast<double>(fastest);
        state.counters["aborts"] = per_operation(after.aborts - before.aborts);
        state.counters["waits"] = per_operation(after.waits - before.waits);
        for (const auto &[name, count] : after.more)
            if (const double counted = count - before.more.at(name); counted > 0) state.counters[name] = per_operation(counted);
        if (!shared->workload.intact(total)) {
            damaged = true;
            state.SkipWithError("the data are not what the operations should have made of them");
        }
        shared.reset();
    }
}

/** All subjects of one synchronisation are added through this: see suite.hpp. */
class catalogue {
public:
    /** With all numbers of threads that are asked for, or with those of them for which `wanted` is true. */
    template <class Sync, class Workload>
    void add(const std::string &workload, const std::string &variant, const typename Workload::parameters &parameters,
             const std::function<bool(int)> &wanted = [](int) { return true; })
    {
        for (const int number : threads)
            if ((number == 1 || Sync::concurrent) && wanted(number))
                subjects.push_back({workload, variant, number,
                                    [parameters](benchmark::State &state) { measure<Sync, Workload>(state, parameters); }});
    }

    explicit catalogue(std::vector<int> asked) : threads(std::move(asked)) {}

    /** The numbers of threads that are asked for. */
    const std::vector<int> threads;
    std::vector<subject> subjects;
    /** How the peers are configured, and which are missing and why: a phrase each. */
    std::vector<std::string> peers, missing;
};

} // namespace bench

#endif
