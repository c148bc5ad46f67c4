/* SPDX-License-Identifier: MIT */
/**
 * @file control.h
 * Beginning and ending transactions, errors, attributes.
 *
 *     tm_begin
 *         tm_store(&balance, tm_load(&balance) + 1);
 *     tm_commit
 *         fprintf(stderr, "%s\n", tm_last_error()->message);   // the recovery block: runs after an error or tm_abort()
 *     tm_end
 *
 * On a conflict everything is undone and the block runs again from tm_begin. So between tm_begin and tm_commit do not
 * `return`, `goto` or `break` out of the block (nor out of the recovery block by `return`), and declare as `tm_save` the local variables from outside that the
 * block changes and still needs: registers go back to what they were at tm_begin, memory of the stack does not
 * (tm_log_local() restores that too).
 *
 * Blocks nest: an inner block is part of the outermost one, which alone publishes and alone has a recovery block that runs.
 */
#ifndef TM_CONTROL_H
#define TM_CONTROL_H

#include <setjmp.h>
#include <tm/context.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** Where new values wait: in a write log until the commit, or in memory at once with the old ones in an undo log. A transaction alone (options `bias` and `turns`) does the latter. */
typedef enum tm_mode {
    TM_MODE_DEFAULT = 0, /**< the option `mode` of tm_config_set() */
    TM_WRITE_BACK = 1,
    TM_WRITE_THROUGH = 2,
    TM_MODE_AUTO = 3 /**< one of the two, chosen for each label and thread by what its last transactions have written and how often they were rolled back */
} tm_mode;

/**
 * How durable what a transaction has written to a pool (tm/persist.h) is when it has committed. Whatever is chosen, commits become durable in their order: after a
 * crash there is what a first part of them has made. Memory outside of pools has no use for it.
 */
typedef enum tm_durability {
    TM_DURABILITY_DEFAULT = 0, /**< that of the pool */
    TM_DURABILITY_NONE = 1,    /**< with the next commit that is */
    TM_DURABILITY_ASYNC = 2,   /**< soon: within the pool's interval, or when tm_pool_wait() asks for it */
    TM_DURABILITY_GROUP = 3,   /**< when tm_commit returns, which waits a little for others to share the write */
    TM_DURABILITY_SYNC = 4     /**< when tm_commit returns */
} tm_durability;

/** Flags of a tm_attr. */
enum {
    TM_READ_ONLY = 1,        /**< a store is an error; no read log is kept, so reads cost less */
    TM_READ_MOSTLY = 2,      /**< begins like TM_READ_ONLY; the first store promotes it to a writer (it may restart for that) */
    TM_NO_GROW = 4,          /**< the logs may not grow beyond what tm_log_reserve() made: else TM_ERROR_LOG_FULL */
    TM_NULL_ON_OOM = 8,      /**< tm_malloc() and the like return NULL and the transaction lives on; else TM_ERROR_MEMORY */
    TM_COMMIT_ON_THROW = 16, /**< C++: an exception that leaves the block commits it; else it is rolled back */
    TM_NO_QUIESCENCE = 32,   /**< do not wait for older transactions; then memory taken out of sharing must not be used plainly */
    TM_IRREVOCABLE = 64      /**< begin irrevocable: runs alone among writers, never restarts, may do what cannot be undone. Not with TM_READ_ONLY (TM_ERROR_MISUSE) */
};

#ifdef __cplusplus
#define TM_ZERO_ {}
#else
#define TM_ZERO_
#endif
/** What one transaction asks for. Zero is the default of every member. Read when the outermost block begins. */
typedef struct tm_attr {
    unsigned flags TM_ZERO_;           /**< TM_READ_ONLY, ... */
    tm_mode mode TM_ZERO_;             /**< buffering mode */
    unsigned max_retries TM_ZERO_;     /**< restarts before it runs alone; 0: the option `max_retries` */
    tm_durability durability TM_ZERO_; /**< see tm_durability */
    uint64_t deadline TM_ZERO_;        /**< CLOCK_MONOTONIC, ns; no attempt starts or waits after it: TM_ERROR_DEADLINE. 0: none */
    const char *label TM_ZERO_;        /**< names the transaction in errors and counters (tm_label_stats_get()); must outlive it. NULL: none */
    uint64_t reserved[4] TM_ZERO_;     /**< zero */
} tm_attr;

