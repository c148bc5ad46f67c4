// SPDX-License-Identifier: MIT
/**
 * @file c_api.cpp
 * The blocks and the control functions of tm/control.h and tm/action.h: who calls, at which depth, and is it allowed.
 */
#include "tx.hpp"

#include "access.hpp"
#include "serial.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>

using namespace libtm::engine;

static_assert(offsetof(tm_context, depth) == 40 && offsetof(tm_context, frame) == 48, "begin_x86_64.S counts on it");

namespace libtm::engine {

namespace {

int refuse(Context &tx, const char *operation, const char *message) { return record(tx, TM_ERROR_MISUSE, EPERM, operation, message); }

constexpr const char *in_an_action = "functions of the action log, and threads that hold memory (tm_hold_begin), must not begin transactions";
constexpr const char *suspended = "the transaction has been rolled back, and the blocks around this one are still to learn it; begin others when they have ended";
constexpr const char *outside = "it needs a running transaction; call it between tm_begin and tm_commit";

bool is_outermost(const Context &tx) { return tx.outermost_is_cxx && tx.cxx_depth == 1; }

bool unwinds(const Context &tx) { return tx.state == State::unwinding && std::uncaught_exceptions() > tx.uncaught; }

/** The part of a block that was left by an exception or a return, before it could pass a failure on. */
void pass_failure_on(Context &tx)
{
    if (tx.state == State::suspended) stages::resume(tx);
}

inline int enter_idle(Context &tx, const tm_attr *attr, void (*unwind)(), void *sp, void *ip)
{
    tx.outermost_is_cxx = true;
    tx.unwind = unwind;
    tx.frame[frame_sp] = sp;
    tx.frame[frame_ip] = ip;
    return begin(tx, attr);
}

/** A block of C++ begins where the thread has no context yet, or one that is not idle. */
[[gnu::noinline]] int enter_busy(const tm_attr *attr, void (*unwind)(), void *sp, void *ip)
{
    if (!has_context()) {
        first_begin_failed = !make_context();
        return first_begin_failed ? 0 : enter_idle(self(), attr, unwind, sp, ip);
    }
    Context &tx = self();
    if (tx.in_action) {
        refuse(tx, "libtm::atomically", in_an_action);
        return 0;
    }
    if (was_abandoned(tx, sp, ip)) return enter_idle(tx, attr, unwind, sp, ip);
    if (tx.state == State::suspended) {
        refuse(tx, "libtm::atomically", suspended);
        return 0;
    }
    before_load_outside(tx);
    tx.unwind = unwind;
    ++tx.cxx_depth;
    return static_cast<int>(++tx.depth);
}

/** A nested block of C++ ends, or one that has been rolled back. */
[[gnu::noinline]] int leave_busy(int level)
{
    Context &tx = self();
    if (tx.state != State::running && !unwinds(tx)) return 0; // a swallowed rollback
    if (is_outermost(tx)) return commit(tx);
    tx.depth = static_cast<std::uint64_t>(level) - 1;
    --tx.cxx_depth;
    return 1;
}

} // namespace

bool was_abandoned(Context &tx, const void *sp, const void *ip)
{
    const auto now = reinterpret_cast<std::uintptr_t>(sp);
    const auto then = reinterpret_cast<std::uintptr_t>(tx.frame[frame_sp]);
    if (stages::begun_here(tx)) {
        if (!stages::was_left(tx, sp)) return false;
    } else if (now < then || (now == then && ip != tx.frame[frame_ip])) {
        return false;
    }
    tx.frame_is_gone = true;
    abandon(tx);
    tx.frame_is_gone = false;
    return true;
}

} // namespace libtm::engine

