// SPDX-License-Identifier: MIT
/**
 * @file stages_api.cpp
 * The functions of tm/stage.h but those of the logs: which is allowed where, and the way of a block through its stages.
 */
#include "tx.hpp"

#include "access.hpp"

#include <cerrno>
#include <cstring>
#include <limits>

using namespace libtm::engine;
using Kind = Level::Kind;

namespace libtm::engine {

namespace {

/** The stage of a thread that had no memory for a context when it began its first block; and whether that block is still to end. */
__thread tm_stage_kind stage_without_context = TM_STAGE_NONE;
__thread bool block_without_context = false;

int begin_without_context()
{
    first_begin_failed = block_without_context = true;
    stage_without_context = TM_STAGE_ONABORT;
    return errno = ENOMEM;
}

constexpr const char *not_here = "it is not allowed in this stage; see tm_stage()";
constexpr tm_stages defaults{};

int refuse(Context &tx, const char *operation, int code = EPERM, const char *message = not_here)
{
    return errno = record(tx, TM_ERROR_MISUSE, code, operation, message);
}

/** Whether the thread is in WORK. */
bool in_work(Context &tx)
{
    before_load_outside(tx);
    return has_context() && tx.limit && !tx.in_action && stages::stage_of(tx) == TM_STAGE_WORK;
}

int refuse_outside(Context &tx, const char *operation) { return has_context() ? refuse(tx, operation) : errno = EPERM; }

/** Where a begin stands. */
struct Place {
    std::jmp_buf *env;
    const void *sp, *ip;
    bool is_cxx;
    std::uintptr_t above() const
    {
        const auto at = reinterpret_cast<std::uintptr_t>(is_cxx ? sp : static_cast<const void *>(env));
        return at >= reinterpret_cast<std::uintptr_t>(sp) ? at : std::numeric_limits<std::uintptr_t>::max(); // not on this stack: it proves nothing
    }
};

Level make_level(const Context &tx, const Place &place, Kind kind)
{
    return {place.env, place.above(), place.sp, place.ip, tx.depth, tx.cxx_depth, 0, TM_STAGE_WORK, kind, place.is_cxx, tx.asks(returns_errors)};
}

/** A begin that is not allowed: a Level of its own goes through ONABORT to its end. */
int refuse_level(Context &tx, const Place &place, int code, const char *message)
{
    Level level = make_level(tx, place, Kind::refused);
    level.stage = TM_STAGE_ONABORT;
    level.code = code;
    if (!tx.stages.push(level)) {
        ++tx.stages.lost;
        code = ENOMEM;
    }
    return refuse(tx, "tm_stages_begin", code, message);
}

/** Levels whose block cannot be there any more, since this begin is: it was left. */
void drop_left(Context &tx, const Place &place)
{
    if (tx.state == State::idle && !tx.stages.none() && tx.stages.at(0).kind == Kind::outermost && !tx.stages.at(0).is_cxx) {
        const Level &first = tx.stages.at(0);
        if ((place.env && first.env == place.env) || stages::was_left(tx, place.sp)) stages::forget(tx);
    }
    while (!tx.stages.none() && tx.state == State::running) {
        const Level &top = tx.stages.top();
        const bool left = reinterpret_cast<std::uintptr_t>(place.sp) > top.above || (place.env && top.env == place.env);
        if (top.kind != Kind::inner || top.is_cxx || !left) return;
        tx.depth = top.depth - 1;
        tx.stages.pop();
    }
}

int check(const tm_stages &how)
{
    for (std::size_t i = 0; i < how.lock_count; ++i) {
        int kind; // in C an enum may hold any number
        std::memcpy(&kind, &how.locks[i].kind, sizeof kind);
        if (!how.locks[i].lock || (kind != TM_LOCK_MUTEX && kind != TM_LOCK_RWLOCK)) return EINVAL;
    }
    return 0;
}

constexpr const char *bad_argument = "a bad argument: an unknown kind, or a null pointer";

/** The outermost block: its Level exists from here on, whatever fails. The transaction has not begun yet. */
int enter_outermost(Context &tx, const Place &place, const tm_stages &how)
{
    Stages &stages = tx.stages;
    Level level = make_level(tx, place, Kind::outermost);
    level.depth = 1;
    level.outer_returns = false;
    stages.push(level); // the first needs no memory
    stages.error = 0;
    stages.callback = how.callback;
    stages.callback_is_inner = false;
    stages.argument = how.argument;
    stages.subject = how.subject;
    stages.user_data = tx.user_data = nullptr;
    tx.in_recovery = false;
    tx.manner.has_attr = false;
    tx.error.kind = TM_ERROR_NONE;
    if (const int code = check(how)) return refuse(tx, "tm_stages_begin", code, bad_argument);
    if (!place.env && !place.is_cxx) return refuse(tx, "tm_stages_begin", EINVAL, "the outermost block needs a jmp_buf: a conflict returns to it");
    const std::uint64_t deadline = how.attr ? how.attr->deadline : 0;
    for (std::size_t i = 0; i < how.lock_count; ++i) {
        const int code = tx.locks.take_first(how.locks[i], deadline);
        if (code == ETIMEDOUT) return record(tx, TM_ERROR_DEADLINE, code, "tm_stages_begin", "the deadline has passed while it waited for a lock; give it more time");
        if (code) return record(tx, TM_ERROR_LOCK, code, "tm_stages_begin", "a lock could not be taken; see the code");
    }
    return 0;
}

void set_duties(Context &tx)
{
    if (!(tx.duties & duty_user_data)) tx.user_data = nullptr;
    tx.duties |= duty_stages | duty_user_data;
}

int fail_begin(Context &tx)
{
    Level &level = tx.stages.at(0);
    if (level.stage == TM_STAGE_WORK) stages::on_end(tx, false);
    stages::enter(tx, level, TM_STAGE_ONABORT);
    return tx.stages.error;
}

/** What an inner block brings along, its Level on top. An error ends the transaction; an irrevocable one goes on, and this block is refused. */
int begin_inner(Context &tx, const tm_stages &how)
{
    Stages &stages = tx.stages;
    set_duties(tx);
    const auto error = [&](tm_error_kind kind, int code, const char *message) {
        if (!tx.irrevocable()) fail(tx, kind, code, "tm_stages_begin", message);
        Level &level = stages.top();
        tx.depth = --level.depth;
        level.kind = Kind::refused;
        level.stage = TM_STAGE_ONABORT;
        level.code = code;
        return errno = record(tx, kind, code, "tm_stages_begin", message);
    };
    if (const int code = check(how)) return error(TM_ERROR_MISUSE, code, bad_argument);
    if (how.callback) {
        const bool can = stages.at(0).kind == Kind::outermost && stages.at(0).stage == TM_STAGE_WORK;
        const bool other = stages.callback && (stages.callback != how.callback || stages.argument != how.argument);
        if (!can) return error(TM_ERROR_MISUSE, EINVAL, "there is no outermost block with stages for the callback to follow");
        if (other) return error(TM_ERROR_MISUSE, EINVAL, "the transaction has a callback already; it can have only one");
        stages.callback_is_inner = stages.callback_is_inner || !stages.callback;
        stages.callback = how.callback;
        stages.argument = how.argument;
    }
    for (std::size_t i = 0; i < how.lock_count; ++i) {
        const int code = tx.locks.ask(how.locks[i], tx.irrevocable());
        if (code == EBUSY && !tx.irrevocable()) restart(tx, TM_ABORTED_MUTEX);
        if (code) return error(TM_ERROR_LOCK, code, "a lock could not be taken; see the code");
    }
    return 0;
}

enum class Begin { refused, inner, outermost };

/** Which kind of block may begin here. */
Begin find_out(Context &tx, const Place &place)
{
    if (tx.in_action) return Begin::refused;
    if (tx.state == State::running) was_abandoned(tx, place.sp, place.ip);
    before_load_outside(tx);
    drop_left(tx, place);
    if (tx.limit) return stages::stage_of(tx) == TM_STAGE_WORK ? Begin::inner : Begin::refused;
    return tx.state == State::idle && tx.stages.none() ? Begin::outermost : Begin::refused;
}

constexpr const char *wrong_stage = "a block with stages begins in NONE or WORK only, and not in a function of the action log";

void push_inner(Context &tx, const Place &place)
{
    Level level = make_level(tx, place, Kind::inner);
    ++level.depth;
    if (!tx.stages.push(level)) fail(tx, TM_ERROR_MEMORY, "tm_stages_begin");
}

int begin_block(Context &tx, const Place &place, const tm_stages &how)
{
    switch (find_out(tx, place)) {
    case Begin::refused: return refuse_level(tx, place, EPERM, wrong_stage);
    case Begin::inner:
        push_inner(tx, place);
        ++tx.depth;
        return begin_inner(tx, how);
    case Begin::outermost: break;
    }
    if (enter_outermost(tx, place, how)) return fail_begin(tx);
    tx.outermost_is_cxx = false;
    tx.frame[frame_sp] = const_cast<void *>(place.sp);
    tx.frame[frame_ip] = const_cast<void *>(place.ip);
    if (!begin(tx, how.attr)) return fail_begin(tx);
    set_duties(tx);
    return 0;
}

/** In WORK of the Level on top, all inside of it ended. */
int commit_block(Context &tx)
{
    Level &level = tx.stages.top();
    if (tx.depth != level.depth || tx.cxx_depth != level.cxx_depth) return refuse(tx, "tm_stages_commit", EPERM, "a block inside of this one has not ended");
    if (level.kind == Kind::inner) {
        level.stage = TM_STAGE_ONCOMMIT;
        return 0;
    }
    stages::enter(tx, level, TM_STAGE_WORK);
    if (!commit(tx)) return_to_begin(tx);
    stages::enter(tx, level, TM_STAGE_ONCOMMIT);
    return 0;
}

int end_block(Context &tx)
{
    Stages &stages = tx.stages;
    const Level level = stages.top();
    stages.pop();
    int code = stages.error;
    if (level.kind == Kind::refused) {
        code = level.code;
    } else if (level.kind == Kind::inner) {
        if (tx.state == State::running) {
            tx.set_returns_errors(level.outer_returns);
            code = 0;
        }
        tx.depth = level.depth - 1;
        if (tx.state == State::suspended) {
            stages::resume(tx);
            leave_block(tx);
        }
    } else {
        tx.in_recovery = false;
        stages.locks.release();
        const tm_stage_callback callback = stages.callback;
        stages.callback = nullptr;
        if (callback) callback(stages.subject, TM_STAGE_NONE, stages.argument);
    }
    if (code) errno = code;
    return code;
}

} // namespace

} // namespace libtm::engine

