/* SPDX-License-Identifier: MIT */
/**
 * @file persist.h
 * Pools: memory that survives. A pool is a file mapped privately, so that nothing reaches the file by itself. What has changed goes through a journal, in one
 * of two ways, which mix: a transaction that has stored to the pool is durable when it has committed, as its tm_durability says; and
 * tm_pool_commit() makes the whole memory as it is, plain stores too, durable at once. After any crash the pool opens with what a first part of all these commits
 * had made of it, in their order, with every one of them that has returned as durable.
 *
 *     tm_pool *pool = tm_pool_open("counters", NULL);
 *     if (!pool && tm_pool_error()->code == ENOENT) pool = tm_pool_create("counters", 1 << 20, NULL);
 *     if (!pool) { fprintf(stderr, "%s\n", tm_pool_error()->message); exit(1); }
 *     long *counter = tm_pool_data(pool);
 *     counter[0] += 1;                       // an ordinary store: others see it, the disk does not
 *     if (tm_pool_commit(pool) != 0) ...     // durable when it returns 0
 *     tm_begin
 *         tm_store(&counter[1], tm_load(&counter[1]) + 1);
 *     tm_commit                              // durable, and isolated from other transactions
 *         fprintf(stderr, "%s\n", tm_pool_error()->message);
 *     tm_end
 *     tm_pool_close(pool);
 *
 * Files: NAME holds the pool, NAME-journal what is committed and not yet in it. The journal goes with a clean close; after a crash both
 * belong together. The format is described in libtm-persist/doc/format.md, what is durable when in libtm-persist/doc/durability.md.
 *
 * @section pool_caveats Caveats
 * - A commit takes the memory as it finds it. Transactions that run are waited for or made to wait, so none of them is ever cut in two;
 *   plain stores are the caller's to keep away meanwhile: those that a commit meets may or may not be in it, and are in the next one.
 * - What was stored plainly and not committed is gone after tm_pool_close(). What `apply` functions of the action log store is a plain store.
 * - A transaction may change up to 8 pools; each of them is durable by itself: a crash may leave one with the change and another one without.
 * - Readers in other processes and backups may see a commit whose write has reached the file and whose sync has not returned.
 * - Do not map, unmap, remap, protect, or madvise() the memory of a pool; do not let a device write to it (io_uring's fixed buffers, RDMA).
 * - The size of the files is the pool's alone to change: who makes the data file shorter takes memory away (SIGBUS).
 * - After fork() the child may read the memory and no more: every call fails with EPERM there.
 * - All functions are thread-safe, but tm_pool_close(): nobody may use the pool then, or its memory.
 *
 * @section pool_errors Errors
 * Functions that return int return 0 or one of these, those that return a pointer NULL; tm_pool_error() says more. A transaction ends with TM_ERROR_POOL and one
 * of them as its code: rolled back (ENOSPC and the like, ENOMEM, EPERM, ENOTSUP for more than 8 pools, ENOTRECOVERABLE where a pool is poisoned); or with EIO committed in memory, while nobody
 * knows whether on the disk, since the pool was poisoned just then. An irrevocable transaction cannot be refused: what it cannot write poisons the pool.
 *
 * | code       | meaning |
 * | ---        | --- |
 * | EINVAL     | a bad argument |
 * | ENOENT, EACCES, ELOOP, ... | what the system call says that failed |
 * | EEXIST     | tm_pool_create(): there is such a file |
 * | EBUSY      | another process, or this one, has the pool open |
 * | EMEDIUMTYPE | not a pool, or not a regular file with one name |
 * | ENOTSUP    | a pool of another format, byte order, word size, page size or layout |
 * | EBADMSG    | damaged: a checksum is wrong where no crash can have made it so |
 * | EADDRINUSE | the memory at the recorded address is taken (TM_POOL_ANYWHERE) |
 * | ENOSPC, EFBIG, EDQUOT | no space. Nothing has changed: make some and call again |
 * | ENOMEM     | no memory. Nothing has changed |
 * | EIO        | a call on the files failed, now or earlier: the pool is poisoned. Whether a commit that returned this counts, tells the next open |
 * | ESTALE     | somebody else has changed the size of the data file. As EIO |
 * | EROFS      | the pool is open for reading, or thrown away |
 * | EDEADLK    | in a transaction; call it outside |
 * | EPERM      | in the child of a fork() |
 * | ENOBUFS    | tm_pool_grow(): beyond the reserved address space; tm_pool_set_root(): no root is free |
 */
