/* SPDX-License-Identifier: MIT */
/* The stages of transactions, by the functions and not by the macros: each permitted transition, with and without an environment. */
#include "twin.h"
#include <pthread.h>
#include <setjmp.h>

static PMEMobjpool *pop;
static uint64_t *number; /* in the root */

static void outside(const char *when)
{
    printf("%s: stage %s, number %" PRIu64 ", errno of the transaction %s\n", when, stage_name(pmemobj_tx_stage()), *number, error_name(pmemobj_tx_errno()));
}

static void add_one(void)
{
    SHOW_CODE(pmemobj_tx_add_range_direct(number, sizeof *number));
    ++*number;
}

/** As TX_BEGIN and its friends would, but told step by step. */
static void walk(int abort_with, int begin_aborts)
{
    jmp_buf env;
    if (setjmp(env) == 0) {
        SHOW_CODE(pmemobj_tx_begin(pop, env, TX_PARAM_NONE));
        SHOW_STAGE();
        add_one();
        if (begin_aborts) pmemobj_tx_abort(abort_with);
    } else {
        puts("came back by longjmp");
        SHOW_STAGE();
    }
    while (pmemobj_tx_stage() != TX_STAGE_NONE) {
        pmemobj_tx_process();
        SHOW_STAGE();
    }
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");
}

static void *another_thread(void *unused)
{
    SHOW_STAGE(); /* its own */
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    SHOW_STAGE();
    pmemobj_tx_abort(EDOM);
    SHOW_CODE(pmemobj_tx_end());
    SHOW_STAGE();
    return unused;
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "stages");
    number = (uint64_t *)pmemobj_direct(pmemobj_root(pop, sizeof *number));

    HEADING("none");
    SHOW_STAGE();

    HEADING("begin, commit, end; no environment");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    SHOW_STAGE();
    add_one();
    pmemobj_tx_commit();
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("begin, abort, end; no environment");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_abort(EDOM);
    SHOW_STAGE();
    SHOW(*number);
    SHOW_CODE(pmemobj_tx_errno());
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("abort with 0");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    pmemobj_tx_abort(0);
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("an abort sets errno");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    errno = 0;
    pmemobj_tx_abort(ERANGE);
    SHOW_CODE(errno);
    SHOW_CODE(pmemobj_tx_end());

    HEADING("process, from work to none");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_process();
    SHOW_STAGE();
    pmemobj_tx_process();
    SHOW_STAGE();
    pmemobj_tx_process();
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("process, from abort to none");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_abort(EIO);
    SHOW_STAGE();
    pmemobj_tx_process();
    SHOW_STAGE();
    pmemobj_tx_process();
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("the end from finally");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_commit();
    pmemobj_tx_process();
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("with an environment, committed");
    walk(0, 0);
    HEADING("with an environment, aborted");
    walk(EEXIST, 1);
    HEADING("with an environment, aborted with 0");
    walk(0, 1);

    HEADING("an error of a function aborts, and there is no environment");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    SHOW_OID(pmemobj_tx_alloc(0, 1));
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_errno());
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("inner and outer, both committed");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    SHOW_STAGE();
    add_one();
    pmemobj_tx_commit();
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    SHOW_STAGE();
    pmemobj_tx_commit();
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("the inner one aborts: so does the outer");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_abort(EBUSY);
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_errno());
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("the inner one commits, the outer aborts");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_process();
    SHOW_STAGE();
    pmemobj_tx_process();
    SHOW_STAGE();
    pmemobj_tx_process();
    SHOW_STAGE(); /* of the inner one, which has not ended */
    SHOW_CODE(pmemobj_tx_end());
    SHOW_STAGE();
    pmemobj_tx_abort(ENOENT);
    SHOW_STAGE();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("the next one succeeds");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    pmemobj_tx_commit();
    SHOW_CODE(pmemobj_tx_errno());
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    HEADING("another thread has stages of its own");
    pthread_t thread;
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_NONE));
    add_one();
    if (pthread_create(&thread, NULL, another_thread, NULL)) return 3;
    pthread_join(thread, NULL);
    SHOW_STAGE();
    pmemobj_tx_commit();
    SHOW_CODE(pmemobj_tx_end());
    outside("afterwards");

    pop = reopen(pop, argv[1], "stages");
    number = (uint64_t *)pmemobj_direct(pmemobj_root(pop, sizeof *number));
    outside("reopened");
    pmemobj_close(pop);
    return 0;
}
