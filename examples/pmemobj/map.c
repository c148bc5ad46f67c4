/* SPDX-License-Identifier: MIT */
/**
 * @file map.c
 * A hash map in a pool, from names to numbers. It teaches
 *
 * - objects whose size is known only when they are made: TX_ALLOC with a size, for a struct that ends in an array;
 * - what to save and what not: a field, an element of an array, nothing at all of an object that the same transaction has made;
 * - functions with transactions of their own that are called within larger ones: `add` is a `get` and a `set` that nothing comes between;
 * - a large change as one transaction: when the table grows, every entry is hung elsewhere, and a crash in the middle leaves the old table.
 *
 *     map POOL set NAME NUMBER     map POOL add NAME NUMBER     map POOL get NAME     map POOL remove NAME
 *     map POOL list                map POOL check               map POOL fill FROM TO
 *
 * `add` adds to the number of the name; `list` prints names and numbers in no particular order; `fill` sets "name FROM" and so on, one transaction
 * each, and says which are done; `check` looks whether the map is whole.
 */
#define _GNU_SOURCE
#include "common.h"

POBJ_LAYOUT_BEGIN(map);
POBJ_LAYOUT_ROOT(map, struct map);
POBJ_LAYOUT_TOID(map, struct table);
POBJ_LAYOUT_TOID(map, struct entry);
POBJ_LAYOUT_END(map);

struct entry {
    TOID(struct entry) next;
    uint64_t number;
    uint64_t hash;
    char name[]; /* with its null byte */
};

struct table {
    uint64_t size; /* a power of two */
    TOID(struct entry) chains[];
};

struct map {
    TOID(struct table) table;
    uint64_t count;
};

static PMEMobjpool *pop;
static TOID(struct map) map;

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037U;
    for (; *name; ++name) hash = (hash ^ (unsigned char)*name) * 1099511628211U;
    return hash ^ hash >> 32;
}

static TOID(struct entry) *chain(TOID(struct table) table, uint64_t hash)
{
    return &D_RW(table)->chains[hash & (D_RO(table)->size - 1)];
}

/** The handle that leads to the entry of this name, or the null handle at the end of its chain; NULL if there is no table yet. */
static TOID(struct entry) *link_to(const char *name)
{
    if (TOID_IS_NULL(D_RO(map)->table)) return NULL;
    const uint64_t hash = hash_of(name);
    TOID(struct entry) *link = chain(D_RO(map)->table, hash);
    while (!TOID_IS_NULL(*link) && (D_RO(*link)->hash != hash || strcmp(D_RO(*link)->name, name) != 0)) link = &D_RW(*link)->next;
    return link;
}

/** Hang every entry into a table of another size. Within a transaction. */
static void resize(uint64_t size)
{
    TOID(struct table) old = D_RO(map)->table, table = TX_ZALLOC(struct table, sizeof(struct table) + size * sizeof(TOID(struct entry)));
    D_RW(table)->size = size;
    for (uint64_t i = 0; !TOID_IS_NULL(old) && i < D_RO(old)->size; ++i) {
        TOID(struct entry) entry = D_RO(old)->chains[i];
        while (!TOID_IS_NULL(entry)) {
            TOID(struct entry) next = D_RO(entry)->next;
            TOID(struct entry) *link = chain(table, D_RO(entry)->hash); /* in the new table: nothing to save */
            TX_SET(entry, next, *link);
            *link = entry;
            entry = next;
        }
    }
    TX_FREE(old);
    TX_SET(map, table, table);
}

static void set(const char *name, uint64_t number)
{
    TX_BEGIN(pop) {
        if (TOID_IS_NULL(D_RO(map)->table)) resize(8);
        else if (D_RO(map)->count >= 2 * D_RO(D_RO(map)->table)->size) resize(4 * D_RO(D_RO(map)->table)->size);
        TOID(struct entry) *link = link_to(name);
        if (TOID_IS_NULL(*link)) {
            TOID(struct entry) entry = TX_ALLOC(struct entry, sizeof(struct entry) + strlen(name) + 1);
            D_RW(entry)->next = TOID_NULL(struct entry);
            D_RW(entry)->number = number;
            D_RW(entry)->hash = hash_of(name);
            strcpy(D_RW(entry)->name, name);
            TX_ADD_DIRECT(link);
            *link = entry;
            TX_SET(map, count, D_RO(map)->count + 1);
        } else {
            TX_SET(*link, number, number);
        }
    } TX_ONABORT {
        fail(1, "\"%s\" could not be set: %s", name, pmemobj_errormsg());
    } TX_END
}

