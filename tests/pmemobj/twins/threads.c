/* SPDX-License-Identifier: MIT */
/* Four threads with transactions on the same pool, kept apart by locks; others that share nothing. */
#include "twin.h"
#include <pthread.h>

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct node, 1);

enum { threads = 4, rounds = 500, accounts = 16, kept = 50 };

struct node {
    uint64_t value;
    TOID(struct node) next;
};
struct root {
    PMEMmutex mutex;
    PMEMrwlock rwlock;
    int64_t accounts[accounts];
    uint64_t counter;
    struct {
        TOID(struct node) head;
        uint64_t length;
    } own[threads];
};

static PMEMobjpool *pop;
static TOID(struct root) root;
static int wrong_sums, unexpected;

static int64_t sum(void)
{
    int64_t all = 0;
    for (int i = 0; i < accounts; ++i) all += D_RO(root)->accounts[i];
    return all;
}

/** Moves money under the mutex; every third time it changes its mind. */
static void *transfer(void *arg)
{
    unsigned random = 12345U + (unsigned)(uintptr_t)arg;
    for (volatile int i = 0; i < rounds; ++i) {
        random = random * 1103515245U + 12345U;
        const unsigned from = random >> 8 & 15U, to = random >> 16 & 15U;
        TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_NONE) {
            TX_ADD_FIELD(root, accounts);
            D_RW(root)->accounts[from] -= 10;
            D_RW(root)->accounts[to] += 10;
            TX_SET(root, counter, D_RO(root)->counter + 1);
            if (i % 3 == 0) pmemobj_tx_abort(ECANCELED);
        } TX_ONCOMMIT {
            if (i % 3 == 0) __atomic_add_fetch(&unexpected, 1, __ATOMIC_RELAXED);
        } TX_ONABORT {
            if (i % 3) __atomic_add_fetch(&unexpected, 1, __ATOMIC_RELAXED);
        } TX_END
    }
    return NULL;
}

static void *audit(void *arg)
{
    for (int i = 0; i < rounds; ++i) {
        pmemobj_mutex_lock(pop, &D_RW(root)->mutex);
        if (sum() != 1600) __atomic_add_fetch(&wrong_sums, 1, __ATOMIC_RELAXED);
        pmemobj_mutex_unlock(pop, &D_RW(root)->mutex);
    }
    return arg;
}

/** A list of its own: no lock; it grows at the head and is freed behind `kept` nodes. */
static void *push(void *arg)
{
    const int me = (int)(uintptr_t)arg;
    for (volatile int i = 0; i < rounds; ++i) {
        TX_BEGIN(pop) {
            TOID(struct node) node = TX_ZNEW(struct node);
            D_RW(node)->value = (uint64_t)i;
            D_RW(node)->next = D_RO(root)->own[me].head;
            TX_ADD_FIELD(root, own[me]);
            D_RW(root)->own[me].head = node;
            if (++D_RW(root)->own[me].length > kept) {
                TOID(struct node) last = node;
                for (int k = 1; k < kept; ++k) last = D_RO(last)->next;
                TOID(struct node) old = D_RO(last)->next;
                TX_SET(last, next, TOID_NULL(struct node));
                TX_FREE(old);
                --D_RW(root)->own[me].length;
            }
            if (i % 5 == 4) pmemobj_tx_abort(0);
        } TX_END
    }
    return NULL;
}

/** Atomic allocations by all, frees of every other. */
static void *allocate(void *arg)
{
    for (int i = 0; i < rounds; ++i) {
        PMEMoid oid = OID_NULL;
        if (pmemobj_zalloc(pop, &oid, 64 + (size_t)(i % 10) * 100, 10 + (uintptr_t)arg)) __atomic_add_fetch(&unexpected, 1, __ATOMIC_RELAXED);
        else if (i % 2) pmemobj_free(&oid);
    }
    return NULL;
}

static void *count_under_rwlock(void *arg)
{
    for (int i = 0; i < rounds; ++i) {
        TX_BEGIN_PARAM(pop, TX_PARAM_RWLOCK, &D_RW(root)->rwlock, TX_PARAM_NONE) {
            TX_SET(root, counter, D_RO(root)->counter + 1);
        } TX_END
    }
    return arg;
}

static void run(void *(*function)(void *), void *(*beside)(void *))
{
    pthread_t thread[threads + 1];
    for (uintptr_t i = 0; i < threads; ++i)
        if (pthread_create(&thread[i], NULL, function, (void *)i)) exit(3);
    if (beside && pthread_create(&thread[threads], NULL, beside, NULL)) exit(3);
    for (int i = 0; i < threads + !!beside; ++i) pthread_join(thread[i], NULL);
    SHOW(unexpected);
}

static void show_lists(void)
{
    for (int i = 0; i < threads; ++i) {
        uint64_t length = 0, values = 0;
        for (TOID(struct node) node = D_RO(root)->own[i].head; !TOID_IS_NULL(node); node = D_RO(node)->next) {
            ++length;
            values = values * 31 + D_RO(node)->value;
        }
        printf("list %d: length %" PRIu64 " and %" PRIu64 ", checksum %" PRIu64 "\n", i, length, D_RO(root)->own[i].length, values);
    }
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "threads");
    root = POBJ_ROOT(pop, struct root);
    for (int i = 0; i < accounts; ++i) D_RW(root)->accounts[i] = 100;
    pmemobj_persist(pop, D_RO(root), sizeof(struct root));

    HEADING("transfers under a mutex, and an auditor");
    run(transfer, audit);
    SHOW(sum());
    SHOW(wrong_sums);
    SHOW(D_RO(root)->counter);

    HEADING("lists, one for each");
    run(push, NULL);
    show_lists();
    show_objects(pop, "then");

    HEADING("atomic allocations");
    run(allocate, NULL);
    show_objects(pop, "then");

    HEADING("under an rwlock");
    run(count_under_rwlock, NULL);
    SHOW(D_RO(root)->counter);

    pop = reopen(pop, argv[1], "threads");
    root = POBJ_ROOT(pop, struct root);
    SHOW(sum());
    SHOW(D_RO(root)->counter);
    show_lists();
    show_objects(pop, "reopened");
    pmemobj_close(pop);
    return 0;
}
