/* SPDX-License-Identifier: MIT */
/* PMEMmutex, PMEMrwlock, PMEMcond: used, waited for, and free again when the pool was opened again. */
#include "twin.h"
#include <pthread.h>
#include <time.h>

struct root {
    PMEMmutex mutex;
    PMEMrwlock rwlock;
    PMEMcond cond;
    int turn;
    int woken;
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static struct root *root;

static struct timespec in_a_moment(void)
{
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 20000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_nsec -= 1000000000;
        ++when.tv_sec;
    }
    return when;
}

static void in_another_thread(void *(*function)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, NULL)) exit(3);
    pthread_join(thread, NULL);
}

static void *mutex_taken(void *unused)
{
    SHOW_CODE(pmemobj_mutex_trylock(pop, &root->mutex));
    const struct timespec until = in_a_moment();
    SHOW_CODE(pmemobj_mutex_timedlock(pop, &root->mutex, &until));
    return unused;
}

static void *mutex_free(void *unused)
{
    SHOW_CODE(pmemobj_mutex_trylock(pop, &root->mutex));
    SHOW_CODE(pmemobj_mutex_unlock(pop, &root->mutex));
    const struct timespec until = in_a_moment();
    SHOW_CODE(pmemobj_mutex_timedlock(pop, &root->mutex, &until));
    SHOW_CODE(pmemobj_mutex_unlock(pop, &root->mutex));
    return unused;
}

static void *rwlock_tried(void *unused)
{
    int rc;
    struct timespec until = in_a_moment();
    SHOW_CODE(rc = pmemobj_rwlock_tryrdlock(pop, &root->rwlock));
    if (!rc) SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    SHOW_CODE(rc = pmemobj_rwlock_trywrlock(pop, &root->rwlock));
    if (!rc) SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    SHOW_CODE(rc = pmemobj_rwlock_timedrdlock(pop, &root->rwlock, &until));
    if (!rc) SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    until = in_a_moment();
    SHOW_CODE(rc = pmemobj_rwlock_timedwrlock(pop, &root->rwlock, &until));
    if (!rc) SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    return unused;
}

static void *waits(void *unused)
{
    pmemobj_mutex_lock(pop, &root->mutex);
    while (!root->turn)
        if (pmemobj_cond_wait(pop, &root->cond, &root->mutex)) puts("the wait failed");
    ++root->woken;
    pmemobj_mutex_unlock(pop, &root->mutex);
    return unused;
}

static void wake(int threads, int broadcast)
{
    pthread_t thread[4];
    root->turn = root->woken = 0;
    for (int i = 0; i < threads; ++i)
        if (pthread_create(&thread[i], NULL, waits, NULL)) exit(3);
    pmemobj_mutex_lock(pop, &root->mutex);
    root->turn = 1;
    const int rc = broadcast ? pmemobj_cond_broadcast(pop, &root->cond) : pmemobj_cond_signal(pop, &root->cond);
    pmemobj_mutex_unlock(pop, &root->mutex);
    for (int i = 0; i < threads; ++i) pthread_join(thread[i], NULL);
    printf("%s: %s, woken: %d\n", broadcast ? "broadcast" : "signal", error_name(rc), root->woken);
}

static void all_of_them(void)
{
    HEADING("mutex");
    SHOW_CODE(pmemobj_mutex_lock(pop, &root->mutex));
    in_another_thread(mutex_taken);
    SHOW_CODE(pmemobj_mutex_unlock(pop, &root->mutex));
    in_another_thread(mutex_free);

    HEADING("rwlock, read");
    SHOW_CODE(pmemobj_rwlock_rdlock(pop, &root->rwlock));
    SHOW_CODE(pmemobj_rwlock_rdlock(pop, &root->rwlock));
    in_another_thread(rwlock_tried);
    SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    in_another_thread(rwlock_tried);
    SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    in_another_thread(rwlock_tried);

    HEADING("rwlock, written");
    SHOW_CODE(pmemobj_rwlock_wrlock(pop, &root->rwlock));
    in_another_thread(rwlock_tried);
    SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));
    in_another_thread(rwlock_tried);

    HEADING("cond");
    SHOW_CODE(pmemobj_cond_signal(pop, &root->cond));
    SHOW_CODE(pmemobj_cond_broadcast(pop, &root->cond));
    wake(1, 0);
    wake(1, 1);
    wake(4, 1);
    SHOW_CODE(pmemobj_mutex_lock(pop, &root->mutex));
    struct timespec until = in_a_moment();
    int rc;
    while (!(rc = pmemobj_cond_timedwait(pop, &root->cond, &root->mutex, &until))) continue;
    SHOW_CODE(rc);
    in_another_thread(mutex_taken); /* held again after the wait */
    SHOW_CODE(pmemobj_mutex_unlock(pop, &root->mutex));
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "locks");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    all_of_them();

    HEADING("left locked, and free after reopening");
    SHOW_CODE(pmemobj_mutex_lock(pop, &root->mutex));
    SHOW_CODE(pmemobj_rwlock_wrlock(pop, &root->rwlock));
    pmemobj_persist(pop, root, sizeof *root);
    pop = reopen(pop, argv[1], "locks");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    in_another_thread(mutex_free);
    in_another_thread(rwlock_tried);
    all_of_them();

    HEADING("left read-locked");
    SHOW_CODE(pmemobj_rwlock_rdlock(pop, &root->rwlock));
    pop = reopen(pop, argv[1], "locks");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    SHOW_CODE(pmemobj_rwlock_wrlock(pop, &root->rwlock));
    SHOW_CODE(pmemobj_rwlock_unlock(pop, &root->rwlock));

    HEADING("made of memory that was something else");
    PMEMoid oid;
    if (pmemobj_alloc(pop, &oid, sizeof *root, 1, NULL, NULL)) exit(3);
    memset(pmemobj_direct(oid), 0x5a, sizeof *root);
    root = (struct root *)pmemobj_direct(oid);
    pmemobj_mutex_zero(pop, &root->mutex);
    pmemobj_rwlock_zero(pop, &root->rwlock);
    pmemobj_cond_zero(pop, &root->cond);
    root->turn = root->woken = 0;
    all_of_them();
    pmemobj_close(pop);
    return 0;
}
