// SPDX-License-Identifier: MIT
#include "scheduler.hpp"

#include "engine_state.hpp"
#include "heap.hpp"

#include <cerrno>
#include <cstdio>
#include <cxxabi.h>
#include <link.h>
#include <utility>

namespace libtm::explore {

Scheduler *scheduler = nullptr;

namespace {

/** Where the OS thread keeps its thread-local variables, which are not shared: the fibers swap what matters there. */
std::uintptr_t tls_begin, tls_end;
/** Static storage of the program, with the arena of its heap: where shared data is. */
std::uintptr_t static_begin, static_end;

void find_static_storage()
{
    dl_iterate_phdr(
        [](dl_phdr_info *info, std::size_t, void *) {
            for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
                const auto &segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_W)) continue;
                static_begin = info->dlpi_addr + segment.p_vaddr;
                static_end = static_begin + segment.p_memsz;
            }
            return 1; // the first one is the program
        },
        nullptr);
}

void find_tls()
{
    std::size_t size = 4096;
    dl_iterate_phdr(
        [](dl_phdr_info *info, std::size_t, void *data) {
            for (unsigned i = 0; i < info->dlpi_phnum; ++i)
                if (info->dlpi_phdr[i].p_type == PT_TLS) *static_cast<std::size_t *>(data) += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
            return 0;
        },
        &size);
    const auto self = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
    tls_begin = self - size;
    tls_end = self + 4096;
}

void set_freed(std::uintptr_t block, std::size_t size, bool freed)
{
    if (scheduler && scheduler->in_thread()) scheduler->memory().set_freed(block, size, freed);
}

constexpr unsigned most_plain_accesses = 1000000;
constexpr unsigned most_idle_rounds = 1000; // threads woken with nothing to wake them for, one after another

} // namespace

std::uint64_t Scheduler::peek(std::uintptr_t addr, unsigned size)
{
    switch (size) {
    case 1: return *reinterpret_cast<volatile std::uint8_t *>(addr);
    case 2: return *reinterpret_cast<volatile std::uint16_t *>(addr);
    case 4: return *reinterpret_cast<volatile std::uint32_t *>(addr);
    default: return *reinterpret_cast<volatile std::uint64_t *>(addr);
    }
}

void Scheduler::poke(std::uintptr_t addr, unsigned size, std::uint64_t value)
{
    switch (size) {
    case 1: *reinterpret_cast<volatile std::uint8_t *>(addr) = static_cast<std::uint8_t>(value); break;
    case 2: *reinterpret_cast<volatile std::uint16_t *>(addr) = static_cast<std::uint16_t>(value); break;
    case 4: *reinterpret_cast<volatile std::uint32_t *>(addr) = static_cast<std::uint32_t>(value); break;
    default: *reinterpret_cast<volatile std::uint64_t *>(addr) = value;
    }
}

void Scheduler::Local::swap_with_thread()
{
    std::swap(context, tm_self_);
    std::swap(error, errno);
    auto *const globals = reinterpret_cast<std::uint64_t *>(abi::__cxa_get_globals());
    std::swap(exceptions[0], globals[0]);
    std::swap(exceptions[1], globals[1]);
}

Scheduler::Scheduler(const Options &options) : options_(options), replays_(!options.replay.empty())
{
    find_tls();
    find_static_storage();
    strategy_ = !options.replay.empty() ? make_replay(options.replay) : options.random_schedules ? make_random(options) : make_exhaustive(options);
}

// ---- one schedule

void Scheduler::start(unsigned index, const std::function<void()> &body)
{
    Thread &thread = threads_[index];
    thread.local = {engine_state::context_of(index), 0, {}};
    thread.state = State::ready;
    thread.ignores_writes = false;
    thread.reads.clear();
    thread.fiber = boost::context::fiber(std::allocator_arg, stacks_, [this, index, &body](boost::context::fiber &&hub) {
        hub_ = std::move(hub);
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        threads_[index].stack_begin = here - 200 * 1024;
        threads_[index].stack_end = here + 4096;
        watching_ = true;
        try {
            body();
        } catch (...) {
            fail("an exception has left the thread");
        }
        watching_ = false;
        threads_[index].state = State::ended;
        trace_.add({Event::end, index, 0, 0, nullptr, 0}, place_);
        return std::move(hub_);
    });
}

