// SPDX-License-Identifier: MIT
#include "stages.hpp"

#include "annotate.hpp"
#include "tx.hpp"

#include <cerrno>

namespace libtm::engine {

bool Stages::push(const Level &level)
{
    if (size >= near.size()) {
        far.cut(far.begin() + (size - near.size()));
        if (!far.push(level)) return false;
    } else {
        near[size] = level;
    }
    ++size;
    return true;
}

void Stages::pop() { --size; }

namespace stages {

namespace {

using Kind = Level::Kind;

/** The outermost Level while its transaction runs, else null. */
Level *running_outermost(Context &tx)
{
    if (tx.stages.none()) return nullptr;
    Level &first = tx.stages.at(0);
    return first.kind == Kind::outermost && first.stage == TM_STAGE_WORK ? &first : nullptr;
}

/** The inner Levels of a transaction that ends were left, if they are still there. */
void drop_inner(Stages &stages)
{
    while (!stages.none()) {
        const Level &top = stages.top();
        if (top.kind == Kind::outermost || (top.kind == Kind::refused && top.depth == 0)) return;
        stages.pop();
    }
}

} // namespace

int error_of(const Context &tx) { return tx.error.kind != TM_ERROR_NONE && tx.error.code ? tx.error.code : ECANCELED; }

tm_stage_kind stage_of(Context &tx)
{
    const bool runs = tx.state == State::running || tx.state == State::committing;
    if (tx.stages.none()) return runs ? TM_STAGE_WORK : tx.in_recovery ? TM_STAGE_ONABORT : TM_STAGE_NONE;
    if (tx.stages.lost) return TM_STAGE_NONE;
    const Level &top = tx.stages.top();
    if (!runs) return top.stage;
    const bool over = top.kind == Kind::outermost && top.stage != TM_STAGE_WORK; // what runs is another transaction, in a part
    return !over && top.depth == tx.depth ? top.stage : TM_STAGE_WORK;
}

void enter(Context &tx, Level &level, tm_stage_kind stage)
{
    level.stage = stage;
    if (level.kind == Kind::outermost && tx.stages.callback) tx.stages.callback(tx.stages.subject, stage, tx.stages.argument);
    if (stage == TM_STAGE_ONABORT) errno = tx.stages.error;
}

bool before_attempt(Context &tx)
{
    Stages &stages = tx.stages;
    drop_inner(stages);
    const bool again = !stages.none() && stages.at(0).kind == Kind::outermost && stages.at(0).stage == TM_STAGE_ONABORT && begun_here(tx);
    if (again) {
        stages.at(0).stage = TM_STAGE_WORK;
        std::swap(stages.locks, tx.locks);
    }
    if (running_outermost(tx)) {
        stages.error = 0;
        if (stages.callback_is_inner) stages.callback = nullptr;
        stages.callback_is_inner = false;
        tx.user_data = nullptr;
        tx.duties |= duty_user_data;
    }
    tx.duties |= duty_stages;
    const int code = tx.locks.take_again(tx);
    if (!code) return true;
    if (code == ETIMEDOUT)
        record(tx, TM_ERROR_DEADLINE, code, "tm_begin", "the deadline of the transaction has passed while it waited for a lock; give it more time");
    else
        record(tx, TM_ERROR_LOCK, code, "tm_begin", "a lock of the transaction could not be taken again for its next attempt; see the code");
    return false;
}

bool on_end(Context &tx, bool committed)
{
    Stages &stages = tx.stages;
    drop_inner(stages);
    Level *const outermost = running_outermost(tx);
    if (!outermost) {
        tx.locks.release();
        return false;
    }
    std::swap(stages.locks, tx.locks);
    stages.user_data = tx.user_data;
    stages.error = committed ? 0 : error_of(tx);
    outermost->stage = committed ? TM_STAGE_ONCOMMIT : TM_STAGE_ONABORT;
    return true;
}

void fail_late(Context &tx)
{
    tx.stages.error = error_of(tx);
    tx.stages.at(0).stage = TM_STAGE_ONABORT;
}

bool catches(Context &tx)
{
    Stages &stages = tx.stages;
    while (!stages.none()) {
        const Level &top = stages.top();
        if (top.kind == Kind::outermost || (top.kind == Kind::refused && top.depth == 0)) return false;
        const bool can = top.kind == Kind::inner && top.stage == TM_STAGE_WORK && top.depth <= tx.depth + top.is_cxx && (top.env || top.is_cxx);
        if (can) return top.cxx_depth == tx.cxx_depth;
        stages.pop(); // it was left, or cannot be told
    }
    return false;
}

void suspend(Context &tx)
{
    Level &level = tx.stages.top();
    tx.stages.error = error_of(tx);
    tx.stages.failure = tx.error;
    tx.stages.user_data = tx.user_data;
    tx.depth = level.depth;
    suspend_failed(tx);
    enter(tx, level, TM_STAGE_ONABORT);
    if (level.is_cxx) return;
    annotate::before_jump();
    std::longjmp(*level.env, 1);
}

void resume(Context &tx)
{
    tx.error = tx.stages.failure;
    tx.outcome = Outcome::failed;
    tx.state = State::unwinding;
}

bool begun_here(Context &tx)
{
    if (tx.stages.none()) return false;
    const Level &first = tx.stages.at(0);
    return first.kind == Kind::outermost && first.env && first.sp == tx.frame[frame_sp] && first.ip == tx.frame[frame_ip];
}

void return_to_level(Context &tx, bool runs)
{
    Level &level = tx.stages.at(0);
    if (!runs) {
        tx.stages.error = error_of(tx);
        enter(tx, level, TM_STAGE_ONABORT);
    }
    annotate::before_jump();
    std::longjmp(*level.env, 1);
}

bool was_left(Context &tx, const void *sp) { return reinterpret_cast<std::uintptr_t>(sp) > tx.stages.at(0).above; }

void forget(Context &tx)
{
    tx.stages.size = tx.stages.lost = 0;
    tx.stages.callback = nullptr;
    tx.stages.locks.release();
    tx.locks.release();
}

} // namespace stages

} // namespace libtm::engine
