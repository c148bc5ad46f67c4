// SPDX-License-Identifier: MIT
/**
 * @file tx.cpp
 * The life of a transaction. This comment is the front door of the library: read it first.
 *
 * WORDS. Memory is divided into *stripes* of 32 bytes; each maps to an *orec* (ownership record, orec.hpp), which holds the *version* of the
 * last commit that wrote there, or names its owner. A thread's transaction lives in its *Context* (context.hpp). Its *snapshot* is the version
 * up to which it has read. One run of the block is an *attempt*.
 *
 * READING is in the public header (tm/context.h), for both modes the same: orec, datum, orec again. If the orec is unlocked, not newer than the
 * snapshot and unchanged, the datum belongs to the snapshot, and the orec's address goes to the read log. All else is in store.cpp: own
 * writes, a locked orec (wait a little, or give way: contention.cpp), a newer version (validate the read log and move the snapshot up: snapshot.cpp).
 * So each attempt sees one consistent state at any time, also if it will be rolled back.
 *
 * WRITING takes the orec with the first write to it (algorithm.cpp) and makes a Stripe in the write log (logs.hpp). The two modes
 * differ only in where the new bytes wait: in the Stripe (write_back.hpp), or in memory with the old ones in the Stripe (write_through.hpp).
 *
 * COMMIT, commit() in commit.cpp:
 *   (a) `prepare` of the action log (actions.hpp), which may veto; then, if it wrote to memory that another library watches over, that of the
 *       hooks (hooks.hpp), which may veto too
 *   (b) take the version: clock + 1, the clock itself stays (orec.hpp)
 *   (c) validate the read log
 *       --- the point of no return ---
 *   (d) write-back stripes are copied to memory; the hooks learn what was written
 *   (e) `apply` of the action log, forwards
 *   (f) quiescence: wait until every transaction that began before has ended or has assured that it did not read what we wrote (threads.hpp)
 *   (g) the orecs are let go with the new version
 *   (h) `finish` of the action log; freed blocks go to the heap
 *   (i) the hooks learn that it has ended, and may wait until it is durable; then what was retired is destroyed
 * A transaction that has only read does none of this: its snapshot is consistent as it stands.
 *
 * Quiescence comes before the orecs are let go: what others may see of this commit, they see when no older transaction is left that could
 * still use the state before. That makes privatization safe also through a third thread, and costs readers nothing. In (f) a transaction
 * counts as ended already, so that two do not wait for each other; whoever waits for one of its orecs assures it again and again.
 *
 * ROLLBACK, roll_back() there: write-through stripes are restored, `undo` runs backwards, the orecs are let go (with a new
 * incarnation where memory had changed), errno and the like are restored. It needs no memory and cannot fail.
 *
 * AFTER A ROLLBACK control goes to the block's boundary, leave_block() below: in C by a jump to tm_begin, in C++ by an exception of the
 * user's own code, so that destructors run. There the next attempt begins, or the recovery block runs.
 *
 * STAGES AND LOCKS. Blocks with parts for on commit, on abort and finally (stages.hpp) are boundaries of their own, which a failure visits from the inside outwards. A
 * transaction that finds a lock busy waits for it between two attempts, never within one (locks.hpp). Both have one bit in Context::duties, so that others pay nothing.
 *
 * LABELS. A transaction with a label is counted under it (labels.hpp); where the mode is `auto`, what was counted chooses between write-back and write-through (auto_mode.hpp).
 *
 * ALONE. A thread that has met no other for a while (bias.hpp), or whose turn it is (turns.hpp), runs without orecs (alone.hpp): the steps (b), (c), (f) and (g) are not there.
 * One that takes orecs all the same has them all, but waits for nobody in (f) if it has the turn. Its next begin relies on what the last one has set (Last).
 *
 * PROGRESS. A transaction that has restarted too often takes the serial token (serial.cpp): no other writer runs beside it. The same token
 * carries irrevocable transactions and the reset of the clock.
 */
#include "tx.hpp"

#include "alone.hpp"
#include "annotate.hpp"
#include "bias.hpp"
#include "contention.hpp"
#include "serial.hpp"
#include "snapshot.hpp"
#include "turns.hpp"

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <exception>

extern "C" [[noreturn]] void tm_jump_(void *const *frame, int result);