#ifndef TM_PERSIST_H
#define TM_PERSIST_H

#include <stddef.h>
#include <stdint.h>
#include <tm/control.h>
#include <tm/storage.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** A pool. */
typedef struct tm_pool tm_pool;

enum {
    TM_POOL_LAYOUT_SIZE = 64,   /**< bytes of a layout's name with its end */
    TM_POOL_ROOT_NAME_SIZE = 48 /**< bytes of a root's name with its end */
};

/** Flags of a tm_pool_attr. */
enum {
    TM_POOL_READ_ONLY = 1, /**< a copy in memory of the last committed state, not to be stored to; a writer may go on meanwhile, and is not seen */
    TM_POOL_THROWAWAY = 2, /**< the same, to be stored to: all changes are forgotten */
    TM_POOL_ANYWHERE = 4,  /**< map at another address if the recorded one is taken: for pools without raw pointers (tm::pptr instead) */
    TM_POOL_NO_THREAD = 8  /**< no checkpoints beside the commits: a commit makes one when the journal is full */
};

#ifdef __cplusplus
#define TM_ZERO_POOL_ {}
#else
#define TM_ZERO_POOL_
#endif
/** How to create or open a pool. Zero is the default of every member. */
typedef struct tm_pool_attr {
    unsigned flags TM_ZERO_POOL_;          /**< TM_POOL_READ_ONLY, ... */
    uint32_t layout_version TM_ZERO_POOL_; /**< of `layout`; must be the recorded one */
    const char *layout TM_ZERO_POOL_;      /**< what the memory means; must be the recorded one. NULL: not asked (create: "") */
    void *base TM_ZERO_POOL_;              /**< create: where to map it, a multiple of the page size. NULL: a free place far from all else */
    uint64_t reserve TM_ZERO_POOL_;        /**< bytes of address space to keep for tm_pool_grow(). 0: 4 GiB, or 4 times the size */
    uint64_t journal TM_ZERO_POOL_;        /**< bytes of the journal. 0: 4 times the size, at least 1 MiB, at most 64 MiB. A bigger commit makes it longer for a time */
    uint64_t keep TM_ZERO_POOL_;           /**< bytes of private copies of pages above which a commit gives back those it can, and demands what tm_pool_trim() does. 0: no limit */
    tm_storage *storage TM_ZERO_POOL_;     /**< where the files are; must outlive the pool. NULL: the operating system's */
    tm_durability durability TM_ZERO_POOL_; /**< of transactions that do not ask for another: TM_DURABILITY_SYNC by default */
    uint32_t interval TM_ZERO_POOL_;       /**< milliseconds after which what is TM_DURABILITY_ASYNC is made durable. 0: 10. With TM_POOL_NO_THREAD at the next commit after them that is no TM_DURABILITY_NONE */
    uint32_t window TM_ZERO_POOL_;         /**< microseconds for which a TM_DURABILITY_GROUP waits for others. 0: 100 */
    uint32_t padding TM_ZERO_POOL_;        /**< zero */
    uint64_t reserved[2] TM_ZERO_POOL_;    /**< zero */
} tm_pool_attr;

/** @name Life */
/**@{*/
/**
 * Create the pool `path` of at least `size` bytes of memory, all zero, and open it. All or nothing: after a crash there is no file `path`, or a valid
 * empty pool. Space for all of it is reserved on the disk. NULL: see tm_pool_error(); EEXIST if there is a file of that name, EDEADLK in a transaction.
 */
