/* SPDX-License-Identifier: MIT */
/* Logs of the transaction's own making: how large, and what happens if they are not. */
#include "twin.h"

struct root {
    PMEMoid snapshots, intents;
    unsigned char bytes[8192];
    PMEMoid oids[40];
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static TOID(struct root) root;
static size_t snapshots_size, intents_size;

enum { pieces = 40, intents = 80 };

static void show(const char *when)
{
    int there = 0;
    for (int i = 0; i < pieces; ++i) there += !OID_IS_NULL(D_RO(root)->oids[i]);
    printf("%s: bytes %08" PRIx32 ", oids %d\n", when, checksum(D_RO(root)->bytes, sizeof D_RO(root)->bytes), there);
}

static void snapshot_all(unsigned char with)
{
    for (int i = 0; i < pieces; ++i) {
        pmemobj_tx_add_range_direct(&D_RO(root)->bytes[i * 200], 100);
        memset(&D_RW(root)->bytes[i * 200], with, 100);
    }
}

static void sizes(void)
{
    HEADING("how large");
    size_t all[pieces];
    for (int i = 0; i < pieces; ++i) all[i] = 100;
    snapshots_size = pmemobj_tx_log_snapshots_max_size(all, pieces);
    intents_size = pmemobj_tx_log_intents_max_size(intents);
    SHOW_BOOL(snapshots_size != SIZE_MAX);
    SHOW_BOOL(snapshots_size >= (size_t)pieces * 100);
    SHOW_BOOL(intents_size != SIZE_MAX);
    SHOW_BOOL(intents_size > 0);
    SHOW_BOOL(pmemobj_tx_log_intents_max_size(1000) > pmemobj_tx_log_intents_max_size(10));
    SHOW_BOOL(pmemobj_tx_log_snapshots_max_size(all, 2) >= pmemobj_tx_log_snapshots_max_size(all, 1));
    size_t too_large = SIZE_MAX;
    errno = 0;
    SHOW_BOOL(pmemobj_tx_log_snapshots_max_size(&too_large, 1) == SIZE_MAX);
    SHOW_CODE(errno);
    errno = 0;
    SHOW_BOOL(pmemobj_tx_log_intents_max_size(SIZE_MAX / 2) == SIZE_MAX);
    SHOW_CODE(errno);
    TX_BEGIN(pop) {
        SHOW_BOOL(pmemobj_tx_log_intents_max_size(intents) == intents_size); /* at any stage */
    } TX_END
    if (pmemobj_zalloc(pop, &D_RW(root)->snapshots, snapshots_size, 1) || pmemobj_zalloc(pop, &D_RW(root)->intents, intents_size, 2)) exit(3);
}

static void sufficient(void)
{
    HEADING("a buffer for snapshots, and nothing else allocated");
    for (int aborts = 1; aborts >= 0; --aborts) {
        TX_BEGIN(pop) {
            SHOW_CODE(pmemobj_tx_log_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), snapshots_size));
            SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_SNAPSHOT, 0));
            snapshot_all('s');
            if (aborts) pmemobj_tx_abort(0);
        } TX_ONCOMMIT {
            puts("committed");
        } TX_ONABORT {
            puts("aborted");
            SHOW_CODE(errno);
        } TX_END
        show("then");
    }

    HEADING("a buffer for intents");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_log_append_buffer(TX_LOG_TYPE_INTENT, pmemobj_direct(D_RO(root)->intents), intents_size));
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_INTENT, 0));
        pmemobj_tx_add_range_direct(D_RO(root)->oids, sizeof D_RO(root)->oids);
        for (int i = 0; i < pieces; ++i) D_RW(root)->oids[i] = pmemobj_tx_zalloc(64, 3);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    show("then");
    show_objects(pop, "then");

    HEADING("frees, with the same buffer");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_INTENT, pmemobj_direct(D_RO(root)->intents), intents_size, POBJ_XLOG_APPEND_BUFFER_NO_ABORT));
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_INTENT, 0));
        pmemobj_tx_add_range_direct(D_RO(root)->oids, sizeof D_RO(root)->oids);
        for (int i = 0; i < pieces; ++i) {
            pmemobj_tx_free(D_RO(root)->oids[i]);
            D_RW(root)->oids[i] = OID_NULL;
        }
    } TX_ONCOMMIT {
        puts("committed");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    show("then");
    show_objects(pop, "then");

    HEADING("both, and automatic as well");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_log_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), snapshots_size));
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_INTENT, pmemobj_direct(D_RO(root)->intents), intents_size, 0));
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_SNAPSHOT, 0));
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_SNAPSHOT, 1));
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_INTENT, 1));
        snapshot_all('t');
        pmemobj_tx_add_range_direct(&D_RO(root)->bytes[10], 8000); /* more than the buffer was made for */
        memset(&D_RW(root)->bytes[10], 't', 8000);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show("then");
}

