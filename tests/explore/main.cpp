// SPDX-License-Identifier: MIT
// explore_tests [--quick | --long | --all] [--part I/N] [--only NAME] [--list] [--replay NAME SCHEDULE]: explores the engine's schedules.
#include "suite.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace libtm::test {

std::string Variant::name() const
{
    static const char *const names[] = {"wb", "wt", "mixed"};
    return std::string(names[static_cast<int>(buffering)]) + "/" + std::to_string(orecs);
}

std::vector<Scenario> &scenarios()
{
    static std::vector<Scenario> all;
    return all;
}

Add::Add(std::initializer_list<Scenario> list) { scenarios().insert(scenarios().end(), list); }

void Totals::add(const explore::Report &report, const std::string &name)
{
    ++programs;
    schedules += report.schedules;
    distinct += report.distinct;
    if (report.ok()) return;
    ++failures;
    std::printf("%s%s --replay '%s' %s\n", report.text().c_str(), program_invocation_name, name.c_str(), report.schedule.c_str());
}

namespace {

constexpr Buffering bufferings[] = {Buffering::write_back, Buffering::write_through, Buffering::mixed};
constexpr unsigned tables[] = {4, 0, 1, 2};

void set_options(const Scenario &scenario)
{
    tm_config_set("contention", "backoff");
    tm_config_set("max_retries", "100");
    tm_config_set("quiescence", "on");
    tm_config_set("bias", "0");
    tm_config_set("turns", "off");
    std::string rest = scenario.options;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(','), rest.size());
        const auto colon = rest.find(':');
        if (tm_config_set(rest.substr(0, colon).c_str(), rest.substr(colon + 1, end - colon - 1).c_str())) std::abort();
        rest.erase(0, end + 1);
    }
}

explore::Options options_of(const Scenario &scenario, const Variant &variant, bool weak)
{
    explore::Options options;
    options.orecs = variant.orecs;
    options.clock_bits = scenario.clock_bits;
    options.clock_start = scenario.clock_start;
    options.weak_memory = weak;
    return options;
}

std::string name_of(const Scenario &scenario, const Variant &variant, bool weak)
{
    return std::string(scenario.name) + "/" + variant.name() + (weak ? "/weak" : "/strong");
}

void explore_scenario(const Scenario &scenario, const Effort &effort, Totals &totals)
{
    set_options(scenario);
    for (const auto buffering : bufferings)
        for (const unsigned orecs : tables) {
            const Variant variant{buffering, orecs};
            for (const bool weak : {false, true}) {
                const std::string name = name_of(scenario, variant, weak);
                explore::Options options = options_of(scenario, variant, weak);
                options.name = name.c_str();
                if (weak)
                    options.random_schedules = effort.random * scenario.weight;
                else
                    options.most_schedules = effort.exhaustive * scenario.weight;
                totals.add(explore::explore(options, [&] { return scenario.make(variant); }), name);
                if (totals.failures >= effort.stop_after_failures) return;
            }
        }
}

int replay(const std::string &name, const std::string &schedule)
{
    if (replay_small_program(name, schedule)) return 0;
    for (const Scenario &scenario : scenarios())
        for (const auto buffering : bufferings)
            for (const unsigned orecs : tables)
                for (const bool weak : {false, true}) {
                    const Variant variant{buffering, orecs};
                    if (name_of(scenario, variant, weak) != name) continue;
                    set_options(scenario);
                    explore::Options options = options_of(scenario, variant, weak);
                    options.name = name.c_str();
                    options.replay = schedule;
                    return explore::explore(options, [&] { return scenario.make(variant); }).print();
                }
    std::fprintf(stderr, "no program '%s'; take a name and a schedule as a failing run has printed them\n", name.c_str());
    return 2;
}

bool wanted(const char *only, const char *name) { return !only || std::strstr(name, only); }

void explore_all(const Effort &effort, const char *only, Totals &totals)
{
    for (const Scenario &scenario : scenarios()) {
        if (!wanted(only, scenario.name)) continue;
        const Totals before = totals;
        explore_scenario(scenario, effort, totals);
        std::printf("%-48s %9llu schedules\n", scenario.name, static_cast<unsigned long long>(totals.distinct - before.distinct));
        if (totals.failures >= effort.stop_after_failures) return;
    }
    if (!wanted(only, "small")) return;
    set_options(Scenario{});
    const Totals before = totals;
    explore_small_programs(effort, totals);
    std::printf("%-48s %9llu schedules of %llu programs\n", "small", static_cast<unsigned long long>(totals.distinct - before.distinct),
                static_cast<unsigned long long>(totals.programs - before.programs));
}

} // namespace

} // namespace libtm::test

int main(int argc, char **argv)
{
    using namespace libtm::test;
    const Effort long_effort{.small_length = 3, .small_preemptions = 1, .exhaustive = 100000, .random = 50000};
    Effort effort = std::getenv("TM_TEST_LONG") ? long_effort : Effort{};
    const char *only = nullptr;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--quick")
            effort = {.exhaustive = 100, .random = 50, .parts = 10};
        else if (arg == "--long")
            effort = long_effort;
        else if (arg == "--all")
            effort = {.small_length = 3, .small_preemptions = 2, .exhaustive = 0, .random = 1000000};
        else if (arg == "--part" && i + 1 < argc && std::sscanf(argv[i + 1], "%u/%u", &effort.part, &effort.parts) == 2)
            ++i;
        else if (arg == "--only" && i + 1 < argc)
            only = argv[++i];
        else if (arg == "--list") {
            for (const Scenario &scenario : scenarios()) std::puts(scenario.name);
            return 0;
        } else if (arg == "--replay" && i + 2 < argc)
            return replay(argv[i + 1], argv[i + 2]);
        else {
            std::fprintf(stderr, "usage: %s [--quick | --long | --all] [--part I/N] [--only NAME] [--list] [--replay NAME SCHEDULE]\n", argv[0]);
            return 2;
        }
    }
    if (check_the_explorer()) return 1;
    Totals totals;
    explore_all(effort, only, totals);
    std::printf("explored: %llu distinct schedules of %llu programs, %u violations\n", static_cast<unsigned long long>(totals.distinct),
                static_cast<unsigned long long>(totals.programs), totals.failures);
    return totals.failures ? 1 : 0;
}