void Scheduler::resume(unsigned index)
{
    current_ = index;
    Thread &thread = threads_[index];
    thread.local.swap_with_thread();
    in_thread_ = true;
    thread.fiber = std::move(thread.fiber).resume();
    in_thread_ = false;
    thread.local.swap_with_thread();
}

void Scheduler::to_hub() { hub_ = std::move(hub_).resume(); }

unsigned Scheduler::decide(Decision::Kind kind, unsigned alternatives, const std::uint8_t *threads)
{
    if (alternatives < 2) return 0;
    const unsigned at = place_;
    const unsigned taken = strategy_->decide({kind, at, alternatives, threads});
    if (taken) {
        schedule_ += (schedule_.empty() ? "" : ",") + std::to_string(at) + ":" + std::to_string(taken);
        fingerprint_ = (fingerprint_ ^ (std::uint64_t{at} << 8 | taken)) * 0x9e3779b97f4a7c15u;
        fingerprint_ ^= fingerprint_ >> 29;
    }
    return taken;
}

/** Set current_ to the thread that goes on. False: all have ended, or nobody can. */
bool Scheduler::choose_next()
{
    ++place_;
    std::uint8_t ready[max_threads], waiting[max_threads];
    unsigned ready_count = 0, waiting_count = 0;
    for (unsigned i = 0; i < count_; ++i) {
        const auto index = static_cast<std::uint8_t>((current_ + 1 + i) % count_);
        if (threads_[index].state == State::ready) ready[ready_count++] = index;
        if (threads_[index].state == State::waiting) waiting[waiting_count++] = index;
    }
    if (ready_count) {
        current_ = ready[decide(Decision::next, ready_count, ready)];
        return true;
    }
    if (!waiting_count) return false;
    if (++idle_rounds_ > most_idle_rounds) {
        failure_ = "deadlock: all threads that have not ended wait for each other";
        return false;
    }
    current_ = waiting[0];
    threads_[current_].state = State::ready;
    return true;
}

void Scheduler::run(const Program &program)
{
    count_ = static_cast<unsigned>(program.threads.size());
    steps_ = idle_rounds_ = place_ = plain_accesses_ = 0;
    more_points_ = false;
    failure_.clear();
    schedule_.clear();
    fingerprint_ = 0;
    memory_.begin_run(options_.weak_memory);
    trace_.begin_run();
    strategy_->begin_run();
    for (unsigned i = 0; i < count_; ++i) start(i, program.threads[i]);
    current_ = count_ - 1;
    if (choose_next())
        do resume(current_);
        while (failure_.empty() && (threads_[current_].state == State::ready || choose_next()));
    if (!failure_.empty()) { // its fibers are stuck: leave them, with what they hold
        for (unsigned i = 0; i < count_; ++i) new boost::context::fiber(std::move(threads_[i].fiber));
        return;
    }
    engine_state::settle();
    if (program.after) program.after();
}

void Scheduler::fail(const std::string &reason)
{
    if (!failure_.empty()) return;
    failure_ = reason;
    if (!in_thread_) return;
    watching_ = false;
    failure_ += " (thread " + std::to_string(current_) + ")";
    to_hub(); // for good
}

// ---- what the threads do

bool Scheduler::is_private(std::uintptr_t addr) const
{
    const Thread &thread = threads_[current_];
    return (addr >= thread.stack_begin && addr < thread.stack_end) || (addr >= tls_begin && addr < tls_end);
}

void Scheduler::offer_switch()
{
    std::uint8_t threads[max_threads] = {static_cast<std::uint8_t>(current_)};
    unsigned alternatives = 1;
    for (unsigned i = 1; i < count_; ++i) {
        const auto index = static_cast<std::uint8_t>((current_ + i) % count_);
        if (threads_[index].state == State::ready) threads[alternatives++] = index;
    }
    const unsigned me = current_;
    const unsigned next = threads[decide(Decision::preemption, alternatives, threads)];
    if (next == me) return;
    current_ = next;
    to_hub();
}

void Scheduler::note(Cell &cell, bool writes)
{
    if (memory_.note(cell, current_, writes) && cell.written_by && (cell.accessed_by & (cell.accessed_by - 1))) more_points_ = true;
    if (++steps_ > options_.most_steps) fail("livelock: more than " + std::to_string(options_.most_steps) + " steps");
    if (matters(cell, writes)) offer_switch();
}

