// SPDX-License-Identifier: MIT
/**
 * @file trace.hpp
 * Who did what to which address, in one schedule.
 */
#pragma once

#include "memory.hpp"

namespace libtm::explore {

struct Event {
    enum Kind : std::uint8_t { load, store, modify, failed_exchange, plain_read, plain_write, wait, end } kind;
    unsigned thread;
    unsigned size;
    std::uintptr_t addr;
    const void *pc;
    std::uint64_t value; ///< read or stored; of a modification what was there before
    std::uint64_t after = 0;
    unsigned place = 0; ///< in the schedule, see strategy.hpp
    unsigned back = 0; ///< a load that saw not the last value: how many before
};

class Trace {
public:
    void begin_run() { events_.clear(); }
    void add(const Event &event, unsigned place)
    {
        events_.push_back(event);
        events_.back().place = place;
    }
    /** A line for each event that matters to another thread, with its place in the schedule. */
    std::string text(Memory &memory) const;

private:
    std::vector<Event> events_;
};

} // namespace libtm::explore
