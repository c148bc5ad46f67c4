/* SPDX-License-Identifier: MIT */
/* Actions: prepared, and published together or cancelled. */
#include "twin.h"
#include <pthread.h>

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct object, 1);

struct object {
    uint64_t value;
    unsigned char bytes[1000];
};
struct root {
    uint64_t numbers[8];
    PMEMoid object;
    PMEMoid more[100];
};

static PMEMobjpool *pop;
static struct root *root;

static void show_numbers(const char *when)
{
    printf("%s:", when);
    for (int i = 0; i < 8; ++i) printf(" %" PRIu64, root->numbers[i]);
    printf(", the object is %s\n", OID_IS_NULL(root->object) ? "null" : "there");
}

/** To set a handle is to set two numbers. */
static void set_oid(struct pobj_action *two, PMEMoid *where, PMEMoid to)
{
    pmemobj_set_value(pop, &two[0], &where->pool_uuid_lo, to.pool_uuid_lo);
    pmemobj_set_value(pop, &two[1], &where->off, to.off);
}

static void publish(void)
{
    HEADING("reserved, written, published");
    struct pobj_action actions[5];
    PMEMoid oid = SHOW_OID(pmemobj_reserve(pop, &actions[0], sizeof(struct object), 1));
    struct object *object = (struct object *)pmemobj_direct(oid);
    object->value = 17;
    pmemobj_persist(pop, object, sizeof *object);
    set_oid(&actions[1], &root->object, oid);
    pmemobj_set_value(pop, &actions[3], &root->numbers[0], 1);
    pmemobj_set_value(pop, &actions[4], &root->numbers[7], UINT64_MAX);
    show_objects(pop, "before");
    show_numbers("before");
    SHOW_RC(pmemobj_publish(pop, actions, 5));
    show_objects(pop, "after");
    show_numbers("after");
    SHOW(((struct object *)pmemobj_direct(root->object))->value);
    SHOW(pmemobj_type_num(root->object));
    SHOW_BOOL(pmemobj_alloc_usable_size(root->object) >= sizeof(struct object));
}

static void cancel(void)
{
    HEADING("cancelled");
    struct pobj_action actions[5];
    PMEMoid oid = SHOW_OID(pmemobj_reserve(pop, &actions[0], 5000, 2));
    memset(pmemobj_direct(oid), 'c', 5000);
    pmemobj_set_value(pop, &actions[1], &root->numbers[1], 100);
    pmemobj_defer_free(pop, root->object, &actions[2]);
    SHOW_OID(pmemobj_reserve(pop, &actions[3], 100, 2));
    pmemobj_cancel(pop, actions, 4);
    show_objects(pop, "after");
    show_numbers("after");
}

static void zeroed(void)
{
    HEADING("xreserve");
    struct pobj_action actions[2];
    PMEMoid a = SHOW_OID(pmemobj_xreserve(pop, &actions[0], 5000, 3, POBJ_XALLOC_ZERO));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(a), 0, 5000));
    SHOW_OID(pmemobj_xreserve(pop, &actions[1], 5000, 3, 0));
    SHOW_RC(pmemobj_publish(pop, actions, 2));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(a), 0, 5000));
    show_objects(pop, "after");

    HEADING("typed");
    TOID(struct object) one = POBJ_RESERVE_NEW(pop, struct object, &actions[0]);
    SHOW_NULL(one.oid);
    TOID(struct object) two = POBJ_RESERVE_ALLOC(pop, struct object, 10, &actions[1]);
    SHOW_NULL(two.oid);
    SHOW_RC(pmemobj_publish(pop, actions, 2));
    SHOW_BOOL(TOID_VALID(one));
    SHOW_BOOL(TOID_VALID(two));
    one = POBJ_XRESERVE_NEW(pop, struct object, &actions[0], POBJ_XALLOC_ZERO);
    SHOW_BOOL(all_bytes_are(D_RO(one), 0, sizeof(struct object)));
    two = POBJ_XRESERVE_ALLOC(pop, struct object, 10000, &actions[1], POBJ_XALLOC_ZERO);
    SHOW_BOOL(all_bytes_are(D_RO(two), 0, 10000));
    pmemobj_cancel(pop, actions, 2);
    show_objects(pop, "after");
}

