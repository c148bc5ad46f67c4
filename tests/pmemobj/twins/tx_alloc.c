/* SPDX-License-Identifier: MIT */
/* Objects allocated and freed by transactions: there after a commit, as before after an abort. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct object, 1);
TOID_DECLARE(struct wide, 2);

struct object {
    uint64_t value;
    unsigned char bytes[200];
};
struct wide {
    unsigned char bytes[70000];
};
struct root {
    TOID(struct object) object;
    PMEMoid oids[10];
};

static PMEMobjpool *pop;
static TOID(struct root) root;

static void allocate(void)
{
    HEADING("allocated and committed");
    static PMEMoid oid[8];
    TX_BEGIN(pop) {
        SHOW_NULL(oid[0] = pmemobj_tx_alloc(1, 10));
        SHOW_NULL(oid[1] = pmemobj_tx_zalloc(1000, 11));
        SHOW_NULL(oid[2] = pmemobj_tx_xalloc(1000, 12, POBJ_XALLOC_ZERO));
        SHOW_NULL(oid[3] = pmemobj_tx_xalloc(1000, 13, 0));
        SHOW_NULL(oid[4] = pmemobj_tx_xalloc(1000, 14, POBJ_XALLOC_NO_FLUSH | POBJ_XALLOC_ZERO));
        SHOW_NULL(oid[5] = pmemobj_tx_xalloc(1000, 15, POBJ_XALLOC_NO_ABORT));
        SHOW_NULL(oid[6] = pmemobj_tx_zalloc(1000000, 16));
        SHOW_NULL(oid[7] = pmemobj_tx_xalloc(100, 17, POBJ_ARENA_ID(0)));
        SHOW_BOOL(all_bytes_are(pmemobj_direct(oid[1]), 0, 1000));
        SHOW_BOOL(all_bytes_are(pmemobj_direct(oid[2]), 0, 1000));
        SHOW_BOOL(all_bytes_are(pmemobj_direct(oid[4]), 0, 1000));
        SHOW_BOOL(all_bytes_are(pmemobj_direct(oid[6]), 0, 1000000));
        memset(pmemobj_direct(oid[3]), 'c', 1000); /* needs no snapshot */
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show_objects(pop, "then");
    static const size_t sizes[] = {1, 1000, 1000, 1000, 1000, 1000, 1000000, 100};
    for (int i = 0; i < 8; ++i) printf("type %" PRIu64 ", at least as large as asked for: %d\n", pmemobj_type_num(oid[i]), pmemobj_alloc_usable_size(oid[i]) >= sizes[i]);
    SHOW_BOOL(all_bytes_are(pmemobj_direct(oid[3]), 'c', 1000));
    TX_BEGIN(pop) {
        for (int i = 0; i < 8; ++i) SHOW_CODE(pmemobj_tx_free(oid[i]));
    } TX_END
    show_objects(pop, "after freeing all");
}

static void macros(void)
{
    HEADING("TX_NEW and its kin");
    TX_BEGIN(pop) {
        TOID(struct object) a = TX_NEW(struct object), b = TX_ZNEW(struct object);
        TOID(struct wide) c = TX_ALLOC(struct wide, 10), d = TX_ZALLOC(struct wide, 1000), e = TX_XALLOC(struct wide, 300, POBJ_XALLOC_ZERO);
        SHOW_BOOL(TOID_IS_NULL(a));
        SHOW_BOOL(all_bytes_are(D_RO(b), 0, sizeof(struct object)));
        SHOW_BOOL(TOID_IS_NULL(c));
        SHOW_BOOL(all_bytes_are(D_RO(d), 0, 1000));
        SHOW_BOOL(all_bytes_are(D_RO(e), 0, 300));
        SHOW_BOOL(TOID_VALID(a));
        SHOW_BOOL(TOID_VALID(e));
        TX_ADD(root);
        D_RW(root)->object = a;
        D_RW(a)->value = 5;
        D_RW(root)->oids[0] = b.oid;
        D_RW(root)->oids[1] = c.oid;
        D_RW(root)->oids[2] = d.oid;
        D_RW(root)->oids[3] = e.oid;
    } TX_END
    show_objects(pop, "then");
    SHOW(D_RO(D_RO(root)->object)->value);
}

static void seen_from_within(void)
{
    HEADING("seen by iteration, before the commit and behind it");
    static PMEMoid kept;
    TX_BEGIN(pop) {
        kept = pmemobj_tx_zalloc(100, 70);
        SHOW(pmemobj_type_num(kept));
        SHOW_BOOL(pmemobj_alloc_usable_size(kept) >= 100);
        show_objects(pop, "within");
    } TX_ONCOMMIT {
        show_objects(pop, "in oncommit");
    } TX_END
    TX_BEGIN(pop) {
        pmemobj_tx_free(kept);
        show_objects(pop, "freed, within");
        pmemobj_tx_abort(0);
    } TX_END
    TX_BEGIN(pop) {
        pmemobj_tx_free(kept);
    } TX_ONCOMMIT {
        show_objects(pop, "freed, in oncommit");
    } TX_END
}

