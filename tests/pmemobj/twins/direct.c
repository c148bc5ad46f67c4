/* SPDX-License-Identifier: MIT */
/* PMEMOBJ_DIRECT_NON_INLINE: pmemobj_direct() as a function, whose address can be taken. Many pools, opened and closed in turn. */
#define PMEMOBJ_DIRECT_NON_INLINE
#include "twin.h"

enum { pools = 5 };

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) return 2;
    char path[pools][4096];
    PMEMobjpool *pop[pools];
    PMEMoid root[pools];
    void *(*const direct)(PMEMoid) = pmemobj_direct;
    for (int i = 0; i < pools; ++i) {
        snprintf(path[i], sizeof path[i], "%s-%d", argv[1], i);
        pop[i] = pmemobj_create(path[i], "direct", PMEMOBJ_MIN_POOL, 0600);
        if (!pop[i]) return 3;
        root[i] = pmemobj_root(pop[i], sizeof(int));
        *(int *)direct(root[i]) = i;
        pmemobj_persist(pop[i], direct(root[i]), sizeof(int));
    }
    SHOW_BOOL(direct(OID_NULL) == NULL);
    for (int i = 0; i < pools; ++i) SHOW(*(int *)pmemobj_direct(root[i]));
    for (int round = 0; round < 3; ++round) {
        printf("-- round %d\n", round);
        for (int i = round % 2; i < pools; i += 2) {
            pmemobj_close(pop[i]);
            pop[i] = NULL;
        }
        for (int i = 0; i < pools; ++i) printf("pool %d: %s, direct %s\n", i, pmemobj_pool_by_oid(root[i]) == pop[i] ? "right" : "wrong", direct(root[i]) ? "not NULL" : "NULL");
        for (int i = pools - 1; i >= 0; --i)
            if (!pop[i] && !(pop[i] = pmemobj_open(path[i], "direct"))) return 3;
        for (int i = 0; i < pools; ++i) printf("pool %d: %s, value %d\n", i, pmemobj_pool_by_oid(root[i]) == pop[i] ? "right" : "wrong", *(int *)direct(root[i]));
    }
    for (int i = 0; i < pools; ++i) {
        TX_BEGIN(pop[i]) {
            pmemobj_tx_add_range(root[i], 0, sizeof(int));
            *(int *)direct(root[i]) += 100;
            if (i == 2) pmemobj_tx_abort(0);
        } TX_END
    }
    for (int i = 0; i < pools; ++i) SHOW(*(int *)pmemobj_direct(root[i]));
    for (int i = 0; i < pools; ++i) pmemobj_close(pop[i]);
    return 0;
}