static void refused(void)
{
    HEADING("what is refused");
    struct pobj_action action;
    SHOW_OID(pmemobj_reserve(pop, &action, PMEMOBJ_MAX_ALLOC_SIZE + 1, 1));
    SHOW_OID(pmemobj_reserve(pop, &action, pool_size, 1));
    SHOW_OID(pmemobj_xreserve(pop, &action, 100, 1, (uint64_t)1 << 20));
    show_objects(pop, "then");
}

static void defer(void)
{
    HEADING("defer_free");
    struct pobj_action actions[4];
    pmemobj_defer_free(pop, root->object, &actions[0]);
    show_objects(pop, "before");
    SHOW(((struct object *)pmemobj_direct(root->object))->value);
    set_oid(&actions[1], &root->object, OID_NULL);
    SHOW_RC(pmemobj_publish(pop, actions, 3));
    show_objects(pop, "after");
    show_numbers("after");
}

static void in_transactions(void)
{
    HEADING("tx_publish, committed");
    static struct pobj_action actions[3];
    static PMEMoid oid;
    oid = pmemobj_reserve(pop, &actions[0], 100, 10);
    pmemobj_reserve(pop, &actions[1], 100, 11);
    TX_BEGIN(pop) {
        pmemobj_tx_add_range_direct(&root->object, sizeof root->object);
        SHOW_CODE(pmemobj_tx_publish(actions, 2));
        root->object = oid;
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show_objects(pop, "after");
    show_numbers("after");

    HEADING("tx_publish, aborted");
    pmemobj_reserve(pop, &actions[0], 100, 12);
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_publish(actions, 1));
        pmemobj_tx_abort(0);
    } TX_END
    show_objects(pop, "after");

    HEADING("tx_publish of a deferred free");
    pmemobj_defer_free(pop, root->object, &actions[0]);
    TX_BEGIN(pop) {
        pmemobj_tx_add_range_direct(&root->object, sizeof root->object);
        SHOW_CODE(pmemobj_tx_publish(actions, 1));
        root->object = OID_NULL;
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show_objects(pop, "after");

    HEADING("tx_xpublish");
    pmemobj_reserve(pop, &actions[0], 100, 13);
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xpublish(actions, 1, 0));
    } TX_END
    pmemobj_reserve(pop, &actions[0], 100, 14);
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xpublish(actions, 1, POBJ_XPUBLISH_NO_ABORT));
    } TX_END
    show_objects(pop, "after");
    pmemobj_reserve(pop, &actions[0], 100, 15);
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xpublish(actions, 1, POBJ_XPUBLISH_NO_ABORT | (uint64_t)1 << 20));
        SHOW_STAGE();
        pmemobj_tx_xpublish(actions, 1, (uint64_t)1 << 20);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    pmemobj_cancel(pop, actions, 1);
    show_objects(pop, "after");
}

static void *reserve_elsewhere(void *arg)
{
    struct pobj_action *actions = (struct pobj_action *)arg;
    const PMEMoid oid = pmemobj_xreserve(pop, &actions[0], 200, 20, POBJ_XALLOC_ZERO);
    set_oid(&actions[1], &root->object, oid);
    return NULL;
}

static void many(void)
{
    HEADING("made by one thread, published by another");
    struct pobj_action actions[300];
    pthread_t thread;
    if (pthread_create(&thread, NULL, reserve_elsewhere, actions)) exit(3);
    pthread_join(thread, NULL);
    SHOW_RC(pmemobj_publish(pop, actions, 3));
    SHOW(pmemobj_type_num(root->object));

    HEADING("three hundred at once");
    for (int i = 0; i < 100; ++i) set_oid(&actions[3 * i + 1], &root->more[i], pmemobj_xreserve(pop, &actions[3 * i], 64, 21, POBJ_XALLOC_ZERO));
    SHOW_RC(pmemobj_publish(pop, actions, 300));
    int there = 0;
    for (int i = 0; i < 100; ++i) there += pmemobj_type_num(root->more[i]) == 21;
    SHOW(there);
    show_objects(pop, "after");
    SHOW_RC(pmemobj_publish(pop, actions, 0));
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "actions");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    publish();
    cancel();
    zeroed();
    refused();
    defer();
    in_transactions();
    many();

    HEADING("reserved and forgotten, then reopened");
    struct pobj_action action;
    SHOW_OID(pmemobj_reserve(pop, &action, 100, 30));
    pop = reopen(pop, argv[1], "actions");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    show_objects(pop, "reopened");
    show_numbers("reopened");
    pmemobj_close(pop);
    return 0;
}
