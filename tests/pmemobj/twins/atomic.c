/* SPDX-License-Identifier: MIT */
/* Allocations that are atomic by themselves: constructors, the handle set with the allocation, strings, iteration. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct object, 1);
TOID_DECLARE(struct other, 2);

struct object {
    uint64_t value;
    char name[40];
};
struct other {
    uint64_t value;
};
struct root {
    TOID(struct object) object;
    TOID(struct other) other;
    PMEMoid oid, text, wide;
};

static PMEMobjpool *pop;
static TOID(struct root) root;

struct wanted {
    uint64_t value;
    int result;
    int calls;
};

static int construct(PMEMobjpool *in, void *ptr, void *arg)
{
    struct wanted *wanted = (struct wanted *)arg;
    struct object *object = (struct object *)ptr;
    printf("constructor: the pool %s, of the pool %s, value %" PRIu64 "\n", in == pop ? "right" : "wrong", pmemobj_pool_by_ptr(ptr) == pop ? "yes" : "no", wanted->value);
    ++wanted->calls;
    object->value = wanted->value;
    snprintf(object->name, sizeof object->name, "object %" PRIu64, wanted->value);
    pmemobj_persist(in, object, sizeof *object);
    return wanted->result;
}

static void allocate(void)
{
    HEADING("alloc");
    struct wanted wanted = {.value = 1};
    PMEMoid oid = OID_NULL;
    SHOW_RC(pmemobj_alloc(pop, &oid, sizeof(struct object), 1, construct, &wanted));
    SHOW(wanted.calls);
    SHOW_TEXT(((struct object *)pmemobj_direct(oid))->name);
    SHOW_RC(pmemobj_alloc(pop, &oid, 100, 1, NULL, NULL)); /* the one before is found by iteration only */
    SHOW_RC(pmemobj_alloc(pop, NULL, 100, 3, NULL, NULL));
    show_objects(pop, "then");

    HEADING("with the handle in the pool");
    wanted.value = 2;
    SHOW_RC(POBJ_NEW(pop, &D_RW(root)->object, struct object, construct, &wanted));
    SHOW_TEXT(D_RO(D_RO(root)->object)->name);
    SHOW_BOOL(TOID_VALID(D_RO(root)->object));
    SHOW_RC(pmemobj_zalloc(pop, &D_RW(root)->oid, 10000, 4));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(D_RO(root)->oid), 0, 10000));
    SHOW_RC(POBJ_ZNEW(pop, &D_RW(root)->other, struct other));
    SHOW(D_RO(D_RO(root)->other)->value);
    show_objects(pop, "then");

    HEADING("a constructor that fails");
    wanted.result = 1;
    wanted.value = 3;
    const PMEMoid before = D_RO(root)->object.oid;
    SHOW_RC(POBJ_NEW(pop, &D_RW(root)->object, struct object, construct, &wanted));
    SHOW_BOOL(OID_EQUALS(before, D_RO(root)->object.oid));
    SHOW_RC(pmemobj_alloc(pop, NULL, sizeof(struct object), 1, construct, &wanted));
    wanted.result = -1;
    SHOW_RC(POBJ_ALLOC(pop, &oid, struct object, 200, construct, &wanted));
    SHOW_RC(pmemobj_xalloc(pop, &oid, 200, 1, POBJ_XALLOC_ZERO, construct, &wanted));
    show_objects(pop, "then");
    SHOW_TEXT(D_RO(D_RO(root)->object)->name);

    HEADING("xalloc");
    wanted.result = 0;
    SHOW_RC(pmemobj_xalloc(pop, &oid, 3000, 5, POBJ_XALLOC_ZERO, NULL, NULL));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(oid), 0, 3000));
    pmemobj_free(&oid);
    SHOW_RC(pmemobj_xalloc(pop, &oid, sizeof(struct object), 5, 0, construct, &wanted));
    pmemobj_free(&oid);
    SHOW_RC(pmemobj_xalloc(pop, &oid, 3000, 5, (uint64_t)1 << 20, NULL, NULL));
    SHOW_NULL(oid);

    HEADING("what is refused");
    oid = D_RO(root)->oid;
    SHOW_RC(pmemobj_alloc(pop, &oid, 0, 1, NULL, NULL));
    SHOW_RC(pmemobj_zalloc(pop, &oid, 0, 1));
    SHOW_RC(pmemobj_xalloc(pop, &oid, 0, 1, 0, NULL, NULL));
    SHOW_BOOL(OID_EQUALS(oid, D_RO(root)->oid));
    SHOW_RC(pmemobj_alloc(pop, &oid, PMEMOBJ_MAX_ALLOC_SIZE + 1, 1, NULL, NULL));
    SHOW_RC(pmemobj_zalloc(pop, &oid, PMEMOBJ_MAX_ALLOC_SIZE + 1, 1));
    SHOW_RC(pmemobj_alloc(pop, &oid, pool_size, 1, NULL, NULL));
    SHOW_RC(pmemobj_zalloc(pop, &oid, SIZE_MAX, 1));
    SHOW_BOOL(OID_EQUALS(oid, D_RO(root)->oid));
    show_objects(pop, "then");
}

