/* SPDX-License-Identifier: MIT */
/*
 * What the header declares: each function has the type that the manual gives it, constants are there and differ where they must. Most of this is
 * found out by the compiler.
 */
#include "twin.h"

/* As pmemobj_tx_begin(3) and its kin have them. */
static enum pobj_tx_stage (*const tx_stage)(void) = pmemobj_tx_stage;
static int (*const tx_lock)(enum pobj_tx_param, void *) = pmemobj_tx_lock;
static int (*const tx_xlock)(enum pobj_tx_param, void *, uint64_t) = pmemobj_tx_xlock;
static void (*const tx_abort)(int) = pmemobj_tx_abort;
static void (*const tx_commit)(void) = pmemobj_tx_commit;
static int (*const tx_end)(void) = pmemobj_tx_end;
static int (*const tx_errno)(void) = pmemobj_tx_errno;
static void (*const tx_process)(void) = pmemobj_tx_process;
static int (*const tx_log_append_buffer)(enum pobj_log_type, void *, size_t) = pmemobj_tx_log_append_buffer;
static int (*const tx_xlog_append_buffer)(enum pobj_log_type, void *, size_t, uint64_t) = pmemobj_tx_xlog_append_buffer;
static int (*const tx_log_auto_alloc)(enum pobj_log_type, int) = pmemobj_tx_log_auto_alloc;
static size_t (*const tx_log_snapshots_max_size)(size_t *, size_t) = pmemobj_tx_log_snapshots_max_size;
static size_t (*const tx_log_intents_max_size)(size_t) = pmemobj_tx_log_intents_max_size;
static void (*const tx_set_user_data)(void *) = pmemobj_tx_set_user_data;
static void *(*const tx_get_user_data)(void) = pmemobj_tx_get_user_data;
static void (*const tx_set_failure_behavior)(enum pobj_tx_failure_behavior) = pmemobj_tx_set_failure_behavior;
static enum pobj_tx_failure_behavior (*const tx_get_failure_behavior)(void) = pmemobj_tx_get_failure_behavior;

/* pmemobj_tx_add_range(3), pmemobj_tx_alloc(3) */
static int (*const tx_add_range)(PMEMoid, uint64_t, size_t) = pmemobj_tx_add_range;
static int (*const tx_add_range_direct)(const void *, size_t) = pmemobj_tx_add_range_direct;
static int (*const tx_xadd_range)(PMEMoid, uint64_t, size_t, uint64_t) = pmemobj_tx_xadd_range;
static int (*const tx_xadd_range_direct)(const void *, size_t, uint64_t) = pmemobj_tx_xadd_range_direct;
static PMEMoid (*const tx_allocs[])(size_t, uint64_t) = {pmemobj_tx_alloc, pmemobj_tx_zalloc};
static PMEMoid (*const tx_xalloc)(size_t, uint64_t, uint64_t) = pmemobj_tx_xalloc;
static PMEMoid (*const tx_reallocs[])(PMEMoid, size_t, uint64_t) = {pmemobj_tx_realloc, pmemobj_tx_zrealloc};
static PMEMoid (*const tx_strdup)(const char *, uint64_t) = pmemobj_tx_strdup;
static PMEMoid (*const tx_xstrdup)(const char *, uint64_t, uint64_t) = pmemobj_tx_xstrdup;
static PMEMoid (*const tx_wcsdup)(const wchar_t *, uint64_t) = pmemobj_tx_wcsdup;
static PMEMoid (*const tx_xwcsdup)(const wchar_t *, uint64_t, uint64_t) = pmemobj_tx_xwcsdup;
static int (*const tx_free)(PMEMoid) = pmemobj_tx_free;
static int (*const tx_xfree)(PMEMoid, uint64_t) = pmemobj_tx_xfree;

/* pmemobj_alloc(3) */
static int (*const alloc)(PMEMobjpool *, PMEMoid *, size_t, uint64_t, pmemobj_constr, void *) = pmemobj_alloc;
static int (*const xalloc)(PMEMobjpool *, PMEMoid *, size_t, uint64_t, uint64_t, pmemobj_constr, void *) = pmemobj_xalloc;
static int (*const sized[])(PMEMobjpool *, PMEMoid *, size_t, uint64_t) = {pmemobj_zalloc, pmemobj_realloc, pmemobj_zrealloc};
static void (*const free_object)(PMEMoid *) = pmemobj_free;
static int (*const dup_string)(PMEMobjpool *, PMEMoid *, const char *, uint64_t) = pmemobj_strdup;
static int (*const dup_wide)(PMEMobjpool *, PMEMoid *, const wchar_t *, uint64_t) = pmemobj_wcsdup;
static size_t (*const usable_size)(PMEMoid) = pmemobj_alloc_usable_size;
static int (*const defrag)(PMEMobjpool *, PMEMoid **, size_t, struct pobj_defrag_result *) = pmemobj_defrag;