/** Why a transaction ended in its recovery block, or a call failed. */
typedef enum tm_error_kind {
    TM_ERROR_NONE = 0,
    TM_ERROR_ABORT,     /**< tm_abort(): `code` is its argument */
    TM_ERROR_RECOVER,   /**< tm_recover(): `code` is its argument */
    TM_ERROR_MEMORY,    /**< out of memory (ENOMEM) */
    TM_ERROR_LOG_FULL,  /**< a log would have had to grow in spite of TM_NO_GROW (ENOBUFS) */
    TM_ERROR_READ_ONLY, /**< a store in a read-only transaction (EPERM) */
    TM_ERROR_DEADLINE,  /**< the deadline has passed (ETIMEDOUT) */
    TM_ERROR_VETO,      /**< a `prepare` of the action log refused: `code` is what it returned */
    TM_ERROR_FREE,      /**< a block freed twice (EINVAL) */
    TM_ERROR_ACTION,    /**< an `apply` of the action log failed after the point of no return: `code` is what it returned */
    TM_ERROR_POOL,      /**< a pool that was written to: `code` is an errno value, tm_pool_error() says more. EIO: it is committed in memory, and nobody knows whether on the disk; any other: it was rolled back */
    TM_ERROR_MISUSE,    /**< a call where it is not allowed (EPERM) or with a bad argument (EINVAL) */
    TM_ERROR_LOCK       /**< a lock of the transaction could not be taken: `code` is what pthread_mutex_lock(3) or pthread_rwlock_wrlock(3) returned */
} tm_error_kind;

/** The last error of the calling thread. */
typedef struct tm_error_record {
    tm_error_kind kind;
    int code;              /**< an errno value, or the argument of tm_abort() or tm_recover() */
    const char *operation; /**< the call that failed: "tm_malloc" */
    const char *label;     /**< of the transaction, or NULL */
    const char *message;   /**< one sentence: what happened and what to do */
} tm_error_record;

/** Why an attempt was rolled back. */
typedef enum tm_abort_reason {
    TM_ABORTED_NOT = 0,
    TM_ABORTED_LOCKED,     /**< another transaction held the data */
    TM_ABORTED_CHANGED,    /**< what it had read has changed (found by an access) */
    TM_ABORTED_VALIDATION, /**< what it had read has changed (found by the commit) */
    TM_ABORTED_KILLED,     /**< it gave way to a transaction that runs alone */
    TM_ABORTED_CLOCK,      /**< the version clock overflowed and was reset */
    TM_ABORTED_PROMOTED,   /**< a read-only attempt had to start again as a writer */
    TM_ABORTED_RESTART,    /**< tm_restart() */
    TM_ABORTED_ERROR,      /**< an error: see tm_last_error() */
    TM_ABORTED_ABANDONED,  /**< left by longjmp(), thread exit or cancellation */
    TM_ABORTED_MUTEX,      /**< a lock that it asked for (tm_lock) was busy: it waits for it before the next attempt */
    TM_ABORT_REASONS
} tm_abort_reason;

/** @name The block */
/**@{*/
/** A local variable from outside of the block that keeps what the block has assigned to it across a restart. */
#define tm_save volatile
/** Begin a transaction with the default attributes. */
#define tm_begin tm_begin_with(NULL)
/** Commit; what follows, up to tm_end, runs instead if the transaction was ended by an error or tm_abort(). */
#define tm_commit                                                                                                      \
    tm_commit_();                                                                                                      \
    }                                                                                                                  \
    else                                                                                                               \
    {
/** End of the block. */
#define tm_end                                                                                                         \
    tm_end_();                                                                                                         \
    }

#if defined(__SANITIZE_THREAD__)
#define TM_PORTABLE_BEGIN_ 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TM_PORTABLE_BEGIN_ 1
#endif
#endif
#if !defined(__x86_64__) && !defined(TM_PORTABLE_BEGIN_)
#define TM_PORTABLE_BEGIN_ 1
#endif

