/* SPDX-License-Identifier: MIT */
/**
 * @file ctl.h
 * The control name space. What it has here: libtm-persist/doc/pmemobj.md.
 */
#ifndef LIBPMEMOBJ_CTL_H
#define LIBPMEMOBJ_CTL_H

#include <libpmemobj/base.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum pobj_header_type { POBJ_HEADER_LEGACY, POBJ_HEADER_COMPACT, POBJ_HEADER_NONE, MAX_POBJ_HEADER_TYPES };

struct pobj_alloc_class_desc {
    size_t unit_size;
    size_t alignment;
    unsigned units_per_block;
    enum pobj_header_type header_type;
    unsigned class_id;
};

enum pobj_stats_enabled { POBJ_STATS_ENABLED_TRANSIENT, POBJ_STATS_ENABLED_BOTH, POBJ_STATS_ENABLED_PERSISTENT, POBJ_STATS_DISABLED };
enum pobj_arenas_assignment_type { POBJ_ARENAS_ASSIGNMENT_THREAD_KEY, POBJ_ARENAS_ASSIGNMENT_GLOBAL };

int pmemobj_ctl_get(PMEMobjpool *pop, const char *name, void *arg);
int pmemobj_ctl_set(PMEMobjpool *pop, const char *name, void *arg);
int pmemobj_ctl_exec(PMEMobjpool *pop, const char *name, void *arg);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
