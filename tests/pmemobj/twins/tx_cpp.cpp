/* SPDX-License-Identifier: MIT */
/* Transactions from C++: the macros, a lambda as the work, a class around begin and end. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct node, 1);

struct node {
    uint64_t value;
    TOID(struct node) next;
};
struct root {
    uint64_t number;
    PMEMmutex mutex;
    TOID(struct node) head;
};

static PMEMobjpool *pop;
static TOID(struct root) root;

/** 0, or the code with which the transaction was aborted. */
template<typename Work> static int atomically(Work &&work)
{
    volatile int code = 0;
    TX_BEGIN(pop) {
        work();
    } TX_ONABORT {
        code = errno;
    } TX_END
    return code;
}

/** Commits when it is told, aborts otherwise: no environment, so nothing jumps over destructors. */
class Transaction {
public:
    Transaction() { SHOW_CODE(pmemobj_tx_begin(pop, nullptr, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_NONE)); }
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;
    void commit() { pmemobj_tx_commit(); }
    ~Transaction()
    {
        if (pmemobj_tx_stage() == TX_STAGE_WORK) pmemobj_tx_abort(ECANCELED);
        SHOW_STAGE();
        SHOW_CODE(pmemobj_tx_end());
    }
};

static void push(uint64_t value)
{
    TOID(struct node) node = TX_NEW(struct node);
    D_RW(node)->value = value;
    D_RW(node)->next = D_RO(root)->head;
    TX_SET(root, head, node);
    TX_SET(root, number, D_RO(root)->number + 1);
}

static void show(const char *when)
{
    printf("%s: number %" PRIu64 ", nodes", when, D_RO(root)->number);
    for (TOID(struct node) node = D_RO(root)->head; !TOID_IS_NULL(node); node = D_RO(node)->next) printf(" %" PRIu64, D_RO(node)->value);
    puts("");
}

static void called(PMEMobjpool *, enum pobj_tx_stage stage, void *arg)
{
    printf("callback %s in %s\n", static_cast<const char *>(arg), stage_name(stage));
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "tx_cpp");
    root = POBJ_ROOT(pop, struct root);

    HEADING("by a lambda");
    SHOW_CODE(atomically([] { push(1); }));
    show("committed");
    SHOW_CODE(atomically([] { push(2); pmemobj_tx_abort(EDOM); }));
    show("aborted");
    SHOW_CODE(atomically([] { push(3); pmemobj_tx_alloc(0, 0); }));
    show("failed");
    SHOW_CODE(atomically([] {
        push(4);
        SHOW_CODE(atomically([] { push(5); }));
    }));
    show("nested");
    SHOW_CODE(atomically([] {
        push(6);
        atomically([] { pmemobj_tx_abort(EBUSY); });
        puts("not reached");
    }));
    show("nested, aborted");

    HEADING("by a class");
    {
        Transaction transaction;
        push(7);
        transaction.commit();
    }
    show("committed");
    {
        Transaction transaction;
        push(8);
    }
    show("aborted");

    HEADING("by the macros");
    char name[] = "name";
    TX_BEGIN_CB(pop, called, name) {
        push(9);
    } TX_ONCOMMIT {
        puts("oncommit");
    } TX_ONABORT {
        puts("onabort");
    } TX_FINALLY {
        puts("finally");
    } TX_END
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_NONE) {
        TOID(struct node) node = D_RO(root)->head;
        TX_SET(root, head, D_RO(node)->next);
        TX_SET_DIRECT(D_RW(root), number, D_RO(root)->number - 1);
        TX_FREE(node);
    } TX_ONCOMMIT {
        puts("oncommit");
    } TX_END
    show("popped");

    pop = reopen(pop, argv[1], "tx_cpp");
    root = POBJ_ROOT(pop, struct root);
    show("reopened");
    show_objects(pop, "there");
    pmemobj_close(pop);
    return 0;
}
