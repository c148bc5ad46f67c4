// SPDX-License-Identifier: MIT
/**
 * @file commit.cpp
 * How an attempt ends, by commit or by rollback, and how a transaction ends that failed. The steps (a) to (i) are those of the overview in tx.cpp.
 */
#include "tx.hpp"

#include "algorithm.hpp"
#include "alone.hpp"
#include "annotate.hpp"
#include "hooks.hpp"
#include "serial.hpp"
#include "snapshot.hpp"
#include "turns.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace libtm::engine {

namespace {

/** The logs are done with, the orecs let go: forget the attempt. */
inline void forget_attempt(Context &tx)
{
    tx.limit = 0;
    tx.read_next = tx.read_begin;
}

void forget_logs(Context &tx)
{
    forget_attempt(tx);
    tx.read_end = tx.read_capacity;
    tx.reads_dropped = false;
    tx.writes.clear();
    tx.last.forget();
}

inline void end_running(Context &tx)
{
    tx.depth = 0;
    tx.cxx_depth = 0;
    tx.duties = 0;
    tx.state = State::idle;
}

inline void become_idle(Context &tx)
{
    end_running(tx);
    tx.activity.leave();
}

void end_plain_writes(Context &tx)
{
    if (!(tx.duties & duty_plain_writes)) return;
    tx.duties &= ~duty_plain_writes;
    annotate::plain_writes_end();
}

void restore_saved(Context &tx)
{
    if (tx.duties & duty_sigmask) pthread_sigmask(SIG_SETMASK, &tx.saved_mask, nullptr);
    if (tx.duties & duty_fenv) std::fesetenv(&tx.saved_fenv);
    *tx.errno_address = tx.begin_errno;
}

/** The logs go on without what the user has lent them. */
void take_back_buffers(Context &tx)
{
    tx.writes.take_back();
    tx.closed_logs = 0;
}

} // namespace

void roll_back(Context &tx, tm_abort_reason reason)
{
    labels::roll_back(tx, reason);
    if (tx.duties & duty_prepared) hooks::table().rolled_back();
    end_plain_writes(tx);
    tx.limit = 0;
    tx.state = State::committing;
    restore(tx);
    if (tx.duties & duty_alone) {
        alone::undo(tx);
        alone::end(tx);
    }
    tx.allocations.roll_back();
    tx.in_action = true;
    tx.actions.undo();
    release_rolled_back(tx);
    if (tx.duties & duty_tuned) take_back_buffers(tx);
    forget_logs(tx);
    tx.actions.finish();
    tx.in_action = false;
    restore_saved(tx);
    tx.stats.aborts[reason].add();
    tx.last_abort = reason;
    tx.outcome = Outcome::retry;
    tx.set_returns_errors(false);
    tx.duties = 0;
    tx.state = State::unwinding;
}

