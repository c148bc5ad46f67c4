// SPDX-License-Identifier: MIT
#include "measure.hpp"
#include "dirty.hpp"
#include "files.hpp"
#include <algorithm>
#include <chrono>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace bench {

std::int64_t now()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/** The stores go first. */
struct bench_run::stage {
    explicit stage(const std::string &dir) : place(dir) {}

    workplace place;
    std::map<std::string, opened> stores;
};

bench_run::bench_run(const settings &chosen, catalogue what) : chosen_(chosen), known_(std::move(what)) {}

bench_run::~bench_run() = default;

std::string bench_run::path(const std::string &name)
{
    if (!stage_) stage_ = std::make_unique<stage>(chosen_.dir);
    return stage_->place.path() + "/" + name;
}

bench_run::opened &bench_run::get(const variant &which)
{
    const site where{path(which.name), chosen_.bytes()};
    const auto found = stage_->stores.find(which.name);
    if (found != stage_->stores.end()) return found->second;
    // The biggest has two pages for each of the image, and both may exist twice.
    if (free_space(chosen_.dir) < 5 * where.bytes + 2 * journal_bytes) throw std::runtime_error("not enough space in " + chosen_.dir);
    return stage_->stores.emplace(which.name, opened{which.create(where), work(where.pages())}).first->second;
}

bool bench_run::damaged()
{
    if (!stage_) return failed_;
    for (auto &[name, store] : stage_->stores) {
        std::string what;
        try {
            what = store.target->damage(store.what);
        } catch (const std::exception &e) {
            what = e.what();
        }
        if (what.empty()) continue;
        std::cerr << name << ": " << what << '\n';
        failed_ = true;
    }
    return failed_;
}

void bench_run::guard(benchmark::State &state, const std::function<void()> &body)
{
    try {
        body();
    } catch (const std::exception &e) {
        failed_ = true;
        state.SkipWithError(e.what());
    }
}

namespace {

struct task {
    std::size_t pages;
    extent what;
    bool sustained;
};

std::string name_of(const task &t)
{
    return (t.sustained ? "sustain-" : "commit-") + std::to_string(t.pages) + (t.what == extent::word ? "-word" : "");
}

/** In microseconds; `samples` get sorted. */
void describe(benchmark::State &state, std::vector<std::int64_t> &samples)
{
    std::ranges::sort(samples);
    const auto at = [&samples](double share) {
        return static_cast<double>(samples[static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1))]) * 1e-3;
    };
    state.counters["median"] = at(0.5);
    state.counters["p99"] = at(0.99);
    state.counters["p999"] = at(0.999);
    state.counters["max"] = at(1);
}

/** Commit for a window of time, and at least this often. */
void measure(benchmark::State &state, bench_run::opened &on, const task &t, std::int64_t length)
{
    constexpr std::size_t least = 3;
    const auto commit = [&] { on.target->commit(on.what.draw(t.pages, t.what)); };
    std::vector<std::int64_t> samples;
    // What the one before has left to the system is not in this one's time: pages to be written, and blocks of removed files, which some file systems discard a while later.
    ::sync();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (auto _ : state) {
        const std::int64_t warm = now() + std::min<std::int64_t>(length / 8, 20'000'000);
        do commit();
        while (now() < warm);
        if (t.sustained) on.target->settle();
        const auto before = on.target->count();
        const std::uint64_t written = bytes_written();
        const std::int64_t begin = now();
        for (std::int64_t last = begin; last < begin + length || samples.size() < least;) {
            commit();
            const std::int64_t time = now();
            samples.push_back(time - last);
            last = time;
        }
        if (t.sustained) on.target->settle();
        state.SetIterationTime(static_cast<double>(now() - begin) * 1e-9);
        state.SetItemsProcessed(static_cast<std::int64_t>(samples.size()));
        for (const auto &[name, value] : on.target->count()) state.counters[name] = value - before.at(name);
        // Else the rest of it comes later.
        if (t.sustained) state.counters["written"] = static_cast<double>(bytes_written() - written);
    }
    // Not in the time of whoever is next.
    if (!t.sustained) on.target->settle();
    describe(state, samples);
    state.SetLabel(on.target->note());
}

} // namespace

void add_commits(std::vector<subject> &to, bench_run &run)
{
    for (const task &t : {task{1, extent::page, false}, {8, extent::page, false}, {64, extent::page, false}, {1024, extent::page, false}, {8, extent::word, false},
                          {8, extent::page, true}, {1024, extent::page, true}, {8, extent::word, true}, {1024, extent::word, true}})
        for (const variant &v : run.known().variants) {
            if ((t.sustained && !v.sustained) || (v.words_only && t.what != extent::word)) continue;
            const std::int64_t length = std::int64_t{1'000'000} * (t.sustained ? run.chosen().sustain_ms : run.chosen().window_ms);
            to.push_back({name_of(t), v.name, [&run, &v, t, length](benchmark::State &state) { run.guard(state, [&] { measure(state, run.get(v), t, length); }); }});
        }
}

namespace {

using detection = std::unique_ptr<dirty_pages> (*)(const mapping &);

/** Change 1 % of the pages, find them; again and again. Only finding is timed. */
void detect(benchmark::State &state, bench_run &run, const std::string &path, detection way)
{
    constexpr int times = 5;
    const std::size_t bytes = run.chosen().bytes();
    const bool is_new = !std::filesystem::exists(path);
    file data(path, O_RDWR | O_CREAT);
    if (is_new) data.prewrite(bytes);
    const mapping image(data, bytes, MAP_PRIVATE);
    const auto dirty = way(image);
    work what(bytes / page_size);
    std::vector<std::int64_t> samples;
    for (auto _ : state) {
        for (int i = 0; i < times; ++i) {
            const auto changes = what.draw(what.pages() / 100, extent::page);
            for (const change &c : changes) c.apply(image.page(c.page));
            const std::int64_t begin = now();
            const auto &found = dirty->find();
            samples.push_back(now() - begin);
            std::size_t pages = 0;
            for (const page_run &r : found) pages += r.count;
            if (pages != changes.size()) throw std::runtime_error("found " + std::to_string(pages) + " of " + std::to_string(changes.size()) + " changed pages");
            dirty->forget();
        }
        std::int64_t total = 0;
        for (const std::int64_t sample : samples) total += sample;
        state.SetIterationTime(static_cast<double>(total) * 1e-9);
        state.SetItemsProcessed(times);
    }
    describe(state, samples);
}

} // namespace

void add_detection(std::vector<subject> &to, bench_run &run)
{
    struct named {
        const char *name;
        detection way;
    };
    for (const named &n : {named{"written", watch_written}, {"copied", watch_copied}, {"pagemap", watch_pagemap}, {"kpageflags", watch_kpageflags}}) {
        // Whether it works does not depend on the size.
        bool works = false;
        {
            const file any("/proc/self/exe", O_RDONLY);
            const mapping small(any, page_size, MAP_PRIVATE);
            works = n.way(small) != nullptr;
        }
        if (works)
            to.push_back({"detect", n.name, [&run, n](benchmark::State &state) {
                              run.guard(state, [&] { detect(state, run, run.path("detect"), n.way); });
                          }});
    }
}

} // namespace bench