/** Begin a transaction as `attr` (`const tm_attr *`, or NULL) says. */
#ifdef TM_PORTABLE_BEGIN_
#define tm_begin_with(attr) if (_setjmp(*tm_jmp_buf_()) == 0 ? tm_begin_first_(attr) : tm_begin_again_()) {
#else
#define tm_begin_with(attr) if (tm_begin_(attr)) {
#endif
int tm_begin_(const tm_attr *attr) TM_DIRECT_ __attribute__((returns_twice));
int tm_begin_first_(const tm_attr *attr);
int tm_begin_again_(void);
jmp_buf *tm_jmp_buf_(void);
void tm_commit_(void) TM_DIRECT_;
void tm_end_(void);
/**@}*/

/** Whether the calling thread is in a transaction. */
static inline int tm_in_transaction(void)
{
    return tm_self_->depth + 1 > 1;
}

/**
 * Roll back and run the block again; in a recovery block: retry the transaction (unless another one has run in it). Does not return, except, with
 * no effect other than TM_ERROR_MISUSE in tm_last_error(), in an irrevocable transaction or outside of any. It also returns from the recovery block of a
 * thread's first transaction that found no memory to begin with (TM_ERROR_MEMORY): go around tm_begin again.
 */
void tm_restart(void);

/**
 * Roll back without a retry: the recovery block of the outermost transaction runs; libtm::atomically throws libtm::error.
 * `code` is the user's. Returns only where it is not allowed: EPERM, as for tm_restart().
 */
int tm_abort(int code);

/** As tm_abort(), for an operation that failed with the errno value `code` and left the decision to the recovery block. */
int tm_recover(int code);

/**
 * Make the running transaction irrevocable: it will not restart from now on, and at most one such runs at a time.
 * Others go on reading, unless it was alone already (options `bias` and `turns`): then they wait. Done in place if what was read still holds; else the block restarts, irrevocable from its begin.
 * Waits for the running writers to end. Returns 0, or EPERM outside of a transaction.
 */
int tm_irrevocable(void);

/** Attempts of the running (or last) transaction so far: 1 in the first. */
unsigned tm_attempt(void);
/** Why the previous attempt of the running (or last) transaction was rolled back. */
tm_abort_reason tm_last_abort(void);
/** A reason's name: "locked". A static string; never NULL. */
const char *tm_abort_reason_name(tm_abort_reason reason);
/** The calling thread's last error; valid until its next transaction begins. Never NULL. */
const tm_error_record *tm_last_error(void);

/**
 * @name What a rollback restores besides memory
 * errno is always put back to its value at the begin.
 */
/**@{*/
/** Remember the value of errno now; a rollback restores it instead of the one at the begin. */
void tm_save_errno(void);
/** Remember the signal mask now (one system call); a rollback restores it. EPERM outside of a transaction. */
int tm_save_sigmask(void);
/** Remember the floating-point environment now; a rollback restores it. EPERM outside of a transaction. */
int tm_save_fenv(void);
/**
 * Restore `size` bytes of a local variable at `addr` on a rollback, to what they hold now. Ignored for a variable of a function
 * that was called from the block (in C++, of the block itself), since a restart makes it anew. EPERM outside of a transaction; out of memory ends the transaction.
 */
int tm_log_local_bytes(void *addr, size_t size);
#define tm_log_local(addr) tm_log_local_bytes((addr), sizeof *(addr))
/**@}*/

/**
 * longjmp(3) out of a transaction: rolls it back first (an irrevocable one is committed). After a bare longjmp the transaction goes on holding
 * its data until the thread ends or begins again in the same frame or one further out; a begin in a frame further in would become part of it.
 */
#define tm_longjmp(env, value) (tm_abandon(), longjmp((env), (value)))
/** Roll the running transaction back and forget it (commit an irrevocable one); the caller goes on outside. No effect outside. */
void tm_abandon(void);

/** @name The boundary of C++ blocks: tm/tm.hpp */
/**@{*/
int tm_enter_(const tm_attr *attr, void (*unwind)(void)) TM_DIRECT_;
int tm_leave_(int level) TM_DIRECT_;
int tm_unwound_(int level);
int tm_thrown_(int level);
/**@}*/

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
