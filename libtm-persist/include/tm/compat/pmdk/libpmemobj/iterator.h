/* SPDX-License-Identifier: MIT */
/**
 * @file iterator.h
 * All objects of a pool but the root, in the order of their places.
 */
#ifndef LIBPMEMOBJ_ITERATOR_H
#define LIBPMEMOBJ_ITERATOR_H

#pragma GCC system_header /* no warnings about macros that are as their users know them */

#include <libpmemobj/base.h>
#include <libpmemobj/types.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

PMEMoid pmemobj_first(PMEMobjpool *pop);
PMEMoid pmemobj_next(PMEMoid oid);

static inline PMEMoid POBJ_FIRST_TYPE_NUM(PMEMobjpool *pop, uint64_t type_num)
{
    PMEMoid at = pmemobj_first(pop);
    while (!OID_IS_NULL(at) && pmemobj_type_num(at) != type_num) at = pmemobj_next(at);
    return at;
}

static inline PMEMoid POBJ_NEXT_TYPE_NUM(PMEMoid o)
{
    PMEMoid at = o;
    do at = pmemobj_next(at);
    while (!OID_IS_NULL(at) && pmemobj_type_num(at) != pmemobj_type_num(o));
    return at;
}

#define POBJ_FIRST(pop, t) ((TOID(t))POBJ_FIRST_TYPE_NUM((pop), TOID_TYPE_NUM(t)))
#define POBJ_NEXT(o) ((__typeof__(o))POBJ_NEXT_TYPE_NUM((o).oid))

#define POBJ_FOREACH(pop, varoid) for ((varoid) = pmemobj_first(pop); (varoid).off != 0; (varoid) = pmemobj_next(varoid))
#define POBJ_FOREACH_SAFE(pop, varoid, nvaroid) \
    for ((varoid) = pmemobj_first(pop); (varoid).off != 0 && ((nvaroid) = pmemobj_next(varoid), 1); (varoid) = (nvaroid))
#define POBJ_FOREACH_TYPE(pop, var) \
    POBJ_FOREACH(pop, (var).oid) \
        if (pmemobj_type_num((var).oid) == TOID_TYPE_NUM_OF(var))
#define POBJ_FOREACH_SAFE_TYPE(pop, var, nvar) \
    POBJ_FOREACH_SAFE(pop, (var).oid, (nvar).oid) \
        if (pmemobj_type_num((var).oid) == TOID_TYPE_NUM_OF(var))

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