namespace libtm::engine {

namespace {

constexpr std::size_t bounded_read_log = 512; // entries of a read-only transaction's log, which wraps

/** The first write shall ask. */
[[gnu::noinline]] void close_write_log(Context &tx)
{
    tx.writes.close();
    tx.duties |= duty_bounds;
}

[[gnu::noinline]] void bound_read_log(Context &tx)
{
    tx.read_end = tx.log_all_reads ? tx.read_capacity : tx.read_begin + bounded_read_log;
    close_write_log(tx);
}

/** The clock has flags. False: the deadline has passed, and the attempt is not active. */
[[gnu::noinline]] bool enter_despite_flags(Context &tx, const tm_attr *attr, Word &now)
{
    const std::uint64_t deadline = attr ? attr->deadline : 0;
    while ((now & Clock::flags) && !bias::is_mine(tx, now)) {
        tx.activity.leave();
        if (now & Clock::stop) {
            serial::wait_for_clock();
        } else if ((now & Clock::flags) == Clock::in_turns) {
            now = turns::enter(tx, deadline);
            if (now) return true;
            if (deadline && is_past(deadline)) return false;
        } else if (now & Clock::in_turns ? !turns::end(tx, deadline) : !bias::revoke(tx, deadline)) {
            return false;
        }
        tx.activity.enter();
        now = clock.now.load(std::memory_order_seq_cst);
    }
    return true;
}

/** Who has the bias needs no exchange: whoever ends it fences this thread, between the next two accesses or not. False: it has ended, and the attempt is not active. */
inline bool enter_with_bias(Context &tx, Word &now)
{
    tx.activity.enter_unordered();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    now = clock.now.load(std::memory_order_acquire); // with the holder, which was stored before it
    if (__builtin_expect(bias::is_mine(tx, now), 1)) return true;
    tx.quiet.unordered = false;
    tx.activity.leave_active(); // it may be about to take the bias again
    return false;
}

/** Become active, before all else: the exchange waits for all stores before it, so let there be few. `now` has a flag of Clock::alone if the attempt is alone. */
inline bool enter(Context &tx, const tm_attr *attr, Word &now)
{
    if (tx.quiet.unordered && enter_with_bias(tx, now)) return true;
    if (tx.takes_turns && !tx.serial && (now = turns::enter(tx, attr ? attr->deadline : 0))) return true;
    tx.activity.enter();
    now = clock.now.load(std::memory_order_seq_cst);
    return __builtin_expect(!(now & Clock::flags), 1) || enter_despite_flags(tx, attr, now);
}

inline void start_running(Context &tx, Word snapshot)
{
    tx.depth = 1;
    tx.cxx_depth = tx.outermost_is_cxx;
    tx.limit = limit_of(snapshot);
}

inline void start_attempt(Context &tx, Word now)
{
    if (__builtin_expect((now & Clock::in_turns) != 0, 0)) tx.duties |= duty_turn;
    if (__builtin_expect((now & Clock::alone) != 0, 0) && tx.undo_log) {
        tx.writes.close();
        alone::begin(tx, tx.duties, alone::undo_end(tx));
    } else {
        if (__builtin_expect(tx.asks(TM_READ_ONLY | TM_READ_MOSTLY), 0)) bound_read_log(tx);
        if (__builtin_expect(serial::is_taken(tx), 0)) close_write_log(tx); // (13)
    }
    start_running(tx, now & ~Clock::alone);
}

/** Whether it asks for more than flags and a mode. */
inline bool asks_for_more(const tm_attr &attr)
{
    static_assert(offsetof(tm_attr, durability) == offsetof(tm_attr, max_retries) + sizeof attr.max_retries && sizeof attr.max_retries + sizeof attr.durability == sizeof(Word));
    Word both;
    std::memcpy(&both, &attr.max_retries, sizeof both);
    return (both | attr.deadline | reinterpret_cast<std::uintptr_t>(attr.label)) != 0;
}

/** Whether an attempt can start at once if it is alone. */
inline bool starts_at_once(const tm_attr &attr) { return !asks_for_more(attr) && !(attr.flags & TM_IRREVOCABLE); }

/** With its flags and mode. As one word, which is stored at once: the compiler would take the structure apart and store the pieces. */
inline Word with_attributes(Word manner, const tm_attr &attr)
{
    constexpr Word flags = std::bit_cast<Word>(Manner{~0u, false, false, 0, false}), through = std::bit_cast<Word>(Manner{0, true, false, 0, false}),
                   quiesces = std::bit_cast<Word>(Manner{0, false, true, 0, false}), automatic = std::bit_cast<Word>(Manner{0, false, false, Manner::automatic, false});
    manner = (manner & ~flags) | std::bit_cast<Word>(Manner{attr.flags, false, false, 0, false});
    if (attr.mode != TM_MODE_DEFAULT) manner = (manner & ~(through | automatic)) | (attr.mode == TM_WRITE_THROUGH ? through : 0);
    if (attr.flags & TM_NO_QUIESCENCE) manner &= ~quiesces;
    return manner;
}

/** Of the first attempt, what every transaction sets anew. */
inline void set_up_again(Context &tx)
{
    tx.state = State::running;
    tx.error.kind = TM_ERROR_NONE;
    tx.begin_errno = *tx.errno_address;
}

/** The first attempt, but for its start and its manner. What lies side by side is set together, so that the compiler merges the stores. */
inline void set_up(Context &tx)
{
    tx.attempts = 1;
    tx.last_abort = TM_ABORTED_NOT;
    tx.in_recovery = false;
    tx.wants_irrevocable = false;
    tx.log_all_reads = false;
    set_up_again(tx);
}

/** What the options of the process demand of a begin. */
[[gnu::noinline]] void begin_with_more(Context &tx, const tm_attr *attr, Word now)
{
    if (tx.manner.begins_with & Manner::birth) contention::take_birth(tx);
    const bool own_choice = attr && (attr->label || attr->mode != TM_MODE_DEFAULT); // with_attributes() or labels::begin() will make it
    if (!(tx.manner.begins_with & Manner::automatic) || own_choice) return;
    if (now & Clock::alone && (!attr || starts_at_once(*attr)))
        tx.manner.begins_with &= static_cast<std::uint8_t>(~Manner::automatic); // both modes are the same
    else
        labels::begin_automatic(tx);
}

/** Begin irrevocable, or with a deadline: as between two attempts. */
bool begin_waiting(Context &tx)
{
    tx.wants_irrevocable = tx.asks(TM_IRREVOCABLE);
    if (tx.wants_irrevocable && tx.asks(TM_READ_ONLY)) {
        record(tx, TM_ERROR_MISUSE, EINVAL, "tm_begin", "TM_READ_ONLY and TM_IRREVOCABLE exclude each other: a store could not be refused any more");
        end_failed(tx);
        return false;
    }
    tx.attempts = 0;
    tx.state = State::unwinding;
    return next_attempt(tx);
}

/** Begin with attributes that ask for more than flags and a mode; the clock was `now`. */
[[gnu::noinline]] bool begin_specially(Context &tx, Word now)
{
    if (tx.attr.label || tx.attr.mode == TM_MODE_AUTO) labels::begin(tx);
    if (tx.asks(TM_IRREVOCABLE) || tx.attr.deadline) return begin_waiting(tx);
    start_attempt(tx, now);
    return true;
}

/** Flags and mode, as one word. */
inline Word request(const tm_attr *attr)
{
    static_assert(offsetof(tm_attr, mode) == sizeof(attr->flags) && offsetof(tm_attr, max_retries) == sizeof(Word));
    Word both = 0;
    if (attr) std::memcpy(&both, attr, sizeof both);
    return both;
}

/** With the context active and the clock at `now`. */
inline bool begin_entered(Context &tx, const tm_attr *attr, Word now, Manner options)
{
    set_up(tx);
    tx.manner = options;
    if (__builtin_expect(tx.manner.begins_with, 0)) begin_with_more(tx, attr, now);
    if (attr) {
        tx.manner = std::bit_cast<Manner>(with_attributes(std::bit_cast<Word>(tx.manner), *attr));
        if (!starts_at_once(*attr) || (attr->mode == TM_MODE_AUTO && !(now & Clock::alone))) {
            std::memcpy(static_cast<void *>(&tx.attr), attr, offsetof(tm_attr, reserved));
            tx.manner.has_attr = true;
            return begin_specially(tx, now);
        }
    }
    start_attempt(tx, now);
    return true;
}

/** Alone, but not as the last one. */
[[gnu::noinline]] bool begin_alone(Context &tx, const tm_attr *attr, Word now)
{
    const Manner options = config.manner.load(std::memory_order_relaxed);
    const bool runs = begin_entered(tx, attr, now, options);
    if (tx.alone && !tx.manner.has_attr && !(options.begins_with & Manner::birth)) tx.last.set(std::bit_cast<Word>(options), request(attr), alone::undo_end(tx));
    return runs;
}

[[gnu::noinline]] int begin_anew(Context &tx, const tm_attr *attr)
{
    if (__builtin_expect(--tx.quiet.until_look == 0, 0)) bias::consider(tx);
    tx.last.forget();
    Word now;
    enter(tx, attr, now); // late, if with a deadline, which begin_waiting() will see
    if (__builtin_expect((now & Clock::alone) != 0, 0)) return begin_alone(tx, attr, now);
    return begin_entered(tx, attr, now, config.manner.load(std::memory_order_relaxed));
}

/** Alone, after one that was, too, and with the same options and request. The write log is closed still. */
inline int begin_again(Context &tx, Word snapshot, unsigned turn)
{
    set_up_again(tx);
    alone::begin(tx, turn, tx.last.undo_end);
    start_running(tx, snapshot);
    return true;
}

[[gnu::noinline]] int begin_again_in_turn(Context &tx, const tm_attr *attr)
{
    Word now = turns::enter_again(tx);
    if (!now && tx.takes_turns) now = turns::enter(tx, 0);
    return now ? begin_again(tx, now & ~Clock::in_turns, duty_turn) : begin_anew(tx, attr);
}

/** After a transaction alone that had other flags or another mode. */
[[gnu::noinline]] int begin_differently(Context &tx, const tm_attr *attr)
{
    constexpr Word begins_with = std::bit_cast<Word>(Manner{0, false, false, 0xff, false});
    if (attr && !starts_at_once(*attr)) return begin_anew(tx, attr);
    const Word manner = tx.last.options & ~begins_with; // in the mode auto: alone, both modes are the same
    tx.manner = std::bit_cast<Manner>(attr ? with_attributes(manner, *attr) : manner);
    tx.last.set(tx.last.options, request(attr), alone::undo_end(tx));
    return begin(tx, attr);
}

} // namespace

// With the bias, and after one of its kind, it is a few stores and no call.
int begin(Context &tx, const tm_attr *attr)
{
    const Word options = std::bit_cast<Word>(config.manner.load(std::memory_order_relaxed));
    if (tx.last.options != options || (attr && asks_for_more(*attr))) return begin_anew(tx, attr);
    if (__builtin_expect(tx.last.request != request(attr), 0)) return begin_differently(tx, attr);
    if (!tx.quiet.unordered) return begin_again_in_turn(tx, attr);
    if (__builtin_expect(--tx.quiet.until_look == 0, 0)) {
        tx.quiet.until_look = 1; // begin_anew() shall look
        return begin_anew(tx, attr);
    }
    Word now;
    if (!enter_with_bias(tx, now)) return begin_anew(tx, attr);
    return begin_again(tx, now & ~Clock::biased, 0);
}

bool deadline_passed(const Context &tx)
{
    return tx.deadline() && is_past(tx.deadline());
}

std::uint64_t now_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_past(std::uint64_t moment) { return now_ns() >= moment; }

namespace {

/** Between attempts: wait as the last abort and the wishes of the transaction demand. False: the deadline has passed. */
bool wait_between_attempts(Context &tx)
{
    if (tx.last_abort == TM_ABORTED_CLOCK && !serial::reset_clock(tx)) return false;
    // A transaction that restarts itself waits for others to change something: it must not run alone.
    const bool by_user = tx.last_abort == TM_ABORTED_RESTART && !tx.wants_irrevocable;
    if (by_user && tx.serial) serial::give_back(tx);
    if (!by_user && (tx.wants_irrevocable || tx.attempts > tx.max_retries() || tx.serial)) {
        if (!serial::take(tx)) return false;
        if (tx.wants_irrevocable && !turns::end(tx, tx.deadline())) return false; // others go on reading
        tx.is_irrevocable = tx.wants_irrevocable;
    } else if (tx.last_abort == TM_ABORTED_KILLED) {
        if (!serial::wait_until_free(tx)) return false;
    } else if (tx.attempts > 0 && tx.last_abort != TM_ABORTED_MUTEX) {
        contention::before_retry(tx);
    }
    return !deadline_passed(tx);
}

} // namespace

bool next_attempt(Context &tx)
{
    constexpr unsigned tries_without_log = 3;
    tx.activity.leave();
    if (tx.has_turn) turns::leave(tx);
    if (tx.has_stages() && tx.attempts > 0 && !stages::before_attempt(tx)) {
        end_failed(tx);
        return false;
    }
    Word now = 0;
    const bool in_time = wait_between_attempts(tx) && enter(tx, tx.manner.has_attr ? &tx.attr : nullptr, now);
    tx.awaited = nullptr;
    if (!in_time) {
        record(tx, TM_ERROR_DEADLINE, ETIMEDOUT, "tm_begin", "the deadline of the transaction has passed; give it more time or restart it with less to do");
        end_failed(tx);
        return false;
    }
    ++tx.attempts;
    tx.duties |= duty_retried;
    if (tx.serial) tx.duties |= duty_serial;
    labels::begin_again(tx);
    if (tx.last_abort == TM_ABORTED_PROMOTED || tx.attempts > tries_without_log) tx.log_all_reads = true;
    tx.state = State::running;
    start_attempt(tx, now);
    return true;
}

bool retry_from_recovery(Context &tx)
{
    tx.in_recovery = false;
    tx.wants_irrevocable = tx.asks(TM_IRREVOCABLE);
    return next_attempt(tx);
}

void return_to_begin(Context &tx)
{
    int runs = 0;
    if (tx.state == State::running)
        runs = 1;
    else if (tx.state != State::idle) {
        if (tx.outcome == Outcome::retry)
            runs = next_attempt(tx);
        else
            end_failed(tx);
    }
    if (tx.has_stages() && stages::begun_here(tx)) stages::return_to_level(tx, runs);
    annotate::before_jump();
    if (!tx.frame_is_jmp_buf) tm_jump_(tx.frame, runs);
    tx.jump_result = runs;
    std::longjmp(tx.jump_buffer, 1);
}

void leave_block(Context &tx)
{
    if (tx.outcome == Outcome::failed && stages::catches(tx) && !tx.stages.top().is_cxx) stages::suspend(tx);
    if (tx.cxx_depth) {
        tx.uncaught = std::uncaught_exceptions();
        tx.unwind();
    }
    return_to_begin(tx);
}

void restart(Context &tx, tm_abort_reason reason)
{
    roll_back(tx, reason);
    leave_block(tx);
}

void fail(Context &tx, tm_error_kind kind, int code, const char *operation, const char *message)
{
    record(tx, kind, code, operation, message);
    roll_back(tx, TM_ABORTED_ERROR);
    tx.outcome = Outcome::failed;
    leave_block(tx);
}

int fail_or_return(Context &tx, unsigned flags, tm_error_kind kind, int code, const char *operation, const char *message)
{
    if (!(flags & TM_NO_ABORT) && !tx.asks(returns_errors) && !tx.irrevocable()) fail(tx, kind, code, operation, message);
    return errno = record(tx, kind, code, operation, message);
}

void cancel(Context &tx)
{
    roll_back(tx, TM_ABORTED_ERROR);
    end_failed(tx);
}

namespace {

void abandon_transaction(Context &tx)
{
    switch (tx.state) {
    case State::idle: return;
    case State::running:
        if (tx.irrevocable()) { // cannot be undone, so it counts
            commit(tx);
            return;
        }
        record(tx, TM_ERROR_ABORT, ECANCELED, "tm_abandon", "the transaction was left before its end, and rolled back");
        roll_back(tx, TM_ABORTED_ABANDONED);
        break;
    case State::committing: // left from within an action
        break_off_commit(tx);
        break;
    case State::unwinding:
    case State::suspended: break;
    }
    end_failed(tx);
    tx.in_recovery = false;
}

} // namespace

void abandon(Context &tx)
{
    // Another transaction, in a part of a block with stages, does not take this block with it.
    const bool in_part = tx.state != State::idle && !tx.stages.none() && tx.stages.at(0).depth <= 1 && tx.stages.at(0).stage != TM_STAGE_WORK;
    abandon_transaction(tx);
    if (tx.has_stages() && !in_part) stages::forget(tx);
}

} // namespace libtm::engine
