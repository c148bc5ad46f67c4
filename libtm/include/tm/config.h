/* SPDX-License-Identifier: MIT */
/**
 * @file config.h
 * Options and counters of the process. Thread-safe.
 *
 * The environment variable TM_CONF sets options at the start: TM_CONF=mode:write-through,max_retries:16. What it says wrongly
 * is ignored and reported by tm_config_error(). `TM_CONF=verbose` prints the table below to standard error at the first transaction.
 *
 * | option        | default     | values                              | meaning |
 * | ---           | ---         | ---                                 | --- |
 * | mode          | write-back  | write-back, write-through           | where new values wait, unless the transaction says |
 * | contention    | backoff     | suicide, delay, backoff, timestamp  | who gives way when two transactions meet |
 * | max_retries   | 100         | 0 ... 1000000                       | restarts before a transaction runs alone |
 * | spin          | 300         | 0 ... 1000000                       | looks at something held before giving way, or the processor away |
 * | wait          | 1000        | 0 ... 1000000                       | looks at a held orec between two attempts, before trying again |
 * | quiescence    | on          | on, off                             | writers wait until nobody sees the old state (safe privatization) |
 * | bias          | 1024        | 0 ... 1000000                       | transactions of one thread, while no other begins one, until it pays for no orecs (libtm/doc/design.md); 0: never |
 * | orecs         | 20          | 0 ... 28                            | log2 of the number of orecs; before the first transaction |
 * | clock_bits    | 60          | 4 ... 60                            | width of the version clock; before the first transaction |
 * | detection     | auto        | auto, written, copied, pagemap, kpageflags, compare | how pools opened from now on find changed pages (libtm-persist/doc/durability.md) |
 * | verbose       | off         | on, off                             | print this table at the first transaction |
 *
 * A build for tests (sanitizers, -Dshake=true) has two more: `shake:K` lets one validation in K fail at random, as if what the transaction
 * has read had changed, up to its max_retries; 0, the default, none. `shake_seed` chooses which.
 */
#ifndef TM_CONFIG_H
#define TM_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <tm/control.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/**
 * Set an option for the transactions that begin from now on. Returns 0; ENOENT: no such option; EINVAL: not one of its values;
 * EBUSY: to be set before the first transaction of the process.
 */
int tm_config_set(const char *name, const char *value);
/** Write an option's value, or of `heap` and `version`, as a string into buf. Returns its length, as snprintf(3) does; -1: no such option. */
int tm_config_get(const char *name, char *buf, size_t size);
/** What was wrong in TM_CONF: one sentence, or NULL. A static string. */
const char *tm_config_error(void);

/** Counts since the start of the process, over all threads. */
typedef struct tm_stats {
    uint64_t commits;                   /**< committed outermost transactions */
    uint64_t read_only;                 /**< of these, without a write */
    uint64_t alone;                     /**< of these, that paid for no orecs: no other thread had begun one for long (option `bias`) */
    uint64_t serial;                    /**< of these, that ran alone (irrevocable, or after max_retries) */
    uint64_t aborts[TM_ABORT_REASONS];  /**< rolled back attempts, by tm_abort_reason */
    uint64_t extensions;                /**< snapshots moved up */
    uint64_t waits;                     /**< commits that had to wait for an older transaction */
    uint64_t max_attempts;              /**< most attempts that one transaction needed */
} tm_stats;

/** Sum the counters of all threads into `*stats`. Those of running threads may lag behind. */
void tm_stats_get(tm_stats *stats);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
