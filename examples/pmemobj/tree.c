/* SPDX-License-Identifier: MIT */
/**
 * @file tree.c
 * A binary search tree in a pool. It teaches
 *
 * - a layout: the types of the pool with their numbers, and handles that know their type, TOID(struct node);
 * - the root object, from which everything else is reached;
 * - transactions: before bytes that were there already are changed, they are saved, by TX_ADD and TX_SET; a new object needs no saving;
 * - a handle inside of an object as a link that is changed in place, and a removal that takes several changes: all of them happen or none.
 *
 *     tree POOL insert KEY VALUE     tree POOL find KEY       tree POOL remove KEY
 *     tree POOL print                tree POOL check          tree POOL fill FROM TO
 *
 * Keys and values are numbers. `print` prints pairs in order; `fill` inserts many keys, one transaction each, and says which are done; `check`
 * looks whether the tree is whole. Kill a `fill` at any time: `check` finds nothing wrong.
 */
#define _GNU_SOURCE
#include "common.h"

POBJ_LAYOUT_BEGIN(tree);
POBJ_LAYOUT_ROOT(tree, struct tree);
POBJ_LAYOUT_TOID(tree, struct node);
POBJ_LAYOUT_END(tree);

struct node {
    uint64_t key;
    uint64_t value;
    TOID(struct node) left;
    TOID(struct node) right;
};

struct tree {
    TOID(struct node) top;
    uint64_t count;
};

static PMEMobjpool *pop;
static TOID(struct tree) tree;

/** The handle that leads to the node with this key, or the null handle where it would be put. */
static TOID(struct node) *link_to(uint64_t key)
{
    TOID(struct node) *link = &D_RW(tree)->top;
    while (!TOID_IS_NULL(*link) && D_RO(*link)->key != key) link = key < D_RO(*link)->key ? &D_RW(*link)->left : &D_RW(*link)->right;
    return link;
}

static void insert(uint64_t key, uint64_t value)
{
    TOID(struct node) *link = link_to(key);
    TX_BEGIN(pop) {
        if (TOID_IS_NULL(*link)) {
            TOID(struct node) node = TX_ZNEW(struct node);
            D_RW(node)->key = key;
            D_RW(node)->value = value;
            TX_ADD_DIRECT(link);
            *link = node;
            TX_SET(tree, count, D_RO(tree)->count + 1);
        } else {
            TX_SET(*link, value, value);
        }
    } TX_ONABORT {
        fail(1, "%" PRIu64 " could not be inserted: %s", key, pmemobj_errormsg());
    } TX_END
}

/** Take the smallest node out of the tree below `link`. Within a transaction. */
static TOID(struct node) take_smallest(TOID(struct node) *link)
{
    while (!TOID_IS_NULL(D_RO(*link)->left)) link = &D_RW(*link)->left;
    TOID(struct node) smallest = *link;
    TX_ADD_DIRECT(link);
    *link = D_RO(smallest)->right;
    return smallest;
}

static void remove_key(uint64_t key)
{
    TOID(struct node) *link = link_to(key);
    TOID(struct node) old = *link;
    if (TOID_IS_NULL(old)) fail(1, "%" PRIu64 " is not there", key);
    TX_BEGIN(pop) {
        TOID(struct node) heir;
        if (TOID_IS_NULL(D_RO(old)->left)) {
            heir = D_RO(old)->right;
        } else if (TOID_IS_NULL(D_RO(old)->right)) {
            heir = D_RO(old)->left;
        } else {
            heir = take_smallest(&D_RW(old)->right);
            TX_ADD(heir);
            D_RW(heir)->left = D_RO(old)->left;
            D_RW(heir)->right = D_RO(old)->right;
        }
        TX_ADD_DIRECT(link);
        *link = heir;
        TX_FREE(old);
        TX_SET(tree, count, D_RO(tree)->count - 1);
    } TX_ONABORT {
        fail(1, "%" PRIu64 " could not be removed: %s", key, pmemobj_errormsg());
    } TX_END
}

static void print(TOID(struct node) node)
{
    if (TOID_IS_NULL(node)) return;
    print(D_RO(node)->left);
    printf("%" PRIu64 " %" PRIu64 "\n", D_RO(node)->key, D_RO(node)->value);
    print(D_RO(node)->right);
}

/** How many nodes there are below; each key must lie within the bounds. */
static uint64_t check(TOID(struct node) node, uint64_t least, uint64_t most)
{
    if (TOID_IS_NULL(node)) return 0;
    const struct node *it = D_RO(node);
    if (!TOID_VALID(node)) fail(1, "something else hangs in the tree: type %" PRIu64, pmemobj_type_num(node.oid));
    if (it->key < least || it->key > most) fail(1, "%" PRIu64 " is in a wrong place", it->key);
    /* A key that is a bound has nothing beyond it: the unsigned -1 and +1 would come out at the other end. */
    if ((it->key == 0 && !TOID_IS_NULL(it->left)) || (it->key == UINT64_MAX && !TOID_IS_NULL(it->right))) fail(1, "%" PRIu64 " has neighbours that cannot be", it->key);
    return 1 + check(it->left, least, it->key - 1) + check(it->right, it->key + 1, most);
}

static void check_all(void)
{
    const uint64_t reached = check(D_RO(tree)->top, 0, UINT64_MAX);
    uint64_t allocated = 0;
    TOID(struct node) node;
    POBJ_FOREACH_TYPE(pop, node) ++allocated;
    if (reached != D_RO(tree)->count || reached != allocated)
        fail(1, "%" PRIu64 " nodes are reached, %" PRIu64 " are counted, %" PRIu64 " are allocated", reached, D_RO(tree)->count, allocated);
    printf("%" PRIu64 " keys, all is well\n", reached);
}

/** The numbers in another order, each once: in the order of size the tree would be a list. */
static uint64_t shuffled(uint64_t number)
{
    return number * 2654435761U & UINT32_MAX;
}

int main(int argc, char **argv)
{
    const char *command = argc >= 3 ? argv[2] : "";
    const int numbers = argc - 3;
    const int inserts = !strcmp(command, "insert") && numbers == 2, fills = !strcmp(command, "fill") && numbers == 2;
    const int finds = !strcmp(command, "find") && numbers == 1, removes = !strcmp(command, "remove") && numbers == 1;
    const int prints = !strcmp(command, "print") && numbers == 0, checks = !strcmp(command, "check") && numbers == 0;
    if (!inserts && !fills && !finds && !removes && !prints && !checks) fail(2, "usage: tree POOL insert KEY VALUE | find KEY | remove KEY | print | check | fill FROM TO");
    const uint64_t first = numbers >= 1 ? number_from(argv[3]) : 0, second = numbers >= 2 ? number_from(argv[4]) : 0;

    pop = open_pool(argv[1], POBJ_LAYOUT_NAME(tree), inserts || fills);
    tree = POBJ_ROOT(pop, struct tree);
    if (TOID_IS_NULL(tree)) fail(1, "%s: %s", argv[1], pmemobj_errormsg());
    if (inserts) {
        insert(first, second);
    } else if (fills) {
        for (uint64_t number = first; number < second; ++number) {
            insert(shuffled(number), number);
            done(number);
        }
    } else if (finds) {
        TOID(struct node) node = *link_to(first);
        if (TOID_IS_NULL(node)) fail(1, "%" PRIu64 " is not there", first);
        printf("%" PRIu64 "\n", D_RO(node)->value);
    } else if (removes) {
        remove_key(first);
    } else if (prints) {
        print(D_RO(tree)->top);
    } else {
        check_all();
    }
    pmemobj_close(pop);
    return 0;
}
