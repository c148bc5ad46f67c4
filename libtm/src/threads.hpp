// SPDX-License-Identifier: MIT
/**
 * @file threads.hpp
 * Who runs a transaction, and waiting until those who did at some moment have ended: quiescence and epochs.
 *
 * Every context has an *activity word*, the only thing it publishes about itself:
 *
 *     begins (41 bits) | bumps (22 bits) | active (1 bit)
 *
 * `begins` counts attempts. A committer is no longer active in its quiescence, when its memory is written: then nobody needs to wait for it,
 * though it holds its orecs still (Context::holds_orecs). A *bump* says: this transaction, still running, has validated everything that it read; one bump after another
 * says that a whole validation lay between. Whoever took locks before the first of them knows after the second that the
 * transaction has not read what those locks guard. That lets a transaction that waits for an orec assure its holder.
 */
#pragma once

#include "config.hpp"
#include "logs.hpp"

#include <cassert>
#include <cerrno>

namespace libtm::engine {

struct Context;

class Activity {
public:
    /** (10) An attempt begins. An exchange, so that no later load of this thread is ordered before it. */
    void enter() { word_.exchange(next_begin() | active, std::memory_order_seq_cst); }
    /** (11) The same for who has the bias, or the turn, if those who want it to end see to the order (fence::others()): no exchange. Release: who sees that it has begun knows that the one before has ended. */
    void enter_unordered()
    {
        assert(!is_active());
        word_.store(own() + (Word{1} << begin_shift) + active, std::memory_order_release);
    }
    /** (11) It has ended, or will do nothing but wait for others and let its orecs go: release, so that its accesses happen before what a waiter does next. */
    void leave()
    {
        const Word now = own();
        if (now & active) word_.store(now & ~active, std::memory_order_release); // else not again: others may be looking at the line
    }
    /** (11) The same for who is active. */
    void leave_active()
    {
        assert(is_active());
        word_.store(own() - active, std::memory_order_release);
    }
    /** See above. An exchange, so that the validations before and after stay there. */
    void bump() { word_.exchange((own() & ~bump_mask) | ((own() + bump_unit) & bump_mask), std::memory_order_seq_cst); }

    Word look() const { return word_.load(std::memory_order_seq_cst); }
    static bool is_idle(Word w) { return (w & active) == 0; }
    /** For the owner. */
    bool is_active() const { return !is_idle(own()); }
    /** Whether the attempt seen as `before` runs no more. */
    static bool has_ended(Word before, Word now) { return is_idle(now) || began_since(before, now); }
    /** Attempts begun so far. */
    static Word begins(Word w) { return w >> begin_shift; }
    static bool began_since(Word before, Word now) { return before >> begin_shift != now >> begin_shift; }
    /** Whether the attempt seen as `before` can no longer see what was locked before it was so seen. */
    static bool passed(Word before, Word now) { return is_idle(now) || began_since(before, now) || bumps(before, now) >= 2; }

private:
    static constexpr Word active = 1;
    static constexpr Word bump_unit = 2;
    static constexpr Word bump_mask = ((Word{1} << 22) - 1) << 1;
    static constexpr unsigned begin_shift = 23;

    static Word bumps(Word before, Word now) { return ((now - before) & bump_mask) >> 1; }
    Word own() const { return word_.load(std::memory_order_relaxed); }
    Word next_begin() const { return ((own() >> begin_shift) + 1) << begin_shift; }

    std::atomic<Word> word_{0};
};

/** All contexts ever made. They are never freed, but used again by later threads. */
class Registry {
public:
    /** A context for the calling thread. Null: no memory. */
    Context *acquire();
    void release(Context &context);
    Context *first() const { return first_.load(std::memory_order_seq_cst); }

private:
    bool number(Context &context);

    std::atomic<Context *> first_{nullptr};
    std::atomic<Word> slots_{0};
};
extern constinit Registry registry;

/** The transactions that were active at one moment: an epoch to wait for without stopping. */
class GracePeriod {
public:
    /** Remember who is active now, except `self`. False: no memory. */
    bool start(const Context &self);
    /** Whether all of them have passed. */
    bool over();

private:
    struct Seen {
        const Context *context;
        Word word;
    };
    List<Seen> seen_;
};

/**
 * Quiescence: wait until every other transaction that is active now has passed. `self` holds the locks that guard what the others
 * must no longer see. Progress: depends on the others' transactions; those that wait for an orec of `self` bump.
 * Returns whether it had to wait.
 */
bool wait_until_passed(const Context &self);

/** Puts errno back, which transactions find as it was at their begin. */
class KeepErrno {
public:
    KeepErrno() = default;
    ~KeepErrno() { errno = before_; }
    KeepErrno(const KeepErrno &) = delete;
    KeepErrno &operator=(const KeepErrno &) = delete;

private:
    const int before_ = errno;
};

/** A loop's wait: spins at first, then gives the processor away. */
class Patience {
public:
    void wait();
    unsigned looks() const { return looks_; }
    /** Whether the next wait() gives the processor away. */
    bool yields() const { return looks_ >= get(config.spin); }

private:
    unsigned looks_ = 0;
};

} // namespace libtm::engine
