/* SPDX-License-Identifier: MIT */
/**
 * @file hooks.h
 * What a library adds to the commits of transactions that write to memory of its own: libtm-persist makes them durable. There is one table of hooks in a
 * process, and ranges of addresses that it is asked about; all other transactions pay a comparison.
 *
 * The order of a commit is that of libtm/src/tx.cpp. The functions run in the committing thread, and none of them may begin a transaction, throw, or leave by
 * longjmp(), but `ended`, which may begin one.
 */
#ifndef TM_HOOKS_H
#define TM_HOOKS_H

#include <stddef.h>
#include <tm/control.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** What a transaction has written. */
typedef struct tm_written tm_written;

/**
 * Call visit(data, addr, size) for each run of bytes that the transaction has written anywhere, no byte twice, in no particular order. Where plain code has
 * written without a trace (TM_PRIVATIZE_NOUNDO) a run is the whole stripe of 32 bytes.
 */
void tm_each_written(const tm_written *written, void (*visit)(void *data, void *addr, size_t size), void *data);

typedef struct tm_hooks {
    /**
     * The transaction is about to commit; its data is locked, new values may not be in memory yet. Anything but 0, an errno value, rolls it back with
     * TM_ERROR_POOL and that code; not where it `must` go on, since it is irrevocable. After 0 exactly one of `rolled_back` and `committed` follows, soon:
     * in between the transaction is validated, and takes its place in the order of commits. So who holds a mutex over that time sees commits in their order.
     */
    int (*prepare)(const tm_written *written, tm_durability durability, int must);
    /** It was rolled back after all, and may come again. */
    void (*rolled_back)(void);
    /** It is committed: the new values are in memory, and its data is still locked. */
    void (*committed)(const tm_written *written);
    /** It has ended: nothing is locked. Anything but 0, an errno value, is reported as TM_ERROR_POOL. */
    int (*ended)(void);
} tm_hooks;

/** Install the hooks, which must stay valid for ever. 0, or EBUSY: there are others. */
int tm_hooks_install(const tm_hooks *hooks);
/** From now on transactions that write to [low, high) call the hooks; and perhaps others: it is one range that holds all. An empty one: none does. Thread-safe. */
void tm_hooks_range(const void *low, const void *high);
/** The running transaction calls the hooks, whatever it writes. EPERM outside of one, and in a function of the action log. */
int tm_hooks_call(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
