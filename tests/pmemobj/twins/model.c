/* SPDX-License-Identifier: MIT */
/*
 * Thousands of random transactions on a table of objects, beside a model in ordinary memory: allocated, freed, resized, written, in inner transactions too,
 * committed or aborted. The pool must always be as the model is. The sequence is the same in each run.
 */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);

enum { slots = 48, largest = 3000, transactions = 3000 };

struct root {
    PMEMoid oids[slots];
    uint32_t sizes[slots];
};

struct model {
    int there[slots];
    uint32_t size[slots];
    uint64_t type[slots];
    unsigned char bytes[slots][largest];
};

static PMEMobjpool *pop;
static TOID(struct root) root;
static struct model now, before;
static unsigned long steps[8];

static unsigned dice(unsigned sides)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % sides;
}

static void fill(int slot, uint32_t from, uint32_t size)
{
    unsigned char *bytes = (unsigned char *)pmemobj_direct(D_RO(root)->oids[slot]);
    for (uint32_t i = from; i < from + size; ++i) now.bytes[slot][i] = bytes[i] = (unsigned char)dice(256);
}

static void set_size(int slot, uint32_t size)
{
    TX_SET(root, sizes[slot], size);
    now.size[slot] = size;
}

static void one_step(void)
{
    const int slot = (int)dice(slots);
    const unsigned what = dice(8);
    ++steps[what];
    if (!now.there[slot]) {
        const uint32_t size = 1 + dice(largest);
        const uint64_t type = 1 + dice(5);
        TX_SET(root, oids[slot], what & 1 ? pmemobj_tx_zalloc(size, type) : pmemobj_tx_alloc(size, type));
        now.there[slot] = 1;
        now.type[slot] = type;
        set_size(slot, size);
        if (what & 1) memset(now.bytes[slot], 0, size);
        else fill(slot, 0, size);
        return;
    }
    const PMEMoid oid = D_RO(root)->oids[slot];
    if (what < 2) {
        pmemobj_tx_free(oid);
        TX_SET(root, oids[slot], OID_NULL);
        set_size(slot, 0);
        now.there[slot] = 0;
    } else if (what < 4) {
        const uint32_t size = 1 + dice(largest), old = now.size[slot];
        now.type[slot] = 1 + dice(5);
        pmemobj_tx_add_range(oid, 0, old); /* it may stay where it is, and be written */
        TX_SET(root, oids[slot], pmemobj_tx_realloc(oid, size, now.type[slot]));
        set_size(slot, size);
        if (size > old) fill(slot, old, size - old); /* behind the old size nobody misses what was there */
    } else {
        const uint32_t from = dice(now.size[slot]), size = 1 + dice(now.size[slot] - from);
        if (what & 1) pmemobj_tx_add_range(oid, from, size);
        else pmemobj_tx_add_range_direct((char *)pmemobj_direct(oid) + from, size);
        fill(slot, from, size);
    }
}

static void some_steps(int depth)
{
    TX_BEGIN(pop) {
        for (unsigned left = dice(6); left; --left) {
            if (depth < 3 && dice(4) == 0) some_steps(depth + 1);
            else one_step();
        }
        if (dice(depth ? 12 : 4) == 0) pmemobj_tx_abort(0);
    } TX_END
}

static void compare(int number)
{
    for (int slot = 0; slot < slots; ++slot) {
        const PMEMoid oid = D_RO(root)->oids[slot];
        if (OID_IS_NULL(oid) == now.there[slot] || D_RO(root)->sizes[slot] != now.size[slot] ||
            (now.there[slot] && (pmemobj_type_num(oid) != now.type[slot] || memcmp(pmemobj_direct(oid), now.bytes[slot], now.size[slot]) != 0))) {
            printf("transaction %d: slot %d is not as it should be\n", number, slot);
            exit(1);
        }
    }
}

static void summary(int number)
{
    uint32_t sum = 0;
    int there = 0;
    for (int slot = 0; slot < slots; ++slot) {
        if (!now.there[slot]) continue;
        ++there;
        sum = sum * 31 + checksum(pmemobj_direct(D_RO(root)->oids[slot]), now.size[slot]);
    }
    printf("after %d: %d there, checksum %08" PRIx32 "\n", number, there, sum);
    show_objects(pop, "there");
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "model");
    root = POBJ_ROOT(pop, struct root);
    unsigned committed = 0;
    for (int number = 1; number <= transactions; ++number) {
        before = now;
        some_steps(0);
        if (pmemobj_tx_errno()) now = before;
        else ++committed;
        compare(number);
        if (number % 250 == 0) summary(number);
        if (number % 1000 == 0) {
            pop = reopen(pop, argv[1], "model");
            root = POBJ_ROOT(pop, struct root);
            compare(number);
        }
    }
    SHOW(committed);
    printf("steps:");
    for (int i = 0; i < 8; ++i) printf(" %lu", steps[i]);
    puts("");
    pmemobj_close(pop);
    return 0;
}
