/* SPDX-License-Identifier: MIT */
/* The root object: its size, its growth, its constructor. */
#include "twin.h"

struct seen {
    int calls;
    size_t size_before[8];
    int result;
    int fill;
    size_t size;
};

static int construct(PMEMobjpool *pop, void *ptr, void *arg)
{
    struct seen *seen = (struct seen *)arg;
    seen->size_before[seen->calls++ % 8] = pmemobj_root_size(pop);
    memset(ptr, seen->fill, seen->size);
    pmemobj_persist(pop, ptr, seen->size);
    return seen->result;
}

struct small {
    uint64_t numbers[4];
};
struct large {
    uint64_t numbers[1000];
};
TOID_DECLARE_ROOT(struct small);
TOID_DECLARE_ROOT(struct large);

/** What was there is kept; of what was not, the constructor makes what it will. */
static void show_pieces(PMEMoid root)
{
    const char *bytes = (const char *)pmemobj_direct(root);
    SHOW_BOOL(all_bytes_are(bytes, 'x', 100));
    SHOW_BOOL(all_bytes_are(bytes + 100, 0, 4900));
    SHOW_BOOL(all_bytes_are(bytes + 10000, 'y', 10000)); /* right behind 5000 there may be padding, kept as well */
}

int main(int argc, char **argv)
{
    PMEMobjpool *pop = new_pool(argc, argv, "root");

    HEADING("before the first");
    SHOW(pmemobj_root_size(pop));
    SHOW_OID(pmemobj_root(pop, 0));
    SHOW(pmemobj_root_size(pop));
    SHOW_OID(pmemobj_root(pop, PMEMOBJ_MAX_ALLOC_SIZE + 1));
    SHOW(pmemobj_root_size(pop));
    SHOW_OID(pmemobj_root(pop, pool_size));
    SHOW(pmemobj_root_size(pop));

    HEADING("a constructor that fails");
    struct seen seen = {.result = 1, .fill = 'x', .size = 100};
    SHOW_OID(pmemobj_root_construct(pop, 100, construct, &seen));
    SHOW(seen.calls);
    SHOW(pmemobj_root_size(pop));
    show_objects(pop, "after it");

    HEADING("a constructor that does not");
    seen.result = 0;
    const PMEMoid first = SHOW_OID(pmemobj_root_construct(pop, 100, construct, &seen));
    SHOW(seen.calls);
    SHOW(seen.size_before[1]);
    SHOW(pmemobj_root_size(pop));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(first), 'x', 100));
    SHOW(pmemobj_type_num(first));
    show_objects(pop, "beside the root");

    HEADING("again, no larger");
    SHOW_BOOL(OID_EQUALS(first, pmemobj_root(pop, 100)));
    SHOW_BOOL(OID_EQUALS(first, pmemobj_root(pop, 10)));
    SHOW_BOOL(OID_EQUALS(first, pmemobj_root(pop, 0)));
    SHOW_BOOL(OID_EQUALS(first, pmemobj_root_construct(pop, 100, construct, &seen)));
    SHOW(seen.calls);
    SHOW(pmemobj_root_size(pop));

    HEADING("larger: what is new is zero");
    PMEMoid root = SHOW_OID(pmemobj_root(pop, 5000));
    SHOW(pmemobj_root_size(pop));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(root), 'x', 100));
    SHOW_BOOL(all_bytes_are((char *)pmemobj_direct(root) + 100, 0, 4900));
    SHOW_OID(pmemobj_root(pop, pool_size));
    SHOW(pmemobj_root_size(pop));
    SHOW_OID(pmemobj_root(pop, PMEMOBJ_MAX_ALLOC_SIZE + 1));
    SHOW(pmemobj_root_size(pop));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(pmemobj_root(pop, 1)), 'x', 100));

    HEADING("larger, with a constructor");
    seen.fill = 'y';
    seen.size = 20000;
    root = SHOW_OID(pmemobj_root_construct(pop, 20000, construct, &seen));
    SHOW(seen.calls);
    SHOW(seen.size_before[2]);
    SHOW(pmemobj_root_size(pop));
    show_pieces(root);
    seen.result = -1;
    seen.size = 30000;
    SHOW_OID(pmemobj_root_construct(pop, 30000, construct, &seen));
    SHOW(seen.calls);
    SHOW(pmemobj_root_size(pop));

    HEADING("after reopening");
    root = pmemobj_root(pop, 0);
    pop = reopen(pop, argv[1], "root");
    SHOW(pmemobj_root_size(pop));
    SHOW_BOOL(OID_EQUALS(root, pmemobj_root(pop, 0)));
    show_pieces(root);
    root = SHOW_OID(pmemobj_root(pop, 400000));
    show_pieces(root);
    SHOW_BOOL(all_bytes_are((char *)pmemobj_direct(root) + 20000, 0, 380000));
    pmemobj_close(pop);

    HEADING("typed");
    unlink(argv[1]);
    pop = pmemobj_create(argv[1], "typed", pool_size, 0600);
    TOID(struct small) small = POBJ_ROOT(pop, struct small);
    SHOW_BOOL(TOID_IS_NULL(small));
    SHOW_BOOL(TOID_VALID(small));
    SHOW_BOOL(pmemobj_root_size(pop) == sizeof(struct small));
    D_RW(small)->numbers[3] = 33;
    pmemobj_persist(pop, D_RW(small), sizeof *D_RW(small));
    TOID(struct large) large = POBJ_ROOT(pop, struct large);
    SHOW_BOOL(pmemobj_root_size(pop) == sizeof(struct large));
    SHOW(D_RO(large)->numbers[3]);
    SHOW(D_RO(large)->numbers[4]);
    SHOW(D_RO(large)->numbers[999]);
    pmemobj_close(pop);
    return 0;
}