tm_pool *tm_pool_create(const char *path, size_t size, const tm_pool_attr *attr);
/** Open a pool; after a crash the journal is replayed first. NULL: see tm_pool_error(); EDEADLK in a transaction. On a medium that cannot be written it is as with TM_POOL_READ_ONLY. */
tm_pool *tm_pool_open(const char *path, const tm_pool_attr *attr);
/**
 * Bring all that is committed into the data file, remove the journal and unmap the pool. The pool is gone whatever is returned: 0, or the
 * error of the last checkpoint, after which the next open replays the journal. But in a transaction, and in a function that tm_on_durable() has called for it, it stays open: EDEADLK. NULL: no effect.
 */
int tm_pool_close(tm_pool *pool);
/**@}*/

/** @name Memory */
/**@{*/
/** The first byte that is the user's, aligned to a page. Never moves. */
void *tm_pool_data(const tm_pool *pool);
/** Bytes from tm_pool_data() on. */
size_t tm_pool_size(const tm_pool *pool);
/** What tm_pool_set_root() gave the name, or NULL. In a transaction it is part of it. */
void *tm_pool_root(const tm_pool *pool, const char *name);
/** Name an address in the pool, so that the next run finds it; NULL forgets the name. A transaction of its own, or part of the running one. ENOBUFS: 72 names are taken. */
int tm_pool_set_root(tm_pool *pool, const char *name, const void *address);
/** Make the memory at least `size` bytes, durable at once; the new ones are zero. Never moves, never shrinks. ENOBUFS beyond the reserve. */
int tm_pool_grow(tm_pool *pool, size_t size);
/**
 * Give private copies of pages back to the system after a checkpoint. Unlike a commit it demands that nobody stores plainly to the pool meanwhile:
 * such a store could be lost. Transactions may run. What was stored and not committed stays.
 */
int tm_pool_trim(tm_pool *pool);
/**@}*/

/** @name The heap
 * Blocks in the pool, as by malloc(3), in transactions: what one has allocated is there for others, and after a crash, when it has committed, with what was stored to it by then, plainly or not; a rollback
 * gives it back. What one frees can be allocated again when it has committed and nobody can see the block any more. Outside of a transaction each call is one of its own. The
 * heap begins behind the memory with the first block; from then on tm_pool_grow() fails with ENOTSUP. It makes the file longer by 1 to 64 MiB at a time, or by what a block needs.
 * Thread-safe; allocations of different threads do not conflict. Two transactions that free the same block do: one of them begins again, and may find it gone (EINVAL).
 */
/**@{*/
/** `size` bytes aligned to 16, not initialised: what a block had in an earlier life is in it. NULL, with the transaction alive: see tm_pool_error(): ENOSPC, ENOBUFS (beyond the reserve, or more than 511.9 MiB), ENOMEM, EROFS, EPERM (in a function of the action log). May restart the transaction. */
void *tm_pool_malloc(tm_pool *pool, size_t size);
/** The same, zeroed. A product that overflows is ENOMEM. */
void *tm_pool_calloc(tm_pool *pool, size_t count, size_t size);
/** Free a block. NULL is ignored. EINVAL: it is none of the pool's, or was freed before. EROFS, EPERM, ENOMEM as above. May restart the transaction. */
int tm_pool_free(tm_pool *pool, void *block);
/** Bytes that a block has, at least those that were asked for; 0 if it is none. */
size_t tm_pool_block_size(tm_pool *pool, const void *block);
/** The open pool that the address lies in, unless it was opened with TM_POOL_READ_ONLY or TM_POOL_THROWAWAY; else NULL. Lock-free. */
tm_pool *tm_pool_of(const void *address);
/**@}*/

/** @name Durability */
/**@{*/
/**
 * Make the memory of the pool, as it is now, its state on the disk: atomically, whatever happens. Durable when 0 is returned. It runs as a
 * transaction that is alone, so it waits for the running ones and contains no part of one that has not committed. Calls of several threads share the work. EDEADLK inside of a transaction.
 */
int tm_pool_commit(tm_pool *pool);
/** A ticket for all transactions that have committed so far, those of the calling thread among them; 0 if the pool is not journaled. */
uint64_t tm_pool_ticket(const tm_pool *pool);
/**
 * Wait until all commits up to the ticket are durable; 0: all so far. The calling thread writes, unless somebody does. EINVAL: such a ticket was not
 * given. EIO: the pool is poisoned, and whether they are is not known.
 */
