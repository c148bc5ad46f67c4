/* SPDX-License-Identifier: MIT */
/**
 * @file action.h
 * Actions that are prepared one by one and published together.
 */
#ifndef LIBPMEMOBJ_ACTION_H
#define LIBPMEMOBJ_ACTION_H

#pragma GCC system_header /* no warnings about macros that are as their users know them */

#include <libpmemobj/base.h>
#include <libpmemobj/types.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

#define POBJ_ACTION_XRESERVE_VALID_FLAGS (POBJ_XALLOC_CLASS_MASK | POBJ_XALLOC_ARENA_MASK | POBJ_XALLOC_ZERO)
#define POBJ_XPUBLISH_NO_ABORT POBJ_FLAG_TX_NO_ABORT
#define POBJ_XPUBLISH_VALID_FLAGS POBJ_XPUBLISH_NO_ABORT

enum pobj_action_type { POBJ_ACTION_TYPE_HEAP, POBJ_ACTION_TYPE_MEM, POBJ_MAX_ACTION_TYPE };

struct pobj_action_heap {
    uint64_t offset;      /**< of the object, as in its identifier */
    uint64_t usable_size; /**< bytes */
};

/** An action that waits to be published. Its content is the library's. */
struct pobj_action {
    enum pobj_action_type type;
    uint32_t data[3];
    union {
        struct pobj_action_heap heap;
        uint64_t data2[14];
    };
};

PMEMoid pmemobj_reserve(PMEMobjpool *pop, struct pobj_action *act, size_t size, uint64_t type_num);
PMEMoid pmemobj_xreserve(PMEMobjpool *pop, struct pobj_action *act, size_t size, uint64_t type_num, uint64_t flags);
void pmemobj_set_value(PMEMobjpool *pop, struct pobj_action *act, uint64_t *ptr, uint64_t value);
void pmemobj_defer_free(PMEMobjpool *pop, PMEMoid oid, struct pobj_action *act);
int pmemobj_publish(PMEMobjpool *pop, struct pobj_action *actv, size_t actvcnt);
int pmemobj_tx_publish(struct pobj_action *actv, size_t actvcnt);
int pmemobj_tx_xpublish(struct pobj_action *actv, size_t actvcnt, uint64_t flags);
void pmemobj_cancel(PMEMobjpool *pop, struct pobj_action *actv, size_t actvcnt);

#define POBJ_RESERVE_NEW(pop, t, act) ((TOID(t))pmemobj_reserve((pop), (act), sizeof(t), TOID_TYPE_NUM(t)))
#define POBJ_RESERVE_ALLOC(pop, t, size, act) ((TOID(t))pmemobj_reserve((pop), (act), (size), TOID_TYPE_NUM(t)))
#define POBJ_XRESERVE_NEW(pop, t, act, flags) ((TOID(t))pmemobj_xreserve((pop), (act), sizeof(t), TOID_TYPE_NUM(t), (flags)))
#define POBJ_XRESERVE_ALLOC(pop, t, size, act, flags) ((TOID(t))pmemobj_xreserve((pop), (act), (size), TOID_TYPE_NUM(t), (flags)))

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
