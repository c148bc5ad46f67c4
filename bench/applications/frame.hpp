// SPDX-License-Identifier: MIT
/**
 * @file frame.hpp
 * How an application is measured: a fixed amount of work that some threads do to its end. The time is real time, from the
 * moment when all of them may begin to the end of the last one.
 *
 * An application is a class template over a synchronisation (suite.hpp). It has
 * - `input`: what it works on, made once by the default constructor, the same for all synchronisations and constant;
 * - `period`: one transaction in so many is timed;
 * - a constructor from the input and the number of threads that makes the shared data, by one thread;
 * - `work(thread, client)`: one thread's part, from 0; transactions go through the client;
 * - `intact()`: whether the result is what it must be, when all threads have ended.
 */
#ifndef BENCH_APPLICATIONS_FRAME_HPP
#define BENCH_APPLICATIONS_FRAME_HPP

#include "../driver.hpp"
#include <algorithm>
#include <barrier>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <tm/config.h>
#include <vector>

namespace applications {

using bench::nanoseconds;
using bench::now;

/** Random numbers (splitmix64) of which any seed is as good as another: one for each piece of work, whoever does it. */
class dice {
public:
    explicit dice(std::uint64_t seed) : state_(seed * 0xd1342543de82ef95u) {}

    std::uint64_t next()
    {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /** Uniform in [0, limit), for limits far below 2^32. */
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(((next() >> 32) * limit) >> 32); }

private:
    std::uint64_t state_;
};

/** The part of `total` pieces of work that is this thread's: [first, last). */
struct slice {
    std::size_t first, last;

    slice(std::size_t total, int thread, int threads)
        : first(total * static_cast<std::size_t>(thread) / static_cast<std::size_t>(threads)),
          last(total * (static_cast<std::size_t>(thread) + 1) / static_cast<std::size_t>(threads))
    {
    }
};

/** What one look at the clock costs, and so what is too much in a time between two. */
inline nanoseconds look()
{
    static const nanoseconds least = [] {
        nanoseconds best = INT64_MAX;
        for (int i = 0; i < 1000; ++i) {
            const nanoseconds before = now();
            best = std::min(best, now() - before);
        }
        return best;
    }();
    return least;
}

/** Through which a thread runs its transactions: counts them, and times some of them with their waiting and their retries. */
template <class Sync> class alignas(64) client {
public:
    explicit client(int period) : period_(period) {}

    template <class Body> auto run(const Body &body)
    {
        ++transactions;
        if (!Sync::concurrent || --until_ > 0) return Sync::run(body);
        until_ = period_;
        const nanoseconds before = now();
        const auto result = Sync::run(body);
        spent += std::max<nanoseconds>(now() - before - look(), 0);
        ++timed;
        return result;
    }

    std::int64_t transactions = 0;
    std::int64_t redone = 0; /**< pieces of private work that were for nothing: the application counts them */
    std::int64_t timed = 0;
    nanoseconds spent = 0; /**< in the timed ones */
    nanoseconds begin = 0, end = 0;
    nanoseconds busy = 0; /**< processor time in between */

private:
    int period_;
    int until_ = 1;
};

/** An input is made when it is first needed. */
template <class Input> const Input &made()
{
    static const Input input;
    return input;
}

template <class Sync> void report(benchmark::State &state, const std::vector<client<Sync>> &clients, const tm_stats &before)
{
    nanoseconds begin = INT64_MAX, end = 0, busy = 0;
    double transactions = 0, redone = 0, timed = 0, spent = 0;
    for (const client<Sync> &c : clients) {
        begin = std::min(begin, c.begin);
        end = std::max(end, c.end);
        busy = std::max(busy, c.busy);
        transactions += static_cast<double>(c.transactions);
        redone += static_cast<double>(c.redone);
        timed += static_cast<double>(c.timed);
        spent += static_cast<double>(c.spent);
    }
    state.SetIterationTime(static_cast<double>(end - begin) * 1e-9);
    // What the time would be if no other process ran: less than that by what the slowest thread sleeps.
    state.SetItemsProcessed(static_cast<std::int64_t>(transactions));
    state.counters["busy"] = static_cast<double>(busy) * 1e-9;
    state.counters["transactions"] = transactions;
    state.counters["redone"] = redone;
    if (timed > 0) state.counters["transaction_ns"] = spent / timed;
    const tm_stats after = Sync::count();
    const auto delta = [](std::uint64_t above, std::uint64_t below) { return static_cast<double>(above - below); };
    state.counters["commits"] = delta(after.commits, before.commits);
    state.counters["commits_alone"] = delta(after.alone, before.alone);
    state.counters["serial"] = delta(after.serial, before.serial);
    state.counters["extensions"] = delta(after.extensions, before.extensions);
    state.counters["waits"] = delta(after.waits, before.waits);
    double aborts = 0;
    for (int reason = 0; reason < TM_ABORT_REASONS; ++reason) {
        const double count = delta(after.aborts[reason], before.aborts[reason]);
        aborts += count;
        if (count > 0) state.counters[std::string("aborted_") + tm_abort_reason_name(static_cast<tm_abort_reason>(reason))] = count;
    }
    state.counters["aborts"] = aborts;
}

template <template <class> class Application, class Sync> void measure(benchmark::State &state, int threads)
{
    using Program = Application<Sync>;
    const auto &input = made<typename Program::input>();
    look();
    for (auto _ : state) {
        Program program(input, threads);
        std::vector<client<Sync>> clients(static_cast<std::size_t>(threads), client<Sync>(Program::period));
        const tm_stats before = Sync::count();
        std::barrier<> start(threads);
        const auto play = [&](int i) {
            const bench::place here(i, threads);
            client<Sync> &mine = clients[static_cast<std::size_t>(i)];
            start.arrive_and_wait();
            mine.begin = now();
            const nanoseconds busy = bench::processor_time();
            program.work(i, mine);
            mine.busy = bench::processor_time() - busy;
            mine.end = now();
        };
        if (threads == 1) {
            play(0); // in this very thread: a process that is to measure one thread alone has no other
        } else {
            std::vector<std::jthread> crew;
            for (int i = 0; i < threads; ++i) crew.emplace_back(play, i);
        }
        report(state, clients, before);
        if (!program.intact()) {
            bench::damaged = true;
            state.SkipWithError("the result is not what the work should have made");
        }
    }
}

/** Under a synchronisation, for all numbers of threads that are asked for; what is not concurrent, by one thread whatever they are. */
template <template <class> class Application, class Sync> void add(bench::catalogue &to, const std::string &application, const std::string &variant)
{
    for (const int threads : Sync::concurrent ? to.threads : std::vector{1})
        to.subjects.push_back({application, variant, threads, [threads](benchmark::State &state) { measure<Application, Sync>(state, threads); }, true});
}

} // namespace applications

#endif