Cell &Scheduler::before_atomic(std::uintptr_t addr, unsigned size, bool writes, const void *pc)
{
    Cell &cell = memory_.cell(addr);
    ++place_;
    if (!is_private(addr)) note(cell, writes);
    if (const char *const wrong = memory_.atomic(cell, addr, size, current_, writes, peek(addr, size))) {
        trace_.add({writes ? Event::store : Event::load, current_, size, addr, pc, peek(addr, size)}, place_);
        fail(wrong);
    }
    return cell;
}

std::uint64_t Scheduler::load_now(Cell &cell, Order order) { return memory_.load(cell, current_, order, 0); }

void Scheduler::store_now(Cell &cell, std::uintptr_t addr, unsigned size, Order order, std::uint64_t value, bool rmw)
{
    memory_.store(cell, current_, order, value, rmw);
    poke(addr, size, value);
    ++cell.stores;
    cell.last_writer = static_cast<std::uint8_t>(current_);
    wake_readers(cell);
}

std::uint64_t Scheduler::load(std::uintptr_t addr, unsigned size, Order order, const void *pc)
{
    Cell &cell = before_atomic(addr, size, false, pc);
    ++place_;
    const unsigned back = decide(Decision::message, memory_.readable(cell, current_, order), nullptr);
    const std::uint64_t value = memory_.load(cell, current_, order, back);
    trace_.add({Event::load, current_, size, addr, pc, value, 0, 0, back}, place_);
    if (cell.matters(current_, false)) threads_[current_].reads.push_back({&cell, cell.stores});
    return value;
}

void Scheduler::store(std::uintptr_t addr, unsigned size, Order order, std::uint64_t value, const void *pc)
{
    Cell &cell = before_atomic(addr, size, true, pc);
    store_now(cell, addr, size, order, value, false);
    trace_.add({Event::store, current_, size, addr, pc, value}, place_);
}

bool Scheduler::compare_exchange(std::uintptr_t addr, unsigned size, Order order, std::uint64_t &expected, std::uint64_t desired, const void *pc)
{
    Cell &cell = before_atomic(addr, size, true, pc);
    const std::uint64_t old = load_now(cell, order);
    const bool done = old == expected;
    if (done)
        store_now(cell, addr, size, order, desired, true);
    else
        threads_[current_].reads.push_back({&cell, cell.stores});
    trace_.add({done ? Event::modify : Event::failed_exchange, current_, size, addr, pc, old, desired}, place_);
    expected = old;
    return done;
}

void Scheduler::plain(std::uintptr_t addr, std::size_t size, bool writes, const void *pc)
{
    if (++plain_accesses_ > most_plain_accesses) fail("a loop without end: more than " + std::to_string(most_plain_accesses) + " plain accesses");
    if (addr < static_begin || addr >= static_end) return; // stacks and malloc(3), which uses its memory again and again
    const bool ignored = writes && threads_[current_].ignores_writes;
    while (size) {
        const std::size_t part = std::min<std::size_t>(size, 8 - (addr & 7));
        Cell &cell = memory_.cell(addr);
        // Others look at privatized memory by atomic loads, while its owner writes it.
        if (writes) {
            ++place_;
            if (matters(cell, true)) note(cell, true);
        }
        if (const char *const wrong = ignored ? nullptr : memory_.plain(cell, addr, part, current_, writes)) {
            trace_.add({writes ? Event::plain_write : Event::plain_read, current_, static_cast<unsigned>(part), addr, pc, 0}, place_);
            fail(wrong);
        }
        addr += part;
        size -= part;
    }
}

// ---- waiting

void Scheduler::wake_readers(const Cell &cell)
{
    idle_rounds_ = 0;
    for (unsigned i = 0; i < count_; ++i) {
        if (threads_[i].state != State::waiting) continue;
        for (const Read &read : threads_[i].reads)
            if (read.cell == &cell) threads_[i].state = State::ready;
    }
}

/** Nothing that it has read has been written by another since. */
bool Scheduler::may_wait() const
{
    for (const Read &read : threads_[current_].reads)
        if (read.cell->stores != read.stores && read.cell->last_writer != current_) return false;
    return true;
}