extern "C" {

tm_stage_kind tm_stage(void) { return has_context() ? stages::stage_of(self()) : stage_without_context; }

int tm_stages_begin(jmp_buf *env, const tm_stages *how)
{
    const Place place{env, __builtin_dwarf_cfa(), __builtin_return_address(0), false};
    if (!has_context() && !make_context()) return begin_without_context();
    return begin_block(self(), place, how ? *how : defaults);
}

int tm_stages_commit(void)
{
    Context &tx = self();
    if (!in_work(tx) || tx.stages.none()) return refuse_outside(tx, "tm_stages_commit");
    return commit_block(tx);
}

int tm_process(void)
{
    if (!has_context()) {
        if (!block_without_context) return errno = EPERM;
        stage_without_context = stage_without_context == TM_STAGE_ONABORT ? TM_STAGE_FINALLY : TM_STAGE_NONE;
        return 0;
    }
    Context &tx = self();
    before_load_outside(tx);
    if (tx.stages.none() || tx.stages.lost) return refuse(tx, "tm_process");
    Level &level = tx.stages.top();
    if (tx.in_action && level.kind != Kind::refused) return refuse(tx, "tm_process");
    if (stages::stage_of(tx) != level.stage) return refuse(tx, "tm_process", EPERM, "a transaction without stages runs inside of the block");
    switch (level.stage) {
    case TM_STAGE_WORK: return commit_block(tx);
    case TM_STAGE_ONCOMMIT:
    case TM_STAGE_ONABORT:
        if (level.kind == Kind::outermost) tx.in_recovery = false;
        stages::enter(tx, level, TM_STAGE_FINALLY);
        return 0;
    default: level.stage = TM_STAGE_NONE; return 0;
    }
}

int tm_stages_end(void)
{
    if (!has_context()) {
        if (!block_without_context) return errno = EPERM;
        stage_without_context = TM_STAGE_NONE;
        block_without_context = false;
        return errno = ENOMEM;
    }
    Context &tx = self();
    before_load_outside(tx);
    if (tx.stages.lost) {
        --tx.stages.lost;
        return errno = ENOMEM;
    }
    if (tx.stages.none() || (tx.in_action && tx.stages.top().kind != Kind::refused)) return refuse(tx, "tm_stages_end");
    if (stages::stage_of(tx) != tx.stages.top().stage || tx.stages.top().stage == TM_STAGE_WORK) return refuse(tx, "tm_stages_end");
    return end_block(tx);
}

int tm_errno(void)
{
    if (!has_context()) return first_begin_failed ? ENOMEM : 0;
    Context &tx = self();
    if (tx.stages.none()) return tx.in_recovery && tx.state == State::idle ? stages::error_of(tx) : tx.stages.error;
    return tx.stages.top().kind == Kind::refused ? tx.stages.top().code : tx.stages.error;
}

int tm_set_failure_behavior(tm_failure_behavior_kind behavior)
{
    Context &tx = self();
    if (!in_work(tx)) return refuse_outside(tx, "tm_set_failure_behavior");
    if (behavior != TM_FAILURE_ABORT && behavior != TM_FAILURE_RETURN) return refuse(tx, "tm_set_failure_behavior", EINVAL, bad_argument);
    tx.set_returns_errors(behavior == TM_FAILURE_RETURN);
    return 0;
}

tm_failure_behavior_kind tm_failure_behavior(void)
{
    Context &tx = self();
    if (!in_work(tx)) return refuse_outside(tx, "tm_failure_behavior"), TM_FAILURE_ABORT;
    return tx.asks(returns_errors) ? TM_FAILURE_RETURN : TM_FAILURE_ABORT;
}

int tm_set_user_data(void *data)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!has_context() || tx.in_action || (!tx.limit && tx.stages.none())) return refuse_outside(tx, "tm_set_user_data");
    (tx.limit ? tx.user_data : tx.stages.user_data) = data;
    if (tx.limit) tx.duties |= duty_user_data;
    return 0;
}

