// SPDX-License-Identifier: MIT
/**
 * @file errors.cpp
 * The error record of a context and the sentences in it.
 */
#include "tx.hpp"

#include <cerrno>

namespace libtm::engine {

namespace {

struct Sentence {
    int code;
    const char *message;
};

/** The errors whose code and sentence do not depend on where they occur. */
Sentence sentence_of(tm_error_kind kind)
{
    switch (kind) {
    case TM_ERROR_MEMORY: return {ENOMEM, "out of memory; the transaction was rolled back: free some memory and restart it"};
    case TM_ERROR_LOG_FULL: return {ENOBUFS, "a log is full and TM_NO_GROW or tm_log_auto_alloc() forbids to extend it; reserve more with tm_log_reserve, or give it a larger buffer"};
    case TM_ERROR_READ_ONLY: return {EPERM, "a write in a transaction begun with TM_READ_ONLY; begin it without"};
    case TM_ERROR_FREE: return {EINVAL, "the block has been freed before in this transaction; free it once"};
    default: return {EINVAL, "an error"};
    }
}

} // namespace

int record(Context &tx, tm_error_kind kind, int code, const char *operation, const char *message)
{
    tx.error = {kind, code, operation, tx.label(), message};
    return code;
}

void fail(Context &tx, tm_error_kind kind, const char *operation)
{
    const auto [code, message] = sentence_of(kind);
    fail(tx, kind, code, operation, message);
}

} // namespace libtm::engine

extern "C" const char *tm_abort_reason_name(tm_abort_reason reason)
{
    static constexpr const char *names[TM_ABORT_REASONS] = {"none",     "locked",   "changed", "validation", "killed",
                                                            "clock",    "promoted", "restart", "error",      "abandoned",  "mutex"};
    return static_cast<unsigned>(reason) < TM_ABORT_REASONS ? names[reason] : "unknown";
}

extern "C" const tm_error_record *tm_last_error(void)
{
    using namespace libtm::engine;
    // Without a context nothing has happened yet, but that there was no memory for one.
    static constexpr tm_error_record none = {TM_ERROR_NONE, 0, "", nullptr, "no error"};
    static constexpr tm_error_record no_context = {TM_ERROR_MEMORY, ENOMEM, "tm_begin", nullptr, "out of memory for the thread's first transaction"};
    if (!has_context()) return first_begin_failed ? &no_context : &none;
    tm_error_record &record = self().error;
    if (record.kind == TM_ERROR_NONE) record = none;
    return &record;
}