void Scheduler::yield(const void *pc)
{
    if (++steps_ > options_.most_steps) fail("livelock: more than " + std::to_string(options_.most_steps) + " steps");
    const unsigned me = current_;
    if (may_wait()) { // else it is as if it had waited already
        strategy_->yields(me);
        threads_[me].state = State::waiting;
        trace_.add({Event::wait, me, 0, 0, pc, 0}, place_);
        if (!choose_next()) to_hub(); // deadlock: for good
        if (current_ != me) to_hub();
        threads_[me].state = State::ready;
    }
    threads_[me].reads.clear();
}

// ---- all schedules

/** Whether the schedule that has been run is new. */
bool Scheduler::count_schedule() { return strategy_->never_repeats() || fingerprints_.insert(fingerprint_).second; }

/** Run the next schedule. Whether all is well, and there is more to do. */
bool Scheduler::run_next(Report &report, const std::function<Program()> &make)
{
    heap::reset();
    engine_state::reset(options_);
    run(make());
    ++report.schedules;
    if (failure_.empty()) return true;
    report.failure = failure_;
    report.schedule = schedule_.empty() ? "-" : schedule_;
    return false;
}

/** Fail, or show the one that was to be replayed. */
void Scheduler::end_with_trace(Report &report)
{
    report.trace = trace_.text(memory_);
    if (!failure_.empty()) engine_state::drop_contexts();
}

/**
 * Before what counts. The logs of the contexts get their first memory, which no later schedule does again: then a schedule is the same in each
 * process. And a few random schedules show where threads meet, so that the exhaustive search need not begin again and again.
 */
bool Scheduler::warm_up(Report &report, const std::function<Program()> &make)
{
    constexpr unsigned random_ones = 24;
    const auto wanted = std::exchange(strategy_, make_replay("-"));
    bool ok = run_next(report, make) && run_next(report, make);
    if (wanted->never_repeats()) {
        strategy_ = make_random(options_);
        for (unsigned i = 0; ok && i < random_ones; ++i) ok = run_next(report, make);
    }
    strategy_ = wanted;
    if (ok) report.schedules = 0;
    return ok;
}

Report Scheduler::explore(const std::function<Program()> &make)
{
    Report report;
    report.name = options_.name;
    if (!strategy_) {
        report.failure = "not a schedule: '" + options_.replay + "'; take what was printed, like 12:1,40:2";
        return report;
    }
    memory_.begin_program();
    bool more = warm_up(report, make);
    while (more && run_next(report, make)) {
        if (replays_) break;
        if (more_points_ && strategy_->never_repeats()) {
            strategy_->restart();
            report.distinct = 0;
            continue;
        }
        if (strategy_->diverged()) {
            failure_ = report.failure = "the program does not do the same when the schedule is the same";
            report.schedule = schedule_;
            break;
        }
        report.distinct += count_schedule();
        more = strategy_->next_run();
    }
    if (replays_ || !failure_.empty()) end_with_trace(report);
    report.complete = strategy_->complete();
    return report;
}

Report explore(const Options &options, const std::function<Program()> &make)
{
    engine_state::prepare(options);
    heap::listen({[](std::uintptr_t block, std::size_t size) { set_freed(block, size, false); },
                  [](std::uintptr_t block, std::size_t size) { set_freed(block, size, true); }, [](const char *what) { fail(what); }});
    const auto own = std::make_unique<Scheduler>(options);
    Scheduler *const before = std::exchange(scheduler, own.get());
    Report report = own->explore(make);
    scheduler = before;
    return report;
}

void fail(const std::string &reason)
{
    if (scheduler) scheduler->fail(reason);
}

std::size_t live_blocks() { return heap::live_blocks(); }
unsigned current_thread() { return scheduler ? scheduler->current() : 0; }

std::string Report::text() const
{
    const std::string counts = std::to_string(schedules) + " schedules, " + std::to_string(distinct) + " distinct" + (complete ? ", all within the bound" : "");
    if (ok()) return name + ": " + counts + (trace.empty() ? "" : "\n" + trace) + "\n";
    return name + ": " + failure + ", after " + counts + "\n" + trace + "replay: " + schedule + "\n";
}

int Report::print() const
{
    std::fputs(text().c_str(), stdout);
    return ok() ? 0 : 1;
}

} // namespace libtm::explore
