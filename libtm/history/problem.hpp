// SPDX-License-Identifier: MIT
/**
 * @file problem.hpp
 * A history made ready for the search: what each attempt needs of memory and leaves in it, the threads' attempts in order.
 */
#pragma once

#include <cstdint>
#include <tm/history.hpp>
#include <vector>

namespace libtm::history {

/** A number for each pair of a location and a value that occurs in it. */
using Datum = std::uint32_t;

/** What an attempt needs or leaves: the location and its datum. */
struct Item {
    std::uint32_t location;
    Datum datum;
};

/** An attempt, reduced: what it reads before it has written there, and the last that it writes to each location. */
struct Step {
    std::size_t attempt; ///< index in the history
    Moment begin, end;
    Outcome outcome;
    std::vector<Item> needs, leaves; ///< aborted: leaves nothing

    /** Whether memory may change by it. */
    bool may_write() const { return !leaves.empty(); }
};

struct Problem {
    /** Throws std::invalid_argument, as decide() says. */
    explicit Problem(const History &history);

    std::vector<Datum> initial, final; ///< final: empty if not known
    std::vector<std::vector<Step>> threads;
    std::vector<std::vector<Moment>> first_ends; ///< for each thread and position: the least end from there on
    std::size_t data = 0;                        ///< how many Datum there are
    /** An attempt that contradicts itself: it reads something else than what it wrote or read there before. None: ~0. */
    std::size_t contradicts_itself = ~std::size_t{0};
};

} // namespace libtm::history
