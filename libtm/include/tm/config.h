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
 * | mode          | write-back  | write-back, write-through, auto     | where new values wait, unless the transaction says; auto: as TM_MODE_AUTO |
 * | contention    | backoff     | suicide, delay, backoff, timestamp  | who gives way when two transactions meet |
 * | max_retries   | 100         | 0 ... 1000000                       | restarts before a transaction runs alone |
 * | spin          | 300         | 0 ... 1000000                       | looks at something held before giving way, or the processor away |
 * | wait          | 1000        | 0 ... 1000000                       | looks at a held orec between two attempts, before trying again |
 * | quiescence    | on          | on, off                             | writers wait until nobody sees the old state (safe privatization) |
 * | bias          | 1024        | 0 ... 1000000                       | transactions of one thread, while no other begins one, until it pays for no orecs (libtm/doc/design.md); 0: never |
 * | turns         | auto        | off, auto, always                   | transactions run one at a time, without orecs: auto, where that was measured to be faster; always, for tests (libtm/doc/design.md) |
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
 * Set an option for the transactions that begin from now on; `bias` and `turns` wait for one that runs without orecs. Returns 0; ENOENT: no such option; EINVAL: not one of its values;
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
    uint64_t alone;                     /**< of these, that paid for no orecs: no other thread had begun one for long (option `bias`), or they took turns (option `turns`) */
    uint64_t serial;                    /**< of these, that ran alone (irrevocable, or after max_retries) */
    uint64_t aborts[TM_ABORT_REASONS];  /**< rolled back attempts, by tm_abort_reason */
    uint64_t extensions;                /**< snapshots moved up */
    uint64_t waits;                     /**< commits that had to wait for an older transaction */
    uint64_t max_attempts;              /**< most attempts that one transaction needed */
} tm_stats;

/** Sum the counters of all threads into `*stats`. Those of running threads may lag behind. */
void tm_stats_get(tm_stats *stats);

/**
 * How the values of one quantity were distributed. A percentile is the least value that so many of them do not exceed; it is exact below 16, and else at most 12.5 % too
 * large, never too small: values are kept in 8 classes for each power of two. `sum` and `max` are exact.
 */
typedef struct tm_distribution {
    uint64_t count; /**< values */
    uint64_t sum;
    uint64_t p50, p90, p99, p999;
    uint64_t max;
} tm_distribution;

/**
 * What the transactions with one label have done since the start of the process, in all threads. Times are in ns of CLOCK_MONOTONIC. Where they are short, one transaction in
 * 16 is timed and counted 16 times: then `max` and `sum` are those of the timed ones, and `count` differs from the number of transactions.
 */
typedef struct tm_label_stats {
    uint64_t commits;                  /**< committed outermost transactions: the sum of the next three */
    uint64_t read_only;                /**< without a write */
    uint64_t write_back;               /**< with writes, in this mode */
    uint64_t write_through;            /**< with writes, in this mode */
    uint64_t alone;                    /**< of these, that paid for no orecs (options `bias` and `turns`) */
    uint64_t aborts[TM_ABORT_REASONS]; /**< rolled back attempts, by tm_abort_reason */
    uint64_t extensions;               /**< snapshots moved up */
    uint64_t waits;                    /**< commits that had to wait for an older transaction */
    tm_distribution attempts;          /**< of a committed transaction, those that were rolled back and the last */
    tm_distribution read_set;          /**< of the attempt that has committed: entries of the read log, one for each load of a stripe that it had not written. Of those that were not alone */
    tm_distribution write_set;         /**< of the attempt that has committed: stripes of 32 bytes. Where it was alone, one that it came back to counts again */
    tm_distribution duration_ns;       /**< from the first begin to the end of the commit, all attempts and waiting included; of those that have committed */
    tm_distribution quiescence_ns;     /**< of this, waiting for older transactions; of those that had to look for them: writers that were not alone, but for TM_NO_QUIESCENCE */
} tm_label_stats;

/** A thread counts so many different labels by themselves, further ones together under TM_LABEL_OTHERS. */
#define TM_LABELS_OF_A_THREAD 64
#define TM_LABEL_OTHERS "(others)"

/**
 * Sum the counters of all threads for the transactions whose tm_attr::label equals `label`. ENOENT, and all 0: there were none. A label costs each thread that uses it 10 KB,
 * which are kept; where there is no memory for them, transactions run uncounted. Counters of running threads may lag behind.
 */
int tm_label_stats_get(const char *label, tm_label_stats *stats);

/**
 * The labels so far, in the order in which they came: the first `capacity` to `labels`, as strings that stay. Returns how many there are. TM_LABEL_OTHERS is among
 * them once it is needed.
 */
size_t tm_labels(const char **labels, size_t capacity);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
