/* SPDX-License-Identifier: MIT */
/**
 * @file pool.h
 * Opening pools, and their roots.
 */
#ifndef LIBPMEMOBJ_POOL_H
#define LIBPMEMOBJ_POOL_H

#pragma GCC system_header /* no warnings about macros that are as their users know them */

#include <libpmemobj/base.h>
#include <libpmemobj/types.h>
#include <sys/types.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** Bytes. */
#define PMEMOBJ_MIN_POOL ((size_t)8 * 1024 * 1024)
#define PMEMOBJ_MIN_PART ((size_t)2 * 1024 * 1024)
/** Bytes of a layout's name with its end. */
#define PMEMOBJ_MAX_LAYOUT ((size_t)1024)

PMEMobjpool *pmemobj_open(const char *path, const char *layout);
PMEMobjpool *pmemobj_create(const char *path, const char *layout, size_t poolsize, mode_t mode);
int pmemobj_check(const char *path, const char *layout);
void pmemobj_close(PMEMobjpool *pop);

PMEMoid pmemobj_root(PMEMobjpool *pop, size_t size);
PMEMoid pmemobj_root_construct(PMEMobjpool *pop, size_t size, pmemobj_constr constructor, void *arg);
size_t pmemobj_root_size(PMEMobjpool *pop);
#define POBJ_ROOT(pop, t) ((TOID(t))pmemobj_root((pop), sizeof(t)))

void pmemobj_set_user_data(PMEMobjpool *pop, void *data);
void *pmemobj_get_user_data(PMEMobjpool *pop);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
