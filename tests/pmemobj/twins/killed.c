/* SPDX-License-Identifier: MIT */
/* Processes that are killed at some point; the next one finds all or nothing of what they were about. */
#include "twin.h"
#include <signal.h>
#include <sys/wait.h>

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct object, 1);

struct object {
    uint64_t value;
    char text[56];
};
struct root {
    PMEMmutex mutex;
    uint64_t numbers[4];
    TOID(struct object) object;
    PMEMoid oid;
};

static const char *path;
static PMEMobjpool *pop;
static TOID(struct root) root;

static void die(void)
{
    kill(getpid(), SIGKILL);
}

static void work(void)
{
    TX_ADD(root);
    for (int i = 0; i < 4; ++i) ++D_RW(root)->numbers[i];
    TX_FREE(D_RO(root)->object);
    TOID(struct object) object = TX_ZNEW(struct object);
    D_RW(object)->value = D_RO(root)->numbers[0];
    D_RW(root)->object = object;
}

static void in_work(void)
{
    TX_BEGIN(pop) {
        work();
        die();
    } TX_END
}

static void in_inner(void)
{
    TX_BEGIN(pop) {
        TX_BEGIN(pop) {
            work();
        } TX_END
        die();
    } TX_END
}

static void in_oncommit(void)
{
    TX_BEGIN(pop) {
        work();
    } TX_ONCOMMIT {
        die();
    } TX_END
}

static void in_onabort(void)
{
    TX_BEGIN(pop) {
        work();
        pmemobj_tx_abort(0);
    } TX_ONABORT {
        die();
    } TX_END
}

static void behind(void)
{
    TX_BEGIN(pop) {
        work();
    } TX_END
    die();
}

static void with_a_lock(void)
{
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_NONE) {
        work();
        die();
    } TX_END
}

static int kill_constructor(PMEMobjpool *in, void *ptr, void *arg)
{
    (void)in;
    memset(ptr, 1, *(size_t *)arg);
    die();
    return 0;
}

static void in_a_constructor(void)
{
    size_t size = 100;
    pmemobj_alloc(pop, &D_RW(root)->oid, size, 2, kill_constructor, &size);
}

static void after_an_allocation(void)
{
    pmemobj_zalloc(pop, &D_RW(root)->oid, 100, 3);
    die();
}

static void after_a_free(void)
{
    pmemobj_free(&D_RW(root)->oid);
    die();
}

static void with_a_reservation(void)
{
    static struct pobj_action actions[2];
    pmemobj_reserve(pop, &actions[0], 1000, 4);
    pmemobj_set_value(pop, &actions[1], &D_RW(root)->numbers[0], 1000);
    die();
}

static void after_a_publication(void)
{
    static struct pobj_action actions[2];
    pmemobj_reserve(pop, &actions[0], 1000, 4);
    pmemobj_set_value(pop, &actions[1], &D_RW(root)->numbers[0], 1000);
    pmemobj_publish(pop, actions, 2);
    die();
}

static void after_persist(void)
{
    D_RW(root)->numbers[3] = 33;
    pmemobj_persist(pop, &D_RW(root)->numbers[3], sizeof(uint64_t));
    die();
}

static void show(void)
{
    printf("numbers");
    for (int i = 0; i < 4; ++i) printf(" %" PRIu64, D_RO(root)->numbers[i]);
    if (TOID_IS_NULL(D_RO(root)->object)) printf(", no object");
    else printf(", object %" PRIu64, D_RO(D_RO(root)->object)->value);
    printf(", oid %s\n", OID_IS_NULL(D_RO(root)->oid) ? "null" : "not null");
    show_objects(pop, "there");
}

static void after(const char *name, void (*function)(void))
{
    printf("\n== killed %s\n", name);
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) exit(3);
    if (child == 0) {
        if (!(pop = pmemobj_open(path, "killed"))) _exit(3);
        root = POBJ_ROOT(pop, struct root);
        function();
        _exit(4);
    }
    int status;
    if (waitpid(child, &status, 0) != child) exit(3);
    printf("killed: %s\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "yes" : "no");
    printf("check: %d\n", pmemobj_check(path, "killed"));
    if (!(pop = pmemobj_open(path, "killed"))) exit(3);
    root = POBJ_ROOT(pop, struct root);
    show();
    const int rc = pmemobj_mutex_trylock(pop, &D_RW(root)->mutex);
    printf("the mutex: %s\n", error_name(rc));
    if (!rc) pmemobj_mutex_unlock(pop, &D_RW(root)->mutex);
    pmemobj_close(pop);
    printf("check: %d\n", pmemobj_check(path, "killed"));
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "killed");
    path = argv[1];
    root = POBJ_ROOT(pop, struct root);
    TX_BEGIN(pop) {
        work();
    } TX_END
    show();
    pmemobj_close(pop);
    after("in the work of a transaction", in_work);
    after("behind an inner transaction", in_inner);
    after("in oncommit", in_oncommit);
    after("in onabort", in_onabort);
    after("behind a transaction", behind);
    after("with a lock", with_a_lock);
    after("in a constructor", in_a_constructor);
    after("after an allocation", after_an_allocation);
    after("after a free", after_a_free);
    after("with a reservation", with_a_reservation);
    after("after a publication", after_a_publication);
    after("after persist", after_persist);
    return 0;
}
