/* SPDX-License-Identifier: MIT */
/**
 * @file simpletm.h
 * Programs written for simpletm build unchanged: put <prefix>/include/tm/compat/simpletm on the include path (`pkg-config --cflags
 * libtm-simpletm`), so that their `#include "tm.h"` and `#include "stdlib-tx.h"` find us, and link with -ltm.
 *
 * simpletm's older programs have no recovery block: their transactions end with `tm_commit`, without `tm_end`. Compile those with
 * -DTM_SIMPLETM_NO_RECOVERY.
 *
 * What simpletm did wrong is right here: a rollback after privatize(store) restores the bytes, nothing is left behind for the
 * next transaction, a commit forgets the saved errno, a store before a privatize is kept, a nested commit publishes nothing, and
 * frees come after the transaction's memory is written.
 */
#ifndef TM_COMPAT_SIMPLETM_H
#define TM_COMPAT_SIMPLETM_H

#include <stdbool.h>
#include <stdint.h>
#include <tm/tm.h>

#ifdef TM_SIMPLETM_NO_RECOVERY
#undef tm_commit
#define tm_commit                                                                                                      \
    tm_commit_();                                                                                                      \
    }
#endif

/** Load `siz` bytes at `addr` into `buf`. */
static inline void load(uintptr_t addr, void *buf, size_t siz)
{
    tm_load_bytes((const void *)addr, buf, siz);
}

/** Store `siz` bytes of `buf` at `addr`. */
static inline void store(uintptr_t addr, const void *buf, size_t siz)
{
    tm_store_bytes((void *)addr, buf, siz);
}

/** The value of the int at `addr`. */
static inline int load_int(const int *addr)
{
    return tm_load_i32(addr);
}

/** Store an int at `addr`. */
static inline void store_int(int *addr, int value)
{
    tm_store_i32(addr, value);
}

/** Make `siz` bytes at `addr` private, with their content to be read (`load`) and written back (`store`). */
static inline void privatize(uintptr_t addr, size_t siz, bool load, bool store)
{
    tm_privatize((const void *)addr, siz, (load ? TM_PRIVATIZE_LOAD : 0) | (store ? TM_PRIVATIZE_STORE : 0));
}

/** malloc, undone by a rollback. */
static inline void *malloc_tx(size_t siz)
{
    return tm_malloc(siz);
}

/** free, done by the commit. */
static inline void free_tx(void *ptr)
{
    tm_free(ptr);
}

/** A rollback restores errno to what it is now. */
static inline void save_errno(void)
{
    tm_save_errno();
}

/** errno value for the recovery block: that of tm_recover() or of the failed operation. */
static inline int tm_recovery_errno(void)
{
    return tm_last_error()->code;
}

struct tm_simpletm_entry_ {
    void (*apply)(uintptr_t);
    void (*undo)(uintptr_t);
    uintptr_t data;
};

/** The action log of libtm calls functions of another type. */
static inline int tm_simpletm_apply_(void *data)
{
    const struct tm_simpletm_entry_ *const entry = (const struct tm_simpletm_entry_ *)data;
    if (entry->apply)
        entry->apply(entry->data);
    return 0;
}

/** See above. */
static inline void tm_simpletm_undo_(void *data)
{
    const struct tm_simpletm_entry_ *const entry = (const struct tm_simpletm_entry_ *)data;
    if (entry->undo)
        entry->undo(entry->data);
}

/** Append to the action log: apply(data) at the commit, undo(data) at a rollback. Either may be NULL. */
static inline void append_to_log(void (*apply)(uintptr_t), void (*undo)(uintptr_t), uintptr_t data)
{
    const struct tm_simpletm_entry_ entry = {apply, undo, data};
    tm_log(tm_simpletm_apply_, tm_simpletm_undo_, NULL, &entry, sizeof entry);
}

#endif