int tm_pool_wait(tm_pool *pool, uint64_t ticket);
/**
 * Call function(data) once the running transaction is durable in all pools that it has changed (if there is none, once it has committed); never after a
 * rollback. It is called outside of any transaction, in any thread, perhaps after tm_commit has returned; for transactions that change the same one pool in the order of their commits, one
 * at a time; not at all if the pool is poisoned or the process ends before. It may run transactions and wait, but not close that pool (EDEADLK), and must not throw. Outside of a transaction it is called at
 * once. 0; ENOMEM, with the transaction alive; EPERM in a function of the action log.
 */
int tm_on_durable(void (*function)(void *data), void *data);
/** Bring all that is committed into the data file and empty the journal. Needed by nobody; commits do it in the background. */
int tm_pool_checkpoint(tm_pool *pool);
/**
 * Copy the last committed state of the pool `from`, which may be in use by any process, to the new pool `to`. It has an identity of its own. `progress` is
 * called now and then with the bytes done and to do; nonzero from it ends the copy with ECANCELED. Either may be NULL.
 */
int tm_pool_backup(const char *from, const char *to, const tm_pool_attr *attr, int (*progress)(void *data, uint64_t done, uint64_t total), void *data);
/**@}*/

/** What was wrong with a pool, or NULL of its strings. */
typedef struct tm_pool_failure {
    int code;             /**< an errno value: see the table above. 0: nothing yet */
    const char *file;     /**< the path */
    const char *field;    /**< what of the file, or the system call: "header 0: checksum", "fdatasync" */
    uint64_t offset;      /**< where in the file, bytes */
    const char *found;    /**< what is there */
    const char *expected; /**< what should be there */
    const char *remedy;   /**< what to do */
    const char *message;  /**< all of it in one sentence */
} tm_pool_failure;

/** The last failure of a pool function in the calling thread; valid until its next one. Never NULL. */
const tm_pool_failure *tm_pool_error(void);

/** What a pool is and has done. */
typedef struct tm_pool_stats {
    unsigned char uuid[16];           /**< identity */
    char layout[TM_POOL_LAYOUT_SIZE]; /**< name of the layout */
    uint32_t layout_version;
    uint32_t page_size;        /**< bytes */
    uint64_t base;             /**< recorded address of the image */
    uint64_t reserve;          /**< bytes of address space */
    uint64_t size;             /**< bytes of memory, as tm_pool_size() */
    uint64_t heap_size;        /**< bytes of the heap behind it */
    uint64_t heap_blocks;      /**< allocated, or to be if a running transaction commits, or not yet to be used again; 0 before the heap is first used since the open */
    uint64_t heap_bytes;       /**< of these */
    uint64_t generation;       /**< grows each time it is opened to be written */
    uint64_t sequence;         /**< groups committed since its creation */
    uint64_t applied;          /**< of these, in the data file */
    uint64_t journal_size;     /**< bytes */
    uint64_t journal_used;     /**< bytes, not yet in the data file */
    uint64_t recovered;        /**< groups that this open has found in the journal */
    uint64_t commits;          /**< calls of tm_pool_commit() that returned 0, since the open, as are the following */
    uint64_t transactions;     /**< that changed the pool */
    uint64_t groups;           /**< groups that both made: fewer, as they share, and a commit without changes makes none */
    uint64_t pages;            /**< pages found changed */
    uint64_t pages_compared;   /**< pages looked at */
    uint64_t bytes_journaled;  /**< written to the journal */
    uint64_t bytes_applied;    /**< written to the data file */
    uint64_t syncs;            /**< of both files */
    uint64_t checkpoints;      /**< and of these: */
    uint64_t stalls;           /**< commits that had to wait for one */
    uint64_t private_bytes;    /**< of private copies of pages, as far as the back-end knows */
    const char *detection;     /**< how changed pages are found: "written", ... A static string */
    const char *warning;       /**< what the medium is known not to keep, or NULL. A static string */
    int poisoned;              /**< the code that poisoned it, or 0 */
} tm_pool_stats;

/** What is known of an open pool, at one moment. */
int tm_pool_stat(tm_pool *pool, tm_pool_stats *stats);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
