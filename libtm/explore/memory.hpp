// SPDX-License-Identifier: MIT
/**
 * @file memory.hpp
 * What the explorer knows of each word of memory: who has accessed it when (vector clocks), and which values an atomic load may see.
 *
 * The model is operational: stores enter a location's modification order when they are executed. A thread may read any message of that order which
 * is not overwritten for it, that is: not older than one that happens before the load, than one it has seen itself, and for a sequentially
 * consistent load than the last sequentially consistent store. Acquire loads take over what a release store (or the release sequence it
 * heads) knew. Read-modify-writes read the last message. Memory itself always holds the last message.
 */
#pragma once

#include <array>
#include <cstdint>
#include <tm/explore.hpp>
#include <unordered_map>
#include <vector>

namespace libtm::explore {

struct VectorClock {
    std::array<std::uint32_t, max_threads> at{};

    void join(const VectorClock &other)
    {
        for (unsigned i = 0; i < max_threads; ++i)
            if (at[i] < other.at[i]) at[i] = other.at[i];
    }
};

enum class Order : std::uint8_t { relaxed, consume, acquire, release, acq_rel, seq_cst };
inline bool acquires(Order order) { return order != Order::relaxed && order != Order::release; }
inline bool releases(Order order) { return order >= Order::release; }

struct Message {
    std::uint64_t value;
    std::uint32_t time; ///< of the thread that stored it; 0: everybody knows it
    std::uint8_t thread;
    bool has_view;
    VectorClock view; ///< what an acquiring reader learns
};

/** 8 bytes of memory, aligned. */
struct Cell {
    std::uintptr_t address = 0;
    std::uint32_t run = 0;     ///< what follows belongs to this run
    std::uint8_t size = 0;     ///< of its atomic accesses; 0: none yet
    std::uint8_t offset = 0;
    bool mixed = false;        ///< accesses of different sizes: loads see the last value
    bool freed = false;
    std::vector<Message> messages; ///< the modification order; the first one is what it held before
    std::array<std::uint32_t, max_threads> seen{}; ///< index of the newest message that the thread has read or written
    std::uint32_t stores = 0;  ///< in this run
    std::uint8_t last_writer = 0;
    std::uint32_t last_sc = 0; ///< index of the last sequentially consistent store

    std::uint8_t users = 0; ///< mask of the threads that have accessed it in this run
    enum Kind { plain_read, plain_write, atomic_read, atomic_write, kinds };
    struct Access {
        std::uint32_t time = 0;
        std::uint8_t bytes = 0; ///< mask
    };
    std::array<std::array<Access, kinds>, max_threads> accesses{};

    // Over all runs of one program: who has ever accessed it atomically. Tells where a switch of threads matters.
    std::uint32_t program = 0;
    std::uint8_t accessed_by = 0;
    std::uint8_t written_by = 0;
    bool matters(unsigned thread, bool writes) const { return ((writes ? accessed_by : written_by) & ~(1u << thread)) != 0; }
};

class Memory {
public:
    void begin_program() { ++program_; }
    void begin_run(bool weak);

    Cell &cell(std::uintptr_t addr);
    /** Note who accesses it atomically. Whether that is news. */
    bool note(Cell &cell, unsigned thread, bool writes);

    /** How many messages a load may choose from; 1 unless memory is weak. The last one is always among them. */
    unsigned readable(const Cell &cell, unsigned thread, Order order) const;
    /** Load the message that is `back` before the last. */
    std::uint64_t load(Cell &cell, unsigned thread, Order order, unsigned back);
    /** A store, or with `rmw` the storing half of a read-modify-write. The caller writes memory. */
    void store(Cell &cell, unsigned thread, Order order, std::uint64_t value, bool rmw);
    void fence(unsigned thread, Order order);
    /** A full fence in every thread. */
    void fence_all();

    /** Null, or what is wrong with a plain access, all of it in this cell. */
    const char *plain(Cell &cell, std::uintptr_t addr, std::size_t size, unsigned thread, bool writes);
    /** Before an atomic access to a word that holds `value`: null, or what is wrong with it. */
    const char *atomic(Cell &cell, std::uintptr_t addr, unsigned size, unsigned thread, bool writes, std::uint64_t value);

    /** A block has been freed, or made: its words. */
    void set_freed(std::uintptr_t addr, std::size_t size, bool freed);

private:
    bool knows(unsigned thread, unsigned other, std::uint32_t time) const { return view_[thread].at[other] >= time; }
    const char *check(Cell &cell, unsigned thread, std::uint8_t bytes, Cell::Kind kind);

    std::unordered_map<std::uintptr_t, Cell> cells_;
    std::array<VectorClock, max_threads> view_{};
    VectorClock fences_;
    std::uint32_t run_ = 0;
    std::uint32_t program_ = 0;
    bool weak_ = false;
};

} // namespace libtm::explore