/* pmemobj_list_insert(3), pmemobj_action(3) */
static int (*const list_insert)(PMEMobjpool *, size_t, void *, PMEMoid, int, PMEMoid) = pmemobj_list_insert;
static PMEMoid (*const list_insert_new)(PMEMobjpool *, size_t, void *, PMEMoid, int, size_t, uint64_t, pmemobj_constr, void *) = pmemobj_list_insert_new;
static int (*const list_move)(PMEMobjpool *, size_t, void *, size_t, void *, PMEMoid, int, PMEMoid) = pmemobj_list_move;
static int (*const list_remove)(PMEMobjpool *, size_t, void *, PMEMoid, int) = pmemobj_list_remove;
static PMEMoid (*const reserve)(PMEMobjpool *, struct pobj_action *, size_t, uint64_t) = pmemobj_reserve;
static PMEMoid (*const xreserve)(PMEMobjpool *, struct pobj_action *, size_t, uint64_t, uint64_t) = pmemobj_xreserve;
static void (*const defer_free)(PMEMobjpool *, PMEMoid, struct pobj_action *) = pmemobj_defer_free;
static void (*const set_value)(PMEMobjpool *, struct pobj_action *, uint64_t *, uint64_t) = pmemobj_set_value;
static int (*const publish)(PMEMobjpool *, struct pobj_action *, size_t) = pmemobj_publish;
static int (*const tx_publish)(struct pobj_action *, size_t) = pmemobj_tx_publish;
static int (*const tx_xpublish)(struct pobj_action *, size_t, uint64_t) = pmemobj_tx_xpublish;
static void (*const cancel)(PMEMobjpool *, struct pobj_action *, size_t) = pmemobj_cancel;

/* pmemobj_open(3), pmemobj_root(3), pmemobj_first(3), oid_is_null(3) */
static PMEMobjpool *(*const open_pool)(const char *, const char *) = pmemobj_open;
static PMEMobjpool *(*const create_pool)(const char *, const char *, size_t, mode_t) = pmemobj_create;
static void (*const close_pool)(PMEMobjpool *) = pmemobj_close;
static int (*const check_pool)(const char *, const char *) = pmemobj_check;
static void (*const set_user_data)(PMEMobjpool *, void *) = pmemobj_set_user_data;
static void *(*const get_user_data)(PMEMobjpool *) = pmemobj_get_user_data;
static PMEMoid (*const root)(PMEMobjpool *, size_t) = pmemobj_root;
static PMEMoid (*const root_construct)(PMEMobjpool *, size_t, pmemobj_constr, void *) = pmemobj_root_construct;
static size_t (*const root_size)(PMEMobjpool *) = pmemobj_root_size;
static PMEMoid (*const first)(PMEMobjpool *) = pmemobj_first;
static PMEMoid (*const next)(PMEMoid) = pmemobj_next;
static PMEMoid (*const oid_of)(const void *) = pmemobj_oid;
static uint64_t (*const type_num)(PMEMoid) = pmemobj_type_num;
static PMEMobjpool *(*const pool_by_oid)(PMEMoid) = pmemobj_pool_by_oid;
static PMEMobjpool *(*const pool_by_ptr)(const void *) = pmemobj_pool_by_ptr;

