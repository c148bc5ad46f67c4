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
 * COMMIT, commit() below:
 *   (a) `prepare` of the action log (actions.hpp), which may veto
 *   (b) take the version: clock + 1, the clock itself stays (orec.hpp)
 *   (c) validate the read log
 *       --- the point of no return ---
 *   (d) write-back stripes are copied to memory
 *   (e) `apply` of the action log, forwards
 *   (f) quiescence: wait until every transaction that began before has ended or has assured that it did not read what we wrote (threads.hpp)
 *   (g) the orecs are let go with the new version
 *   (h) freed blocks go to the heap; `finish` of the action log
 * A transaction that has only read does none of this: its snapshot is consistent as it stands.
 *
 * Quiescence comes before the orecs are let go: what others may see of this commit, they see when no older transaction is left that could
 * still use the state before. That makes privatization safe also through a third thread, and costs readers nothing. Two that are in (f)
 * do not wait for each other, and whoever waits for one of our orecs assures us again and again.
 *
 * ROLLBACK, roll_back() below: write-through stripes are restored, `undo` runs backwards, the orecs are let go (with a new
 * incarnation where memory had changed), errno and the like are restored. It needs no memory and cannot fail.
 *
 * AFTER A ROLLBACK control goes to the block's boundary, leave_block(): in C by a jump to tm_begin, in C++ by an exception of the
 * user's own code, so that destructors run. There the next attempt begins, or the recovery block runs.
 *
 * PROGRESS. A transaction that has restarted too often takes the serial token (serial.cpp): no other writer runs beside it. The same token
 * carries irrevocable transactions and the reset of the clock.
 */
#include "tx.hpp"

#include "algorithm.hpp"
#include "annotate.hpp"
#include "contention.hpp"
#include "serial.hpp"
#include "snapshot.hpp"

#include <cerrno>
#include <ctime>

extern "C" [[noreturn]] void tm_jump_(void *const *frame, int result);

