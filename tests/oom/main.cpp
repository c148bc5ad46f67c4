// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * P17, P18: every allocation of libtm fails once, and for ever from there on, in workloads that use each feature of the engine.
 *
 *     oom_tests [--long] [--only TEXT]        sweep; TEXT is part of a workload's name
 *     oom_tests --replay NAME PLAN            one run, as a failure prints it
 */
#include "checked.hpp"
#include "sweep.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

namespace {

using namespace libtm;
using namespace libtm::oom;
using namespace libtm::test;

/** Threads whose end takes over what others had to leave, as they do not run alone, in their contexts. */
void use_all_contexts()
{
    constexpr unsigned most = 8;
    std::atomic<unsigned> begun{0};
    run_threads(most, [&](unsigned) {
        atomically([] {});
        for (++begun; begun != most;) std::this_thread::yield(); // lest one ends and another takes its context
    });
}

/** The workload in a thread of its own, which begins and ends while memory is out; then again with memory, when each step must commit. */
int run_workload(const Workload &workload, tm_mode mode, Language language)
{
    track();
    const auto checked = std::make_unique<Checked>(mode, language);
    std::thread([&] { workload.run(*checked); }).join();
    disarm();
    const std::uint64_t errors = shared->errors;
    std::thread([&] {
        workload.run(*checked);
        checked->clean_up();
    }).join();
    use_all_contexts();
    if (shared->errors != errors) violation("memory is back, and a transaction ended out of memory");
    if (const std::size_t left = odd_blocks()) violation("%zu blocks are lost", left);
    return all_right;
}

/** `some`: write-through in C, and write-back in the other two, since a sanitizer takes minutes for all. */
std::vector<Program> programs(bool some = false)
{
    std::vector<Program> result;
    for (const Workload &workload : workloads())
        for (const tm_mode mode : {TM_WRITE_BACK, TM_WRITE_THROUGH})
            for (const Language language : {Language::cxx, Language::c, Language::c_restart}) {
                if (some && (mode == TM_WRITE_THROUGH) != (language == Language::c)) continue;
                const std::string name = std::string(workload.name) + "." + (mode == TM_WRITE_BACK ? "wb" : "wt") + "." + language_names[static_cast<int>(language)];
                result.push_back({name, [=] { return run_workload(workload, mode, language); }});
            }
    return result;
}

int replay(const std::string &name, const std::string &text)
{
    Plan plan;
    if (text != "never:0:0" && !Plan::parse(text, plan)) {
        std::fprintf(stderr, "no plan: %s\n", text.c_str());
        return 2;
    }
    std::vector<Program> all = programs();
    for (const Program &program : regressions()) all.push_back(program);
    for (const Program &program : all)
        if (program.name == name) return Sweep({0, 0, 0, 600}).replay(program, plan) ? 0 : 1;
    std::fprintf(stderr, "no workload: %s\n", name.c_str());
    return 2;
}

} // namespace

int main(int argc, char **argv)
{
    bool is_long = std::getenv("TM_TEST_LONG") != nullptr;
    std::string only;
    if (!install()) {
        std::fprintf(stderr, "libtm.so has not been found\n");
        return 2;
    }
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--long")
            is_long = true;
        else if (option == "--only" && i + 1 < argc)
            only = argv[++i];
        else if (option == "--replay" && i + 2 < argc)
            return replay(argv[i + 1], argv[i + 2]);
        else
            return std::fprintf(stderr, "%s [--long] [--only TEXT] | --replay NAME PLAN\n", argv[0]), 2;
    }

    const bool slow = under_asan() || under_tsan();
    const Limits limits = is_long ? Limits{400, 10, 10, 60} : slow ? Limits{0, 1, 0, 60} : Limits{24, 2, 1, 30};
    Sweep sweep(limits);
    for (const Program &program : programs(slow && !is_long && only.empty()))
        if (program.name.find(only) != program.name.npos) sweep.over(program);
    for (const Program &program : regressions())
        if (program.name.find(only) != program.name.npos) sweep.once(program);
    const unsigned unmet = report_sites(only.empty());
    std::printf("explored: %lu faults injected in %lu runs, %lu transactions checked (%lu ended out of memory, %lu waited for it), %lu violations, %u sites not met\n",
                static_cast<unsigned long>(shared->all_refused), static_cast<unsigned long>(sweep.runs()), static_cast<unsigned long>(shared->steps),
                static_cast<unsigned long>(shared->errors), static_cast<unsigned long>(shared->waits), static_cast<unsigned long>(sweep.violations()), unmet);
    return sweep.violations() || unmet ? 1 : 0;
}
