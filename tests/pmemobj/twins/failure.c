/* SPDX-License-Identifier: MIT */
/* What a transaction carries with it: user data, and whether failures abort or are returned. */
#include "twin.h"

struct root {
    uint64_t number;
    PMEMmutex mutex;
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static TOID(struct root) root;
static int one, two;

static const char *data(void)
{
    const void *it = pmemobj_tx_get_user_data();
    return it == &one ? "one" : it == &two ? "two" : it ? "something else" : "NULL";
}

static void behaviour(const char *where)
{
    printf("%s: failures %s\n", where, pmemobj_tx_get_failure_behavior() == POBJ_TX_FAILURE_RETURN ? "return" : "abort");
}

static void user_data(void)
{
    HEADING("user data, in each stage");
    TX_BEGIN(pop) {
        printf("at first %s\n", data());
        pmemobj_tx_set_user_data(&one);
        printf("in work %s\n", data());
    } TX_ONCOMMIT {
        printf("in oncommit %s\n", data());
        pmemobj_tx_set_user_data(&two);
    } TX_FINALLY {
        printf("in finally %s\n", data());
    } TX_END
    TX_BEGIN(pop) {
        printf("the next one: %s\n", data());
        pmemobj_tx_set_user_data(&one);
        pmemobj_tx_abort(0);
    } TX_ONABORT {
        printf("in onabort %s\n", data());
        pmemobj_tx_set_user_data(NULL);
        printf("in onabort, set to NULL: %s\n", data());
        pmemobj_tx_set_user_data(&two);
    } TX_FINALLY {
        printf("in finally %s\n", data());
    } TX_END
    TX_BEGIN(pop) {
        printf("the next one: %s\n", data());
    } TX_END

    HEADING("user data and inner transactions");
    TX_BEGIN(pop) {
        pmemobj_tx_set_user_data(&one);
        TX_BEGIN(pop) {
            printf("in the inner one %s\n", data());
            pmemobj_tx_set_user_data(&two);
        } TX_ONCOMMIT {
            printf("in the inner oncommit %s\n", data());
        } TX_END
        printf("behind it %s\n", data());
    } TX_ONCOMMIT {
        printf("in the outer oncommit %s\n", data());
    } TX_END
}

/* Everything that takes a flag against aborting, without the flag. */
static void fail_everything(void)
{
    static char outside[8];
    static struct pobj_action action;
    SHOW_OID(pmemobj_tx_xalloc(0, 1, 0));
    SHOW_OID(pmemobj_tx_alloc(0, 1));
    SHOW_OID(pmemobj_tx_zalloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1));
    SHOW_OID(pmemobj_tx_xalloc(pool_size, 1, POBJ_XALLOC_ZERO));
    SHOW_OID(pmemobj_tx_strdup(NULL, 1));
    SHOW_OID(pmemobj_tx_wcsdup(NULL, 1));
    SHOW_OID(pmemobj_tx_xstrdup(NULL, 1, 0));
    SHOW_OID(pmemobj_tx_xwcsdup(NULL, 1, 0));
    SHOW_CODE(pmemobj_tx_add_range_direct(outside, sizeof outside));
    SHOW_CODE(pmemobj_tx_xadd_range_direct(outside, sizeof outside, 0));
    SHOW_CODE(pmemobj_tx_add_range(root.oid, 0, PMEMOBJ_MAX_ALLOC_SIZE + 1));
    SHOW_CODE(pmemobj_tx_xadd_range(root.oid, 0, PMEMOBJ_MAX_ALLOC_SIZE + 1, 0));
    SHOW_CODE(pmemobj_tx_xfree(OID_NULL, (uint64_t)1 << 20));
    SHOW_CODE(pmemobj_tx_xlock(TX_PARAM_MUTEX, &D_RW(root)->mutex, (uint64_t)1 << 20));
    SHOW_CODE(pmemobj_tx_xpublish(&action, 0, (uint64_t)1 << 20));
    SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_SNAPSHOT, outside, sizeof outside, 0));
    SHOW_STAGE();
}

static void returned(void)
{
    HEADING("failures that are returned");
    TX_BEGIN(pop) {
        behaviour("at first");
        pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_RETURN);
        behaviour("set");
        fail_everything();
        TX_SET(root, number, 5);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_ONABORT {
        puts("aborted");
    } TX_END
    SHOW(D_RO(root)->number);

    HEADING("an abort is still an abort");
    TX_BEGIN(pop) {
        pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_RETURN);
        const PMEMoid oid = pmemobj_tx_zalloc(100, 2);
        SHOW_NULL(oid);
        pmemobj_tx_abort(EDOM);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    show_objects(pop, "then");

    HEADING("not for the next one");
    TX_BEGIN(pop) {
        behaviour("next");
        pmemobj_tx_alloc(0, 1);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
}

static void inherited(void)
{
    HEADING("inherited by inner ones");
    TX_BEGIN(pop) {
        pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_RETURN);
        TX_BEGIN(pop) {
            behaviour("inner");
            SHOW_OID(pmemobj_tx_alloc(0, 1));
            TX_BEGIN(pop) {
                behaviour("innermost");
                pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_ABORT);
                behaviour("innermost, set back");
            } TX_END
            behaviour("inner again");
        } TX_END
        behaviour("outer");
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END

    HEADING("not by outer ones");
    TX_BEGIN(pop) {
        TX_BEGIN(pop) {
            pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_RETURN);
            SHOW_OID(pmemobj_tx_alloc(0, 1));
        } TX_ONCOMMIT {
            puts("inner committed");
        } TX_END
        behaviour("outer");
        pmemobj_tx_alloc(0, 1);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END

    HEADING("an inner one that aborts on failures, in one that does not");
    TX_BEGIN(pop) {
        pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_RETURN);
        TX_BEGIN(pop) {
            pmemobj_tx_set_failure_behavior(POBJ_TX_FAILURE_ABORT);
            SHOW_OID(pmemobj_tx_xalloc(0, 1, POBJ_XALLOC_NO_ABORT));
            pmemobj_tx_alloc(0, 1);
            puts("not reached");
        } TX_ONABORT {
            puts("inner aborted");
        } TX_END
        puts("not reached either");
    } TX_ONABORT {
        puts("outer aborted");
    } TX_END
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "failure");
    root = POBJ_ROOT(pop, struct root);
    user_data();
    returned();
    inherited();
    pmemobj_close(pop);
    return 0;
}