static void insufficient(void)
{
    HEADING("more snapshots than there is room for");
    static PMEMoid large;
    if (pmemobj_zalloc(pop, &large, 1 << 20, 9)) exit(3);
    memset(pmemobj_direct(large), 'l', 1 << 20);
    pmemobj_persist(pop, pmemobj_direct(large), 1 << 20);
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_SNAPSHOT, 0));
        for (int i = 0; i < 1 << 20; i += 1 << 16) {
            pmemobj_tx_add_range(large, (uint64_t)i, 1 << 16);
            memset((char *)pmemobj_direct(large) + i, 0, 1 << 16);
        }
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    SHOW_BOOL(all_bytes_are(pmemobj_direct(large), 'l', 1 << 20));
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_log_auto_alloc(TX_LOG_TYPE_SNAPSHOT, 0));
        SHOW_CODE(pmemobj_tx_xadd_range(large, 0, 1 << 20, POBJ_XADD_NO_ABORT));
        SHOW_STAGE();
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END

    HEADING("the next one allocates again");
    TX_BEGIN(pop) {
        pmemobj_tx_add_range(large, 0, 1 << 20);
        memset(pmemobj_direct(large), 'm', 1 << 20);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    SHOW_BOOL(all_bytes_are(pmemobj_direct(large), 'm', 1 << 20));
    pmemobj_free(&large);
}

static void verified(void)
{
    HEADING("the same buffer twice, when that is looked for");
    int on = 1;
    SHOW(pmemobj_ctl_set(pop, "tx.debug.verify_user_buffers", &on));
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_log_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), snapshots_size));
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), snapshots_size, POBJ_XLOG_APPEND_BUFFER_NO_ABORT));
        SHOW_STAGE();
        pmemobj_tx_log_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), snapshots_size);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    on = 0;
    SHOW(pmemobj_ctl_set(pop, "tx.debug.verify_user_buffers", &on));
}

static void refused(void)
{
    HEADING("buffers that are refused");
    static char outside[4096];
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_SNAPSHOT, outside, sizeof outside, POBJ_XLOG_APPEND_BUFFER_NO_ABORT));
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_INTENT, outside, sizeof outside, POBJ_XLOG_APPEND_BUFFER_NO_ABORT));
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), 1, POBJ_XLOG_APPEND_BUFFER_NO_ABORT));
        SHOW_CODE(pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_SNAPSHOT, pmemobj_direct(D_RO(root)->snapshots), snapshots_size,
                                                POBJ_XLOG_APPEND_BUFFER_NO_ABORT | (uint64_t)1 << 20));
        SHOW_STAGE();
        pmemobj_tx_log_append_buffer(TX_LOG_TYPE_SNAPSHOT, outside, sizeof outside);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    TX_BEGIN(pop) {
        pmemobj_tx_log_append_buffer(TX_LOG_TYPE_INTENT, pmemobj_direct(D_RO(root)->intents), 1);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    TX_BEGIN(pop) {
        pmemobj_tx_xlog_append_buffer(TX_LOG_TYPE_SNAPSHOT, outside, sizeof outside, 0);
        puts("not reached");
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "log_tuning");
    root = POBJ_ROOT(pop, struct root);
    sizes();
    sufficient();
    insufficient();
    verified();
    refused();
    pop = reopen(pop, argv[1], "log_tuning");
    root = POBJ_ROOT(pop, struct root);
    show("reopened");
    show_objects(pop, "reopened");
    pmemobj_close(pop);
    return 0;
}
