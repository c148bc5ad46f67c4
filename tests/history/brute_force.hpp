// SPDX-License-Identifier: MIT
// Opacity by its definition: try every order of all attempts. Shares no code or idea with the library, and only serves for a few attempts.
#pragma once

#include <algorithm>
#include <numeric>
#include <tm/history.hpp>
#include <vector>

namespace libtm::test {

/** Whether `order` keeps the order of the threads and of real time. */
inline bool keeps_time(const history::History &h, const std::vector<std::size_t> &order)
{
    for (std::size_t i = 0; i < order.size(); ++i)
        for (std::size_t k = i + 1; k < order.size(); ++k) {
            const auto &earlier = h.attempts[order[i]], &later = h.attempts[order[k]];
            if (later.thread == earlier.thread ? order[k] < order[i] : later.end < earlier.begin) return false;
        }
    return true;
}

/** Whether running the attempts one by one gives what they read. `effective`: bit i tells whether the unknown attempt i took effect. */
inline bool replays(const history::History &h, const std::vector<std::size_t> &order, unsigned effective)
{
    auto memory = h.initial;
    for (const std::size_t i : order) {
        const auto &attempt = h.attempts[i];
        auto view = memory;
        for (const auto &operation : attempt.operations) {
            if (operation.kind == history::Operation::write)
                view[operation.location] = operation.value;
            else if (view[operation.location] != operation.value)
                return false;
        }
        if (attempt.outcome == history::Outcome::committed || (attempt.outcome == history::Outcome::unknown && (effective >> i & 1))) memory = view;
    }
    return h.final.empty() || memory == h.final;
}

inline bool opaque_by_brute_force(const history::History &h)
{
    std::vector<std::size_t> order(h.attempts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    unsigned unknown = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
        if (h.attempts[i].outcome == history::Outcome::unknown) unknown |= 1u << i;
    do {
        if (!keeps_time(h, order)) continue;
        for (unsigned effective = unknown;; effective = (effective - 1) & unknown) { // every subset
            if (replays(h, order, effective)) return true;
            if (effective == 0) break;
        }
    } while (std::next_permutation(order.begin(), order.end()));
    return false;
}

} // namespace libtm::test
