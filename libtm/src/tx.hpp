// SPDX-License-Identifier: MIT
/**
 * @file tx.hpp
 * The life of a transaction. The overview is in tx.cpp.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine {

/** Begin the outermost transaction. False: an error is recorded and nothing runs. Needs a context in the state idle. */
bool begin(Context &tx, const tm_attr *attr);

/** Commit the outermost transaction. False: rolled back, with the outcome in tx.outcome; the state is then unwinding. */
bool commit(Context &tx);

/** Roll back what runs and try again at the boundary of the block. */
[[noreturn]] void restart(Context &tx, tm_abort_reason reason);

/** Roll back what runs and end the transaction with an error at the boundary of the outermost block. */
[[noreturn]] void fail(Context &tx, tm_error_kind kind, const char *operation);
[[noreturn]] void fail(Context &tx, tm_error_kind kind, int code, const char *operation, const char *message);

/** Roll back and end the transaction at once: the caller stands at the boundary. */
void cancel(Context &tx);
/** The rolled back transaction ends here: no further attempt. */
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

} // namespace libtm::engine