void *tm_user_data(void)
{
    Context &tx = self();
    before_load_outside(tx);
    if (!has_context() || tx.in_action || (!tx.limit && tx.stages.none())) return refuse_outside(tx, "tm_user_data"), nullptr;
    if (!tx.limit) return tx.stages.user_data;
    return tx.duties & duty_user_data ? tx.user_data : nullptr;
}

/** Take the lock, or restart to wait for it. An errno value otherwise. */
static int ask_for_lock(Context &tx, tm_lock_kind kind, void *lock)
{
    if (!lock || (kind != TM_LOCK_MUTEX && kind != TM_LOCK_RWLOCK)) return EINVAL;
    if (tx.stages.locks.hold(lock)) return 0; // of the block around this transaction, until its end
    const int code = tx.locks.ask({kind, lock}, tx.irrevocable());
    if (code == EBUSY && !tx.irrevocable()) restart(tx, TM_ABORTED_MUTEX);
    if (!code || code == EOWNERDEAD) tx.duties |= duty_stages;
    return code;
}

static const char *lock_error(int code)
{
    return code == EBUSY ? "a lock is busy, and an irrevocable transaction cannot wait for it; take it before" : code == EINVAL ? bad_argument : "a lock could not be taken; see the code";
}

int tm_xlock(tm_lock_kind kind, void *lock, unsigned flags)
{
    Context &tx = self();
    if (!in_work(tx)) return refuse_outside(tx, "tm_xlock");
    const int code = ask_for_lock(tx, kind, lock);
    return code ? fail_or_return(tx, flags, TM_ERROR_LOCK, code, "tm_xlock", lock_error(code)) : 0;
}