namespace {

[[gnu::noinline]] bool roll_back_commit(Context &tx, tm_abort_reason reason)
{
    roll_back(tx, reason);
    return false;
}

/** (a): the action log may veto. False: rolled back. */
bool prepare_actions(Context &tx)
{
    tx.in_action = true;
    const int veto = tx.actions.prepare();
    tx.in_action = false;
    if (!veto) return true;
    record(tx, TM_ERROR_VETO, veto, "tm_commit", "a prepare function of the action log refused the commit; see the code that it returned");
    if (tx.irrevocable()) return true;
    roll_back(tx, TM_ABORTED_ERROR);
    tx.outcome = Outcome::failed;
    return false;
}

/** (a): the hooks may veto. False: rolled back. */
bool prepare_hooks(Context &tx)
{
    tx.in_action = true;
    const int veto = hooks::table().prepare(reinterpret_cast<const tm_written *>(&tx), tx.durability(), tx.irrevocable());
    tx.in_action = false;
    if (!veto) {
        tx.duties |= duty_prepared;
        return true;
    }
    record(tx, TM_ERROR_POOL, veto, "tm_commit", "the pool refused the commit; tm_pool_error() says why");
    roll_back(tx, TM_ABORTED_ERROR);
    tx.outcome = Outcome::failed;
    return false;
}

/** (d): past the point of no return. */
void tell_hooks(Context &tx)
{
    if (!(tx.duties & duty_prepared)) return;
    tx.duties &= ~duty_prepared;
    tx.in_action = true;
    hooks::table().committed(reinterpret_cast<const tm_written *>(&tx));
    tx.in_action = false;
}

/** (i) of an attempt that had these duties. */
void destroy_retired(Context &tx, unsigned duties)
{
    if (duties & duty_alone)
        tx.allocations.destroy_retired_alone();
    else
        tx.allocations.destroy_retired(tx, tx.manner.quiesces);
}

/** (i), with hooks. False: what they had to do after the commit has failed. */
bool end_hooks(Context &tx, unsigned duties)
{
    // Transactions may run meanwhile, and retire, and end before this one's block does.
    Allocations::Retirees retired;
    tx.allocations.swap_retired(retired);
    const auto frame = std::to_array(tx.frame);
    const Manner manner = tx.manner;
    const tm_attr attr = tx.attr;
    const bool is_cxx = tx.outermost_is_cxx, is_jmp_buf = tx.frame_is_jmp_buf;
    std::jmp_buf jump_buffer;
    if (is_jmp_buf) std::memcpy(&jump_buffer, &tx.jump_buffer, sizeof jump_buffer);
    const int fault = hooks::table().ended();
    tx.allocations.swap_retired(retired);
    retired.release();
    tx.manner = manner;
    tx.last.forget();
    destroy_retired(tx, duties);
    std::copy(frame.begin(), frame.end(), tx.frame);
    tx.manner = manner;
    tx.last.forget();
    tx.attr = attr;
    tx.outermost_is_cxx = is_cxx;
    tx.frame_is_jmp_buf = is_jmp_buf;
    if (is_jmp_buf) std::memcpy(&tx.jump_buffer, &jump_buffer, sizeof jump_buffer);
    if (!fault) return true;
    record(tx, TM_ERROR_POOL, fault, "tm_commit", "the transaction is committed in memory, but whether it is durable is not known; tm_pool_error() says why");
    return false;
}

void apply_actions(Context &tx)
{
    tx.in_action = true;
    if (const int code = tx.actions.apply())
        record(tx, TM_ERROR_ACTION, code, "tm_commit", "an apply function of the action log failed; the transaction is committed all the same");
    tx.in_action = false;
}

void finish_actions(Context &tx)
{
    tx.in_action = true;
    tx.actions.finish();
    tx.in_action = false;
}

/** (b), (c). False: rolled back. */
inline bool take_version(Context &tx, Word &version)
{
    version = (clock.now.load(std::memory_order_seq_cst) & ~Clock::flags) + 1; // (12)
    if (tx.irrevocable()) return true;
    if (__builtin_expect(version > clock.last, 0)) return roll_back_commit(tx, TM_ABORTED_CLOCK);
    if (__builtin_expect(!validate(tx), 0)) return roll_back_commit(tx, TM_ABORTED_VALIDATION);
    return true;
}

/** (f): from here on nobody waits for this transaction. */
inline void quiesce(Context &tx, bool labelled)
{
    if (tx.has_turn) return; // nobody else runs
    tx.holds_orecs.store(true, std::memory_order_relaxed); // published by (11)
    tx.activity.leave();
    if (labelled ? labels::wait_until_passed(tx) : wait_until_passed(tx)) tx.stats.waits.add();
}

/** The steps of the overview. `only_writes`: there is nothing to attend to but the write log. */
template <bool only_writes> [[gnu::noinline]] int commit_changes(Context &tx)
{
    const bool wrote = only_writes || !tx.writes.empty();
    const bool acted = !only_writes && (tx.duties & duty_actions) != 0;
    const bool hooked = !only_writes && (tx.duties & duty_hooks) != 0;
    const bool labelled = !only_writes && (tx.duties & duty_label) != 0;
    Word version = 0;
    if (acted && !prepare_actions(tx)) return false;
    if (hooked && !prepare_hooks(tx)) return false;
    if (wrote && !take_version(tx, version)) return false;
    if (!only_writes) end_plain_writes(tx);
    tx.limit = 0;
    tx.state = State::committing;
    if (labelled) labels::measure(tx);
    const bool stored_alone = !only_writes && (tx.duties & duty_alone) && alone::end(tx);
    copy_back(tx); // (d)
    if (hooked) tell_hooks(tx);
    if (acted) apply_actions(tx); // (e)
    if (tx.manner.quiesces && (wrote || tx.allocations.retires())) quiesce(tx, labelled);
    release_committed(tx, version); // (g)
    if (tx.manner.quiesces) tx.holds_orecs.store(false, std::memory_order_release);
    if (!only_writes && tx.serial) {
        tx.stats.serial.add();
        serial::give_back(tx);
    }
    if (!only_writes && (tx.duties & duty_tuned)) take_back_buffers(tx);
    forget_logs(tx);
    if (acted || (!only_writes && (tx.duties & duty_tuned))) finish_actions(tx); // (h)
    if (!only_writes && (tx.duties & duty_alone) && !wrote)
        tx.stats.alone[stored_alone].add();
    else
        (wrote ? tx.stats.writers : tx.stats.readers).add();
    const labels::Ended ended = labelled ? labels::commit(tx, wrote || stored_alone) : labels::Ended{};
    const unsigned duties = tx.duties;
    become_idle(tx);
    if (!only_writes && (duties & duty_turn)) turns::leave(tx);
    if constexpr (!only_writes) {
        tx.wants_irrevocable = false;
        if (duties & duty_retried) tx.stats.max_attempts.raise_to(tx.attempts);
        const bool staged = (duties & duty_stages) && stages::on_end(tx, true);
        const bool blocks = (duties & (duty_allocations | duty_retried)) != 0;
        if (blocks) tx.allocations.commit();
        if (blocks && !hooked) destroy_retired(tx, duties);
        const bool durable = !hooked || end_hooks(tx, duties); // (i)
        labels::end(ended);
        if (!durable) {
            if (staged) stages::fail_late(tx);
            return false;
        }
    }
    return true;
}

} // namespace

