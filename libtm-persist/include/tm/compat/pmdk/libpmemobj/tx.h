/* SPDX-License-Identifier: MIT */
/**
 * @file tx.h
 * Transactions of libpmemobj: what is snapshotted is undone by an abort and durable with the commit; it is isolated from transactions of libtm, and from others of libpmemobj as far as the program's
 * own locks do that. A block never runs twice.
 */
#ifndef LIBPMEMOBJ_TX_H
#define LIBPMEMOBJ_TX_H

#pragma GCC system_header /* no warnings about macros that are as their users know them */

#include <errno.h>
#include <libpmemobj/base.h>
#include <libpmemobj/types.h>
#include <setjmp.h>
#include <string.h>
#include <wchar.h>

#ifdef POBJ_TX_CRASH_ON_NO_ONABORT
#include <stdlib.h>
#endif

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum pobj_tx_stage {
    TX_STAGE_NONE,
    TX_STAGE_WORK,
    TX_STAGE_ONCOMMIT,
    TX_STAGE_ONABORT,
    TX_STAGE_FINALLY,
    MAX_TX_STAGE
};

enum pobj_tx_param {
    TX_PARAM_NONE,
    TX_PARAM_MUTEX,  /**< PMEMmutex * */
    TX_PARAM_RWLOCK, /**< PMEMrwlock *, for writing */
    TX_PARAM_CB,     /**< pmemobj_tx_callback, void * */
    TX_LOCK_NONE = TX_PARAM_NONE,
    TX_LOCK_MUTEX = TX_PARAM_MUTEX,
    TX_LOCK_RWLOCK = TX_PARAM_RWLOCK
};

enum pobj_log_type { TX_LOG_TYPE_SNAPSHOT, TX_LOG_TYPE_INTENT };
enum pobj_tx_failure_behavior { POBJ_TX_FAILURE_ABORT, POBJ_TX_FAILURE_RETURN };

#define POBJ_XADD_NO_FLUSH POBJ_FLAG_NO_FLUSH
#define POBJ_XADD_NO_SNAPSHOT POBJ_FLAG_NO_SNAPSHOT
#define POBJ_XADD_ASSUME_INITIALIZED POBJ_FLAG_ASSUME_INITIALIZED
#define POBJ_XADD_NO_ABORT POBJ_FLAG_TX_NO_ABORT
#define POBJ_XADD_VALID_FLAGS (POBJ_XADD_NO_FLUSH | POBJ_XADD_NO_SNAPSHOT | POBJ_XADD_ASSUME_INITIALIZED | POBJ_XADD_NO_ABORT)
#define POBJ_TX_XALLOC_VALID_FLAGS (POBJ_XALLOC_ZERO | POBJ_XALLOC_NO_FLUSH | POBJ_XALLOC_ARENA_MASK | POBJ_XALLOC_CLASS_MASK | POBJ_XALLOC_NO_ABORT)
#define POBJ_XLOCK_NO_ABORT POBJ_FLAG_TX_NO_ABORT
#define POBJ_XLOCK_VALID_FLAGS POBJ_XLOCK_NO_ABORT
#define POBJ_XFREE_NO_ABORT POBJ_FLAG_TX_NO_ABORT
#define POBJ_XFREE_VALID_FLAGS POBJ_XFREE_NO_ABORT
#define POBJ_XLOG_APPEND_BUFFER_NO_ABORT POBJ_FLAG_TX_NO_ABORT
#define POBJ_XLOG_APPEND_BUFFER_VALID_FLAGS POBJ_XLOG_APPEND_BUFFER_NO_ABORT

typedef void (*pmemobj_tx_callback)(PMEMobjpool *pop, enum pobj_tx_stage stage, void *arg);

enum pobj_tx_stage pmemobj_tx_stage(void);
int pmemobj_tx_begin(PMEMobjpool *pop, jmp_buf env, ...);
int pmemobj_tx_lock(enum pobj_tx_param type, void *lockp);
int pmemobj_tx_xlock(enum pobj_tx_param type, void *lockp, uint64_t flags);
void pmemobj_tx_abort(int errnum);
void pmemobj_tx_commit(void);
int pmemobj_tx_end(void);
void pmemobj_tx_process(void);
int pmemobj_tx_errno(void);

