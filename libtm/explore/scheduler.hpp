// SPDX-License-Identifier: MIT
/**
 * @file scheduler.hpp
 * Runs one program under one schedule after the other. The threads are fibers; control goes from one to another through the hub, the
 * fiber of explore().
 *
 *     ready     may go on
 *     waiting   has called sched_yield(): goes on when something that it has read since its last wait is written, or when nobody is ready
 *     ended
 */
#pragma once

#include "memory.hpp"
#include "strategy.hpp"
#include "trace.hpp"

#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <tm/context.h>
#include <unordered_set>

namespace libtm::explore {

class Scheduler {
public:
    explicit Scheduler(const Options &options);
    Report explore(const std::function<Program()> &make);

    // What the threads do, through instrumentation.cpp.
    std::uint64_t load(std::uintptr_t addr, unsigned size, Order order, const void *pc);
    void store(std::uintptr_t addr, unsigned size, Order order, std::uint64_t value, const void *pc);
    /** `change(old)` is stored. Returns the old value. */
    template <class Change> std::uint64_t modify(std::uintptr_t addr, unsigned size, Order order, Change change, const void *pc)
    {
        Cell &cell = before_atomic(addr, size, true, pc);
        const std::uint64_t old = load_now(cell, order);
        store_now(cell, addr, size, order, change(old), true);
        trace_.add({Event::modify, current_, size, addr, pc, old, peek(addr, size)}, place_);
        return old;
    }
    bool compare_exchange(std::uintptr_t addr, unsigned size, Order order, std::uint64_t &expected, std::uint64_t desired, const void *pc);
    void fence(Order order) { memory_.fence(current_, order); }
    void fence_all() { memory_.fence_all(); }
    void plain(std::uintptr_t addr, std::size_t size, bool writes, const void *pc);
    void ignore_writes(bool ignore) { threads_[current_].ignores_writes = ignore; }
    void yield(const void *pc);
    void fail(const std::string &reason);

    unsigned current() const { return current_; }
    /** Whether code of the program's threads runs now: hub, `after` and the explorer itself are not watched. */
    bool watching() const { return watching_; }
    void watch(bool on) { watching_ = on; }
    bool in_thread() const { return in_thread_; }
    Memory &memory() { return memory_; }

    static std::uint64_t peek(std::uintptr_t addr, unsigned size);
    static void poke(std::uintptr_t addr, unsigned size, std::uint64_t value);

private:
    enum class State : std::uint8_t { ready, waiting, ended };
    /** What belongs to the OS thread, and is each fiber's own. */
    struct Local {
        tm_context *context = nullptr;
        int error = 0;
        std::uint64_t exceptions[2] = {}; ///< __cxa_eh_globals
        void swap_with_thread();
    };
    struct Read {
        const Cell *cell;
        std::uint32_t stores;
    };
    struct Thread {
        boost::context::fiber fiber;
        Local local;
        State state = State::ready;
        bool ignores_writes = false;
        std::uintptr_t stack_begin = 0, stack_end = 0;
        std::vector<Read> reads; ///< since its last wait
    };

    bool warm_up(Report &report, const std::function<Program()> &make);
    bool run_next(Report &report, const std::function<Program()> &make);
    void end_with_trace(Report &report);
    void run(const Program &program);
    void start(unsigned index, const std::function<void()> &body);
    void resume(unsigned index);
    void to_hub();
    bool choose_next();
    unsigned decide(Decision::Kind kind, unsigned alternatives, const std::uint8_t *threads);
    void offer_switch();
    void note(Cell &cell, bool writes);
    Cell &before_atomic(std::uintptr_t addr, unsigned size, bool writes, const void *pc);
    std::uint64_t load_now(Cell &cell, Order order);
    void store_now(Cell &cell, std::uintptr_t addr, unsigned size, Order order, std::uint64_t value, bool rmw);
    void wake_readers(const Cell &cell);
    bool may_wait() const;
    bool count_schedule();
    bool is_private(std::uintptr_t addr) const;
    bool matters(const Cell &cell, bool writes) const { return replays_ || cell.matters(current_, writes); }

    const Options &options_;
    const bool replays_;
    Memory memory_;
    Trace trace_;
    std::shared_ptr<Strategy> strategy_;
    boost::context::pooled_fixedsize_stack stacks_{256 * 1024};
    boost::context::fiber hub_;
    std::array<Thread, max_threads> threads_;
    unsigned count_ = 0;      ///< threads of the program
    unsigned current_ = 0;
    bool in_thread_ = false, watching_ = false;
    unsigned steps_ = 0, idle_rounds_ = 0, place_ = 0, plain_accesses_ = 0;
    bool more_points_ = false; ///< this run has shown more switch points than were known
    std::string failure_;
    std::string schedule_;
    std::uint64_t fingerprint_ = 0;
    std::unordered_set<std::uint64_t> fingerprints_;
};

/** The one that explores now, or null. */
extern Scheduler *scheduler;

} // namespace libtm::explore