extern "C" {

int tm_begin_outermost_(tm_context *context, const tm_attr *attr)
{
    Context &tx = *static_cast<Context *>(context);
    tx.outermost_is_cxx = false;
    tx.frame_is_jmp_buf = false;
    return begin(tx, attr);
}

/** 1: nested. 0: refused. 2: there is a context in the state idle now. */
int tm_begin_nested_(const tm_attr *, const void *sp, const void *ip)
{
    if (!has_context()) {
        first_begin_failed = !make_context();
        return first_begin_failed ? 0 : 2;
    }
    Context &tx = self();
    if (tx.in_action) {
        refuse(tx, "tm_begin", in_an_action);
        return 0;
    }
    if (was_abandoned(tx, sp, ip)) return 2;
    if (tx.state == State::suspended) {
        refuse(tx, "tm_begin", suspended);
        return 0;
    }
    before_load_outside(tx);
    ++tx.depth;
    return 1;
}

jmp_buf *tm_jmp_buf_(void)
{
    static __thread jmp_buf unused; // of blocks that are never jumped to
    if (!has_context()) {
        first_begin_failed = !make_context();
        if (first_begin_failed) return &unused;
    }
    Context &tx = self();
    void *const sp = __builtin_dwarf_cfa();
    void *const ip = __builtin_return_address(0);
    if (tx.depth && !tx.in_action) was_abandoned(tx, sp, ip);
    if (tx.depth || tx.in_action) return &unused;
    tx.frame[frame_sp] = sp;
    tx.frame[frame_ip] = ip;
    return &tx.jump_buffer;
}

int tm_begin_first_(const tm_attr *attr)
{
    if (!has_context()) return 0;
    Context &tx = self();
    if (tx.depth || tx.in_action) return tm_begin_nested_(attr, nullptr, nullptr); // tm_jmp_buf_ has looked
    tx.outermost_is_cxx = false;
    tx.frame_is_jmp_buf = true;
    return begin(tx, attr);
}

int tm_begin_again_(void)
{
    return self().jump_result;
}

void tm_commit_(void)
{
    Context &tx = self();
    if (__builtin_expect(tx.depth != 1, 0)) {
        if (tx.depth + 1 > 1) --tx.depth;
        return;
    }
    if (__builtin_expect(is_only_alone(tx), 1)) {
        commit_alone(tx);
        return;
    }
    if (__builtin_expect(tx.state != State::running, 0)) leave_block(tx);
    if (!commit(tx)) return_to_begin(tx);
}

void tm_end_(void)
{
    if (has_context()) self().in_recovery = false;
}

int tm_enter_(const tm_attr *attr, void (*unwind)(void))
{
    void *const sp = __builtin_dwarf_cfa(), *const ip = __builtin_return_address(0);
    Context &tx = self();
    if (__builtin_expect(tx.depth != 0, 0)) return enter_busy(attr, unwind, sp, ip);
    return enter_idle(tx, attr, unwind, sp, ip);
}

int tm_leave_(int level)
{
    Context &tx = self();
    if (__builtin_expect(tx.depth == 1 && is_only_alone(tx), 1)) return commit_alone(tx); // so it is running, and this block is the outermost one
    return __builtin_expect(tx.state == State::running && is_outermost(tx), 1) ? commit(tx) : leave_busy(level);
}

int tm_thrown_(int level)
{
    Context &tx = self();
    if (tx.state == State::idle) return 1; // abandoned in the block
    pass_failure_on(tx);
    if (!is_outermost(tx)) {
        tx.depth = static_cast<std::uint64_t>(level) - 1;
        --tx.cxx_depth;
        return 1;
    }
    if (tx.state == State::unwinding) return 0; // the user's exception has taken the place of ours
    if (tx.asks(TM_COMMIT_ON_THROW) || tx.irrevocable()) return commit(tx);
    cancel(tx);
    return 1;
}

int tm_unwound_(int level)
{
    enum { failed = 0, again = 1, pass_on = 2 };
    Context &tx = self();
    if (tx.state == State::idle) return failed; // abandoned in the block
    pass_failure_on(tx);
    if (is_outermost(tx)) {
        if (tx.outcome == Outcome::retry) return next_attempt(tx) ? again : failed;
        end_failed(tx);
        return failed;
    }
    tx.depth = static_cast<std::uint64_t>(level) - 1;
    --tx.cxx_depth;
    if (tx.outcome == Outcome::failed && stages::catches(tx)) {
        if (tx.stages.top().is_cxx) return pass_on;
        stages::suspend(tx);
    }
    if (tx.cxx_depth) return pass_on;
    return_to_begin(tx);
}

void tm_restart(void)
{
    Context &tx = self();
    const bool in_block = reinterpret_cast<std::uintptr_t>(__builtin_dwarf_cfa()) <= reinterpret_cast<std::uintptr_t>(tx.frame[frame_sp]);
    if (has_context() && tx.in_recovery && tx.state == State::idle && in_block) {
        retry_from_recovery(tx);
        return_to_begin(tx);
    }
    before_load_outside(tx);
    if (!has_context()) return;
    if (tx.limit && !tx.irrevocable()) restart(tx, TM_ABORTED_RESTART);
    refuse(tx, "tm_restart", tx.irrevocable() ? "an irrevocable transaction cannot be rolled back" : outside);
}

static int end_by_user(tm_error_kind kind, int code, const char *operation, const char *message)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!has_context()) return EPERM;
    const bool in_work = !tx.has_stages() || stages::stage_of(tx) == TM_STAGE_WORK;
    if (tx.limit && !tx.irrevocable() && in_work) fail(tx, kind, code, operation, message);
    return refuse(tx, operation, tx.irrevocable() ? "an irrevocable transaction cannot be rolled back" : outside);
}

