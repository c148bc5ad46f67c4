/* SPDX-License-Identifier: MIT */
/*
 * A writer and a reader, each a process of its own, as introductions to libpmemobj have them: the string is written by
 * pmemobj_memcpy_persist() with its length, then by a transaction, then by the typed macros.
 */
#include "twin.h"
#include <sys/wait.h>

#define LAYOUT_NAME "string_store"
#define MAX_BUF_LEN 30

POBJ_LAYOUT_BEGIN(string_store);
POBJ_LAYOUT_ROOT(string_store, struct my_root);
POBJ_LAYOUT_END(string_store);

struct my_root {
    size_t len;
    char buf[MAX_BUF_LEN];
};

static const char *path;

static int write_plainly(const char *text)
{
    PMEMobjpool *pop = pmemobj_create(path, LAYOUT_NAME, PMEMOBJ_MIN_POOL, 0666);
    if (!pop) return 1;
    const PMEMoid root = pmemobj_root(pop, sizeof(struct my_root));
    struct my_root *rootp = (struct my_root *)pmemobj_direct(root);
    rootp->len = strlen(text);
    pmemobj_persist(pop, &rootp->len, sizeof rootp->len);
    pmemobj_memcpy_persist(pop, rootp->buf, text, rootp->len);
    pmemobj_close(pop);
    return 0;
}

static int write_by_transaction(const char *text)
{
    PMEMobjpool *pop = pmemobj_open(path, LAYOUT_NAME);
    if (!pop) return 1;
    const PMEMoid root = pmemobj_root(pop, sizeof(struct my_root));
    struct my_root *rootp = (struct my_root *)pmemobj_direct(root);
    TX_BEGIN(pop) {
        pmemobj_tx_add_range(root, 0, sizeof(struct my_root));
        memcpy(rootp->buf, text, strlen(text) + 1);
        rootp->len = strlen(text);
    } TX_END
    pmemobj_close(pop);
    return 0;
}

static int write_typed(const char *text)
{
    PMEMobjpool *pop = pmemobj_open(path, POBJ_LAYOUT_NAME(string_store));
    if (!pop) return 1;
    TOID(struct my_root) root = POBJ_ROOT(pop, struct my_root);
    TX_BEGIN(pop) {
        TX_MEMCPY(D_RW(root)->buf, text, strlen(text) + 1);
        TX_SET(root, len, strlen(text));
    } TX_END
    pmemobj_close(pop);
    return 0;
}

static int write_halfway(const char *text)
{
    PMEMobjpool *pop = pmemobj_open(path, LAYOUT_NAME);
    if (!pop) return 1;
    TOID(struct my_root) root = POBJ_ROOT(pop, struct my_root);
    TX_BEGIN(pop) {
        TX_MEMCPY(D_RW(root)->buf, text, strlen(text) + 1);
        _exit(0); /* without the length: the string that was there stays */
    } TX_END
    return 1;
}

static int read_it(const char *unused)
{
    (void)unused;
    PMEMobjpool *pop = pmemobj_open(path, LAYOUT_NAME);
    if (!pop) return 1;
    const struct my_root *rootp = (const struct my_root *)pmemobj_direct(pmemobj_root(pop, sizeof(struct my_root)));
    if (rootp->len == strnlen(rootp->buf, MAX_BUF_LEN)) printf("%s\n", rootp->buf);
    else printf("torn: length %zu\n", rootp->len);
    pmemobj_close(pop);
    return 0;
}

static void process(const char *name, int (*function)(const char *), const char *text)
{
    printf("%s: ", name);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) exit(function(text));
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) exit(3);
    if (status) printf("status %d", status);
    if (text) puts("");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) return 2;
    path = argv[1];
    process("writer", write_plainly, "hello");
    process("reader", read_it, NULL);
    process("writer", write_by_transaction, "hello again");
    process("reader", read_it, NULL);
    process("writer", write_typed, "typed");
    process("reader", read_it, NULL);
    process("writer", write_halfway, "this one is never seen");
    process("reader", read_it, NULL);
    return 0;
}
