/* SPDX-License-Identifier: MIT */
/* Doubly linked lists: every macro, every function, from both ends. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct item, 1);

POBJ_LIST_HEAD(items, struct item);
struct item {
    int value;
    POBJ_LIST_ENTRY(struct item) entry;
    POBJ_LIST_ENTRY(struct item) other;
};
struct root {
    struct items first, second, third;
};

static PMEMobjpool *pop;
static struct root *root;
typedef TOID(struct item) item;

static int construct(PMEMobjpool *in, void *ptr, void *arg)
{
    ((struct item *)ptr)->value = *(int *)arg;
    pmemobj_persist(in, ptr, sizeof(struct item));
    return *(int *)arg < 0;
}

static item new_item(int value)
{
    item it = TOID_NULL(struct item);
    if (POBJ_NEW(pop, &it, struct item, construct, &value)) exit(3);
    return it;
}

static void show_entries(const char *name, struct items *list)
{
    item it;
    printf("%s:", name);
    POBJ_LIST_FOREACH(it, list, entry) printf(" %d", D_RO(it)->value);
    printf(" | backwards:");
    POBJ_LIST_FOREACH_REVERSE(it, list, entry) printf(" %d", D_RO(it)->value);
    printf(" | %s\n", POBJ_LIST_EMPTY(list) ? "empty" : "not empty");
}

static void show_others(const char *name, struct items *list)
{
    item it;
    printf("%s, by the other entry:", name);
    POBJ_LIST_FOREACH(it, list, other) printf(" %d", D_RO(it)->value);
    printf(" | backwards:");
    POBJ_LIST_FOREACH_REVERSE(it, list, other) printf(" %d", D_RO(it)->value);
    puts("");
}

static item find(struct items *list, int value)
{
    item it;
    POBJ_LIST_FOREACH(it, list, entry) if (D_RO(it)->value == value) return it;
    exit(3);
}

static void insert(void)
{
    HEADING("empty");
    show_entries("first", &root->first);
    SHOW_BOOL(TOID_IS_NULL(POBJ_LIST_FIRST(&root->first)));
    SHOW_BOOL(TOID_IS_NULL(POBJ_LIST_LAST(&root->first, entry)));

    HEADING("insert");
    item five = new_item(5), six = new_item(6), four = new_item(4), between = new_item(55), before = new_item(54);
    SHOW_RC(POBJ_LIST_INSERT_HEAD(pop, &root->first, five, entry));
    show_entries("first", &root->first);
    SHOW_RC(POBJ_LIST_INSERT_TAIL(pop, &root->first, six, entry));
    show_entries("first", &root->first);
    SHOW_RC(POBJ_LIST_INSERT_HEAD(pop, &root->first, four, entry));
    show_entries("first", &root->first);
    SHOW_RC(POBJ_LIST_INSERT_AFTER(pop, &root->first, five, between, entry));
    show_entries("first", &root->first);
    SHOW_RC(POBJ_LIST_INSERT_BEFORE(pop, &root->first, four, before, entry));
    show_entries("first", &root->first);
    item seven = new_item(7), zero = new_item(0), last = new_item(8);
    SHOW_RC(POBJ_LIST_INSERT_AFTER(pop, &root->first, six, seven, entry)); /* behind the last */
    SHOW_RC(POBJ_LIST_INSERT_AFTER(pop, &root->first, TOID_NULL(struct item), last, entry)); /* no element: the tail */
    SHOW_RC(POBJ_LIST_INSERT_BEFORE(pop, &root->first, TOID_NULL(struct item), zero, entry)); /* no element: the head */
    show_entries("first", &root->first);
    SHOW(D_RO(POBJ_LIST_FIRST(&root->first))->value);
    SHOW(D_RO(POBJ_LIST_LAST(&root->first, entry))->value);
    SHOW(D_RO(POBJ_LIST_NEXT(five, entry))->value);
    SHOW(D_RO(POBJ_LIST_PREV(five, entry))->value);
    SHOW(D_RO(POBJ_LIST_NEXT(last, entry))->value); /* a circle */
    SHOW(D_RO(POBJ_LIST_PREV(zero, entry))->value);
}