int pmemobj_tx_add_range(PMEMoid oid, uint64_t off, size_t size);
int pmemobj_tx_add_range_direct(const void *ptr, size_t size);
int pmemobj_tx_xadd_range(PMEMoid oid, uint64_t off, size_t size, uint64_t flags);
int pmemobj_tx_xadd_range_direct(const void *ptr, size_t size, uint64_t flags);

PMEMoid pmemobj_tx_alloc(size_t size, uint64_t type_num);
PMEMoid pmemobj_tx_xalloc(size_t size, uint64_t type_num, uint64_t flags);
PMEMoid pmemobj_tx_zalloc(size_t size, uint64_t type_num);
PMEMoid pmemobj_tx_realloc(PMEMoid oid, size_t size, uint64_t type_num);
PMEMoid pmemobj_tx_zrealloc(PMEMoid oid, size_t size, uint64_t type_num);
PMEMoid pmemobj_tx_strdup(const char *s, uint64_t type_num);
PMEMoid pmemobj_tx_xstrdup(const char *s, uint64_t type_num, uint64_t flags);
PMEMoid pmemobj_tx_wcsdup(const wchar_t *s, uint64_t type_num);
PMEMoid pmemobj_tx_xwcsdup(const wchar_t *s, uint64_t type_num, uint64_t flags);
int pmemobj_tx_free(PMEMoid oid);
int pmemobj_tx_xfree(PMEMoid oid, uint64_t flags);

int pmemobj_tx_log_append_buffer(enum pobj_log_type type, void *addr, size_t size);
int pmemobj_tx_xlog_append_buffer(enum pobj_log_type type, void *addr, size_t size, uint64_t flags);
int pmemobj_tx_log_auto_alloc(enum pobj_log_type type, int on_off);
size_t pmemobj_tx_log_snapshots_max_size(size_t *sizes, size_t nsizes);
size_t pmemobj_tx_log_intents_max_size(size_t nintents);

void pmemobj_tx_set_user_data(void *data);
void *pmemobj_tx_get_user_data(void);
void pmemobj_tx_set_failure_behavior(enum pobj_tx_failure_behavior behavior);
enum pobj_tx_failure_behavior pmemobj_tx_get_failure_behavior(void);

/* The blocks. An abort jumps back to the begin, where the loop goes on with the stage that it has left. */
#ifdef POBJ_TX_CRASH_ON_NO_ONABORT
#define TX_ONABORT_CHECK \
    do \
        if (tm_stage_ == TX_STAGE_ONABORT) abort(); \
    while (0)
#else
#define TX_ONABORT_CHECK \
    do { \
    } while (0)
#endif

#define TM_POBJ_BEGIN_(pop, ...) \
    { \
        jmp_buf tm_env_; \
        enum pobj_tx_stage tm_stage_; \
        int tm_code_; \
        if (setjmp(tm_env_)) { \
            errno = pmemobj_tx_errno(); \
        } else { \
            tm_code_ = pmemobj_tx_begin((pop), tm_env_, __VA_ARGS__); \
            if (tm_code_) errno = tm_code_; \
        } \
        while ((tm_stage_ = pmemobj_tx_stage()) != TX_STAGE_NONE) { \
            switch (tm_stage_) { \
            case TX_STAGE_WORK:
#define TX_BEGIN_PARAM(pop, ...) TM_POBJ_BEGIN_(pop, __VA_ARGS__, TX_PARAM_NONE)
#define TX_BEGIN_LOCK TX_BEGIN_PARAM
#define TX_BEGIN(pop) TM_POBJ_BEGIN_(pop, TX_PARAM_NONE)
static inline pmemobj_tx_callback tm_pobj_callback_(pmemobj_tx_callback cb) { return cb; }
#define TX_BEGIN_CB(pop, cb, arg, ...) TM_POBJ_BEGIN_(pop, TX_PARAM_CB, tm_pobj_callback_(cb), (arg), ##__VA_ARGS__, TX_PARAM_NONE)

#define TX_ONABORT \
                pmemobj_tx_process(); \
                break; \
            case TX_STAGE_ONABORT:
#define TX_ONCOMMIT \
                pmemobj_tx_process(); \
                break; \
            case TX_STAGE_ONCOMMIT:
#define TX_FINALLY \
                pmemobj_tx_process(); \
                break; \
            case TX_STAGE_FINALLY:
#define TX_END \
                pmemobj_tx_process(); \
                break; \
            default: \
                TX_ONABORT_CHECK; \
                pmemobj_tx_process(); \
                break; \
            } \
        } \
        tm_code_ = pmemobj_tx_end(); \
        if (tm_code_) errno = tm_code_; \
    }