static void freed(void)
{
    HEADING("freed and aborted: back");
    TX_BEGIN(pop) {
        SHOW_CODE(TX_FREE(D_RO(root)->object));
        SHOW_CODE(TX_XFREE(TOID_NULL(struct object), POBJ_XFREE_NO_ABORT));
        for (int i = 0; i < 4; ++i) pmemobj_tx_free(D_RO(root)->oids[i]);
        pmemobj_tx_abort(0);
    } TX_END
    show_objects(pop, "then");
    SHOW(D_RO(D_RO(root)->object)->value);

    HEADING("allocated and aborted: gone");
    TX_BEGIN(pop) {
        for (int i = 0; i < 100; ++i) pmemobj_tx_zalloc(100 + (size_t)i * 10, 20);
        TX_SET(root, object, TX_ZNEW(struct object));
        pmemobj_tx_abort(0);
    } TX_END
    show_objects(pop, "then");
    SHOW(D_RO(D_RO(root)->object)->value);

    HEADING("freed and committed");
    TX_BEGIN(pop) {
        SHOW_CODE(TX_FREE(D_RO(root)->object));
        TX_SET(root, object, TOID_NULL(struct object));
        SHOW_CODE(pmemobj_tx_xfree(D_RO(root)->oids[0], POBJ_XFREE_NO_ABORT));
        TX_ADD_FIELD(root, oids);
        for (int i = 1; i < 4; ++i) SHOW_CODE(pmemobj_tx_xfree(D_RO(root)->oids[i], 0));
        memset(D_RW(root)->oids, 0, sizeof D_RW(root)->oids);
    } TX_END
    show_objects(pop, "then");
    SHOW_NULL(D_RO(root)->object.oid);

    HEADING("null handles");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_free(OID_NULL));
        SHOW_CODE(TX_FREE(TOID_NULL(struct object)));
        SHOW_CODE(pmemobj_tx_xfree(OID_NULL, POBJ_XFREE_NO_ABORT));
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
}

