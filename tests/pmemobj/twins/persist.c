/* SPDX-License-Identifier: MIT */
/* Bytes made durable without transactions: what was persisted is there when the pool is opened again. */
#include "twin.h"

struct root {
    uint64_t number;
    unsigned char bytes[5000];
    char text[100];
};

static PMEMobjpool *pop;
static struct root *root;

static void sums(const char *when)
{
    printf("%s: number %" PRIu64 ", bytes %08" PRIx32 ", text \"%s\"\n", when, root->number, checksum(root->bytes, sizeof root->bytes), root->text);
}

static void again(const char *path)
{
    sums("before");
    pop = reopen(pop, path, "persist");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    sums("after");
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "persist");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));

    HEADING("persist");
    root->number = 42;
    pmemobj_persist(pop, &root->number, sizeof root->number);
    again(argv[1]);

    HEADING("flush and drain");
    root->number = 43;
    memset(root->bytes, 1, 1000);
    pmemobj_flush(pop, &root->number, sizeof root->number);
    pmemobj_flush(pop, root->bytes, 1000);
    pmemobj_drain(pop);
    again(argv[1]);

    HEADING("memcpy_persist, memset_persist");
    SHOW_BOOL(pmemobj_memcpy_persist(pop, root->text, "persistent", 11) == root->text);
    SHOW_BOOL(pmemobj_memset_persist(pop, &root->bytes[3], 'x', 4000) == &root->bytes[3]);
    again(argv[1]);

    HEADING("memcpy, memmove, memset with flags");
    static const struct {
        unsigned flags;
        const char *names;
    } flags[] = {
        {0, "none"},
        {PMEMOBJ_F_RELAXED, "relaxed"},
        {PMEMOBJ_F_MEM_NODRAIN, "nodrain"},
        {PMEMOBJ_F_MEM_NOFLUSH, "noflush"},
        {PMEMOBJ_F_MEM_NONTEMPORAL, "nontemporal"},
        {PMEMOBJ_F_MEM_TEMPORAL, "temporal"},
        {PMEMOBJ_F_MEM_WC, "wc"},
        {PMEMOBJ_F_MEM_WB, "wb"},
        {PMEMOBJ_F_MEM_NODRAIN | PMEMOBJ_F_MEM_WB | PMEMOBJ_F_RELAXED, "nodrain, wb, relaxed"},
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i) {
        char text[40];
        snprintf(text, sizeof text, "number %zu", i);
        printf("-- %s\n", flags[i].names);
        SHOW_BOOL(pmemobj_memcpy(pop, root->text, text, strlen(text) + 1, flags[i].flags) == root->text);
        SHOW_BOOL(pmemobj_memset(pop, &root->bytes[i * 100], (int)i, 1777, flags[i].flags) == &root->bytes[i * 100]);
        SHOW_BOOL(pmemobj_memmove(pop, &root->bytes[2000], &root->bytes[1], 2500, flags[i].flags) == &root->bytes[2000]);
        SHOW_BOOL(pmemobj_memmove(pop, &root->bytes[100 + i], &root->bytes[150], 777, flags[i].flags) == &root->bytes[100 + i]); /* they overlap */
        pmemobj_flush(pop, root, sizeof *root);
        pmemobj_drain(pop);
        again(argv[1]);
    }

    HEADING("nothing at all");
    SHOW_BOOL(pmemobj_memcpy(pop, root->text, "z", 0, 0) == root->text);
    SHOW_BOOL(pmemobj_memset(pop, root->bytes, 0, 0, 0) == root->bytes);
    pmemobj_persist(pop, root, 0);
    pmemobj_flush(pop, root, 0);
    sums("then");

    HEADING("xpersist, xflush");
    root->number = 77;
    SHOW_RC(pmemobj_xpersist(pop, &root->number, sizeof root->number, 0));
    SHOW_RC(pmemobj_xpersist(pop, root, sizeof *root, PMEMOBJ_F_RELAXED));
    SHOW_RC(pmemobj_xflush(pop, root, sizeof *root, 0));
    SHOW_RC(pmemobj_xflush(pop, root, sizeof *root, PMEMOBJ_F_RELAXED));
    pmemobj_drain(pop);
    errno = 0;
    SHOW_BOOL(pmemobj_xpersist(pop, root, sizeof *root, PMEMOBJ_F_MEM_NODRAIN) != 0);
    SHOW_CODE(errno);
    errno = 0;
    SHOW_BOOL(pmemobj_xflush(pop, root, sizeof *root, PMEMOBJ_F_RELAXED | PMEMOBJ_F_MEM_WB) != 0);
    SHOW_CODE(errno);
    again(argv[1]);

    HEADING("every byte of an object, one at a time");
    for (size_t i = 0; i < sizeof root->bytes; ++i) {
        root->bytes[i] = (unsigned char)(i * i);
        pmemobj_persist(pop, &root->bytes[i], 1);
    }
    again(argv[1]);

    HEADING("within a transaction that aborts: not undone");
    TX_BEGIN(pop) {
        pmemobj_memcpy_persist(pop, root->text, "stays", 6);
        pmemobj_tx_add_range_direct(&root->number, sizeof root->number);
        root->number = 1;
        pmemobj_persist(pop, &root->number, sizeof root->number);
        pmemobj_tx_abort(0);
    } TX_END
    again(argv[1]);
    pmemobj_close(pop);
    return 0;
}
