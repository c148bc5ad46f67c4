// SPDX-License-Identifier: MIT
/**
 * @file tx.hpp
 * The life of a transaction. The overview is in tx.cpp, with begin, attempts and the ways back to the block's boundary; commit and rollback are in commit.cpp.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine {

// Places in tm_context::frame.
inline constexpr unsigned frame_sp = 6;
inline constexpr unsigned frame_ip = 7;

// Both return what the functions of the C API return: so they can be the last that these do.
/** Begin the outermost transaction. 0: an error is recorded and nothing runs. Needs a context in the state idle. */
int begin(Context &tx, const tm_attr *attr);

/** Commit the outermost transaction. 0: rolled back, with the outcome in tx.outcome; the state is then unwinding. */
int commit(Context &tx);

/** Whether it is alone and has nothing to attend to but stores in place. */
inline bool is_only_alone(const Context &tx) { return tx.duties == duty_alone; }
/** Commit such a one. 1. */
int commit_alone(Context &tx);

/** Roll back what runs: what it has changed, held and begun. The state is then unwinding, with the outcome `retry`. */
void roll_back(Context &tx, tm_abort_reason reason);
/** The thread leaves from within an action of a commit or a rollback: the rest of the log is lost, but nobody may be stuck. */
void break_off_commit(Context &tx);

/** Roll back what runs and try again at the boundary of the block. */
[[noreturn]] void restart(Context &tx, tm_abort_reason reason);

/** Roll back what runs and end the transaction with an error at the boundary of the outermost block. */
[[noreturn]] void fail(Context &tx, tm_error_kind kind, const char *operation);
[[noreturn]] void fail(Context &tx, tm_error_kind kind, int code, const char *operation, const char *message);

/** Roll back and end the transaction at once: the caller stands at the boundary. */
void cancel(Context &tx);
/** The rolled back transaction ends here: no further attempt. The recovery block of a C block may still ask for one. */
void end_failed(Context &tx);

/** Roll back and end the transaction with nobody to tell. */
void abandon(Context &tx);

/** After a rollback: start the next attempt, or end the transaction if there shall be none. Whether an attempt runs now. */
bool next_attempt(Context &tx);
/** In the recovery block: start the transaction again. */
bool retry_from_recovery(Context &tx);

/** Go to the boundary after a rollback: throw, or jump. The state is unwinding. */
[[noreturn]] void leave_block(Context &tx);
/** The boundary is a C block: start the next attempt or its recovery block. */
[[noreturn]] void return_to_begin(Context &tx);

/** Record an error without ending anything. Returns the code. */
int record(Context &tx, tm_error_kind kind, int code, const char *operation, const char *message);

bool deadline_passed(const Context &tx);
/** CLOCK_MONOTONIC, in ns. */
std::uint64_t now_ns();
/** Whether this moment of it is over. */
bool is_past(std::uint64_t moment);

/** The error of a log that is full. */
inline tm_error_kind log_error(Growth growth) { return growth.allocate && growth.own ? TM_ERROR_MEMORY : TM_ERROR_LOG_FULL; }

/** An operation of a running transaction cannot be done: end it, or record the error and return it, in errno too, where it lives on: with TM_NO_ABORT or its like, and in an irrevocable one. */
int fail_or_return(Context &tx, unsigned flags, tm_error_kind kind, int code, const char *operation, const char *message);

/**
 * Whether the block that runs was left without a commit: a begin comes from a frame above that of its tm_begin, or it is the same tm_begin in the
 * same frame. Then it is rolled back.
 */
bool was_abandoned(Context &tx, const void *sp, const void *ip);

/** A failed transaction whose inner block has something to do before the outer ones are told: nothing runs, nothing is held, but it has not ended. */
void suspend_failed(Context &tx);

} // namespace libtm::engine
