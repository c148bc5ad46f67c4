/* SPDX-License-Identifier: MIT */
/**
 * @file queue.c
 * A queue between runs of a program: one run pushes, a later one pops. It teaches
 *
 * - the lists of libpmemobj, which work without transactions: each operation on them is atomic by itself;
 * - a constructor: the new object is filled in before it can be seen, and a crash in between leaves no trace of it;
 * - what atomic steps do not give: `pop` prints and then removes, which is two steps, so that a crash between them has an item printed twice, and
 *   none is ever lost;
 * - a lock in the pool, which is free again whenever the pool is opened.
 *
 *     queue POOL push TEXT...      queue POOL pop [COUNT]
 *     queue POOL list              queue POOL check             queue POOL fill FROM TO
 *
 * `pop` ends with status 1 if there is less than it should take; `fill` pushes numbers and says which are done; `check` looks whether the queue is whole.
 */
#define _GNU_SOURCE
#include "common.h"

POBJ_LAYOUT_BEGIN(queue);
POBJ_LAYOUT_ROOT(queue, struct queue);
POBJ_LAYOUT_TOID(queue, struct item);
POBJ_LAYOUT_END(queue);

POBJ_LIST_HEAD(items, struct item);

struct item {
    POBJ_LIST_ENTRY(struct item) entry;
    uint64_t length;
    char text[]; /* with its null byte */
};

struct queue {
    struct items items;
    PMEMmutex lock; /* threads that shared this queue would hold it; the runs of this program are alone */
};

static PMEMobjpool *pop;
static struct queue *queue;

static int construct(PMEMobjpool *in, void *ptr, void *text)
{
    struct item *item = (struct item *)ptr;
    item->length = strlen((const char *)text);
    memcpy(item->text, text, item->length + 1);
    pmemobj_persist(in, &item->length, sizeof item->length + item->length + 1); /* the entry is the list's affair */
    return 0;
}

static void push(char *text)
{
    pmemobj_mutex_lock(pop, &queue->lock);
    const PMEMoid oid = POBJ_LIST_INSERT_NEW_TAIL(pop, &queue->items, entry, sizeof(struct item) + strlen(text) + 1, construct, text);
    pmemobj_mutex_unlock(pop, &queue->lock);
    if (OID_IS_NULL(oid)) fail(1, "\"%s\" could not be pushed: %s", text, pmemobj_errormsg());
}

/** Print the first and remove it. Returns 0 if there is none. */
static int pop_one(void)
{
    pmemobj_mutex_lock(pop, &queue->lock);
    TOID(struct item) first = POBJ_LIST_FIRST(&queue->items);
    const int there = !TOID_IS_NULL(first);
    if (there) {
        puts(D_RO(first)->text);
        fflush(stdout);
        if (POBJ_LIST_REMOVE_FREE(pop, &queue->items, first, entry)) fail(1, "the first could not be removed: %s", pmemobj_errormsg());
    }
    pmemobj_mutex_unlock(pop, &queue->lock);
    return there;
}

static void check(void)
{
    uint64_t forward = 0, backward = 0, allocated = 0;
    TOID(struct item) item;
    POBJ_LIST_FOREACH(item, &queue->items, entry) {
        ++forward;
        if (!TOID_VALID(item) || strlen(D_RO(item)->text) != D_RO(item)->length) fail(1, "item %" PRIu64 " is torn", forward);
    }
    POBJ_LIST_FOREACH_REVERSE(item, &queue->items, entry) ++backward;
    POBJ_FOREACH_TYPE(pop, item) ++allocated;
    if (forward != backward || forward != allocated)
        fail(1, "%" PRIu64 " items are reached, %" PRIu64 " backwards, %" PRIu64 " are allocated", forward, backward, allocated);
    printf("%" PRIu64 " items, all is well\n", forward);
}

int main(int argc, char **argv)
{
    const char *command = argc >= 3 ? argv[2] : "";
    const int pushes = !strcmp(command, "push") && argc >= 4, pops = !strcmp(command, "pop") && argc <= 4;
    const int lists = !strcmp(command, "list") && argc == 3, checks = !strcmp(command, "check") && argc == 3, fills = !strcmp(command, "fill") && argc == 5;
    if (!pushes && !pops && !lists && !checks && !fills) fail(2, "usage: queue POOL push TEXT... | pop [COUNT] | list | check | fill FROM TO");
    const uint64_t count = pops && argc == 4 ? number_from(argv[3]) : 1;
    const uint64_t from = fills ? number_from(argv[3]) : 0, to = fills ? number_from(argv[4]) : 0;

    pop = open_pool(argv[1], POBJ_LAYOUT_NAME(queue), pushes || fills);
    TOID(struct queue) root = POBJ_ROOT(pop, struct queue);
    if (TOID_IS_NULL(root)) fail(1, "%s: %s", argv[1], pmemobj_errormsg());
    queue = D_RW(root);
    int enough = 1;
    if (pushes) {
        for (int i = 3; i < argc; ++i) push(argv[i]);
    } else if (fills) {
        for (uint64_t number = from; number < to; ++number) {
            char text[40];
            snprintf(text, sizeof text, "%" PRIu64, number);
            push(text);
            done(number);
        }
    } else if (pops) {
        for (uint64_t i = 0; i < count && enough; ++i) enough = pop_one();
    } else if (lists) {
        TOID(struct item) item;
        POBJ_LIST_FOREACH(item, &queue->items, entry) puts(D_RO(item)->text);
    } else {
        check();
    }
    pmemobj_close(pop);
    if (!enough) fail(1, "nothing is left");
    return 0;
}