/** The entry, or null. */
static TOID(struct entry) find(const char *name)
{
    TOID(struct entry) *link = link_to(name);
    return link ? *link : TOID_NULL(struct entry);
}

static void add(const char *name, uint64_t number)
{
    TX_BEGIN(pop) {
        TOID(struct entry) entry = find(name);
        set(name, number + (TOID_IS_NULL(entry) ? 0 : D_RO(entry)->number));
    } TX_END
}

static void remove_name(const char *name)
{
    TOID(struct entry) *link = link_to(name);
    if (!link || TOID_IS_NULL(*link)) fail(1, "\"%s\" is not there", name);
    TX_BEGIN(pop) {
        TOID(struct entry) old = *link;
        TX_ADD_DIRECT(link);
        *link = D_RO(old)->next;
        TX_FREE(old);
        TX_SET(map, count, D_RO(map)->count - 1);
    } TX_ONABORT {
        fail(1, "\"%s\" could not be removed: %s", name, pmemobj_errormsg());
    } TX_END
}

/** Print each entry, or look whether each is where it belongs. Returns how many there are. */
static uint64_t visit(int prints)
{
    uint64_t count = 0;
    if (TOID_IS_NULL(D_RO(map)->table)) return 0;
    TOID(struct table) table = D_RO(map)->table;
    for (uint64_t i = 0; i < D_RO(table)->size; ++i) {
        for (TOID(struct entry) entry = D_RO(table)->chains[i]; !TOID_IS_NULL(entry); entry = D_RO(entry)->next) {
            ++count;
            if (prints) printf("%s %" PRIu64 "\n", D_RO(entry)->name, D_RO(entry)->number);
            else if (!TOID_VALID(entry) || D_RO(entry)->hash != hash_of(D_RO(entry)->name) || chain(table, D_RO(entry)->hash) != &D_RW(table)->chains[i])
                fail(1, "\"%s\" is in a wrong place", D_RO(entry)->name);
        }
    }
    return count;
}

static void check(void)
{
    const uint64_t reached = visit(0);
    uint64_t allocated = 0, tables = 0;
    PMEMoid oid;
    POBJ_FOREACH(pop, oid) {
        allocated += OID_INSTANCEOF(oid, struct entry);
        tables += OID_INSTANCEOF(oid, struct table);
    }
    if (reached != D_RO(map)->count || reached != allocated || tables > 1)
        fail(1, "%" PRIu64 " entries are reached, %" PRIu64 " are counted, %" PRIu64 " are allocated, with %" PRIu64 " tables", reached, D_RO(map)->count, allocated, tables);
    printf("%" PRIu64 " names, all is well\n", reached);
}

static void fill(uint64_t from, uint64_t to)
{
    for (uint64_t number = from; number < to; ++number) {
        char name[40];
        snprintf(name, sizeof name, "name %" PRIu64, number);
        set(name, number);
        done(number);
    }
}

int main(int argc, char **argv)
{
    const char *command = argc >= 3 ? argv[2] : "";
    const int sets = !strcmp(command, "set") && argc == 5, adds = !strcmp(command, "add") && argc == 5, fills = !strcmp(command, "fill") && argc == 5;
    const int gets = !strcmp(command, "get") && argc == 4, removes = !strcmp(command, "remove") && argc == 4;
    const int lists = !strcmp(command, "list") && argc == 3, checks = !strcmp(command, "check") && argc == 3;
    if (!sets && !adds && !fills && !gets && !removes && !lists && !checks)
        fail(2, "usage: map POOL set NAME NUMBER | add NAME NUMBER | get NAME | remove NAME | list | check | fill FROM TO");
    const uint64_t number = argc == 5 ? number_from(argv[4]) : 0, from = fills ? number_from(argv[3]) : 0;

    pop = open_pool(argv[1], POBJ_LAYOUT_NAME(map), sets || adds || fills);
    map = POBJ_ROOT(pop, struct map);
    if (TOID_IS_NULL(map)) fail(1, "%s: %s", argv[1], pmemobj_errormsg());
    if (sets) {
        set(argv[3], number);
    } else if (adds) {
        add(argv[3], number);
    } else if (fills) {
        fill(from, number);
    } else if (gets) {
        TOID(struct entry) entry = find(argv[3]);
        if (TOID_IS_NULL(entry)) fail(1, "\"%s\" is not there", argv[3]);
        printf("%" PRIu64 "\n", D_RO(entry)->number);
    } else if (removes) {
        remove_name(argv[3]);
    } else if (lists) {
        visit(1);
    } else {
        check();
    }
    pmemobj_close(pop);
    return 0;
}