static void same_transaction(void)
{
    HEADING("allocated and freed by the same transaction");
    for (int aborts = 0; aborts < 2; ++aborts) {
        TX_BEGIN(pop) {
            const PMEMoid a = pmemobj_tx_zalloc(100, 30), b = pmemobj_tx_zalloc(100, 31);
            SHOW_CODE(pmemobj_tx_free(a));
            SHOW_CODE(pmemobj_tx_free(b));
            TX_SET(root, oids[0], pmemobj_tx_zalloc(100, 32));
            if (aborts) pmemobj_tx_abort(0);
        } TX_END
        show_objects(pop, aborts ? "aborted" : "committed");
        SHOW(pmemobj_type_num(D_RO(root)->oids[0]));
    }
    TX_BEGIN(pop) {
        pmemobj_tx_free(D_RO(root)->oids[0]);
        TX_SET(root, oids[0], OID_NULL);
    } TX_END

    HEADING("written and freed, and aborted");
    TX_BEGIN(pop) {
        TX_SET(root, object, TX_ZNEW(struct object));
        memset(D_RW(D_RW(root)->object), 'o', sizeof(struct object));
    } TX_END
    TX_BEGIN(pop) {
        TX_ADD(D_RO(root)->object);
        memset(D_RW(D_RW(root)->object), 'x', sizeof(struct object));
        TX_FREE(D_RO(root)->object);
        pmemobj_tx_abort(0);
    } TX_END
    SHOW_BOOL(all_bytes_are(D_RO(D_RO(root)->object), 'o', sizeof(struct object)));
    TX_BEGIN(pop) {
        TX_FREE(D_RO(root)->object);
        TX_SET(root, object, TOID_NULL(struct object));
    } TX_END

    HEADING("a new object, added although it need not be");
    TX_BEGIN(pop) {
        TOID(struct object) o = TX_ZNEW(struct object);
        SHOW_CODE(TX_ADD(o));
        D_RW(o)->value = 3;
        SHOW_CODE(TX_ADD_FIELD(o, value));
        TX_SET(o, value, 4);
        SHOW_CODE(TX_FREE(o));
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    show_objects(pop, "then");
}

/* What fails aborts, and errno says why. */
#define FAILS(call) \
    TX_BEGIN(pop) { \
        pmemobj_tx_zalloc(10, 40); \
        call; \
        puts("not reached"); \
    } TX_ONABORT { \
        printf("%s: aborts, %s\n", #call, error_name(errno)); \
    } TX_END

#define RETURNS(call) \
    TX_BEGIN(pop) { \
        errno = 0; \
        show_oid(#call, call); \
        SHOW_STAGE(); \
    } TX_ONABORT { \
        puts("aborted"); \
    } TX_END

static void failures(void)
{
    HEADING("what fails");
    const uint64_t no_flag = (uint64_t)1 << 20;
    FAILS(pmemobj_tx_alloc(0, 1))
    FAILS(pmemobj_tx_zalloc(0, 1))
    FAILS(pmemobj_tx_xalloc(0, 1, POBJ_XALLOC_ZERO))
    FAILS(pmemobj_tx_alloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1))
    FAILS(pmemobj_tx_zalloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1))
    FAILS(pmemobj_tx_zalloc(SIZE_MAX, 1))
    FAILS(pmemobj_tx_alloc(pool_size, 1))
    FAILS(pmemobj_tx_xalloc(100, 1, no_flag))
    FAILS((void)TX_ALLOC(struct object, 0))
    FAILS((void)TX_ZALLOC(struct object, PMEMOBJ_MAX_ALLOC_SIZE + 1))
    FAILS(while (1) pmemobj_tx_alloc(100000, 1))
    FAILS(pmemobj_tx_xfree(D_RO(root)->oids[9], no_flag))
    RETURNS(pmemobj_tx_xalloc(0, 1, POBJ_XALLOC_NO_ABORT))
    RETURNS(pmemobj_tx_xalloc(PMEMOBJ_MAX_ALLOC_SIZE + 1, 1, POBJ_XALLOC_NO_ABORT))
    RETURNS(pmemobj_tx_xalloc(pool_size, 1, POBJ_XALLOC_NO_ABORT))
    RETURNS(pmemobj_tx_xalloc(100, 1, POBJ_XALLOC_NO_ABORT | no_flag))
    show_objects(pop, "after all that");
    TX_BEGIN(pop) {
        SHOW_CODE(pmemobj_tx_xfree(D_RO(root)->oids[9], POBJ_XFREE_NO_ABORT | no_flag));
        SHOW_STAGE();
    } TX_END
}

static void full(void)
{
    HEADING("full, and all of it is usable again");
    size_t first = 0, second = 0;
    for (int turn = 0; turn < 2; ++turn) {
        volatile size_t count = 0;
        TX_BEGIN(pop) {
            while (!OID_IS_NULL(pmemobj_tx_xalloc(100000, 50, POBJ_XALLOC_NO_ABORT))) ++count;
            pmemobj_tx_abort(ENOSPC);
        } TX_END
        *(turn ? &second : &first) = count;
    }
    SHOW_BOOL(first > 20);
    SHOW_BOOL(second > 20);
    show_objects(pop, "then");
}

static void many(void)
{
    HEADING("a thousand by one transaction");
    TX_BEGIN(pop) {
        PMEMoid before = OID_NULL;
        for (int i = 0; i < 1000; ++i) {
            const PMEMoid oid = pmemobj_tx_alloc(64 + (size_t)(i % 7) * 32, 60 + (uint64_t)(i % 3));
            *(PMEMoid *)pmemobj_direct(oid) = before;
            before = oid;
        }
        TX_SET(root, oids[1], before);
    } TX_END
    show_objects(pop, "then");
}

static int chain(void)
{
    int length = 0;
    for (PMEMoid oid = D_RO(root)->oids[1]; !OID_IS_NULL(oid); oid = *(PMEMoid *)pmemobj_direct(oid)) ++length;
    return length;
}

int main(int argc, char **argv)
{
    PMEMobjpool *const first = new_pool(argc, argv, "tx_alloc");
    pop = first;
    root = POBJ_ROOT(pop, struct root);
    allocate();
    macros();
    seen_from_within();
    freed();
    same_transaction();
    failures();
    full();
    many();
    pop = reopen(first, argv[1], "tx_alloc");
    root = POBJ_ROOT(pop, struct root);
    show_objects(pop, "reopened");
    SHOW(chain());
    TX_BEGIN(pop) {
        for (PMEMoid oid = D_RO(root)->oids[1]; !OID_IS_NULL(oid);) {
            const PMEMoid next = *(PMEMoid *)pmemobj_direct(oid);
            pmemobj_tx_free(oid);
            oid = next;
        }
        pmemobj_tx_abort(0);
    } TX_END
    SHOW(chain());
    show_objects(pop, "freed and aborted");
    TX_BEGIN(pop) {
        for (PMEMoid oid = D_RO(root)->oids[1]; !OID_IS_NULL(oid);) {
            const PMEMoid next = *(PMEMoid *)pmemobj_direct(oid);
            pmemobj_tx_free(oid);
            oid = next;
        }
        TX_SET(root, oids[1], OID_NULL);
    } TX_END
    SHOW(chain());
    show_objects(pop, "freed");
    pmemobj_close(pop);
    return 0;
}
