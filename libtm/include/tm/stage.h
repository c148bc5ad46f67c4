/* SPDX-License-Identifier: MIT */
/**
 * @file stage.h
 * Transactions with stages: what shall happen before, at and after the end of a transaction, told beside the block; locks and log memory
 * that belong to it. libtm/doc/stages.md explains them with examples. The stages follow the manual page pmemobj_tx_begin(3) of libpmemobj.
 *
 *     tm_begin_stages(NULL)
 *         tm_store(&balance, tm_load(&balance) - 1);    // may run several times, as between tm_begin and tm_commit
 *     tm_on_commit
 *         puts("done");
 *     tm_on_abort
 *         fprintf(stderr, "%s\n", strerror(tm_errno()));
 *     tm_finally
 *         puts("over");
 *     tm_end_stages
 *
 * A thread's stage:
 *
 *     NONE --begin--> WORK --commit--> ONCOMMIT --+
 *       |               |                         +--> FINALLY --> NONE
 *       |               +--abort, error--> ONABORT +
 *       +--begin fails--------------------> ONABORT
 *
 * A conflict is not an abort: the block runs again in WORK, and no part nor callback learns of it. A block between tm_begin and tm_commit has the stages WORK,
 * ONABORT in its recovery block, and NONE.
 *
 * All functions concern the transaction of the calling thread alone. None of them may be called in a function of the action log.
 */
#ifndef TM_STAGE_H
#define TM_STAGE_H

#include <errno.h>
#include <tm/control.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** Where the calling thread stands. */
typedef enum tm_stage_kind {
    TM_STAGE_NONE = 0, /**< in no transaction */
    TM_STAGE_WORK,     /**< in the block: the transaction runs */
    TM_STAGE_ONCOMMIT, /**< committed; of an inner block: done, the outer one goes on */
    TM_STAGE_ONABORT,  /**< it could not begin, or was rolled back for good */
    TM_STAGE_FINALLY   /**< after either */
} tm_stage_kind;

/** The stage of the calling thread. Never fails. */
tm_stage_kind tm_stage(void);

/** What a lock is. */
typedef enum tm_lock_kind {
    TM_LOCK_MUTEX = 1, /**< a pthread_mutex_t */
    TM_LOCK_RWLOCK = 2 /**< a pthread_rwlock_t, taken for writing */
} tm_lock_kind;

/** A lock that a transaction shall hold. */
typedef struct tm_lock_ref {
    tm_lock_kind kind;
    void *lock;
} tm_lock_ref;

/**
 * Called in the outermost block: in WORK before each try to commit (then it may access what the transaction may, and abort it); in ONCOMMIT, ONABORT and FINALLY first
 * of all, before the part of that name; and in NONE when the transaction is over and its locks are free. `subject` and `argument` are those of the tm_stages. It must not throw nor jump out,
 * except that in WORK the transaction may end or restart.
 */
typedef void (*tm_stage_callback)(void *subject, tm_stage_kind stage, void *argument);

/** How a transaction with stages begins. Zero is the default of every member. Read during the begin only. */
typedef struct tm_stages {
    const tm_attr *attr TM_ZERO_;        /**< as for tm_begin_with(); ignored in an inner block. NULL: the defaults */
    const tm_lock_ref *locks TM_ZERO_;   /**< taken from left to right before the block; held until the outermost block has ended */
    size_t lock_count TM_ZERO_;
    tm_stage_callback callback TM_ZERO_; /**< only one in a transaction, an inner block may register it. NULL: none */
    void *argument TM_ZERO_;             /**< for the callback */
    void *subject TM_ZERO_;              /**< for the callback: what the transaction is about, a pool for example; that of the outermost block */
    uint64_t reserved[4] TM_ZERO_;       /**< zero */
} tm_stages;

/** @name The stages as functions */
/**@{*/
/**
 * Begin a block with stages, an inner one if a transaction runs. To be called right behind a _setjmp() or setjmp() into `env`, in the function that holds the block:
 *
 *     jmp_buf env;
 *     if (_setjmp(env) == 0) tm_stages_begin(&env, NULL);
 *     // from here on tm_stage() tells: WORK (a first or further attempt) or ONABORT
 *
 * Whenever the block shall run again, or goes over to ONABORT, control returns to that setjmp, with another value than 0: after a conflict in WORK, to the outermost block's; after an error or
 * tm_abort() in ONABORT, to the innermost block's, from whose end it goes on to the next outer one. In an inner block `env` may be NULL: an abort then passes it by.
 *
 * Takes the locks (waits for them outside of the transaction). Returns 0 in WORK, else the error in ONABORT: EPERM where the stage is neither NONE nor WORK, nor in the action log; EINVAL for a bad
 * argument, a second callback, or a callback in a block whose outermost one has no stages; what locking returns; ENOMEM; or the code of tm_last_error(). In an inner block an error does not return, but aborts.
 * Each begin needs its tm_stages_end(), also one that has failed.
 */
