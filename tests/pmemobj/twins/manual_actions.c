/* SPDX-License-Identifier: MIT */
/* The example of pmemobj_action(3), made a whole program: two objects appended to a list by actions that are published together. */
#include "twin.h"

struct list_node {
    int value;
    PMEMoid next;
};
struct root {
    PMEMoid head;
};

static void print_list(const struct root *root)
{
    printf("list:");
    for (PMEMoid oid = root->head; !OID_IS_NULL(oid);) {
        const struct list_node *node = (const struct list_node *)pmemobj_direct(oid);
        printf(" %d", node->value);
        oid = node->next;
    }
    puts("");
}

static int append_two(PMEMobjpool *pop, struct root *root, int first, int second)
{
    struct pobj_action actv[4];

    /* reserve, populate and persist the first object */
    const PMEMoid tail = pmemobj_reserve(pop, &actv[0], sizeof(struct list_node), 0);
    if (OID_IS_NULL(tail)) return -1;
    struct list_node *node = (struct list_node *)pmemobj_direct(tail);
    node->value = first;
    node->next = root->head;
    pmemobj_persist(pop, node, sizeof *node);

    /* and the second */
    const PMEMoid head = pmemobj_reserve(pop, &actv[1], sizeof(struct list_node), 0);
    if (OID_IS_NULL(head)) return -1;
    node = (struct list_node *)pmemobj_direct(head);
    node->value = second;
    node->next = tail;
    pmemobj_persist(pop, node, sizeof *node);

    /* the handle of the list is two words */
    pmemobj_set_value(pop, &actv[2], &root->head.pool_uuid_lo, head.pool_uuid_lo);
    pmemobj_set_value(pop, &actv[3], &root->head.off, head.off);

    print_list(root); /* nothing of it is there yet */
    return pmemobj_publish(pop, actv, 4);
}

int main(int argc, char **argv)
{
    PMEMobjpool *pop = new_pool(argc, argv, "list");
    struct root *root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    SHOW_RC(append_two(pop, root, 1, 2));
    print_list(root);
    SHOW_RC(append_two(pop, root, 3, 4));
    print_list(root);
    pop = reopen(pop, argv[1], "list");
    root = (struct root *)pmemobj_direct(pmemobj_root(pop, sizeof *root));
    print_list(root);
    show_objects(pop, "there");
    pmemobj_close(pop);
    return 0;
}