static void reallocate(void)
{
    HEADING("realloc");
    PMEMoid *oidp = &D_RW(root)->oid;
    memset(pmemobj_direct(*oidp), 'r', 10000);
    pmemobj_persist(pop, pmemobj_direct(*oidp), 10000);
    SHOW_RC(pmemobj_realloc(pop, oidp, 50000, 4));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(*oidp), 'r', 10000));
    SHOW_RC(pmemobj_realloc(pop, oidp, 300, 4));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(*oidp), 'r', 300));
    SHOW_RC(pmemobj_zrealloc(pop, oidp, 200000, 4));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(*oidp), 'r', 300));
    SHOW_RC(pmemobj_realloc(pop, oidp, 400000, 44)); /* another type */
    SHOW(pmemobj_type_num(*oidp));
    SHOW_BOOL(pmemobj_alloc_usable_size(*oidp) >= 400000);
    show_objects(pop, "then");
    const PMEMoid before = *oidp;
    SHOW_RC(pmemobj_realloc(pop, oidp, PMEMOBJ_MAX_ALLOC_SIZE + 1, 4));
    SHOW_RC(pmemobj_zrealloc(pop, oidp, pool_size, 4));
    SHOW_BOOL(OID_EQUALS(before, *oidp));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(*oidp), 'r', 300));

    HEADING("zrealloc: what is new is zero");
    PMEMoid oid = OID_NULL;
    SHOW_RC(pmemobj_zrealloc(pop, &oid, 1000, 6)); /* of nothing: an allocation */
    SHOW_BOOL(all_bytes_are(pmemobj_direct(oid), 0, 1000));
    memset(pmemobj_direct(oid), 'z', 1000);
    SHOW_RC(pmemobj_zrealloc(pop, &oid, 70000, 6));
    SHOW_BOOL(all_bytes_are(pmemobj_direct(oid), 'z', 1000));
    SHOW_BOOL(all_bytes_are((char *)pmemobj_direct(oid) + 2000, 0, 68000)); /* from behind what the allocator had added */
    SHOW_RC(pmemobj_realloc(pop, &oid, 0, 6)); /* to nothing: a free */
    SHOW_NULL(oid);
    SHOW_RC(pmemobj_realloc(pop, &oid, 10, 6));
    SHOW_NULL(oid);
    SHOW_RC(POBJ_REALLOC(pop, &oid, struct other, 100));
    SHOW(pmemobj_type_num(oid));
    SHOW_RC(POBJ_ZREALLOC(pop, &oid, struct other, 1000));
    pmemobj_free(&oid);
    show_objects(pop, "then");
}

static void strings(void)
{
    HEADING("strings");
    SHOW_RC(pmemobj_strdup(pop, &D_RW(root)->text, "a string", 10));
    SHOW_RC(pmemobj_wcsdup(pop, &D_RW(root)->wide, L"a wide string", 11));
    SHOW_TEXT((const char *)pmemobj_direct(D_RO(root)->text));
    SHOW_BOOL(wcscmp((const wchar_t *)pmemobj_direct(D_RO(root)->wide), L"a wide string") == 0);
    SHOW_RC(pmemobj_strdup(pop, NULL, "found by iteration only", 12));
    SHOW_RC(pmemobj_strdup(pop, NULL, "", 12));
    const PMEMoid before = D_RO(root)->text;
    SHOW_RC(pmemobj_strdup(pop, &D_RW(root)->text, NULL, 10));
    SHOW_RC(pmemobj_wcsdup(pop, &D_RW(root)->text, NULL, 10));
    SHOW_BOOL(OID_EQUALS(before, D_RO(root)->text));
    show_objects(pop, "then");
}