/* pmemobj_mutex_zero(3) */
static void (*const mutex_zero)(PMEMobjpool *, PMEMmutex *) = pmemobj_mutex_zero;
static int (*const mutexes[])(PMEMobjpool *, PMEMmutex *) = {pmemobj_mutex_lock, pmemobj_mutex_trylock, pmemobj_mutex_unlock};
static int (*const mutex_timedlock)(PMEMobjpool *, PMEMmutex *restrict, const struct timespec *restrict) = pmemobj_mutex_timedlock;
static void (*const rwlock_zero)(PMEMobjpool *, PMEMrwlock *) = pmemobj_rwlock_zero;
static int (*const rwlocks[])(PMEMobjpool *, PMEMrwlock *) = {pmemobj_rwlock_rdlock, pmemobj_rwlock_wrlock, pmemobj_rwlock_tryrdlock, pmemobj_rwlock_trywrlock, pmemobj_rwlock_unlock};
static int (*const timed_rwlocks[])(PMEMobjpool *, PMEMrwlock *restrict, const struct timespec *restrict) = {pmemobj_rwlock_timedrdlock, pmemobj_rwlock_timedwrlock};
static void (*const cond_zero)(PMEMobjpool *, PMEMcond *) = pmemobj_cond_zero;
static int (*const conds[])(PMEMobjpool *, PMEMcond *) = {pmemobj_cond_broadcast, pmemobj_cond_signal};
static int (*const cond_timedwait)(PMEMobjpool *, PMEMcond *restrict, PMEMmutex *restrict, const struct timespec *restrict) = pmemobj_cond_timedwait;
static int (*const cond_wait)(PMEMobjpool *, PMEMcond *restrict, PMEMmutex *restrict) = pmemobj_cond_wait;

/* pmemobj_memcpy_persist(3), pmemobj_ctl_get(3), libpmemobj(7) */
static void (*const persists[])(PMEMobjpool *, const void *, size_t) = {pmemobj_persist, pmemobj_flush};
static void (*const drain)(PMEMobjpool *) = pmemobj_drain;
static int (*const xpersists[])(PMEMobjpool *, const void *, size_t, unsigned) = {pmemobj_xpersist, pmemobj_xflush};
static void *(*const copies[])(PMEMobjpool *, void *, const void *, size_t, unsigned) = {pmemobj_memcpy, pmemobj_memmove};
static void *(*const fill)(PMEMobjpool *, void *, int, size_t, unsigned) = pmemobj_memset;
static void *(*const copy_persist)(PMEMobjpool *, void *, const void *, size_t) = pmemobj_memcpy_persist;
static void *(*const fill_persist)(PMEMobjpool *, void *, int, size_t) = pmemobj_memset_persist;
static int (*const ctls[])(PMEMobjpool *, const char *, void *) = {pmemobj_ctl_get, pmemobj_ctl_set, pmemobj_ctl_exec};
static const char *(*const check_version)(unsigned, unsigned) = pmemobj_check_version;
static const char *(*const errormsg)(void) = pmemobj_errormsg;
static void (*const set_funcs)(void *(*)(size_t), void (*)(void *), void *(*)(void *, size_t), char *(*)(const char *)) = pmemobj_set_funcs;

static int distinct(const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        for (size_t j = 0; j < i; ++j)
            if (values[i] == values[j]) return 0;
    return 1;
}

