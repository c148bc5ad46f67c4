// SPDX-License-Identifier: MIT
/**
 * @file history.hpp
 * Was that run of transactions opaque? A recorder for the threads of a test, and a decision over what they recorded. It stands for
 * itself: any transactional memory, lock or simulator will do. Library: libtm-history (static; pkg-config libtm-history).
 *
 *     libtm::history::Recorder recorder(2, {0, 0});        // threads; initial values of the locations 0 and 1
 *     // in thread t:
 *     auto &log = recorder.log(t);
 *     log.start();
 *     libtm::atomically([&] {
 *         log.attempt();
 *         log.read(0, libtm::load(x));
 *         log.write(1, 17);
 *         libtm::store(y, 17);
 *     });
 *     log.commit();
 *     // when the threads have ended:
 *     const auto history = recorder.history({x, y});        // with the final values
 *     if (libtm::history::decide(history).verdict != libtm::history::Verdict::opaque) puts(libtm::history::explain(history).c_str());
 *
 * A history is *opaque* (Guerraoui, Kapalka 2008) if one order of all its attempts explains it: committed ones read what the
 * committed ones before them have left (or what they have written themselves), an aborted one too, though nobody reads what it wrote; and an attempt
 * that ended before another began also stands before it. So a value that a doomed attempt should never have seen is a violation like a lost update.
 *
 * A location is whatever is read and written as a whole: an integer, or an object whose values are numbered. Each write should write a
 * value of its own: then a read tells whose write it saw, and the decision is sharp and fast. Equal values are allowed.
 */
#ifndef TM_HISTORY_HPP
#define TM_HISTORY_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace libtm::history {

/** What a location holds: any 64 bits, compared for equality only. */
using Value = std::uint64_t;
/** A moment of real time, in any unit; only the order counts. */
using Moment = std::uint64_t;

/** What an attempt did, in its order. */
struct Operation {
    enum Kind : std::uint8_t { read, write } kind;
    std::uint32_t location; ///< index into History::initial
    Value value;            ///< what the read returned, or what was written

    bool operator==(const Operation &) const = default;
};

/** How an attempt ended. `unknown`: it may have taken effect or not (its thread was killed in its commit). */
enum class Outcome : std::uint8_t { committed, aborted, unknown };

/** One run of a transaction's block. Accesses outside of transactions, where they are allowed (privatized data), are committed attempts. */
struct Attempt {
    unsigned thread = 0; ///< any number. The attempts of one thread come one after the other, in the order of History::attempts
    Moment begin = 0;    ///< not later than its first access
    Moment end = 0;      ///< not earlier than its last effect
    Outcome outcome = Outcome::committed;
    std::vector<Operation> operations;
};

/** A whole run. */
struct History {
    std::vector<Value> initial; ///< of each location
    std::vector<Attempt> attempts;
    std::vector<Value> final; ///< of each location, at the end of all attempts; empty: not known
};

/** `undecided`: the bound on states was hit. For a test that is a failure. */
enum class Verdict : std::uint8_t { opaque, violated, undecided };

/** What decide() found. */
struct Decision {
    Verdict verdict;
    std::uint64_t states; ///< states of the search from which several commits could have been the next
    /** Opaque: the serial order, as indices into History::attempts. Else: the longest beginning of an order that was found. */
    std::vector<std::size_t> order;
};

/** States after which decide() gives up: some 100 bytes of memory each. */
inline constexpr std::uint64_t most_states = 1000000;

/**
 * Decide whether a history is opaque. An attempt precedes another if it comes before it in the same thread, or if its end < the other's begin.
 *
 * Cost: attempts * threads + operations while one order suggests itself, which it does where the written values are unique and few writers
 * overlap; exponential in the number of overlapping writers at worst (the problem is NP-complete), bounded by `limit`.
 * Thread-safe. Throws std::invalid_argument for a location without an initial value, an end before its begin, a final memory of
 * another size, or attempts of one thread that are not in the order of their moments; std::bad_alloc.
 */
Decision decide(const History &history, std::uint64_t limit = most_states);

/**
 * The smallest part of a violated history that is still violated, in the sense that nothing more can be taken out: attempts, single reads and
 * writes, the final values. Nothing is taken out that another still needs to explain its reads, so the part is violated for a reason that
 * the whole has as well. A history that is not violated is returned as it is. Cost: some decide() for each attempt and operation. Errors as decide().
 * `kept`, if given, becomes the index in `history` of each attempt that is left.
 */
History smallest(const History &history, std::vector<std::size_t> *kept = nullptr);