#define TX_ADD(o) pmemobj_tx_add_range((o).oid, 0, sizeof(*(o)._type))
#define TX_XADD(o, flags) pmemobj_tx_xadd_range((o).oid, 0, sizeof(*(o)._type), (flags))
#define TX_ADD_FIELD(o, field) TX_ADD_DIRECT(&(D_RO(o)->field))
#define TX_XADD_FIELD(o, field, flags) TX_XADD_DIRECT(&(D_RO(o)->field), (flags))
#define TX_ADD_DIRECT(p) pmemobj_tx_add_range_direct((p), sizeof(*(p)))
#define TX_XADD_DIRECT(p, flags) pmemobj_tx_xadd_range_direct((p), sizeof(*(p)), (flags))
#define TX_ADD_FIELD_DIRECT(p, field) pmemobj_tx_add_range_direct(&(p)->field, sizeof((p)->field))
#define TX_XADD_FIELD_DIRECT(p, field, flags) pmemobj_tx_xadd_range_direct(&(p)->field, sizeof((p)->field), (flags))

#define TX_NEW(t) ((TOID(t))pmemobj_tx_alloc(sizeof(t), TOID_TYPE_NUM(t)))
#define TX_ALLOC(t, size) ((TOID(t))pmemobj_tx_alloc((size), TOID_TYPE_NUM(t)))
#define TX_ZNEW(t) ((TOID(t))pmemobj_tx_zalloc(sizeof(t), TOID_TYPE_NUM(t)))
#define TX_ZALLOC(t, size) ((TOID(t))pmemobj_tx_zalloc((size), TOID_TYPE_NUM(t)))
#define TX_XALLOC(t, size, flags) ((TOID(t))pmemobj_tx_xalloc((size), TOID_TYPE_NUM(t), (flags)))
#define TX_REALLOC(o, size) ((__typeof__(o))pmemobj_tx_realloc((o).oid, (size), TOID_TYPE_NUM_OF(o)))
#define TX_ZREALLOC(o, size) ((__typeof__(o))pmemobj_tx_zrealloc((o).oid, (size), TOID_TYPE_NUM_OF(o)))
#define TX_STRDUP(s, type_num) pmemobj_tx_strdup((s), (type_num))
#define TX_XSTRDUP(s, type_num, flags) pmemobj_tx_xstrdup((s), (type_num), (flags))
#define TX_WCSDUP(s, type_num) pmemobj_tx_wcsdup((s), (type_num))
#define TX_XWCSDUP(s, type_num, flags) pmemobj_tx_xwcsdup((s), (type_num), (flags))
#define TX_FREE(o) pmemobj_tx_free((o).oid)
#define TX_XFREE(o, flags) pmemobj_tx_xfree((o).oid, (flags))

#define TX_SET(o, field, value) (TX_ADD_FIELD(o, field), D_RW(o)->field = (value))
#define TX_SET_DIRECT(p, field, value) (TX_ADD_FIELD_DIRECT(p, field), (p)->field = (value))

static inline void *TX_MEMCPY(void *dest, const void *src, size_t num)
{
    return pmemobj_tx_add_range_direct(dest, num) ? NULL : memcpy(dest, src, num);
}

static inline void *TX_MEMSET(void *dest, int c, size_t num)
{
    return pmemobj_tx_add_range_direct(dest, num) ? NULL : memset(dest, c, num);
}

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
