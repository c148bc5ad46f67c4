/* SPDX-License-Identifier: MIT */
/**
 * @file memory.h
 * Allocation in transactions. What is allocated is given back by a rollback; what is freed is freed by the commit, once no
 * other transaction can see it any more. Outside of a transaction the functions act at once.
 *
 * The blocks are those of malloc(3): either may free what the other has allocated. libtm's link flags make jemalloc the malloc of the
 * process, unless libtm was built with -Dheap=system (tm_config_get("heap") tells). All functions are thread-safe.
 *
 * Out of memory: the transaction ends with TM_ERROR_MEMORY in its recovery block, where tm_restart() may try again;
 * with the attribute TM_NULL_ON_OOM, in an irrevocable transaction, and outside of any, the call returns NULL, sets errno to ENOMEM and the
 * transaction lives on. What an irrevocable transaction cannot do without memory (a tm_free() or a store for which a log must grow) waits for it.
 * TM_NULL_ON_OOM concerns blocks: when a log cannot grow, the transaction ends all the same.
 */
#ifndef TM_MEMORY_H
#define TM_MEMORY_H

#include <stddef.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** malloc(3): `size` bytes, aligned to 16, not initialised. tm_malloc(0) gives a block of its own. */
void *tm_malloc(size_t size);
/** calloc(3): zeroed. A product that overflows is out of memory. */
void *tm_calloc(size_t count, size_t size);
/** aligned_alloc(3): `alignment` must be a power of two, else TM_ERROR_MISUSE (EINVAL). */
void *tm_aligned_alloc(size_t alignment, size_t size);
/**
 * realloc(3): always moves the content, by transactional loads, to a new block, and frees the old one at the commit. May restart the
 * transaction. If it fails, the old block is untouched.
 */
void *tm_realloc(void *block, size_t size);
/** reallocarray(3): tm_realloc() of count * size bytes; a product that overflows is out of memory. */
void *tm_reallocarray(void *block, size_t count, size_t size);
/** strdup(3) of a string in shared memory. May restart the transaction. */
char *tm_strdup(const char *string);
/** strndup(3) of a string in shared memory. May restart the transaction. */
char *tm_strndup(const char *string, size_t size);

/**
 * free(3) at the commit. Conflicts with transactions that use the block (its first 32 KiB are locked). May restart the
 * transaction. NULL is ignored. Freeing a block twice in one transaction ends it with TM_ERROR_FREE.
 */
void tm_free(void *block);

/**
 * Call destroy(object) after the commit, once no transaction can see the object any more; never after a rollback. For what
 * needs more than free(). `destroy` runs outside of any transaction, in the committing thread or later in any other.
 * Outside of a transaction it is called at once. Returns 0; out of memory ends the transaction.
 */
int tm_retire(void *object, void (*destroy)(void *object));

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