int tm_lock(tm_lock_kind kind, void *lock)
{
    Context &tx = self();
    if (!in_work(tx)) return refuse_outside(tx, "tm_lock");
    const int code = ask_for_lock(tx, kind, lock);
    return code ? record(tx, TM_ERROR_LOCK, code, "tm_lock", lock_error(code)) : 0;
}

int tm_stages_enter_(const tm_stages *how, void (*unwind)(void))
{
    const Place place{nullptr, __builtin_dwarf_cfa(), __builtin_return_address(0), true};
    if (!has_context() && !make_context()) return begin_without_context();
    Context &tx = self();
    switch (find_out(tx, place)) {
    case Begin::refused: return refuse_level(tx, place, EPERM, wrong_stage);
    case Begin::inner:
        tx.unwind = unwind;
        push_inner(tx, place);
        return 0;
    default: return enter_outermost(tx, place, *how) ? fail_begin(tx) : 0;
    }
}

void tm_stages_attempt_(const tm_stages *how)
{
    Context &tx = self();
    if (tx.stages.top().kind == Kind::inner)
        begin_inner(tx, *how);
    else
        set_duties(tx);
}

void tm_stages_ready_(void)
{
    Context &tx = self();
    if (tx.limit && !tx.stages.none() && tx.stages.top().kind == Kind::outermost) stages::enter(tx, tx.stages.top(), TM_STAGE_WORK);
}

void tm_stages_done_(void)
{
    Context &tx = self();
    if (tx.stages.none()) return;
    Level &level = tx.stages.top();
    if (level.kind == Kind::inner) tx.depth = level.depth;
    stages::enter(tx, level, TM_STAGE_ONCOMMIT);
}

/** What has left the block: an exception of the user's, or (`by_engine`) a rollback. 1: the block goes on to its parts. 0: the rollback goes on outwards. */
int tm_stages_caught_(int by_engine)
{
    Context &tx = self();
    while (!tx.stages.none() && !tx.stages.top().is_cxx) tx.stages.pop();
    if (tx.stages.none()) return !by_engine;
    Level &level = tx.stages.top();
    if (level.stage == TM_STAGE_WORK && by_engine && tx.outcome == Outcome::failed && tx.state == State::unwinding) {
        stages::suspend(tx);
    } else if (by_engine) {
        tx.stages.pop();
        return 0;
    } else if (level.stage == TM_STAGE_WORK) { // an inner block whose transaction goes on, if the outer one takes the exception
        if (tx.state == State::running) tx.depth = level.depth;
        level.stage = TM_STAGE_FINALLY;
    } else {
        stages::enter(tx, level, level.stage);
    }
    return 1;
}
}