static void insert_new(void)
{
    HEADING("insert new ones");
    int value = 10;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_HEAD(pop, &root->second, entry, sizeof(struct item), construct, &value));
    value = 30;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_TAIL(pop, &root->second, entry, sizeof(struct item), construct, &value));
    value = 20;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_AFTER(pop, &root->second, POBJ_LIST_FIRST(&root->second), entry, sizeof(struct item), construct, &value));
    value = 5;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_BEFORE(pop, &root->second, POBJ_LIST_FIRST(&root->second), entry, sizeof(struct item), construct, &value));
    show_entries("second", &root->second);
    value = 40;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_AFTER(pop, &root->second, TOID_NULL(struct item), entry, 1000, construct, &value));
    value = 1;
    SHOW_NULL(POBJ_LIST_INSERT_NEW_BEFORE(pop, &root->second, TOID_NULL(struct item), entry, 1000, construct, &value));
    show_entries("second", &root->second);
    SHOW_BOOL(TOID_VALID(POBJ_LIST_FIRST(&root->second)));
    show_objects(pop, "then");

    HEADING("new ones that come to nothing");
    value = -1;
    SHOW_OID(POBJ_LIST_INSERT_NEW_HEAD(pop, &root->second, entry, sizeof(struct item), construct, &value));
    SHOW_OID(POBJ_LIST_INSERT_NEW_TAIL(pop, &root->second, entry, PMEMOBJ_MAX_ALLOC_SIZE + 1, construct, &value));
    SHOW_OID(POBJ_LIST_INSERT_NEW_TAIL(pop, &root->second, entry, pool_size, construct, &value));
    show_entries("second", &root->second);
    show_objects(pop, "then");
}

static void move(void)
{
    HEADING("move");
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_HEAD(pop, &root->first, &root->second, find(&root->first, 5), entry, entry));
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_TAIL(pop, &root->first, &root->second, find(&root->first, 55), entry, entry));
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_AFTER(pop, &root->first, &root->second, find(&root->second, 20), find(&root->first, 6), entry, entry));
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_BEFORE(pop, &root->first, &root->second, find(&root->second, 20), find(&root->first, 7), entry, entry));
    show_entries("first", &root->first);
    show_entries("second", &root->second);

    HEADING("move within the list");
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_HEAD(pop, &root->second, &root->second, find(&root->second, 30), entry, entry));
    show_entries("second", &root->second);
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_TAIL(pop, &root->second, &root->second, find(&root->second, 30), entry, entry));
    show_entries("second", &root->second);
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_AFTER(pop, &root->second, &root->second, find(&root->second, 10), find(&root->second, 1), entry, entry));
    show_entries("second", &root->second);
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_BEFORE(pop, &root->second, &root->second, find(&root->second, 10), find(&root->second, 40), entry, entry));
    show_entries("second", &root->second);

    HEADING("move to an empty list, and the last one away");
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_TAIL(pop, &root->first, &root->third, find(&root->first, 4), entry, entry));
    show_entries("third", &root->third);
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_HEAD(pop, &root->third, &root->first, find(&root->third, 4), entry, entry));
    show_entries("third", &root->third);
    show_entries("first", &root->first);

    HEADING("move to a list by another entry");
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_TAIL(pop, &root->first, &root->third, find(&root->first, 54), entry, other));
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_HEAD(pop, &root->first, &root->third, find(&root->first, 8), entry, other));
    show_entries("first", &root->first);
    show_others("third", &root->third);
    SHOW_RC(POBJ_LIST_MOVE_ELEMENT_TAIL(pop, &root->third, &root->first, POBJ_LIST_FIRST(&root->third), other, entry));
    show_entries("first", &root->first);
    show_others("third", &root->third);
}

