/* SPDX-License-Identifier: MIT */
/* TX_BEGIN_CB and TX_PARAM_CB: when the callback is called, once for the outermost transaction. */
#include "twin.h"

struct root {
    uint64_t number;
    PMEMmutex mutex;
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static TOID(struct root) root;

static void called(PMEMobjpool *with, enum pobj_tx_stage stage, void *arg)
{
    printf("callback %s: stage %s, now %s, the pool %s, number %" PRIu64 "\n", (const char *)arg, stage_name(stage), stage_name(pmemobj_tx_stage()),
           stage == TX_STAGE_NONE ? "not told" : with == pop ? "right" : "wrong", D_RO(root)->number);
}

static void work(int aborts)
{
    puts("work");
    TX_SET(root, number, D_RO(root)->number + 1);
    if (aborts) pmemobj_tx_abort(EDOM);
}

#define BLOCKS(name) \
    TX_ONCOMMIT { puts(name " oncommit"); } \
    TX_ONABORT { puts(name " onabort"); } \
    TX_FINALLY { puts(name " finally"); } \
    TX_END \
    puts(name " behind");

static void writes(PMEMobjpool *with, enum pobj_tx_stage stage, void *arg)
{
    called(with, stage, arg);
    if (stage == TX_STAGE_WORK) TX_SET(root, number, 100);
}

static void vetoes(PMEMobjpool *with, enum pobj_tx_stage stage, void *arg)
{
    called(with, stage, arg);
    if (stage == TX_STAGE_WORK) pmemobj_tx_abort(EPERM);
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "callbacks");
    root = POBJ_ROOT(pop, struct root);
    char a[] = "a", b[] = "b";

    HEADING("TX_BEGIN_CB, committed");
    TX_BEGIN_CB(pop, called, a) { work(0); } BLOCKS("outer")

    HEADING("TX_BEGIN_CB, aborted");
    TX_BEGIN_CB(pop, called, a) { work(1); } BLOCKS("outer")

    HEADING("no blocks");
    TX_BEGIN_CB(pop, called, a) { work(0); } TX_END
    TX_BEGIN_CB(pop, called, a) { work(1); } TX_END

    HEADING("by TX_BEGIN_PARAM, with a lock");
    TX_BEGIN_PARAM(pop, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_CB, called, a, TX_PARAM_NONE) { work(0); } BLOCKS("outer")
    TX_BEGIN_CB(pop, called, a, TX_PARAM_MUTEX, &D_RW(root)->mutex, TX_PARAM_NONE) { work(0); } BLOCKS("outer")

    HEADING("an inner transaction: nothing for it");
    TX_BEGIN_CB(pop, called, a) {
        TX_BEGIN(pop) { work(0); } BLOCKS("inner")
    } BLOCKS("outer")
    TX_BEGIN_CB(pop, called, a) {
        TX_BEGIN(pop) { work(1); } BLOCKS("inner")
    } BLOCKS("outer")

    HEADING("registered by the inner one: called for the outer");
    TX_BEGIN(pop) {
        TX_BEGIN_CB(pop, called, b) { work(0); } BLOCKS("inner")
        puts("between");
    } BLOCKS("outer")
    TX_BEGIN(pop) {
        TX_BEGIN_CB(pop, called, b) { work(0); } BLOCKS("inner")
        pmemobj_tx_abort(EIO);
    } BLOCKS("outer")
    TX_BEGIN(pop) {
        TX_BEGIN_CB(pop, called, b) { work(1); } BLOCKS("inner")
    } BLOCKS("outer")

    HEADING("the same one again in the inner one");
    TX_BEGIN_CB(pop, called, a) {
        TX_BEGIN_CB(pop, called, a) { work(0); } BLOCKS("inner")
    } BLOCKS("outer")

    HEADING("not kept for the next transaction");
    TX_BEGIN(pop) { work(0); } BLOCKS("next")

    HEADING("by functions");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_CB, called, a, TX_PARAM_NONE));
    work(0);
    pmemobj_tx_commit();
    puts("committed");
    SHOW_CODE(pmemobj_tx_end());
    puts("ended");
    SHOW_CODE(pmemobj_tx_begin(pop, NULL, TX_PARAM_CB, called, a, TX_PARAM_NONE));
    work(0);
    while (pmemobj_tx_stage() != TX_STAGE_NONE) {
        pmemobj_tx_process();
        puts("processed");
    }
    SHOW_CODE(pmemobj_tx_end());
    puts("ended");

    HEADING("a callback that writes before the commit");
    TX_BEGIN_CB(pop, writes, a) { work(0); } BLOCKS("outer")
    SHOW(D_RO(root)->number);

    HEADING("a callback that aborts");
    TX_BEGIN_CB(pop, vetoes, a) { work(0); } BLOCKS("outer")
    SHOW(D_RO(root)->number);
    pmemobj_close(pop);
    return 0;
}