int tm_stages_begin(jmp_buf *env, const tm_stages *how);
/**
 * Leave WORK: the outermost block commits, an inner one is done. 0 in ONCOMMIT. If it cannot commit, control goes to the setjmp of the begin, as above. EPERM outside of WORK,
 * and while a block inside of this one has not ended.
 */
int tm_stages_commit(void);
/**
 * Do what the stage is for and go to the next: WORK commits and becomes ONCOMMIT; ONCOMMIT and ONABORT become FINALLY; FINALLY becomes NONE; NONE stays, until tm_stages_end().
 * Returns 0, or EPERM outside of a block with stages.
 */
int tm_process(void);
/**
 * End the block, in any stage but WORK. The outermost one's end lets the locks go and calls the callback a last time. That of an inner block returns to WORK in the outer one, or, after an abort, goes on to the outer one's
 * ONABORT and does not return. 0 if the block was successful, else its error, in errno too. EPERM in WORK and outside.
 */
int tm_stages_end(void);
/**
 * The error of the thread's last block with stages: 0 if it committed, ECANCELED for tm_abort(0), else the code of tm_abort() or of the error that ended it. In the recovery block of a
 * transaction without stages: that of this one.
 */
int tm_errno(void);
/**@}*/

/**
 * @name The block with its parts
 * All parts but the first may be left out, and stand in any order. `break` and `continue` end a part, `return`, `goto` and longjmp() must not leave it. Local variables
 * are treated as between tm_begin and tm_commit: `tm_save`, tm_log_local(). Do not begin two blocks in one line.
 */
/**@{*/
/** Begin a block, as `how` (`const tm_stages *`, or NULL) says. */
#define tm_begin_stages(how)                                                                                           \
    {                                                                                                                  \
        jmp_buf tm_env_;                                                                                               \
        if (_setjmp(tm_env_) == 0)                                                                                     \
            tm_stages_begin(&tm_env_, (how));                                                                          \
        for (; tm_stage() != TM_STAGE_NONE; tm_process())                                                              \
            switch (tm_stage()) {                                                                                      \
            case TM_STAGE_WORK: {
/** Runs if the block was successful. */
#define tm_on_commit                                                                                                   \
    }                                                                                                                  \
    break;                                                                                                             \
    case TM_STAGE_ONCOMMIT: {
/** Runs if the block could not begin or was rolled back. In the outermost block tm_restart() tries again, as in a recovery block. */
#define tm_on_abort                                                                                                    \
    }                                                                                                                  \
    break;                                                                                                             \
    case TM_STAGE_ONABORT: {
/** Runs after either. */
#define tm_finally                                                                                                     \
    }                                                                                                                  \
    break;                                                                                                             \
    case TM_STAGE_FINALLY: {
/** End of the block. errno is set if it was not successful. */
#define tm_end_stages                                                                                                  \
    }                                                                                                                  \
    break;                                                                                                             \
    default: break;                                                                                                    \
        }                                                                                                              \
        tm_stages_end();                                                                                               \
    }
/**@}*/

/** @name Errors instead of aborts */
/**@{*/
/** Flag of functions that can fail: return the error, the transaction goes on. */
#define TM_NO_ABORT 1u

/** What an error in a function that takes TM_NO_ABORT, or in the tm_malloc() family, does. */
typedef enum tm_failure_behavior_kind {
    TM_FAILURE_ABORT = 0, /**< it ends the transaction (the default) */
    TM_FAILURE_RETURN = 1 /**< it is returned, as with TM_NO_ABORT or TM_NULL_ON_OOM */
} tm_failure_behavior_kind;

/**
 * Set it for the rest of the block, and what begins inside of it; the outer block is not affected. A block without stages has no setting of its own: it changes that of the block around it, or
 * of the transaction. A restart undoes it. Returns 0; EPERM outside of WORK; EINVAL.
 */
