// SPDX-License-Identifier: MIT
/**
 * @file stages.hpp
 * Blocks with stages (tm/stage.h): which there are, in which stage each is, and where control goes when one fails.
 *
 * Each block between tm_stages_begin() and tm_stages_end() is a Level; the innermost is on top. A Level is one of three:
 *
 *     outermost   it has begun the transaction; the first of all, and still there when the transaction has ended
 *     inner       a part of a transaction that somebody else has begun: another Level, a plain C block, libtm::atomically
 *     refused     a begin where none is allowed: it goes through its stages and has nothing to do with any transaction
 *
 * A failed transaction goes from the inside outwards, boundary by boundary: to a Level by a jump to its setjmp, to a C++ block by its exception. A Level that
 * is met on the way is suspended (State::suspended) until its end passes the failure on.
 */
#pragma once

#include "locks.hpp"

#include <array>
#include <csetjmp>
#include <tm/stage.h>

namespace libtm::engine {

struct Context;

struct Level {
    std::jmp_buf *env;    ///< the setjmp of its begin; null: none (an inner one may do without, a C++ one has exceptions)
    std::uintptr_t above; ///< a begin in a frame above this address proves that the block was left
    const void *sp, *ip;  ///< of its begin, as in tm_context::frame
    std::uint64_t depth;  ///< tm_context::depth in the block
    unsigned cxx_depth;   ///< Context::cxx_depth around the block
    int code;             ///< why it was refused
    tm_stage_kind stage;
    enum class Kind : std::uint8_t { outermost, inner, refused } kind;
    bool is_cxx;
    bool outer_returns;   ///< the failure behaviour to go back to
};

struct Stages {
    bool none() const { return size == 0; }
    Level &at(unsigned i) { return i < near.size() ? near[i] : far[i - near.size()]; }
    Level &top() { return at(size - 1); }
    /** Room for one more Level. False: no memory. The first few need none. */
    bool push(const Level &level);
    void pop();

    unsigned size = 0;
    unsigned lost = 0; ///< refused begins for which there was no memory
    std::array<Level, 4> near;
    List<Level> far;
    int error = 0; ///< of the last block
    tm_error_record failure{}; ///< while a Level is suspended: what the outer blocks are to learn
    tm_stage_callback callback = nullptr;
    void *argument = nullptr, *subject = nullptr, *user_data = nullptr;
    bool callback_is_inner = false; ///< registered by an inner block of this attempt
    Locks locks; ///< of the outermost Level when its transaction has ended
};

namespace stages {

/** Where the thread stands. */
tm_stage_kind stage_of(Context &tx);

/** What tm_errno() tells of the error that is recorded. */
int error_of(const Context &tx);
/** The Level goes over to this stage: the callback is called, if it is the outermost. */
void enter(Context &tx, Level &level, tm_stage_kind stage);

/** Between attempts: the inner Levels are gone, locks are taken anew. False: an error is recorded, there shall be no attempt. */
bool before_attempt(Context &tx);
/** The transaction has ended, in success or not: the Levels of its inner blocks are gone, its locks go to the outermost Level, or are let go. Whether there is one. */
bool on_end(Context &tx, bool committed);
/** It was committed, but what had to be done afterwards has failed: the outermost Level is in ONABORT. */
void fail_late(Context &tx);
/** Whether the failure that is under way comes to a Level before it comes to a C++ block. Drops Levels that were left. */
bool catches(Context &tx);
/** The failure that is under way has come to the Level on top. Returns if that is a C++ one. */
void suspend(Context &tx);
/** The suspended Level has ended, or was left: the failure goes on. */
void resume(Context &tx);
/** Whether the transaction that runs, or has just ended, is that of an outermost Level in C. */
bool begun_here(Context &tx);
/** Back to its begin, after a rollback or a failure. */
[[noreturn]] void return_to_level(Context &tx, bool runs);
/** A plain begin in a frame at `sp` proves that the outermost Level was left. */
bool was_left(Context &tx, const void *sp);
/** Drop everything, locks too. */
void forget(Context &tx);

} // namespace stages

} // namespace libtm::engine
