/* SPDX-License-Identifier: MIT */
/* TX_BEGIN to TX_END: which blocks run, with each of them there or not, and errno behind TX_END. */
#include "twin.h"

struct root {
    uint64_t number;
    PMEMmutex mutex;
    PMEMrwlock rwlock;
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static TOID(struct root) root;

static void work(int abort_with)
{
    printf("work in %s\n", stage_name(pmemobj_tx_stage()));
    TX_SET(root, number, D_RO(root)->number + 1);
    if (abort_with >= 0) pmemobj_tx_abort(abort_with);
    puts("work done");
}

static void block(const char *name)
{
    printf("%s in %s, number %" PRIu64 ", errno of the transaction %s\n", name, stage_name(pmemobj_tx_stage()), D_RO(root)->number,
           error_name(pmemobj_tx_errno()));
}

static void behind(int abort_with)
{
    /* A commit promises nothing about errno. */
    printf("behind in %s, number %" PRIu64 ", errno %s\n", stage_name(pmemobj_tx_stage()), D_RO(root)->number, abort_with < 0 ? "not told" : error_name(errno));
}

/* A transaction with the blocks given. */
#define TRANSACTION(blocks) \
    printf("\n== %s\n", #blocks); \
    for (volatile int way = 0; way < 3; ++way) { \
        static const int codes[] = {-1, 0, EDOM}; \
        printf("-- %s\n", way == 0 ? "commits" : way == 1 ? "aborts with 0" : "aborts with EDOM"); \
        errno = 0; \
        TX_BEGIN(pop) { work(codes[way]); } blocks TX_END \
        behind(codes[way]); \
    }

#define COMMIT TX_ONCOMMIT { block("oncommit"); }
#define ABORT TX_ONABORT { block("onabort"); }
#define FINALLY TX_FINALLY { block("finally"); }

static void every_combination(void)
{
    TRANSACTION()
    TRANSACTION(COMMIT)
    TRANSACTION(ABORT)
    TRANSACTION(FINALLY)
    TRANSACTION(COMMIT ABORT)
    TRANSACTION(ABORT COMMIT)
    TRANSACTION(COMMIT FINALLY)
    TRANSACTION(ABORT FINALLY)
    TRANSACTION(COMMIT ABORT FINALLY)
    TRANSACTION(FINALLY ABORT COMMIT)
}

static void empty(void)
{
    HEADING("nothing to do");
    TX_BEGIN(pop) {
    } ABORT COMMIT FINALLY TX_END
    SHOW_STAGE();
}

static void parameters(void)
{
    HEADING("TX_BEGIN_PARAM");
    TX_BEGIN_PARAM(pop, TX_PARAM_NONE) { work(-1); } COMMIT ABORT TX_END
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_NONE) { work(-1); } COMMIT ABORT TX_END
    TX_BEGIN_PARAM(pop, TX_PARAM_RWLOCK, &D_RW(root)->rwlock, TX_PARAM_NONE) { work(EDOM); } COMMIT ABORT TX_END
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_RWLOCK, &D_RW(root)->rwlock, TX_PARAM_NONE) { work(-1); } COMMIT ABORT TX_END
    TX_BEGIN_LOCK(pop, TX_PARAM_RWLOCK, &D_RW(root)->rwlock, TX_PARAM_NONE) { work(-1); } COMMIT ABORT TX_END
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex) { work(-1); } COMMIT ABORT TX_END /* the end mark may be left out */
}

/* A transaction in a function of its own, with a way out of the middle of a function that it calls. */
static void deep(int depth)
{
    if (depth == 0) pmemobj_tx_abort(ERANGE);
    else deep(depth - 1);
    puts("not reached");
}

static void from_below(void)
{
    HEADING("an abort from far below");
    volatile int kept = 0;
    TX_BEGIN(pop) {
        kept = 5;
        deep(50);
    } TX_ONABORT {
        SHOW(kept);
        block("onabort");
    } TX_END
    SHOW_CODE(errno);
}

static void errno_of_functions(void)
{
    HEADING("errno in TX_ONABORT and behind, of a function that fails");
    errno = 0;
    TX_BEGIN(pop) {
        pmemobj_tx_alloc(0, 1);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
        errno = 0;
    } TX_FINALLY {
        errno = 0;
    } TX_END
    SHOW_CODE(errno);
    TX_BEGIN(pop) {
        pmemobj_tx_alloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    SHOW_CODE(errno);
    SHOW_CODE(pmemobj_tx_errno());
}

static void many(void)
{
    HEADING("many");
    for (int i = 0; i < 1000; ++i) {
        TX_BEGIN(pop) {
            TX_SET(root, number, D_RO(root)->number + 1);
            if (i % 3 == 0) pmemobj_tx_abort(0);
        } TX_END
    }
    SHOW(D_RO(root)->number);
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "macros");
    root = POBJ_ROOT(pop, struct root);
    every_combination();
    empty();
    parameters();
    from_below();
    errno_of_functions();
    many();
    pop = reopen(pop, argv[1], "macros");
    root = POBJ_ROOT(pop, struct root);
    SHOW(D_RO(root)->number);
    pmemobj_close(pop);
    return 0;
}
