/* SPDX-License-Identifier: MIT */
/* The rest: volatile data in a pool, versions, messages, the control namespace, functions of the caller for memory, defragmentation. */
#include "twin.h"
#include <pthread.h>

struct data {
    PMEMvlt(uint64_t) counter;
    PMEMvlt(uint64_t) never;
    uint64_t kept;
};
struct root {
    struct data data;
};
TOID_DECLARE_ROOT(struct root);

static PMEMobjpool *pop;
static int calls;

static int construct(void *ptr, void *arg)
{
    ++calls;
    *(uint64_t *)ptr = *(uint64_t *)arg;
    return 0;
}

static int refuse(void *ptr, void *arg)
{
    (void)ptr;
    (void)arg;
    ++calls;
    return 1;
}

static void use_volatile(struct data *data, uint64_t initial)
{
    calls = 0;
    uint64_t *counter = (uint64_t *)pmemobj_volatile(pop, &data->counter.vlt, &data->counter.value, sizeof data->counter.value, construct, &initial);
    SHOW_BOOL(counter == &data->counter.value);
    SHOW(*counter);
    ++*counter;
    counter = (uint64_t *)pmemobj_volatile(pop, &data->counter.vlt, &data->counter.value, sizeof data->counter.value, construct, &initial);
    SHOW(*counter);
    SHOW(calls);
    calls = 0;
    SHOW_BOOL(pmemobj_volatile(pop, &data->never.vlt, &data->never.value, sizeof data->never.value, refuse, NULL) == NULL);
    SHOW_BOOL(pmemobj_volatile(pop, &data->never.vlt, &data->never.value, sizeof data->never.value, refuse, NULL) == NULL);
    SHOW(calls);
    initial = 70;
    SHOW_BOOL(pmemobj_volatile(pop, &data->never.vlt, &data->never.value, sizeof data->never.value, construct, &initial) != NULL);
    SHOW(data->never.value);
}

static void volatile_data(const char *path)
{
    HEADING("volatile");
    TOID(struct root) root = POBJ_ROOT(pop, struct root);
    D_RW(root)->data.kept = 9;
    pmemobj_persist(pop, D_RO(root), sizeof(struct root));
    use_volatile(&D_RW(root)->data, 10);
    pop = reopen(pop, path, "rest");
    root = POBJ_ROOT(pop, struct root);
    use_volatile(&D_RW(root)->data, 20);
    SHOW(D_RO(root)->data.kept);
}

static int all_calls;

static int count_calls(void *ptr, void *arg)
{
    (void)arg;
    __atomic_add_fetch(&all_calls, 1, __ATOMIC_RELAXED);
    *(uint64_t *)ptr = 5;
    return 0;
}

