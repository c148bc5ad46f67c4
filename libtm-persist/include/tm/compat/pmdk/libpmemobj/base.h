/* SPDX-License-Identifier: MIT */
/**
 * @file base.h
 * Object identifiers, and what copies memory and makes it durable.
 */
#ifndef LIBPMEMOBJ_BASE_H
#define LIBPMEMOBJ_BASE_H

#ifndef __STDC_LIMIT_MACROS
#define __STDC_LIMIT_MACROS
#endif

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

typedef struct pmemobjpool PMEMobjpool;

/** The largest object, bytes: the largest block of a pool's heap without the object's header of 16 bytes. */
#define PMEMOBJ_MAX_ALLOC_SIZE ((size_t)8191 * 65536 - 16)

#define POBJ_FLAG_ZERO ((uint64_t)1 << 0)
#define POBJ_FLAG_NO_FLUSH ((uint64_t)1 << 1)
#define POBJ_FLAG_NO_SNAPSHOT ((uint64_t)1 << 2)
#define POBJ_FLAG_ASSUME_INITIALIZED ((uint64_t)1 << 3)
#define POBJ_FLAG_TX_NO_ABORT ((uint64_t)1 << 4)

#define POBJ_CLASS_ID(id) ((uint64_t)(id) << 48)
#define POBJ_ARENA_ID(id) ((uint64_t)(id) << 32)
#define POBJ_XALLOC_CLASS_MASK ((uint64_t)0xffff << 48)
#define POBJ_XALLOC_ARENA_MASK ((uint64_t)0xffff << 32)
#define POBJ_XALLOC_ZERO POBJ_FLAG_ZERO
#define POBJ_XALLOC_NO_FLUSH POBJ_FLAG_NO_FLUSH
#define POBJ_XALLOC_NO_ABORT POBJ_FLAG_TX_NO_ABORT

/** An object, or a place in one: the pool's identity, and bytes from its beginning. */
typedef struct pmemoid {
    uint64_t pool_uuid_lo;
    uint64_t off;
} PMEMoid;

static const PMEMoid OID_NULL = {0, 0};
#define OID_IS_NULL(o) ((o).off == 0)
#define OID_EQUALS(lhs, rhs) ((lhs).off == (rhs).off && (lhs).pool_uuid_lo == (rhs).pool_uuid_lo)

PMEMobjpool *pmemobj_pool_by_ptr(const void *addr);
PMEMobjpool *pmemobj_pool_by_oid(PMEMoid oid);
PMEMoid pmemobj_oid(const void *addr);
size_t pmemobj_alloc_usable_size(PMEMoid oid);
uint64_t pmemobj_type_num(PMEMoid oid);

/** The pool that this thread has looked up last. */
struct tm_pmemobj_lookup_ {
    uint64_t pool_uuid_lo, closed; /**< `closed`: how many pools had been closed then */
    char *base;
};
extern __thread struct tm_pmemobj_lookup_ tm_pmemobj_last_ __attribute__((tls_model("initial-exec")));
extern uint64_t tm_pmemobj_closed_;
void *tm_pmemobj_direct_(PMEMoid oid);

static inline void *pmemobj_direct_inline(PMEMoid oid)
{
    if (oid.off == 0) return NULL;
    if (tm_pmemobj_last_.pool_uuid_lo == oid.pool_uuid_lo && tm_pmemobj_last_.closed == __atomic_load_n(&tm_pmemobj_closed_, __ATOMIC_ACQUIRE)) return tm_pmemobj_last_.base + oid.off;
    return tm_pmemobj_direct_(oid);
}
void *pmemobj_direct(PMEMoid oid);
#ifndef PMEMOBJ_DIRECT_NON_INLINE
#define pmemobj_direct pmemobj_direct_inline
#endif

/** What of a pool's memory is made anew after each open. */
struct pmemvlt {
    uint64_t runid;
};
#define PMEMvlt(T) \
    struct { \
        struct pmemvlt vlt; \
        T value; \
    }
void *pmemobj_volatile(PMEMobjpool *pop, struct pmemvlt *vlt, void *ptr, size_t size, int (*constr)(void *ptr, void *arg), void *arg);

#define PMEMOBJ_F_MEM_NODRAIN (1U << 0)
#define PMEMOBJ_F_MEM_NONTEMPORAL (1U << 1)
#define PMEMOBJ_F_MEM_TEMPORAL (1U << 2)
#define PMEMOBJ_F_MEM_WC (1U << 3)
#define PMEMOBJ_F_MEM_WB (1U << 4)
#define PMEMOBJ_F_MEM_NOFLUSH (1U << 5)
#define PMEMOBJ_F_RELAXED (1U << 31)

void *pmemobj_memcpy(PMEMobjpool *pop, void *dest, const void *src, size_t len, unsigned flags);
void *pmemobj_memmove(PMEMobjpool *pop, void *dest, const void *src, size_t len, unsigned flags);
void *pmemobj_memset(PMEMobjpool *pop, void *dest, int c, size_t len, unsigned flags);
void *pmemobj_memcpy_persist(PMEMobjpool *pop, void *dest, const void *src, size_t len);
void *pmemobj_memset_persist(PMEMobjpool *pop, void *dest, int c, size_t len);
void pmemobj_persist(PMEMobjpool *pop, const void *addr, size_t len);
int pmemobj_xpersist(PMEMobjpool *pop, const void *addr, size_t len, unsigned flags);
void pmemobj_flush(PMEMobjpool *pop, const void *addr, size_t len);
int pmemobj_xflush(PMEMobjpool *pop, const void *addr, size_t len, unsigned flags);
void pmemobj_drain(PMEMobjpool *pop);

/** The version of libpmemobj's interface that this is. */
#define PMEMOBJ_MAJOR_VERSION 2
#define PMEMOBJ_MINOR_VERSION 4
const char *pmemobj_check_version(unsigned major_required, unsigned minor_required);
/** Accepted and ignored: memory of the process is taken by malloc(3). */
void pmemobj_set_funcs(void *(*malloc_func)(size_t size), void (*free_func)(void *ptr), void *(*realloc_func)(void *ptr, size_t size), char *(*strdup_func)(const char *s));

/** 0, or anything else to give the new object up. */
typedef int (*pmemobj_constr)(PMEMobjpool *pop, void *ptr, void *arg);

/** What was wrong last in this thread: one sentence. "" in the beginning, never NULL. */
const char *pmemobj_errormsg(void);

struct pobj_defrag_result {
    size_t total;
    size_t relocated;
};
int pmemobj_defrag(PMEMobjpool *pop, PMEMoid **oidv, size_t oidcnt, struct pobj_defrag_result *result);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
