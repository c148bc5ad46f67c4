/* SPDX-License-Identifier: MIT */
/**
 * @file hold.h
 * Keeping transactions off memory that plain code changes under locks of its own: for libraries that bring another model of transactions, such as libtm-pmemobj.
 *
 *     tm_holder *holder = tm_hold_begin();
 *     pthread_mutex_lock(&mutex);
 *     tm_hold(holder, &balance, sizeof balance);  // transactions that hold it are waited for; others wait, or begin again
 *     balance += 1;
 *     pthread_mutex_unlock(&mutex);
 *     tm_hold_end(holder);                         // they go on
 *
 * A transaction sees nothing of what a holder stores to what it holds before the end, and then all of it. Holders do not keep each other off, also where they hold the same bytes: that is what
 * their own locks are for. So a holder is never rolled back, and may wait for other holders: those never wait for it.
 *
 * What a holder reads without holding it is not isolated from transactions.
 */
#ifndef TM_HOLD_H
#define TM_HOLD_H

#include <stddef.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** What a piece of plain code holds. Of the thread that has begun it. */
typedef struct tm_holder tm_holder;

/**
 * Begin. Until tm_hold_end() the calling thread cannot begin transactions (TM_ERROR_MISUSE). Waits for a transaction that runs alone (irrevocable, or a commit of a whole pool), and is polite to one that wants to, for
 * some milliseconds at most; not where the thread holds already: holders nest, and the inner one ends first. NULL: in a transaction (errno is EDEADLK), or no memory (ENOMEM).
 */
tm_holder *tm_hold_begin(void);
/** Hold `size` bytes at `addr` (and what shares an orec with them). Waits for transactions that have them locked. 0; ENOMEM: held is what was before, and perhaps a part of these; EINVAL: the holder is NULL. */
int tm_hold(tm_holder *holder, const void *addr, size_t size);
/**
 * Let all go, once each transaction that runs now has ended or has assured that it has not read any of it: then nobody sees the bytes as they were before. Progress: depends on transactions, never on
 * holders. NULL: no effect.
 */
void tm_hold_end(tm_holder *holder);
/** Whether the calling thread has begun a holder and not ended it. tm_in_transaction() says yes then, too. */
int tm_is_holding(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
