// SPDX-License-Identifier: MIT
// What the explored programs share: their variants, and the table of scenarios.
#pragma once

#include <string>
#include <tm/explore.hpp>
#include <tm/tm.hpp>
#include <tm/var.hpp>
#include <vector>

namespace libtm::test {

using explore::Program;

enum class Buffering { write_back, write_through, mixed };

/** One scenario is explored in several. */
struct Variant {
    Buffering buffering = Buffering::write_back;
    unsigned orecs = 4; ///< log2

    /** Attributes of the transactions of one thread. */
    attr how(unsigned thread, unsigned flags = 0) const
    {
        attr a{};
        a.mode = buffering == Buffering::write_back || (buffering == Buffering::mixed && thread % 2 == 0) ? TM_WRITE_BACK : TM_WRITE_THROUGH;
        a.flags = flags;
        return a;
    }
    std::string name() const;
};

struct Scenario {
    const char *name;
    Program (*make)(const Variant &);
    unsigned clock_bits = 60;
    unsigned clock_start = 0;
    const char *options = ""; ///< as in TM_CONF
    unsigned weight = 1;      ///< of the effort that others get
};

/** Adds its scenarios to the table. */
struct Add {
    Add(std::initializer_list<Scenario> scenarios);
};
std::vector<Scenario> &scenarios();

/** An integer on a stripe of its own. */
struct alignas(64) Cell {
    long value = 0;
    void set(long v) { store(value, v); }
    long get() const { return load(value); }
};

using explore::check;

/** Sums over what has been explored. */
struct Totals {
    std::uint64_t programs = 0, schedules = 0, distinct = 0;
    unsigned failures = 0;
    void add(const explore::Report &report, const std::string &replay);
};

struct Effort {
    unsigned small_length = 2;  ///< operations of a small transaction, at most
    unsigned small_preemptions = 1;
    std::uint64_t exhaustive = 1500; ///< schedules of a scenario's variant, at most
    std::uint64_t random = 400;      ///< and with random priorities, weak memory
    unsigned part = 0, parts = 1;    ///< of the small programs
    std::uint64_t stop_after_failures = 1;
};

/** Programs that are known to be wrong, or sound. How many of them the explorer mistakes. */
unsigned check_the_explorer();

void explore_small_programs(const Effort &effort, Totals &totals);
/** Replay one small program. False: there is none of that name. */
bool replay_small_program(const std::string &name, const std::string &schedule);

} // namespace libtm::test
