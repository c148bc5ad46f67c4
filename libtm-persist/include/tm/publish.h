/* SPDX-License-Identifier: MIT */
/**
 * @file publish.h
 * Changes of a pool that plain code makes under locks of its own, brought to the disk together: for libraries with another model of transactions, such as libtm-pmemobj.
 *
 *     tm_holder *holder = tm_hold_begin();                       // tm/hold.h: transactions are kept off
 *     struct node *node = tm_pool_reserve(pool, sizeof *node);   // nobody else's, and gone after a crash
 *     *node = (struct node){.value = 7, .next = *head};
 *     tm_hold(holder, head, sizeof *head);
 *     *head = node;
 *     tm_pool_change changes[] = {{TM_POOL_ALLOCATED, node, sizeof *node}, {TM_POOL_STORED, head, sizeof *head}};
 *     if (tm_pool_publish(pool, changes, 2, holder) != 0) ...    // durable, both or neither; the holder has ended
 *
 * Published changes and transactions have one order, in which they become durable. All functions are thread-safe; errors are those of tm/persist.h.
 */
#ifndef TM_PUBLISH_H
#define TM_PUBLISH_H

#include <tm/hold.h>
#include <tm/persist.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** What has changed. */
typedef enum tm_pool_change_kind {
    TM_POOL_STORED = 1, /**< `size` bytes at `address`, which the holder holds: what is there now. No byte twice in one call */
    TM_POOL_ALLOCATED,  /**< the block at `address` that tm_pool_reserve() gave, with its first `size` bytes */
    TM_POOL_FREED       /**< the block at `address`, which is allocated (a reserved one is cancelled); `size` is not looked at */
} tm_pool_change_kind;

typedef struct tm_pool_change {
    uint32_t kind; /**< TM_POOL_STORED, TM_POOL_ALLOCATED or TM_POOL_FREED */
    void *address;
    size_t size;
} tm_pool_change;

/**
 * A block of the heap, as tm_pool_malloc() gives it; but not in a transaction, and until it is published only in memory: a crash frees it. NULL: see tm_pool_error(). EDEADLK in a transaction.
 * Waits for a transaction that runs alone.
 */
void *tm_pool_reserve(tm_pool *pool, size_t size);
/** Give a reserved block back. EINVAL: there is no such block. It must not have been published. */
int tm_pool_cancel(tm_pool *pool, void *block);
/**
 * Bring the changes to the disk, all or none, as the pool's durability says: by default they are durable when it returns. 0: then the holder has ended as by tm_hold_end(); and with EIO: then it is not known what
 * is on the disk, and the pool is poisoned. With any other code nothing has happened: undo the changes in memory, and end the holder. `count` may be 0. Waits for transactions that run, never for holders.
 */
int tm_pool_publish(tm_pool *pool, const tm_pool_change *changes, size_t count, tm_holder *holder);
/** The allocated block after `block`, in the order of addresses; of NULL the first one. Reserved blocks are not allocated. NULL: there is none, or an error. */
void *tm_pool_next_block(tm_pool *pool, const void *block);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