int tm_abort(int code)
{
    return end_by_user(TM_ERROR_ABORT, code, "tm_abort", "the program aborted the transaction; see its code");
}

int tm_recover(int code)
{
    return end_by_user(TM_ERROR_RECOVER, code, "tm_recover", "an operation in the transaction failed; see its errno value");
}

int tm_irrevocable(void)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!tx.limit) return has_context() ? refuse(tx, "tm_irrevocable", outside) : EPERM;
    if (tx.irrevocable()) return 0;
    if (tx.asks(TM_READ_ONLY)) return record(tx, TM_ERROR_READ_ONLY, EPERM, "tm_irrevocable", "the transaction is read-only; begin it without TM_READ_ONLY");
    if (!serial::take_in_place(tx)) {
        tx.wants_irrevocable = true;
        restart(tx, TM_ABORTED_KILLED);
    }
    tx.is_irrevocable = true;
    tx.duties |= duty_serial;
    return 0;
}

unsigned tm_attempt(void)
{
    return has_context() ? self().attempts : 0;
}

tm_abort_reason tm_last_abort(void)
{
    return has_context() ? self().last_abort : TM_ABORTED_NOT;
}

void tm_save_errno(void)
{
    Context &tx = self();
    if (tx.limit) tx.begin_errno = errno;
}

int tm_save_sigmask(void)
{
    Context &tx = self();
    if (!tx.limit) return EPERM;
    if (!(tx.duties & duty_sigmask)) pthread_sigmask(SIG_SETMASK, nullptr, &tx.saved_mask);
    tx.duties |= duty_sigmask;
    return 0;
}

int tm_save_fenv(void)
{
    Context &tx = self();
    if (!tx.limit) return EPERM;
    if (!(tx.duties & duty_fenv)) std::fegetenv(&tx.saved_fenv);
    tx.duties |= duty_fenv;
    return 0;
}

/** The data of tm_log_local: this, then the bytes. */
struct LocalHead {
    void *addr;
    std::size_t size;
};

static void restore_local(void *data)
{
    if (self().frame_is_gone) return;
    LocalHead local;
    std::memcpy(&local, data, sizeof local);
    std::memcpy(local.addr, static_cast<char *>(data) + sizeof local, local.size);
}

static constexpr tm_action local_action = {nullptr, nullptr, restore_local, nullptr};

int tm_log_local_bytes(void *addr, size_t size)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!tx.limit) return EPERM;
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    const bool inner = at >= reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) && at < reinterpret_cast<std::uintptr_t>(tx.frame[frame_sp]);
    if (inner) return 0;
    const Growth growth = tx.growth(TM_LOG_INTENTS);
    void *const data = tx.actions.add(local_action, false, sizeof(LocalHead) + size, growth);
    if (!data) {
        if (tx.irrevocable()) return 0; // it will not be needed
        fail(tx, log_error(growth), "tm_log_local");
    }
    tx.duties |= duty_actions;
    const LocalHead local = {addr, size};
    std::memcpy(data, &local, sizeof local);
    std::memcpy(static_cast<char *>(data) + sizeof local, addr, size);
    return 0;
}

void tm_abandon(void)
{
    if (has_context()) abandon(self());
}

static int log_action(const tm_action &action, bool own, const void *data, std::size_t size)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!tx.limit) { // outside: do it now
        void *const unlogged = const_cast<void *>(data);
        int code = action.prepare ? action.prepare(unlogged) : 0;
        if (!code && action.apply) code = action.apply(unlogged);
        if (action.finish) action.finish(unlogged);
        return code;
    }
    const Growth growth = tx.growth(TM_LOG_INTENTS);
    void *const copy = tx.actions.add(action, own, size, growth);
    if (!copy) {
        if (tx.irrevocable()) return record(tx, TM_ERROR_MEMORY, ENOMEM, "tm_log", "out of memory in an irrevocable transaction: the entry is not logged");
        fail(tx, log_error(growth), "tm_log");
    }
    tx.duties |= duty_actions;
    if (size) std::memcpy(copy, data, size);
    return 0;
}

int tm_log_action(const tm_action *action, const void *data, size_t size)
{
    return log_action(*action, false, data, size);
}

int tm_log(int (*apply)(void *), void (*undo)(void *), void (*finish)(void *), const void *data, size_t size)
{
    return log_action({nullptr, apply, undo, finish}, true, data, size);
}

int tm_log_reserve(size_t entries, size_t bytes, size_t stripes)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!tx.limit) return EPERM;
    if (tx.actions.reserve(entries, bytes) && tx.allocations.reserve(entries) && tx.writes.reserve(stripes)) return 0;
    return record(tx, TM_ERROR_MEMORY, ENOMEM, "tm_log_reserve", "no memory for that much; reserve less");
}
}