static void remove_them(void)
{
    HEADING("remove");
    item it = find(&root->second, 20);
    SHOW_RC(POBJ_LIST_REMOVE(pop, &root->second, it, entry));
    show_entries("second", &root->second);
    SHOW(D_RO(it)->value);
    show_objects(pop, "then");
    SHOW_RC(POBJ_LIST_INSERT_TAIL(pop, &root->second, it, entry));
    show_entries("second", &root->second);
    SHOW_RC(POBJ_LIST_REMOVE_FREE(pop, &root->second, it, entry));
    SHOW_RC(POBJ_LIST_REMOVE_FREE(pop, &root->second, POBJ_LIST_FIRST(&root->second), entry));
    SHOW_RC(POBJ_LIST_REMOVE_FREE(pop, &root->second, POBJ_LIST_LAST(&root->second, entry), entry));
    show_entries("second", &root->second);
    show_objects(pop, "then");
    while (!POBJ_LIST_EMPTY(&root->second))
        if (POBJ_LIST_REMOVE_FREE(pop, &root->second, POBJ_LIST_FIRST(&root->second), entry)) exit(3);
    show_entries("second", &root->second);
    show_objects(pop, "then");
}

static void functions(void)
{
    HEADING("by functions");
    const size_t entry = offsetof(struct item, entry), other = offsetof(struct item, other);
    int value = 101;
    PMEMoid a = SHOW_OID(pmemobj_list_insert_new(pop, entry, &root->second, OID_NULL, POBJ_LIST_DEST_HEAD, sizeof(struct item), 1, construct, &value));
    value = 102;
    PMEMoid b = SHOW_OID(pmemobj_list_insert_new(pop, entry, &root->second, a, POBJ_LIST_DEST_AFTER, sizeof(struct item), 1, construct, &value));
    value = 103;
    SHOW_OID(pmemobj_list_insert_new(pop, entry, &root->second, OID_NULL, POBJ_LIST_DEST_TAIL, sizeof(struct item), 1, construct, &value));
    value = 104;
    SHOW_OID(pmemobj_list_insert_new(pop, entry, &root->second, b, POBJ_LIST_DEST_BEFORE, sizeof(struct item), 1, construct, &value));
    SHOW_BOOL(OID_IS_NULL(pmemobj_list_insert_new(pop, entry, &root->second, OID_NULL, POBJ_LIST_DEST_HEAD, sizeof(struct item), 2, NULL, NULL)));
    D_RW(POBJ_LIST_FIRST(&root->second))->value = 105; /* without a constructor; its type is another */
    pmemobj_persist(pop, D_RO(POBJ_LIST_FIRST(&root->second)), sizeof(struct item));
    SHOW(pmemobj_type_num(POBJ_LIST_FIRST(&root->second).oid));
    show_entries("second", &root->second);
    SHOW_RC(pmemobj_list_remove(pop, entry, &root->second, b, 0));
    SHOW_RC(pmemobj_list_insert(pop, entry, &root->second, a, POBJ_LIST_DEST_BEFORE, b));
    show_entries("second", &root->second);
    SHOW_RC(pmemobj_list_move(pop, entry, &root->second, other, &root->third, OID_NULL, POBJ_LIST_DEST_HEAD, b));
    show_others("third", &root->third);
    show_entries("second", &root->second);
    SHOW_RC(pmemobj_list_remove(pop, other, &root->third, b, 1));
    show_others("third", &root->third);
    show_objects(pop, "then");
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "lists");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    insert();
    insert_new();
    move();
    remove_them();
    functions();
    pop = reopen(pop, argv[1], "lists");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    show_entries("first", &root->first);
    show_entries("second", &root->second);
    show_objects(pop, "reopened");
    pmemobj_close(pop);
    return 0;
}
