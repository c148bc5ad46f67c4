/* SPDX-License-Identifier: MIT */
/* The header from C++: typed handles, layouts, atomic allocations, lists. */
#include "twin.h"

POBJ_LAYOUT_BEGIN(cpp);
POBJ_LAYOUT_ROOT(cpp, struct root);
POBJ_LAYOUT_TOID(cpp, struct node);
POBJ_LAYOUT_TOID(cpp, struct item);
POBJ_LAYOUT_END(cpp);
TOID_DECLARE(uint64_t, 77);

POBJ_LIST_HEAD(items, struct item);

struct node {
    int value;
    TOID(struct node) next;
};
struct item {
    int value;
    POBJ_LIST_ENTRY(struct item) entry;
};
struct root {
    TOID(struct node) head;
    TOID(uint64_t) number;
    struct items list;
};

static int construct(PMEMobjpool *pop, void *ptr, void *arg)
{
    auto *node = static_cast<struct node *>(ptr);
    node->value = *static_cast<int *>(arg);
    node->next = TOID_NULL(struct node);
    pmemobj_persist(pop, node, sizeof *node);
    return 0;
}

static int construct_item(PMEMobjpool *pop, void *ptr, void *arg)
{
    static_cast<struct item *>(ptr)->value = *static_cast<int *>(arg);
    pmemobj_persist(pop, ptr, sizeof(struct item));
    return 0;
}

static void show(TOID(struct root) root)
{
    printf("nodes:");
    for (TOID(struct node) node = D_RO(root)->head; !TOID_IS_NULL(node); node = D_RO(node)->next) printf(" %d", D_RO(node)->value);
    printf("; items:");
    TOID(struct item) item;
    POBJ_LIST_FOREACH(item, &D_RO(root)->list, entry) printf(" %d", D_RO(item)->value);
    printf("; number %" PRIu64 "\n", *D_RO(D_RO(root)->number));
}

int main(int argc, char **argv)
{
    PMEMobjpool *pop = new_pool(argc, argv, POBJ_LAYOUT_NAME(cpp));
    SHOW(POBJ_LAYOUT_TYPES_NUM(cpp));
    SHOW(TOID_TYPE_NUM(struct root));
    SHOW(TOID_TYPE_NUM(struct node));
    SHOW(TOID_TYPE_NUM(struct item));
    SHOW(TOID_TYPE_NUM(uint64_t));
    SHOW(sizeof(TOID(struct node)));

    TOID(struct root) root = POBJ_ROOT(pop, struct root);
    TOID(struct node) none = TOID_NULL(struct node), from_oid(OID_NULL);
    SHOW_BOOL(TOID_IS_NULL(none));
    SHOW_BOOL(TOID_EQUALS(none, from_oid));
    SHOW_BOOL(D_RO(none) == nullptr);
    SHOW(TOID_TYPE_NUM_OF(none));
    SHOW(TOID_OFFSETOF(none, next));

    int value = 1;
    SHOW_RC(POBJ_NEW(pop, &D_RW(root)->head, struct node, construct, &value));
    value = 2;
    SHOW_RC(POBJ_NEW(pop, &D_RW(D_RW(root)->head)->next, struct node, construct, &value));
    SHOW_RC(POBJ_ZNEW(pop, &D_RW(root)->number, uint64_t));
    *D_RW(D_RW(root)->number) = 99;
    pmemobj_persist(pop, D_RW(D_RW(root)->number), sizeof(uint64_t));
    SHOW_BOOL(TOID_VALID(D_RO(root)->head));
    SHOW_BOOL(OID_INSTANCEOF(D_RO(root)->head.oid, struct node));
    SHOW_BOOL(OID_INSTANCEOF(D_RO(root)->head.oid, struct item));
    TOID(struct item) wrong;
    TOID_ASSIGN(wrong, D_RO(root)->head.oid);
    SHOW_BOOL(TOID_VALID(wrong));
    for (value = 10; value < 13; ++value) SHOW_NULL(POBJ_LIST_INSERT_NEW_TAIL(pop, &D_RW(root)->list, entry, sizeof(struct item), construct_item, &value));
    value = 20;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_HEAD(pop, &D_RW(root)->list, entry, sizeof(struct item), construct_item, &value));
    show(root);
    TOID(struct node) node;
    int sum = 0;
    POBJ_FOREACH_TYPE(pop, node) sum += D_RO(node)->value;
    SHOW(sum);

    pop = reopen(pop, argv[1], POBJ_LAYOUT_NAME(cpp));
    root = POBJ_ROOT(pop, struct root);
    show(root);
    SHOW_RC(POBJ_LIST_REMOVE_FREE(pop, &D_RW(root)->list, POBJ_LIST_FIRST(&D_RW(root)->list), entry));
    POBJ_FREE(&D_RW(D_RW(root)->head)->next);
    show(root);
    show_objects(pop, "there");
    pmemobj_close(pop);
    return 0;
}
