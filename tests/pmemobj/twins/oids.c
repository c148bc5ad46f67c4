/* SPDX-License-Identifier: MIT */
/* Handles, typed and untyped: what they compare to, where they lead, what they are told of types. */
#include "twin.h"

struct root;
struct node;
struct text;
typedef uint64_t number;

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct node, 7);
TOID_DECLARE(struct text, 1000);
TOID_DECLARE(number, 8);

struct node {
    char name[24];
    TOID(struct node) next;
    PMEMoid anything;
};
struct text {
    uint32_t length;
    char characters[100];
};
struct root {
    TOID(struct node) head;
    TOID(struct text) text;
    TOID(number) number;
};

int main(int argc, char **argv)
{
    PMEMobjpool *pop = new_pool(argc, argv, "oids");

    HEADING("null handles");
    TOID(struct node) none = TOID_NULL(struct node);
    SHOW_BOOL(OID_IS_NULL(OID_NULL));
    SHOW_BOOL(TOID_IS_NULL(none));
    SHOW_BOOL(OID_EQUALS(OID_NULL, none.oid));
    SHOW_BOOL(TOID_EQUALS(none, TOID_NULL(struct node)));
    SHOW_BOOL(pmemobj_direct(OID_NULL) == NULL);
    SHOW_BOOL(D_RO(none) == NULL);
    SHOW_BOOL(D_RW(none) == NULL);
    SHOW_BOOL(DIRECT_RO(none) == NULL);
    SHOW_BOOL(DIRECT_RW(none) == NULL);
    SHOW_BOOL(pmemobj_pool_by_oid(OID_NULL) == NULL);
    SHOW(pmemobj_alloc_usable_size(OID_NULL));

    HEADING("what is known when compiling");
    SHOW(TOID_TYPE_NUM(struct root));
    SHOW(TOID_TYPE_NUM(struct node));
    SHOW(TOID_TYPE_NUM(struct text));
    SHOW(TOID_TYPE_NUM(number));
    SHOW(TOID_TYPE_NUM_OF(none));
    SHOW(POBJ_ROOT_TYPE_NUM);
    SHOW(TOID_OFFSETOF(none, name));
    SHOW(TOID_OFFSETOF(none, next));
    SHOW(TOID_OFFSETOF(none, anything));
    SHOW(sizeof(TOID_TYPEOF(none)));
    SHOW(sizeof none);
    SHOW(sizeof(PMEMoid));
    SHOW(PMEMOBJ_MIN_POOL);
    SHOW(PMEMOBJ_MAX_LAYOUT);
    SHOW(sizeof(PMEMmutex));
    SHOW(sizeof(PMEMrwlock));
    SHOW(sizeof(PMEMcond));

    HEADING("objects");
    TOID(struct root) root = POBJ_ROOT(pop, struct root);
    TOID(struct node) a = TOID_NULL(struct node), b = a;
    SHOW_RC(POBJ_ZNEW(pop, &a, struct node));
    SHOW_RC(POBJ_ZNEW(pop, &b, struct node));
    SHOW_BOOL(TOID_IS_NULL(a));
    SHOW_BOOL(TOID_EQUALS(a, b));
    SHOW_BOOL(TOID_EQUALS(a, a));
    SHOW_BOOL(OID_EQUALS(a.oid, b.oid));
    SHOW_BOOL(TOID_VALID(a));
    SHOW_BOOL(TOID_VALID(root));
    SHOW_BOOL(OID_INSTANCEOF(a.oid, struct node));
    SHOW_BOOL(OID_INSTANCEOF(a.oid, struct text));
    SHOW_BOOL(OID_INSTANCEOF(root.oid, struct root));
    SHOW(pmemobj_type_num(a.oid));
    SHOW(pmemobj_type_num(root.oid));
    TOID(struct text) wrong;
    TOID_ASSIGN(wrong, a.oid);
    SHOW_BOOL(OID_EQUALS(wrong.oid, a.oid));
    SHOW_BOOL(TOID_VALID(wrong));
    SHOW_BOOL(a.oid.pool_uuid_lo == root.oid.pool_uuid_lo);
    SHOW_BOOL(a.oid.pool_uuid_lo != 0);

    HEADING("from a handle to an address and back");
    SHOW_BOOL(D_RO(a) == D_RW(a));
    SHOW_BOOL((void *)D_RW(a) == pmemobj_direct(a.oid));
    SHOW_BOOL((uintptr_t)D_RO(a) % 8 == 0);
    SHOW_BOOL(OID_EQUALS(pmemobj_oid(D_RO(a)), a.oid));
    SHOW_BOOL(pmemobj_direct(pmemobj_oid(&D_RO(a)->next)) == &D_RO(a)->next); /* from within, for this much only */
    SHOW_BOOL(pmemobj_pool_by_oid(pmemobj_oid(&D_RO(a)->next)) == pop);
    SHOW_BOOL(pmemobj_pool_by_oid(a.oid) == pop);
    SHOW_BOOL(pmemobj_pool_by_ptr(D_RO(a)) == pop);
    SHOW_BOOL(pmemobj_pool_by_ptr(&D_RO(a)->name[23]) == pop);
    SHOW_BOOL(pmemobj_pool_by_ptr(&pop) == NULL);
    SHOW_BOOL(pmemobj_pool_by_ptr(NULL) == NULL);
    SHOW_BOOL(OID_IS_NULL(pmemobj_oid(&pop)));
    PMEMoid foreign = a.oid;
    foreign.pool_uuid_lo ^= 1;
    SHOW_BOOL(pmemobj_direct(foreign) == NULL);
    SHOW_BOOL(pmemobj_pool_by_oid(foreign) == NULL);
    SHOW_BOOL(OID_EQUALS(a.oid, foreign));
    SHOW_BOOL(pmemobj_alloc_usable_size(a.oid) >= sizeof(struct node));

    HEADING("links, after reopening");
    strcpy(D_RW(a)->name, "first");
    strcpy(D_RW(b)->name, "second");
    D_RW(a)->next = b;
    D_RW(a)->anything = root.oid;
    pmemobj_persist(pop, D_RW(a), sizeof(struct node));
    pmemobj_persist(pop, D_RW(b), sizeof(struct node));
    D_RW(root)->head = a;
    SHOW_RC(POBJ_ALLOC(pop, &D_RW(root)->text, struct text, sizeof(struct text), NULL, NULL));
    SHOW_RC(POBJ_ZALLOC(pop, &D_RW(root)->number, number, sizeof(number)));
    *D_RW(D_RW(root)->number) = 42;
    pmemobj_persist(pop, D_RW(root), sizeof(struct root));
    pmemobj_persist(pop, D_RW(D_RW(root)->number), sizeof(number));
    pop = reopen(pop, argv[1], "oids");
    root = POBJ_ROOT(pop, struct root);
    SHOW_BOOL(TOID_EQUALS(D_RO(root)->head, a));
    SHOW_TEXT(D_RO(D_RO(root)->head)->name);
    SHOW_TEXT(D_RO(D_RO(D_RO(root)->head)->next)->name);
    SHOW_BOOL(TOID_IS_NULL(D_RO(b)->next));
    SHOW_BOOL(OID_EQUALS(D_RO(a)->anything, root.oid));
    SHOW_BOOL(TOID_VALID(D_RO(root)->text));
    SHOW(pmemobj_type_num(D_RO(root)->text.oid));
    SHOW(*D_RO(D_RO(root)->number));
    show_objects(pop, "in the end");

    HEADING("type numbers of all sizes");
    static const uint64_t numbers[] = {0, 1, 255, 65536, (uint64_t)1 << 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        PMEMoid oid = OID_NULL;
        SHOW_RC(pmemobj_zalloc(pop, &oid, 64, numbers[i]));
        printf("type %" PRIu64 "\n", pmemobj_type_num(oid));
    }
    show_objects(pop, "with these");
    pmemobj_close(pop);
    SHOW_BOOL(pmemobj_direct(a.oid) == NULL);
    SHOW_BOOL(D_RO(a) == NULL);
    return 0;
}
