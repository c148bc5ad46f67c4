/* SPDX-License-Identifier: MIT */
/**
 * @file action.h
 * The action log: what a transaction does besides memory. Opening a file, sending a message, counting in a library of somebody
 * else's: do it now and log how to undo it, or log it now and do it at the commit.
 *
 * Order. Commit: every `prepare`, in the order of logging; *the point of no return*; memory is written; every `apply`, in the order
 * of logging; the data is let go; every `finish`. Rollback: memory is restored; every `undo`, in the reverse order;
 * the data is let go; every `finish`.
 *
 * `prepare`, `apply` and `undo` run while the transaction still holds its data, and may load and store what it holds. None of the four may begin a
 * transaction (it is refused: TM_ERROR_MISUSE), throw, or leave by longjmp().
 */
#ifndef TM_ACTION_H
#define TM_ACTION_H

#include <stddef.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** The kind of an entry. Each member may be NULL. `data` is the log's own copy of the bytes given to tm_log_action(). */
typedef struct tm_action {
    int (*prepare)(void *data); /**< may veto: anything but 0 rolls back with TM_ERROR_VETO and that code */
    int (*apply)(void *data);   /**< anything but 0 is reported as TM_ERROR_ACTION with that code; the rest is still applied */
    void (*undo)(void *data);
    void (*finish)(void *data); /**< after either, for clean-up */
} tm_action;

/**
 * Append an entry. `size` bytes at `data` are copied; their copy is aligned to 16 and does not move. `action` must stay
 * valid until the transaction has ended. Out of memory ends the transaction (TM_ERROR_MEMORY): then the entry is not
 * logged, and what it was to undo is the caller's; log first, or reserve, to avoid that. Outside of a transaction `apply` and `finish` are called at
 * once. Returns 0, else the code of `prepare` or `apply` outside of a transaction; in an irrevocable one ENOMEM when it could not be logged.
 */
int tm_log_action(const tm_action *action, const void *data, size_t size);

/** As tm_log_action(), with the functions given one by one. Any may be NULL. */
int tm_log(int (*apply)(void *data), void (*undo)(void *data), void (*finish)(void *data), const void *data, size_t size);

/**
 * Reserve room: `entries` further entries with `bytes` of data in all, and `stripes` further stripes (of 32 bytes) to write. Logging and storing
 * that much cannot run out of memory. Returns 0 or ENOMEM, with the transaction alive; EPERM outside of a transaction.
 */
int tm_log_reserve(size_t entries, size_t bytes, size_t stripes);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
