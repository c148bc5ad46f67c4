// SPDX-License-Identifier: MIT
/**
 * @file sweep.hpp
 * A program is run once to count its allocations, then again and again, each time in a child of its own, with others of them failing.
 */
#pragma once

#include "faults.hpp"

#include <functional>
#include <string>
#include <vector>

namespace libtm::oom {

struct Program {
    std::string name;
    std::function<int()> run; ///< in a child, armed; returns its exit status
    bool (*excuse)(const std::string &output) = nullptr; ///< whether what it has printed tells that the fault is its own
};

/** Exit statuses that tell something else than a failure. A sanitizer has others. */
enum Status { all_right = 0, not_as_expected = 40, could_not_go_on = 41 };

struct Limits {
    std::uint64_t most;   ///< the first so many allocations of a program fail one by one, whatever their site
    std::uint64_t each;   ///< of each call site, the first so many
    std::uint64_t random; ///< of each call site, so many others
    unsigned seconds;     ///< what runs longer hangs
};

/** Defects that were mended: programs that make their own plans. */
std::vector<Program> regressions();

/** Runs every plan for every program. */
class Sweep {
public:
    explicit Sweep(const Limits &limits) : limits_(limits) {}
    void over(const Program &program);
    /** One run. */
    void once(const Program &program) { run(program, {}, false); }
    /** One run, its output shown. True: nothing was wrong. */
    bool replay(const Program &program, const Plan &plan);
    std::uint64_t runs() const { return runs_; }
    std::uint64_t violations() const { return violations_; }
    /** Of the runs, those that ended before their end, or not as their program expects without faults. */
    std::uint64_t ended_early() const { return early_; }
    std::uint64_t unexpected() const { return unexpected_; }

private:
    std::vector<Plan> plans() const;
    bool run(const Program &program, const Plan &plan, bool shown);

    Limits limits_;
    std::uint64_t runs_ = 0, violations_ = 0, early_ = 0, unexpected_ = 0;
    bool hangs_ = false; ///< the last run
};

/** Compares the call sites that were met with those in the machine code of libtm.so, and prints the table. The sites not met, or that never failed. */
unsigned report_sites(bool all_shall_fail);

} // namespace libtm::oom
