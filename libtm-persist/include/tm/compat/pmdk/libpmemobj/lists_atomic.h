/* SPDX-License-Identifier: MIT */
/**
 * @file lists_atomic.h
 * Circular lists of objects, linked in both directions: each call is atomic and durable when it returns.
 */
#ifndef LIBPMEMOBJ_LISTS_ATOMIC_H
#define LIBPMEMOBJ_LISTS_ATOMIC_H

#pragma GCC system_header /* no warnings about macros that are as their users know them */

#include <libpmemobj/base.h>
#include <libpmemobj/thread.h>
#include <libpmemobj/types.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

#define POBJ_LIST_DEST_HEAD 1
#define POBJ_LIST_DEST_TAIL 0
#define POBJ_LIST_DEST_BEFORE 1
#define POBJ_LIST_DEST_AFTER 0

int pmemobj_list_insert(PMEMobjpool *pop, size_t pe_offset, void *head, PMEMoid dest, int before, PMEMoid oid);
PMEMoid pmemobj_list_insert_new(PMEMobjpool *pop, size_t pe_offset, void *head, PMEMoid dest, int before, size_t size, uint64_t type_num, pmemobj_constr constructor, void *arg);
int pmemobj_list_remove(PMEMobjpool *pop, size_t pe_offset, void *head, PMEMoid oid, int free);
int pmemobj_list_move(PMEMobjpool *pop, size_t pe_old_offset, void *head_old, size_t pe_new_offset, void *head_new, PMEMoid dest, int before, PMEMoid oid);

#define POBJ_LIST_ENTRY(type) \
    struct { \
        TOID(type) pe_next; \
        TOID(type) pe_prev; \
    }
#define POBJ_LIST_HEAD(name, type) \
    struct name { \
        TOID(type) pe_first; \
        PMEMmutex lock; \
    }

#define POBJ_LIST_FIRST(head) ((head)->pe_first)
#define POBJ_LIST_LAST(head, field) (TOID_IS_NULL((head)->pe_first) ? (head)->pe_first : D_RO((head)->pe_first)->field.pe_prev)
#define POBJ_LIST_EMPTY(head) (TOID_IS_NULL((head)->pe_first))
#define POBJ_LIST_NEXT(elm, field) (D_RO(elm)->field.pe_next)
#define POBJ_LIST_PREV(elm, field) (D_RO(elm)->field.pe_prev)

/* Where a list ends where it began. */
#define TM_POBJ_UNLESS_(reached, next) ((reached) ? OID_NULL : (next).oid)
#define POBJ_LIST_FOREACH(var, head, field) \
    for ((var) = POBJ_LIST_FIRST(head); !TOID_IS_NULL(var); \
         (var).oid = TM_POBJ_UNLESS_(TOID_EQUALS(POBJ_LIST_NEXT(var, field), POBJ_LIST_FIRST(head)), POBJ_LIST_NEXT(var, field)))
#define POBJ_LIST_FOREACH_REVERSE(var, head, field) \
    for ((var) = POBJ_LIST_LAST(head, field); !TOID_IS_NULL(var); (var).oid = TM_POBJ_UNLESS_(TOID_EQUALS(var, POBJ_LIST_FIRST(head)), POBJ_LIST_PREV(var, field)))

#define TM_POBJ_ENTRY_(head, field) (TOID_OFFSETOF(POBJ_LIST_FIRST(head), field))
#define TM_POBJ_NUMBER_(head) (TOID_TYPE_NUM_OF(POBJ_LIST_FIRST(head)))

