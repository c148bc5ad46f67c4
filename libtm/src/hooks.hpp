// SPDX-License-Identifier: MIT
/**
 * @file hooks.hpp
 * The commits that another library takes part in: see tm/hooks.h.
 */
#pragma once

#include "context.hpp"

#include <tm/hooks.h>

namespace libtm::engine::hooks {

/** The addresses that concern the hooks; none if low >= high. A transaction that meets one half of a change only sees a range that contains what it was told of. */
struct alignas(64) Range {
    std::atomic<std::uintptr_t> low{0}, high{0};
    std::atomic<const tm_hooks *> table{nullptr};
};
extern constinit Range range;

inline bool has_range() { return range.high.load(std::memory_order_seq_cst) != 0; }
inline const tm_hooks &table() { return *range.table.load(std::memory_order_acquire); }

/** Whether the transaction has written at or above `low`, and below `high`. */
bool wrote_between(const Context &tx, std::uintptr_t low, std::uintptr_t high);

/** Whether the transaction has written where somebody wants to know. */
inline bool concern(const Context &tx)
{
    const std::uintptr_t high = range.high.load(std::memory_order_relaxed);
    return __builtin_expect(high != 0, 0) && wrote_between(tx, range.low.load(std::memory_order_relaxed), high);
}

} // namespace libtm::engine::hooks
