/* SPDX-License-Identifier: MIT */
/* Locks of transactions: taken at the beginning or within, held to the outermost end, by a commit and by an abort. */
#include "twin.h"
#include <pthread.h>

struct root {
    PMEMmutex mutex, second;
    PMEMrwlock rwlock;
    uint64_t number;
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static struct root *root;

struct tried {
    int mutex, second, reading, writing;
};

/** Another thread's view: what it could take, it gives back. */
static void *try_all(void *arg)
{
    struct tried *tried = (struct tried *)arg;
    if (!(tried->mutex = pmemobj_mutex_trylock(pop, &root->mutex))) pmemobj_mutex_unlock(pop, &root->mutex);
    if (!(tried->second = pmemobj_mutex_trylock(pop, &root->second))) pmemobj_mutex_unlock(pop, &root->second);
    if (!(tried->reading = pmemobj_rwlock_tryrdlock(pop, &root->rwlock))) pmemobj_rwlock_unlock(pop, &root->rwlock);
    if (!(tried->writing = pmemobj_rwlock_trywrlock(pop, &root->rwlock))) pmemobj_rwlock_unlock(pop, &root->rwlock);
    return NULL;
}

static void others(const char *when)
{
    struct tried tried;
    pthread_t thread;
    if (pthread_create(&thread, NULL, try_all, &tried)) exit(3);
    pthread_join(thread, NULL);
    printf("%s: mutex %s, second %s, to read %s, to write %s\n", when, error_name(tried.mutex), error_name(tried.second), error_name(tried.reading),
           error_name(tried.writing));
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "tx_locks");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    others("at first");

    HEADING("parameters");
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_NONE) {
        others("in work");
    } TX_ONCOMMIT {
        others("in oncommit");
    } TX_FINALLY {
        others("in finally");
    } TX_END
    others("behind");
    TX_BEGIN_PARAM(pop, TX_PARAM_RWLOCK, &root->rwlock, TX_PARAM_NONE) {
        others("in work");
    } TX_END
    others("behind");
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_RWLOCK, &root->rwlock, TX_PARAM_MUTEX, &root->second, TX_PARAM_NONE) {
        others("in work");
    } TX_END
    others("behind");

    HEADING("aborted");
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_RWLOCK, &root->rwlock, TX_PARAM_NONE) {
        pmemobj_tx_abort(EDOM);
    } TX_ONABORT {
        others("in onabort");
    } TX_FINALLY {
        others("in finally");
    } TX_END
    others("behind");

    HEADING("within");
    TX_BEGIN(pop) {
        others("before");
        SHOW_CODE(pmemobj_tx_lock(TX_PARAM_MUTEX, &root->mutex));
        others("after one");
        SHOW_CODE(pmemobj_tx_lock(TX_PARAM_RWLOCK, &root->rwlock));
        others("after two");
        SHOW_CODE(pmemobj_tx_xlock(TX_PARAM_MUTEX, &root->second, 0));
        others("after three");
    } TX_ONCOMMIT {
        others("in oncommit");
    } TX_END
    others("behind");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xlock(TX_PARAM_RWLOCK, &root->rwlock, POBJ_XLOCK_NO_ABORT));
        SHOW_CODE(pmemobj_tx_xlock(TX_PARAM_MUTEX, &root->mutex, POBJ_XLOCK_NO_ABORT));
        others("within");
        pmemobj_tx_abort(0);
    } TX_END
    others("behind");

    HEADING("the same lock twice: taken once");
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_NONE) {
        SHOW_CODE(pmemobj_tx_lock(TX_PARAM_MUTEX, &root->mutex));
        TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_NONE) {
            others("in the inner one");
        } TX_END
        others("behind the inner one");
    } TX_END
    others("behind");

    HEADING("of an inner transaction: held to the outermost end");
    TX_BEGIN(pop) {
        TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_NONE) {
            SHOW_CODE(pmemobj_tx_lock(TX_PARAM_RWLOCK, &root->rwlock));
        } TX_ONCOMMIT {
            others("in the inner oncommit");
        } TX_END
        others("behind the inner one");
    } TX_ONCOMMIT {
        others("in the outer oncommit");
    } TX_END
    others("behind");
    TX_BEGIN(pop) {
        TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_NONE) {
            pmemobj_tx_abort(EDOM);
        } TX_ONABORT {
            others("in the inner onabort");
        } TX_END
    } TX_ONABORT {
        others("in the outer onabort");
    } TX_END
    others("behind");

    HEADING("by functions");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_MUTEX, &root->mutex, TX_PARAM_RWLOCK, &root->rwlock, TX_PARAM_NONE));
    others("begun");
    pmemobj_tx_commit();
    others("committed");
    pmemobj_tx_process();
    others("in finally");
    SHOW_CODE(pmemobj_tx_end());
    others("ended");

    HEADING("flags that do not exist");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xlock(TX_PARAM_MUTEX, &root->mutex, POBJ_XLOCK_NO_ABORT | POBJ_FLAG_ZERO));
        SHOW_STAGE();
        others("within");
        pmemobj_tx_xlock(TX_PARAM_MUTEX, &root->mutex, POBJ_FLAG_ZERO);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    others("behind");
    pmemobj_close(pop);
    return 0;
}