static void iterate(void)
{
    HEADING("iteration");
    PMEMoid oid, next;
    TOID(struct object) object, next_object;
    int count = 0;
    POBJ_FOREACH(pop, oid) ++count;
    SHOW(count);
    count = 0;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < 5; ++i) {
        PMEMoid new_one = OID_NULL;
        pmemobj_zalloc(pop, &new_one, sizeof(struct object), 77);
        ((struct object *)pmemobj_direct(new_one))->value = i;
    }
    for (oid = POBJ_FIRST_TYPE_NUM(pop, 77); !OID_IS_NULL(oid); oid = POBJ_NEXT_TYPE_NUM(oid)) {
        ++count;
        sum += ((struct object *)pmemobj_direct(oid))->value;
    }
    SHOW(count);
    SHOW(sum);
    POBJ_FOREACH_SAFE(pop, oid, next) {
        if (pmemobj_type_num(oid) == 77) pmemobj_free(&oid);
    }
    SHOW_NULL(POBJ_FIRST_TYPE_NUM(pop, 77));
    count = 0;
    POBJ_FOREACH_TYPE(pop, object) ++count;
    SHOW(count);
    count = 0;
    for (object = POBJ_FIRST(pop, struct object); !TOID_IS_NULL(object); object = POBJ_NEXT(object)) ++count;
    SHOW(count);
    POBJ_FOREACH_SAFE_TYPE(pop, object, next_object) {
        if (!TOID_EQUALS(object, D_RO(root)->object)) POBJ_FREE(&object);
    }
    count = 0;
    for (oid = pmemobj_first(pop); !OID_IS_NULL(oid); oid = pmemobj_next(oid)) {
        ++count;
        if (OID_EQUALS(oid, root.oid)) puts("the root is among them");
    }
    SHOW(count);
    SHOW_BOOL(TOID_EQUALS(POBJ_FIRST(pop, struct object), D_RO(root)->object));
    SHOW_BOOL(TOID_IS_NULL(POBJ_NEXT(D_RO(root)->object)));
    show_objects(pop, "then");
}

static void frees(void)
{
    HEADING("free");
    PMEMoid none = OID_NULL;
    pmemobj_free(&none);
    SHOW_NULL(none);
    POBJ_FREE(&D_RW(root)->object);
    SHOW_NULL(D_RO(root)->object.oid);
    pmemobj_free(&D_RW(root)->oid);
    SHOW_NULL(D_RO(root)->oid);
    SHOW_BOOL(D_RO(root)->oid.pool_uuid_lo == 0);
    PMEMoid copy = D_RO(root)->text;
    pmemobj_free(&copy);
    SHOW_NULL(copy);
    SHOW_NULL(D_RO(root)->text); /* another handle of the same object stays */
    show_objects(pop, "then");
}

static void within_a_transaction(void)
{
    HEADING("within a transaction that aborts: they stay");
    static PMEMoid oid;
    TX_BEGIN(pop) {
        SHOW_RC(pmemobj_zalloc(pop, &oid, 100, 90));
        pmemobj_free(&D_RW(root)->wide);
        pmemobj_tx_abort(0);
    } TX_END
    show_objects(pop, "then");
    SHOW_NULL(oid);
    SHOW_NULL(D_RO(root)->wide);
}

static void full(void)
{
    HEADING("full");
    PMEMoid oid;
    long count[2] = {0, 0};
    for (int turn = 0; turn < 2; ++turn) {
        while (!pmemobj_alloc(pop, &oid, 200000, 99, NULL, NULL)) ++count[turn];
        SHOW_CODE(errno);
        PMEMoid next;
        POBJ_FOREACH_SAFE(pop, oid, next) {
            if (pmemobj_type_num(oid) == 99) pmemobj_free(&oid);
        }
    }
    SHOW_BOOL(count[0] > 20);
    SHOW_BOOL(count[1] > 20);
    show_objects(pop, "then");
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "atomic");
    root = POBJ_ROOT(pop, struct root);
    allocate();
    reallocate();
    strings();
    iterate();
    pop = reopen(pop, argv[1], "atomic");
    root = POBJ_ROOT(pop, struct root);
    show_objects(pop, "reopened");
    SHOW_TEXT(D_RO(D_RO(root)->object)->name);
    SHOW_TEXT((const char *)pmemobj_direct(D_RO(root)->text));
    frees();
    within_a_transaction();
    full();
    pmemobj_close(pop);
    return 0;
}