#define POBJ_LIST_INSERT_HEAD(pop, head, elm, field) pmemobj_list_insert((pop), TM_POBJ_ENTRY_(head, field), (head), OID_NULL, POBJ_LIST_DEST_HEAD, (elm).oid)
#define POBJ_LIST_INSERT_TAIL(pop, head, elm, field) pmemobj_list_insert((pop), TM_POBJ_ENTRY_(head, field), (head), OID_NULL, POBJ_LIST_DEST_TAIL, (elm).oid)
#define POBJ_LIST_INSERT_AFTER(pop, head, listelm, elm, field) pmemobj_list_insert((pop), TM_POBJ_ENTRY_(head, field), (head), (listelm).oid, POBJ_LIST_DEST_AFTER, (elm).oid)
#define POBJ_LIST_INSERT_BEFORE(pop, head, listelm, elm, field) pmemobj_list_insert((pop), TM_POBJ_ENTRY_(head, field), (head), (listelm).oid, POBJ_LIST_DEST_BEFORE, (elm).oid)
#define POBJ_LIST_INSERT_NEW_HEAD(pop, head, field, size, constr, arg) \
    pmemobj_list_insert_new((pop), TM_POBJ_ENTRY_(head, field), (head), OID_NULL, POBJ_LIST_DEST_HEAD, (size), TM_POBJ_NUMBER_(head), (constr), (arg))
#define POBJ_LIST_INSERT_NEW_TAIL(pop, head, field, size, constr, arg) \
    pmemobj_list_insert_new((pop), TM_POBJ_ENTRY_(head, field), (head), OID_NULL, POBJ_LIST_DEST_TAIL, (size), TM_POBJ_NUMBER_(head), (constr), (arg))
#define POBJ_LIST_INSERT_NEW_AFTER(pop, head, listelm, field, size, constr, arg) \
    pmemobj_list_insert_new((pop), TM_POBJ_ENTRY_(head, field), (head), (listelm).oid, POBJ_LIST_DEST_AFTER, (size), TM_POBJ_NUMBER_(head), (constr), (arg))
#define POBJ_LIST_INSERT_NEW_BEFORE(pop, head, listelm, field, size, constr, arg) \
    pmemobj_list_insert_new((pop), TM_POBJ_ENTRY_(head, field), (head), (listelm).oid, POBJ_LIST_DEST_BEFORE, (size), TM_POBJ_NUMBER_(head), (constr), (arg))
#define POBJ_LIST_REMOVE(pop, head, elm, field) pmemobj_list_remove((pop), TM_POBJ_ENTRY_(head, field), (head), (elm).oid, 0)
#define POBJ_LIST_REMOVE_FREE(pop, head, elm, field) pmemobj_list_remove((pop), TM_POBJ_ENTRY_(head, field), (head), (elm).oid, 1)
#define POBJ_LIST_MOVE_ELEMENT_HEAD(pop, head, head_new, elm, field, field_new) \
    pmemobj_list_move((pop), TM_POBJ_ENTRY_(head, field), (head), TM_POBJ_ENTRY_(head_new, field_new), (head_new), OID_NULL, POBJ_LIST_DEST_HEAD, (elm).oid)
#define POBJ_LIST_MOVE_ELEMENT_TAIL(pop, head, head_new, elm, field, field_new) \
    pmemobj_list_move((pop), TM_POBJ_ENTRY_(head, field), (head), TM_POBJ_ENTRY_(head_new, field_new), (head_new), OID_NULL, POBJ_LIST_DEST_TAIL, (elm).oid)
#define POBJ_LIST_MOVE_ELEMENT_AFTER(pop, head, head_new, listelm, elm, field, field_new) \
    pmemobj_list_move((pop), TM_POBJ_ENTRY_(head, field), (head), TM_POBJ_ENTRY_(head_new, field_new), (head_new), (listelm).oid, POBJ_LIST_DEST_AFTER, (elm).oid)
#define POBJ_LIST_MOVE_ELEMENT_BEFORE(pop, head, head_new, listelm, elm, field, field_new) \
    pmemobj_list_move((pop), TM_POBJ_ENTRY_(head, field), (head), TM_POBJ_ENTRY_(head_new, field_new), (head_new), (listelm).oid, POBJ_LIST_DEST_BEFORE, (elm).oid)

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