// The write log stays closed: there are more of this kind to come.
int commit_alone(Context &tx)
{
    tx.stats.alone[alone::end(tx)].add();
    forget_attempt(tx);
    end_running(tx);
    tx.activity.leave_active();
    return true;
}

namespace {

/** The same, by its turn. */
[[gnu::noinline]] int commit_in_turn(Context &tx)
{
    commit_alone(tx);
    turns::leave(tx);
    return true;
}

/** The same, and blocks. */
[[gnu::noinline]] int commit_blocks_alone(Context &tx)
{
    commit_alone(tx);
    if (tx.has_turn) turns::leave(tx);
    tx.allocations.commit();
    tx.allocations.destroy_retired_alone();
    return true;
}

/** It has read at most. */
inline int commit_reads(Context &tx)
{
    forget_attempt(tx);
    tx.stats.readers.add();
    become_idle(tx);
    return true;
}

/** There is something to attend to, or somebody watches over memory. */
[[gnu::noinline]] int commit_with_care(Context &tx)
{
    if (tx.writes.empty()) {
        if (tx.duties != duty_bounds) return commit_changes<false>(tx);
        forget_logs(tx);
        return commit_reads(tx);
    }
    if (hooks::concern(tx)) tx.duties |= duty_hooks;
    return tx.duties ? commit_changes<false>(tx) : commit_changes<true>(tx);
}

} // namespace

int commit(Context &tx)
{
    if (__builtin_expect(is_only_alone(tx), 1)) return commit_alone(tx);
    if (tx.writes.empty()) {
        if (!tx.duties) return commit_reads(tx);
        if ((tx.duties & ~duty_turn) == (duty_alone | duty_allocations)) return commit_blocks_alone(tx);
        if (tx.duties == (duty_alone | duty_turn)) return commit_in_turn(tx);
    } else if (!tx.duties && !hooks::has_range()) {
        return commit_changes<true>(tx);
    }
    return commit_with_care(tx);
}

void break_off_commit(Context &tx)
{
    release_committed(tx, (clock.now.load(std::memory_order_seq_cst) & ~Clock::flags) + 1);
    tx.in_action = false;
    if (tx.duties & duty_tuned) take_back_buffers(tx);
    forget_logs(tx);
    tx.actions.finish();
    tx.allocations.commit();
    tx.allocations.destroy_retired(tx, false);
}

namespace {

/** The transaction has failed. */
void let_all_go(Context &tx)
{
    if (tx.serial) serial::give_back(tx);
    tx.wants_irrevocable = false;
    tx.allocations.release_kept();
    become_idle(tx);
    if (tx.has_turn) turns::leave(tx);
}

} // namespace

void end_failed(Context &tx)
{
    let_all_go(tx);
    tx.in_recovery = !tx.outermost_is_cxx;
    if (tx.has_stages()) stages::on_end(tx, false);
}

void suspend_failed(Context &tx)
{
    const auto depth = tx.depth;
    const unsigned cxx_depth = tx.cxx_depth;
    let_all_go(tx);
    tx.depth = depth;
    tx.cxx_depth = cxx_depth;
    tx.state = State::suspended;
}

} // namespace libtm::engine