namespace libtm::engine {

namespace {

constexpr std::size_t bounded_read_log = 64; // entries of a read-only transaction's log, which wraps

void start_attempt(Context &tx)
{
    tx.depth = 1;
    tx.cxx_depth = tx.outermost_is_cxx;
    if (__builtin_expect(tx.asks(TM_READ_ONLY | TM_READ_MOSTLY), 0))
        tx.read_end = tx.log_all_reads ? tx.read_capacity : tx.read_begin + bounded_read_log;
    for (;;) {
        tx.activity.enter();
        const Word now = clock.now.load(std::memory_order_seq_cst);
        if (__builtin_expect(!(now & Clock::stop), 1)) {
            tx.limit = limit_of(now);
            tx.state = State::running;
            return;
        }
        tx.activity.leave();
        serial::wait_for_clock();
    }
}

void set_attributes(Context &tx, const tm_attr &attr)
{
    tx.flags = attr.flags;
    if (attr.mode != TM_MODE_DEFAULT) tx.write_through = attr.mode == TM_WRITE_THROUGH;
    if (attr.max_retries) tx.max_retries = attr.max_retries;
    tx.deadline = attr.deadline;
    tx.label = attr.label;
    if (attr.flags & TM_NO_QUIESCENCE) tx.quiesces = false;
}

/** The logs are empty again, the orecs let go: forget the attempt. */
void forget_attempt(Context &tx)
{
    tx.limit = 0;
    tx.read_next = tx.read_begin;
    tx.read_end = tx.read_capacity;
    tx.reads_dropped = false;
    tx.writes.clear();
}

void become_idle(Context &tx)
{
    tx.depth = 0;
    tx.cxx_depth = 0;
    tx.state = State::idle;
    tx.activity.leave();
}

void end_plain_writes(Context &tx)
{
    if (!tx.plain_writes) return;
    tx.plain_writes = false;
    annotate::plain_writes_end();
}

void forget_saved(Context &tx)
{
    tx.saved.sigmask = tx.saved.fenv = false;
}

void restore_saved(Context &tx)
{
    if (tx.saved.sigmask) pthread_sigmask(SIG_SETMASK, &tx.saved.mask, nullptr);
    if (tx.saved.fenv) std::fesetenv(&tx.saved.environment);
    *tx.errno_address = tx.begin_errno;
}

void roll_back(Context &tx, tm_abort_reason reason)
{
    end_plain_writes(tx);
    tx.limit = 0;
    tx.state = State::committing;
    restore(tx);
    tx.in_action = true;
    tx.actions.undo();
    release_rolled_back(tx);
    tx.actions.finish();
    tx.in_action = false;
    forget_attempt(tx);
    tx.allocations.roll_back();
    restore_saved(tx);
    tx.stats.aborts[reason].add();
    tx.last_abort = reason;
    tx.outcome = Outcome::retry;
    tx.state = State::unwinding;
}

bool roll_back_commit(Context &tx, tm_abort_reason reason)
{
    roll_back(tx, reason);
    return false;
}

void count_commit(Context &tx)
{
    tx.stats.commits.add();
    if (__builtin_expect(tx.attempts > 1, 0)) tx.stats.max_attempts.raise_to(tx.attempts);
}

/** (a) to (c). False: rolled back. Sets the version. */
bool prepare(Context &tx, Word &version)
{
    if (!tx.actions.empty()) {
        tx.in_action = true;
        const int veto = tx.actions.prepare();
        tx.in_action = false;
        if (veto) {
            record(tx, TM_ERROR_VETO, veto, "tm_commit", "a prepare function of the action log refused the commit; see the code that it returned");
            if (!tx.irrevocable()) {
                roll_back(tx, TM_ABORTED_ERROR);
                tx.outcome = Outcome::failed;
                return false;
            }
        }
    }
    if (tx.writes.empty()) return true;
    version = (clock.now.load(std::memory_order_seq_cst) & ~Clock::stop) + 1; // (12)
    if (tx.irrevocable()) return true;
    if (__builtin_expect(version > clock.last, 0)) return roll_back_commit(tx, TM_ABORTED_CLOCK);
    if (__builtin_expect(!validate(tx), 0)) return roll_back_commit(tx, TM_ABORTED_VALIDATION);
    return true;
}

bool commit_changes(Context &tx)
{
    Word version = 0;
    if (!prepare(tx, version)) return false;
    end_plain_writes(tx);
    tx.limit = 0;
    tx.state = State::committing;
    copy_back(tx); // (d)
    if (!tx.actions.empty()) {
        tx.in_action = true;
        if (const int code = tx.actions.apply()) // (e)
            record(tx, TM_ERROR_ACTION, code, "tm_commit", "an apply function of the action log failed; the transaction is committed all the same");
        tx.in_action = false;
    }
    const bool wrote = !tx.writes.empty();
    if (tx.quiesces && (wrote || tx.allocations.retires())) { // (f)
        tx.activity.quiesce();
        if (wait_until_passed(tx)) tx.stats.waits.add();
    }
    release_committed(tx, version); // (g)
    if (tx.serial) {
        tx.stats.serial.add();
        serial::give_back(tx);
    }
    forget_attempt(tx);
    tx.in_action = true;
    if (!tx.actions.empty()) tx.actions.finish(); // (h)
    tx.in_action = false;
    tx.wants_irrevocable = false;
    forget_saved(tx);
    become_idle(tx);
    if (!wrote) tx.stats.read_only.add();
    count_commit(tx);
    if (!tx.allocations.empty() || tx.attempts > 1) tx.allocations.commit(tx, tx.quiesces);
    return true;
}

} // namespace

/** No further attempt. The recovery block of a C block may still ask for one. */
void end_failed(Context &tx)
{
    if (tx.serial) serial::give_back(tx);
    tx.wants_irrevocable = false;
    tx.allocations.release_kept();
    forget_saved(tx);
    become_idle(tx);
    tx.in_recovery = !tx.outermost_is_cxx;
}

bool begin(Context &tx, const tm_attr *attr)
{
    tx.in_recovery = false;
    tx.attempts = 1;
    tx.last_abort = TM_ABORTED_NOT;
    tx.error.kind = TM_ERROR_NONE;
    tx.begin_errno = *tx.errno_address;
    tx.flags = 0;
    tx.deadline = 0;
    tx.label = nullptr;
    tx.log_all_reads = false;
    tx.write_through = get(config.mode) == TM_WRITE_THROUGH;
    tx.quiesces = get(config.quiescence) != 0;
    tx.max_retries = get(config.max_retries);
    contention::first_attempt(tx);
    if (attr) {
        set_attributes(tx, *attr);
        if (__builtin_expect((attr->flags & TM_IRREVOCABLE) || attr->deadline, 0)) {
            tx.wants_irrevocable = (attr->flags & TM_IRREVOCABLE) != 0;
            tx.attempts = 0;
            tx.state = State::unwinding;
            return next_attempt(tx);
        }
    }
    start_attempt(tx);
    return true;
}

bool commit(Context &tx)
{
    if (tx.writes.empty() && tx.actions.empty() && tx.allocations.empty() && !tx.serial && tx.attempts == 1 && !tx.plain_writes) {
        forget_attempt(tx);
        become_idle(tx);
        forget_saved(tx);
        tx.stats.read_only.add();
        count_commit(tx);
        return true;
    }
    return commit_changes(tx);
}

bool deadline_passed(const Context &tx)
{
    if (!tx.deadline) return false;
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec) >= tx.deadline;
}