int tm_set_failure_behavior(tm_failure_behavior_kind behavior);
/** The present setting; TM_FAILURE_ABORT, with TM_ERROR_MISUSE in tm_last_error(), outside of WORK. */
tm_failure_behavior_kind tm_failure_behavior(void);
/**@}*/

/** @name User data */
/**@{*/
/**
 * A pointer for the transaction: NULL at its begin, and again when it restarts. In WORK of any transaction, and in every stage of a block with stages. Returns 0, or EPERM elsewhere.
 */
int tm_set_user_data(void *data);
/** The pointer; NULL if none was set. Elsewhere NULL, with TM_ERROR_MISUSE in tm_last_error(). */
void *tm_user_data(void);
/**@}*/

/** @name Locks in a transaction */
/**@{*/
/**
 * Take a lock and hold it until the outermost block has ended (without stages: until it has committed or was rolled back). Taking it again is no error. Any transaction may do so.
 *
 * A transaction does not wait for a lock while it runs, since its holder may be waiting for the transaction: if the lock is busy, all is rolled back (TM_ABORTED_MUTEX), locks included; then those that the
 * attempt had asked for are taken in that order, and the next attempt finds them held. So what is true for an ordered use of mutexes is true here: no deadlock, if everybody keeps the order. An irrevocable transaction cannot be rolled back: EBUSY.
 *
 * Returns 0; what locking has returned (with EOWNERDEAD the lock is held all the same, for pthread_mutex_consistent()); ENOMEM; EINVAL for a bad argument; EPERM outside of WORK.
 */
int tm_lock(tm_lock_kind kind, void *lock);
/** As tm_lock(), but an error ends the transaction (TM_ERROR_LOCK) unless `flags` has TM_NO_ABORT, and sets errno. */
int tm_xlock(tm_lock_kind kind, void *lock, unsigned flags);
/**@}*/

/** @name Memory of the logs */
/**@{*/
/** A log of a transaction. */
typedef enum tm_log_kind {
    TM_LOG_SNAPSHOTS = 0, /**< what was written: tm_store(), tm_privatize() and the like */
    TM_LOG_INTENTS = 1    /**< what waits for the commit: tm_malloc(), tm_free(), tm_log() and the like */
} tm_log_kind;

/**
 * Let the log use [addr, addr + size), of any alignment, from now on and before memory of its own. It must stay valid, untouched and unused elsewhere until the transaction has ended; a rollback forgets it, and the next
 * attempt gives it again. Returns 0; EINVAL: too small for one entry, or given already; EPERM outside of WORK. An error ends the transaction (TM_ERROR_MISUSE).
 */
int tm_log_append_buffer(tm_log_kind log, void *addr, size_t size);
/** The same; with TM_NO_ABORT in `flags` an error is only returned, and set in errno. */
int tm_log_xappend_buffer(tm_log_kind log, void *addr, size_t size, unsigned flags);
/**
 * Off (0): from now on the log has the buffers that were given to it in this attempt, and nothing else: when they are full the transaction ends with TM_ERROR_LOG_FULL. On: it grows by itself, which is what
 * each attempt begins with. Irrevocable transactions grow their logs in any case. Returns 0; EPERM outside of WORK; EINVAL, which ends the transaction.
 */
int tm_log_auto_alloc(tm_log_kind log, int on);
/**
 * Bytes of one buffer that surely hold `count` snapshots of sizes[i] bytes at any address. Where they are split over several buffers, each further one needs 192 more. tm_free() of a block that the transaction has not made counts as a
 * snapshot of the block, of 32 KiB at most. SIZE_MAX, with errno ERANGE: too many. Thread-safe, in any stage.
 */
size_t tm_log_snapshots_max_size(const size_t *sizes, size_t count);
/**
 * The same for `count` intents: calls of tm_malloc(), tm_free(), tm_retire() and the like (tm_realloc() is two), and entries of the action log with up to 64 bytes of data, tm_log_local() included; each further 64 bytes count as one more.
 */
size_t tm_log_intents_max_size(size_t count);
/**@}*/

/** @name The boundary of C++ blocks: tm/stage.hpp */
/**@{*/
int tm_stages_enter_(const tm_stages *how, void (*unwind)(void));
void tm_stages_attempt_(const tm_stages *how);
void tm_stages_ready_(void);
void tm_stages_done_(void);
int tm_stages_caught_(int by_engine);
/**@}*/

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
