/* SPDX-License-Identifier: MIT */
/**
 * @file libpmemobj.h
 * libpmemobj's interface on pools of libtm: programs written for PMDK's libpmemobj build with this include path and `-ltm-pmemobj` (pkg-config: libtm-pmemobj), and keep their objects in ordinary
 * files. What each function does is said in PMDK's manual pages; libtm-persist/doc/pmemobj.md says, function by function, what is the same here, better, different, or refused.
 *
 * Where PMDK ends the process because a call is not allowed (a transactional call outside of a transaction), here the call fails: errno is EINVAL, and pmemobj_errormsg() says why.
 */
#ifndef LIBPMEMOBJ_H
#define LIBPMEMOBJ_H

#include <libpmemobj/action.h>
#include <libpmemobj/atomic.h>
#include <libpmemobj/base.h>
#include <libpmemobj/ctl.h>
#include <libpmemobj/iterator.h>
#include <libpmemobj/lists_atomic.h>
#include <libpmemobj/pool.h>
#include <libpmemobj/thread.h>
#include <libpmemobj/tx.h>
#include <libpmemobj/types.h>

#endif
