/* SPDX-License-Identifier: MIT */
/**
 * @file types.h
 * Typed object identifiers, and the layout of a pool as a list of types. A typed identifier is a union of the identifier with pointers that are never used: their types carry the object's type and its
 * number. A type may be given with its keyword, TOID(struct node): pasting makes that one of the empty macros below, followed by the name.
 */
#ifndef LIBPMEMOBJ_TYPES_H
#define LIBPMEMOBJ_TYPES_H

#pragma GCC system_header /* no warnings about macros that are as their users know them */

#include <libpmemobj/base.h>
#include <stddef.h>

#define tm_toid_struct
#define tm_toid_union
#define tm_toid_enum

#define POBJ_ROOT_TYPE_NUM 0

#ifdef __cplusplus
#define TM_TOID_MEMBERS_(t) \
    tm_toid_##t##_toid() {} \
    tm_toid_##t##_toid(PMEMoid oid_) : oid(oid_) {}
#else
#define TM_TOID_MEMBERS_(t)
#endif

#define TOID(t) union tm_toid_##t##_toid
#define TM_TOID_DECLARE_(t, i) \
    typedef uint8_t tm_toid_##t##_toid_type_num[(i) + 1]; \
    TOID(t) \
    { \
        TM_TOID_MEMBERS_(t) \
        PMEMoid oid; \
        t *_type; \
        tm_toid_##t##_toid_type_num *_type_num; \
    }
#define TOID_DECLARE(t, i) TM_TOID_DECLARE_(t, i)
#define TOID_DECLARE_ROOT(t) TM_TOID_DECLARE_(t, POBJ_ROOT_TYPE_NUM)
#define TOID_NULL(t) ((TOID(t))OID_NULL)

#define TOID_TYPE_NUM(t) (sizeof(tm_toid_##t##_toid_type_num) - 1)
#define TOID_TYPE_NUM_OF(o) (sizeof(*(o)._type_num) - 1)
#define TOID_IS_NULL(o) OID_IS_NULL((o).oid)
#define TOID_EQUALS(lhs, rhs) ((lhs).oid.off == (rhs).oid.off && (lhs).oid.pool_uuid_lo == (rhs).oid.pool_uuid_lo && (lhs)._type == (rhs)._type)
#define TOID_VALID(o) (TOID_TYPE_NUM_OF(o) == pmemobj_type_num((o).oid))
#define OID_INSTANCEOF(o, t) (TOID_TYPE_NUM(t) == pmemobj_type_num(o))
#define TOID_ASSIGN(o, value) ((o).oid = (value), (o))
#define TOID_TYPEOF(o) __typeof__(*(o)._type)
#define TOID_OFFSETOF(o, field) offsetof(TOID_TYPEOF(o), field)

#define DIRECT_RW(o) ((TOID_TYPEOF(o) *)pmemobj_direct((o).oid))
#define DIRECT_RO(o) ((const TOID_TYPEOF(o) *)pmemobj_direct((o).oid))
#define D_RW DIRECT_RW
#define D_RO DIRECT_RO

/* The types of a layout get the numbers from 1 on, in their order. */
#define TM_POBJ_LAYOUT_START_(name) (sizeof(tm_pobj_layout_##name##_start))
#define POBJ_LAYOUT_BEGIN(name) typedef uint8_t tm_pobj_layout_##name##_start[__COUNTER__ + 1]
#define POBJ_LAYOUT_TOID(name, t) TOID_DECLARE(t, (__COUNTER__ + 1 - TM_POBJ_LAYOUT_START_(name)));
#define POBJ_LAYOUT_ROOT(name, t) TOID_DECLARE_ROOT(t);
#define POBJ_LAYOUT_END(name) typedef uint8_t tm_pobj_layout_##name##_end[__COUNTER__ + 1 - TM_POBJ_LAYOUT_START_(name)]
#define POBJ_LAYOUT_NAME(name) #name
#define POBJ_LAYOUT_TYPES_NUM(name) (sizeof(tm_pobj_layout_##name##_end) - 1)

#endif