static int single_bits(const uint64_t *values, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; ++i) {
        if (!values[i] || (values[i] & (values[i] - 1)) || all & values[i]) return 0;
        all |= values[i];
    }
    return 1;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(int argc, char **argv)
{
    PMEMobjpool *pop = new_pool(argc, argv, "header");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Waddress"
    SHOW_BOOL(tx_stage && tx_lock && tx_xlock && tx_abort && tx_commit && tx_end && tx_errno && tx_process && tx_log_append_buffer && tx_xlog_append_buffer);
    SHOW_BOOL(tx_log_auto_alloc && tx_log_snapshots_max_size && tx_log_intents_max_size && tx_set_user_data && tx_get_user_data);
    SHOW_BOOL(tx_set_failure_behavior && tx_get_failure_behavior && tx_add_range && tx_add_range_direct && tx_xadd_range && tx_xadd_range_direct);
    SHOW_BOOL(tx_allocs[1] && tx_xalloc && tx_reallocs[1] && tx_strdup && tx_xstrdup && tx_wcsdup && tx_xwcsdup && tx_free && tx_xfree);
    SHOW_BOOL(alloc && xalloc && sized[2] && free_object && dup_string && dup_wide && usable_size && defrag);
    SHOW_BOOL(list_insert && list_insert_new && list_move && list_remove && reserve && xreserve && defer_free && set_value && publish && tx_publish && tx_xpublish && cancel);
    SHOW_BOOL(open_pool && create_pool && close_pool && check_pool && set_user_data && get_user_data && root && root_construct && root_size && first && next);
    SHOW_BOOL(oid_of && type_num && pool_by_oid && pool_by_ptr && mutex_zero && mutexes[2] && mutex_timedlock && rwlock_zero && rwlocks[4] && timed_rwlocks[1]);
    SHOW_BOOL(cond_zero && conds[1] && cond_timedwait && cond_wait && persists[1] && drain && xpersists[1] && copies[1] && fill && copy_persist && fill_persist);
    SHOW_BOOL(ctls[2] && check_version && errormsg && set_funcs);
#pragma GCC diagnostic pop

    const uint64_t stages[] = {TX_STAGE_NONE, TX_STAGE_WORK, TX_STAGE_ONCOMMIT, TX_STAGE_ONABORT, TX_STAGE_FINALLY};
    SHOW_BOOL(distinct(stages, COUNT(stages)));
    SHOW(MAX_TX_STAGE);
    SHOW(TX_STAGE_NONE);
    const uint64_t parameters[] = {TX_PARAM_NONE, TX_PARAM_MUTEX, TX_PARAM_RWLOCK, TX_PARAM_CB};
    SHOW_BOOL(distinct(parameters, COUNT(parameters)));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    SHOW_BOOL((int)TX_LOCK_NONE == (int)TX_PARAM_NONE && (int)TX_LOCK_MUTEX == (int)TX_PARAM_MUTEX && (int)TX_LOCK_RWLOCK == (int)TX_PARAM_RWLOCK);
    TX_BEGIN(pop) {
        struct locks {
            PMEMmutex mutex;
            PMEMrwlock rwlock;
        } *locks = (struct locks *)pmemobj_direct(pmemobj_tx_zalloc(sizeof *locks, 1));
        SHOW_CODE(pmemobj_tx_lock((enum pobj_tx_param)TX_LOCK_MUTEX, &locks->mutex)); /* the old names */
        SHOW_CODE(pmemobj_tx_lock((enum pobj_tx_param)TX_LOCK_RWLOCK, &locks->rwlock));
    } TX_END
#pragma GCC diagnostic pop
    const uint64_t xalloc_flags[] = {POBJ_XALLOC_ZERO, POBJ_XALLOC_NO_FLUSH, POBJ_XALLOC_NO_ABORT};
    SHOW_BOOL(single_bits(xalloc_flags, COUNT(xalloc_flags)));
    const uint64_t xadd_flags[] = {POBJ_XADD_NO_FLUSH, POBJ_XADD_NO_SNAPSHOT, POBJ_XADD_ASSUME_INITIALIZED, POBJ_XADD_NO_ABORT};
    SHOW_BOOL(single_bits(xadd_flags, COUNT(xadd_flags)));
    const uint64_t memory_flags[] = {PMEMOBJ_F_MEM_NODRAIN, PMEMOBJ_F_MEM_NONTEMPORAL, PMEMOBJ_F_MEM_TEMPORAL, PMEMOBJ_F_MEM_WC, PMEMOBJ_F_MEM_WB, PMEMOBJ_F_MEM_NOFLUSH, PMEMOBJ_F_RELAXED};
    SHOW_BOOL(single_bits(memory_flags, COUNT(memory_flags)));
    SHOW_BOOL(POBJ_XLOCK_NO_ABORT && POBJ_XFREE_NO_ABORT && POBJ_XPUBLISH_NO_ABORT && POBJ_XLOG_APPEND_BUFFER_NO_ABORT);
    SHOW_BOOL(POBJ_LIST_DEST_HEAD == POBJ_LIST_DEST_BEFORE && POBJ_LIST_DEST_TAIL == POBJ_LIST_DEST_AFTER);
    SHOW(POBJ_LIST_DEST_BEFORE);
    SHOW(POBJ_LIST_DEST_AFTER);
    SHOW_BOOL(POBJ_TX_FAILURE_ABORT != POBJ_TX_FAILURE_RETURN);
    SHOW_BOOL(TX_LOG_TYPE_SNAPSHOT != TX_LOG_TYPE_INTENT);
    SHOW_BOOL(POBJ_CLASS_ID(1) != POBJ_ARENA_ID(1));
    SHOW_BOOL(POBJ_CLASS_ID(0) == 0);
    SHOW_BOOL(POBJ_ARENA_ID(0) == 0);
    SHOW_BOOL(sizeof(struct pmemvlt) == sizeof(uint64_t));
    SHOW_BOOL(offsetof(PMEMoid, pool_uuid_lo) == 0 && offsetof(PMEMoid, off) == 8);
    pmemobj_close(pop);
    return 0;
}
