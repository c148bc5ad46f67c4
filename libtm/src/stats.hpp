// SPDX-License-Identifier: MIT
/**
 * @file stats.hpp
 * A context's counters: written by its thread alone, read by anybody.
 */
#pragma once

#include <atomic>
#include <tm/config.h>

namespace libtm::engine {

class Counter {
public:
    /** By the owner only. Not a read-modify-write: nobody else writes. */
    void add(std::uint64_t by = 1) { value_.store(get() + by, std::memory_order_relaxed); }
    void raise_to(std::uint64_t value)
    {
        if (get() < value) value_.store(value, std::memory_order_relaxed);
    }
    std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

struct Stats {
    Counter readers, writers, serial, extensions, waits, max_attempts;
    Counter alone[2]; ///< those that have read, and those that have stored
    Counter aborts[TM_ABORT_REASONS];

    std::uint64_t commits() const { return readers.get() + writers.get() + alone[false].get() + alone[true].get(); }
};

} // namespace libtm::engine
