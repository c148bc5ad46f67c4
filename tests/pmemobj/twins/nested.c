/* SPDX-License-Identifier: MIT */
/* Transactions in transactions: flattened, and an error of one is an error of all. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct node, 3);

struct node {
    uint64_t value;
};
struct root {
    uint64_t numbers[8];
    TOID(struct node) node;
};

static PMEMobjpool *pop;
static TOID(struct root) root;

static void show(const char *when)
{
    printf("%s:", when);
    for (int i = 0; i < 8; ++i) printf(" %" PRIu64, D_RO(root)->numbers[i]);
    puts(TOID_IS_NULL(D_RO(root)->node) ? ", no node" : ", a node");
}

static void set(int which, uint64_t value)
{
    TX_ADD_FIELD(root, numbers[which]);
    D_RW(root)->numbers[which] = value;
}

static void both_commit(void)
{
    HEADING("both commit");
    TX_BEGIN(pop) {
        set(0, 1);
        TX_BEGIN(pop) {
            set(1, 2);
            SHOW_STAGE();
        } TX_ONCOMMIT {
            puts("inner committed");
            SHOW_STAGE();
        } TX_ONABORT {
            puts("inner aborted");
        } TX_FINALLY {
            puts("inner finally");
        } TX_END
        SHOW_STAGE();
        set(2, 3);
    } TX_ONCOMMIT {
        puts("outer committed");
    } TX_ONABORT {
        puts("outer aborted");
    } TX_END
    show("then");
}

static void inner_aborts(void)
{
    HEADING("the inner one aborts");
    TX_BEGIN(pop) {
        set(0, 11);
        TX_BEGIN(pop) {
            set(1, 12);
            pmemobj_tx_abort(EDOM);
        } TX_ONCOMMIT {
            puts("inner committed");
        } TX_ONABORT {
            puts("inner aborted");
            SHOW_CODE(errno);
            show("in the inner abort");
        } TX_FINALLY {
            puts("inner finally");
        } TX_END
        puts("not reached");
    } TX_ONCOMMIT {
        puts("outer committed");
    } TX_ONABORT {
        puts("outer aborted");
        SHOW_CODE(errno);
        show("in the outer abort");
    } TX_FINALLY {
        puts("outer finally");
    } TX_END
    SHOW_CODE(errno);
    show("then");
}

static void outer_aborts(void)
{
    HEADING("the outer one aborts, after the inner has committed");
    TX_BEGIN(pop) {
        set(0, 21);
        TX_BEGIN(pop) {
            set(1, 22);
            TX_ADD_FIELD(root, node);
            D_RW(root)->node = TX_ZNEW(struct node);
        } TX_ONCOMMIT {
            puts("inner committed");
        } TX_END
        show("between");
        pmemobj_tx_abort(ERANGE);
    } TX_ONCOMMIT {
        puts("outer committed");
    } TX_ONABORT {
        puts("outer aborted");
    } TX_END
    SHOW_CODE(errno);
    show("then");
    show_objects(pop, "then");
}

static void level(int depth, int fails_at)
{
    TX_BEGIN(pop) {
        printf("begins %d\n", depth);
        set(depth, 30 + (uint64_t)depth);
        if (depth == fails_at) pmemobj_tx_alloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1);
        if (depth < 5) level(depth + 1, fails_at);
        printf("ends %d\n", depth);
    } TX_ONCOMMIT {
        printf("%d committed in %s\n", depth, stage_name(pmemobj_tx_stage()));
    } TX_ONABORT {
        printf("%d aborted, errno %s\n", depth, error_name(errno));
    } TX_FINALLY {
        printf("%d finally\n", depth);
    } TX_END
    printf("behind %d: %s\n", depth, stage_name(pmemobj_tx_stage()));
}

static void one_after_the_other(void)
{
    HEADING("two inner ones, and the second aborts");
    TX_BEGIN(pop) {
        TX_BEGIN(pop) {
            set(6, 66);
        } TX_ONCOMMIT {
            puts("first committed");
        } TX_END
        TX_BEGIN(pop) {
            set(7, 77);
            pmemobj_tx_abort(EBUSY);
        } TX_ONABORT {
            puts("second aborted");
        } TX_END
        puts("not reached");
    } TX_ONABORT {
        puts("outer aborted");
    } TX_END
    show("then");
}

static void without_onabort(void)
{
    HEADING("inner ones without TX_ONABORT, and the outer with it");
    TX_BEGIN(pop) {
        set(0, 91);
        TX_BEGIN(pop) {
            TX_BEGIN(pop) {
                pmemobj_tx_abort(ENOENT);
            } TX_END
        } TX_FINALLY {
            puts("middle finally");
        } TX_END
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    show("then");
}

static void returned_codes(void)
{
    HEADING("by functions: what the ends return");
    for (int aborts = 0; aborts < 2; ++aborts) {
        SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
        SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
        SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
        if (aborts) pmemobj_tx_abort(EACCES);
        else pmemobj_tx_commit();
        SHOW_CODE(pmemobj_tx_end());
        SHOW_STAGE();
        if (!aborts) pmemobj_tx_commit();
        SHOW_CODE(pmemobj_tx_end());
        SHOW_STAGE();
        if (!aborts) pmemobj_tx_commit();
        SHOW_CODE(pmemobj_tx_end());
        SHOW_STAGE();
    }
}

static void another_pool(const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s-other", path);
    PMEMobjpool *other = pmemobj_create(name, "other", pool_size, 0600);
    if (!other) exit(3);
    HEADING("a pool within another's transaction: begin fails");
    TX_BEGIN(pop) {
        set(0, 41);
        TX_BEGIN(other) {
            puts("not reached");
        } TX_ONCOMMIT {
            puts("inner committed");
        } TX_END
        puts("not reached");
    } TX_ONABORT {
        puts("outer aborted");
        SHOW_CODE(errno);
    } TX_END
    SHOW_CODE(errno);
    show("then");

    HEADING("one after the other");
    TX_BEGIN(other) {
        pmemobj_tx_zalloc(100, 9);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show_objects(other, "in the other");
    pmemobj_close(other);
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "nested");
    root = POBJ_ROOT(pop, struct root);
    both_commit();
    inner_aborts();
    outer_aborts();
    HEADING("six, and the fourth fails");
    level(0, 3);
    SHOW_CODE(errno);
    show("then");
    HEADING("six");
    level(0, -1);
    show("then");
    one_after_the_other();
    without_onabort();
    returned_codes();
    another_pool(argv[1]);
    pop = reopen(pop, argv[1], "nested");
    root = POBJ_ROOT(pop, struct root);
    show("reopened");
    show_objects(pop, "in the end");
    pmemobj_close(pop);
    return 0;
}