/**
 * Several lines for a reader: the verdict; for a violation, smallest() of it, where each value that was read came from, how far the best order gets
 * and why it ends there, and whether the order of real time plays a part. Attempts are named `thread.number`, numbers from 1. Cost and errors as smallest().
 */
std::string explain(const History &history);

/**
 * The moments of one run, for all of its threads: a count of the attempts that have ended. If an attempt's begin() returns more than
 * another's end(), it began after that had ended. Thread-safe; wait-free.
 *
 * A counter orders what it counts, and could hide the very bug that is sought. So a begin only loads it, and both are relaxed: they create no
 * happens-before edge, so ThreadSanitizer sees the races that it would see without. On x86-64 nothing more is needed: the load comes before the later
 * loads, the locked addition after all that is earlier; and that addition makes no other order than an engine's own locked begin. Other
 * processors get acquire and release, as without them the moments would not be what they say.
 */
class Moments {
public:
    /** Before the first access of an attempt. */
    Moment begin() const noexcept
    {
        const Moment now = ended_.load(load_order);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return now;
    }
    /** After its last effect. */
    Moment end() noexcept
    {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return ended_.fetch_add(1, add_order);
    }

private:
#if defined(__x86_64__)
    static constexpr auto load_order = std::memory_order_relaxed, add_order = std::memory_order_relaxed;
#else
    static constexpr auto load_order = std::memory_order_acquire, add_order = std::memory_order_acq_rel;
#endif
    alignas(64) std::atomic<Moment> ended_{0};
};

/**
 * What one thread records; used by that thread alone. Recording is not undone by a rollback, which is the point. It allocates memory when it outgrows
 * what it had, as std::vector does. Record a read after it has returned, a write before it is made.
 */
class Log {
public:
    explicit Log(Moments &moments, unsigned thread = 0) : moments_(&moments), thread_(thread) {}

    /** Before the transaction begins. */
    void start() { since_ = moments_->begin(); }
    /**
     * First thing in its block, which may run several times: an attempt that is still open has been aborted. The new one counts from the last start(),
     * mark() or abort(): its true begin was later, which makes the check weaker, never wrong.
     */
    void attempt()
    {
        if (open_) close(Outcome::aborted, moments_->end());
        attempts_.push_back({since_, 0, Outcome::unknown, operations_.size(), 0});
        open_ = true;
    }
    /** Optional, at any moment in an attempt (a destructor of the block is a good place): the next attempt begins later than that. */
    void mark() { since_ = moments_->begin(); }
    /** A read has returned. */
    void read(std::size_t location, Value value) { operations_.push_back({Operation::read, static_cast<std::uint32_t>(location), value}); }
    /** A write is going to be made. */
    void write(std::size_t location, Value value) { operations_.push_back({Operation::write, static_cast<std::uint32_t>(location), value}); }
    /** The transaction has committed. */
    void commit() { close(Outcome::committed, moments_->end()); }
    /** The attempt has been rolled back. */
    void abort()
    {
        close(Outcome::aborted, moments_->end());
        start();
    }
    /** Nobody knows how it ended, if it has. */
    void lose() { close(Outcome::unknown, ~Moment{0}); }

    /** Append the attempts to a history and forget them; one that is still open is lost. */
    void move_to(History &history);
    /** Forget what was recorded; keep the memory. */
    void clear();

private:
    struct Part {
        Moment begin, end;
        Outcome outcome;
        std::size_t first, last; ///< of operations_
    };
    void close(Outcome outcome, Moment end)
    {
        if (!open_) return;
        open_ = false;
        attempts_.back().end = end;
        attempts_.back().outcome = outcome;
        attempts_.back().last = operations_.size();
    }

    Moments *moments_;
    unsigned thread_;
    bool open_ = false;
    Moment since_ = 0;
    std::vector<Part> attempts_;
    std::vector<Operation> operations_;
};

/** The logs of a run and their moments. One thread uses each log; history() is for when all have ended. */
class Recorder {
public:
    /** For threads 0, 1, ... `threads` - 1 and locations 0, 1, ... with these initial values. */
    Recorder(unsigned threads, std::vector<Value> initial);
    Recorder(const Recorder &) = delete;
    Recorder &operator=(const Recorder &) = delete;

    /** The log of a thread. */
    Log &log(unsigned thread) { return slots_[thread].log; }
    /** The history so far, with these final values (none: not known); the logs are empty afterwards. */
    History history(std::vector<Value> final = {});
    /** Begin anew, with these initial values. */
    void restart(std::vector<Value> initial);

private:
    struct alignas(128) Slot { // a cache line (with its neighbour, which is prefetched) for each thread
        Log log;
    };

    Moments moments_;
    std::vector<Value> initial_;
    std::vector<Slot> slots_;
};

} // namespace libtm::history

#endif