namespace {

/** Between attempts: wait as the last abort and the wishes of the transaction demand. False: the deadline has passed. */
bool wait_for_turn(Context &tx)
{
    if (tx.last_abort == TM_ABORTED_CLOCK && !serial::reset_clock(tx)) return false;
    if (tx.wants_irrevocable || tx.attempts > tx.max_retries || tx.serial) {
        if (!serial::take(tx)) return false;
        tx.is_irrevocable = tx.wants_irrevocable;
    } else if (tx.last_abort == TM_ABORTED_KILLED) {
        if (!serial::wait_until_free(tx)) return false;
    } else if (tx.attempts > 0) {
        contention::before_retry(tx);
    }
    return !deadline_passed(tx);
}

} // namespace

bool next_attempt(Context &tx)
{
    constexpr unsigned tries_without_log = 3;
    tx.activity.leave();
    if (!wait_for_turn(tx)) {
        record(tx, TM_ERROR_DEADLINE, ETIMEDOUT, "tm_begin", "the deadline of the transaction has passed; give it more time or restart it with less to do");
        end_failed(tx);
        return false;
    }
    ++tx.attempts;
    if (tx.last_abort == TM_ABORTED_PROMOTED || tx.attempts > tries_without_log) tx.log_all_reads = true;
    start_attempt(tx);
    return true;
}

bool retry_from_recovery(Context &tx)
{
    tx.in_recovery = false;
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
    annotate::before_jump();
    if (!tx.frame_is_jmp_buf) tm_jump_(tx.frame, runs);
    tx.jump_result = runs;
    std::longjmp(tx.jump_buffer, 1);
}

void leave_block(Context &tx)
{
    if (tx.cxx_depth) tx.unwind();
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

void cancel(Context &tx)
{
    roll_back(tx, TM_ABORTED_ERROR);
    end_failed(tx);
}

void abandon(Context &tx)
{
    switch (tx.state) {
    case State::idle: return;
    case State::running:
        if (tx.irrevocable()) { // cannot be undone, so it counts
            commit_changes(tx);
            return;
        }
        roll_back(tx, TM_ABORTED_ABANDONED);
        break;
    case State::committing: // left from within an action: the rest of the log is lost, but nobody may be stuck
        release_committed(tx, (clock.now.load(std::memory_order_seq_cst) & ~Clock::stop) + 1);
        tx.in_action = false;
        forget_attempt(tx);
        tx.actions.finish();
        break;
    case State::unwinding: break;
    }
    end_failed(tx);
    tx.in_recovery = false;
}

} // namespace libtm::engine