static void *use_at_once(void *arg)
{
    struct data *data = (struct data *)arg;
    uint64_t *value = (uint64_t *)pmemobj_volatile(pop, &data->counter.vlt, &data->counter.value, sizeof *value, count_calls, NULL);
    if (value) __atomic_add_fetch(value, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void volatile_by_many(void)
{
    HEADING("volatile, by four threads at once");
    PMEMoid oid = OID_NULL;
    if (pmemobj_zalloc(pop, &oid, sizeof(struct data), 8)) exit(3);
    pthread_t thread[4];
    for (int i = 0; i < 4; ++i)
        if (pthread_create(&thread[i], NULL, use_at_once, pmemobj_direct(oid))) exit(3);
    for (int i = 0; i < 4; ++i) pthread_join(thread[i], NULL);
    SHOW(all_calls);
    SHOW(((struct data *)pmemobj_direct(oid))->counter.value);
    pmemobj_free(&oid);
}

static void versions(void)
{
    HEADING("versions");
    SHOW_BOOL(pmemobj_check_version(PMEMOBJ_MAJOR_VERSION, PMEMOBJ_MINOR_VERSION) == NULL);
    SHOW_BOOL(pmemobj_check_version(PMEMOBJ_MAJOR_VERSION, 0) == NULL);
    SHOW_BOOL(pmemobj_check_version(PMEMOBJ_MAJOR_VERSION, PMEMOBJ_MINOR_VERSION + 1000) == NULL);
    SHOW_BOOL(pmemobj_check_version(PMEMOBJ_MAJOR_VERSION + 1, 0) == NULL);
    SHOW_BOOL(pmemobj_check_version(PMEMOBJ_MAJOR_VERSION - 1, 0) == NULL);
    SHOW(PMEMOBJ_MAJOR_VERSION);
}

static void messages(void)
{
    HEADING("messages");
    SHOW_PTR(pmemobj_open("/nowhere/at/all", "rest"));
    SHOW_BOOL(pmemobj_errormsg() != NULL);
    SHOW_BOOL(pmemobj_errormsg() && pmemobj_errormsg()[0]);
    PMEMoid oid = OID_NULL;
    SHOW_RC(pmemobj_alloc(pop, &oid, 0, 1, NULL, NULL));
    SHOW_BOOL(pmemobj_errormsg() && pmemobj_errormsg()[0]);
    TX_BEGIN(pop) {
        pmemobj_tx_alloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1);
    } TX_ONABORT {
        SHOW_BOOL(pmemobj_errormsg() && pmemobj_errormsg()[0]);
    } TX_END
}

static void control(void)
{
    HEADING("the control namespace");
    int number = 0;
    long long size = 0;
    SHOW(pmemobj_ctl_get(pop, "no.such.name", &number));
    SHOW(pmemobj_ctl_set(pop, "no.such.name", &number));
    SHOW(pmemobj_ctl_exec(pop, "no.such.name", &number));
    SHOW(pmemobj_ctl_get(pop, "", &number));
    SHOW(pmemobj_ctl_get(NULL, "prefault.at_open", &number));
    SHOW(number);
    SHOW(pmemobj_ctl_get(NULL, "prefault.at_create", &number));
    SHOW(number);
    number = 1;
    SHOW(pmemobj_ctl_set(NULL, "prefault.at_open", &number));
    number = 7;
    SHOW(pmemobj_ctl_get(NULL, "prefault.at_open", &number));
    SHOW(number);
    number = 0;
    SHOW(pmemobj_ctl_set(NULL, "prefault.at_open", &number));
    size = 1 << 20;
    SHOW(pmemobj_ctl_set(pop, "tx.cache.size", &size));
    size = 0;
    SHOW(pmemobj_ctl_get(pop, "tx.cache.size", &size));
    SHOW(size);
    size = -1;
    SHOW(pmemobj_ctl_set(pop, "tx.cache.size", &size));
    number = 7;
    SHOW(pmemobj_ctl_get(pop, "tx.debug.skip_expensive_checks", &number));
    SHOW(number);
    number = 7;
    SHOW(pmemobj_ctl_get(pop, "tx.debug.verify_user_buffers", &number));
    SHOW(number);
}

static int mallocs, frees;

static void *count_malloc(size_t size)
{
    ++mallocs;
    return malloc(size);
}

static void count_free(void *ptr)
{
    ++frees;
    free(ptr);
}

static void *plain_realloc(void *ptr, size_t size)
{
    return realloc(ptr, size);
}

static char *plain_strdup(const char *text)
{
    return strdup(text);
}

static void functions(void)
{
    HEADING("the caller's functions for memory");
    pmemobj_set_funcs(count_malloc, count_free, plain_realloc, plain_strdup);
    TX_BEGIN(pop) {
        pmemobj_tx_zalloc(100, 5);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    pmemobj_set_funcs(NULL, NULL, NULL, NULL);
    TX_BEGIN(pop) {
        pmemobj_tx_zalloc(100, 5);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show_objects(pop, "then");
}

static void defragment(void)
{
    HEADING("defragmentation");
    enum { count = 50 };
    static PMEMoid oids[count];
    PMEMoid *pointers[count];
    for (int i = 0; i < count; ++i) {
        if (pmemobj_zalloc(pop, &oids[i], 500, 30)) exit(3);
        memset(pmemobj_direct(oids[i]), i, 500);
        pmemobj_persist(pop, pmemobj_direct(oids[i]), 500);
        pointers[i] = &oids[i];
    }
    for (int i = 0; i < count; i += 2) pmemobj_free(&oids[i]);
    struct pobj_defrag_result result = {77, 77};
    SHOW_RC(pmemobj_defrag(pop, pointers, count, &result));
    SHOW(result.total);
    SHOW_BOOL(result.relocated <= result.total);
    int right = 0;
    for (int i = 1; i < count; i += 2) right += all_bytes_are(pmemobj_direct(oids[i]), i, 500);
    SHOW(right);
    SHOW_RC(pmemobj_defrag(pop, pointers, 0, NULL));
    show_objects(pop, "then");
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "rest");
    volatile_data(argv[1]);
    volatile_by_many();
    versions();
    messages();
    control();
    functions();
    defragment();
    pmemobj_close(pop);
    return 0;
}
