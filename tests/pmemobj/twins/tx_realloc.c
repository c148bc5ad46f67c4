/* SPDX-License-Identifier: MIT */
/* Objects that transactions make larger or smaller, and strings that they duplicate. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct object, 1);

struct object {
    unsigned char bytes[100];
};
struct root {
    TOID(struct object) object;
    PMEMoid text, wide;
};

static PMEMobjpool *pop;
static TOID(struct root) root;

static const unsigned char *bytes(void)
{
    return D_RO(D_RO(root)->object)->bytes;
}

/** The first `size` bytes as they were made. */
static int as_made(size_t size)
{
    for (size_t i = 0; i < size; ++i)
        if (bytes()[i] != (unsigned char)(i * 11)) return 0;
    return 1;
}

static void make(size_t size)
{
    TX_BEGIN(pop) {
        TX_ADD(root);
        TX_FREE(D_RO(root)->object);
        D_RW(root)->object = TX_ZALLOC(struct object, size);
        for (size_t i = 0; i < size; ++i) D_RW(D_RW(root)->object)->bytes[i] = (unsigned char)(i * 11);
    } TX_END
}

static void resize(size_t from, size_t to, int zeroed, int aborts)
{
    make(from);
    TX_BEGIN(pop) {
        TX_ADD(root);
        if (zeroed) D_RW(root)->object = TX_ZREALLOC(D_RO(root)->object, to);
        else D_RW(root)->object = TX_REALLOC(D_RO(root)->object, to);
        if (aborts) {
            memset(D_RW(D_RW(root)->object), 0xff, to < from ? to : from); /* of the new one; the old must come back */
            pmemobj_tx_abort(0);
        }
    } TX_END
    const size_t kept = aborts || from < to ? from : to;
    printf("%s %zu to %zu, %s: kept %d", zeroed ? "zrealloc" : "realloc", from, to, aborts ? "aborted" : "committed", as_made(kept));
    if (zeroed && !aborts && to > from) printf(", zero behind %d", all_bytes_are(bytes() + from, 0, to - from));
    printf(", large enough %d\n", pmemobj_alloc_usable_size(D_RO(root)->object.oid) >= (aborts ? from : to));
}

static void sizes(void)
{
    HEADING("growing and shrinking");
    static const size_t all[] = {1, 64, 100, 5000, 300000};
    for (int i = 0; i < 5; ++i)
        for (int j = 0; j < 5; ++j) {
            if (i == j) continue;
            resize(all[i], all[j], 0, 0);
            resize(all[i], all[j], 1, 0);
        }
    show_objects(pop, "then");

    HEADING("a new one that moved, and is aborted");
    /* The contents are saved first, as the manual demands of what an abort is to put back. */
    for (int zeroed = 0; zeroed < 2; ++zeroed) {
        make(5000);
        TX_BEGIN(pop) {
            TX_ADD(root);
            pmemobj_tx_add_range(D_RO(root)->object.oid, 0, 5000);
            if (zeroed) D_RW(root)->object = TX_ZREALLOC(D_RO(root)->object, 100000);
            else D_RW(root)->object = TX_REALLOC(D_RO(root)->object, 100000);
            SHOW_BOOL(as_made(5000));
            memset(D_RW(D_RW(root)->object), 0xff, 100000);
            pmemobj_tx_abort(0);
        } TX_END
        SHOW_BOOL(as_made(5000));
        show_objects(pop, "then");
    }
}

static void null_and_zero(void)
{
    HEADING("of nothing, to nothing, to another type");
    make(10);
    static PMEMoid oid;
    TX_BEGIN(pop) {
        SHOW_NULL(oid = pmemobj_tx_realloc(OID_NULL, 100, 7));
        SHOW_NULL(pmemobj_tx_zrealloc(OID_NULL, 100, 8));
    } TX_END
    show_objects(pop, "then");
    TX_BEGIN(pop) {
        oid = pmemobj_tx_realloc(oid, 5000, 70);
        SHOW(pmemobj_type_num(oid));
    } TX_END
    show_objects(pop, "then");
    TX_BEGIN(pop) {
        oid = pmemobj_tx_realloc(oid, 10, 71);
        SHOW(pmemobj_type_num(oid));
    } TX_END
    show_objects(pop, "then");
    TX_BEGIN(pop) {
        SHOW_NULL(pmemobj_tx_realloc(oid, 0, 7));
        SHOW_STAGE();
        pmemobj_tx_abort(0);
    } TX_END
    show_objects(pop, "aborted");
    TX_BEGIN(pop) {
        SHOW_NULL(pmemobj_tx_realloc(oid, 0, 7));
        SHOW_STAGE();
    } TX_END
    show_objects(pop, "committed");
    SHOW_BOOL(as_made(10));

    HEADING("of what the same transaction allocated");
    for (int aborts = 0; aborts < 2; ++aborts) {
        TX_BEGIN(pop) {
            PMEMoid own = pmemobj_tx_zalloc(100, 9);
            memset(pmemobj_direct(own), 'm', 100);
            own = pmemobj_tx_realloc(own, 10000, 9);
            SHOW_BOOL(all_bytes_are(pmemobj_direct(own), 'm', 100));
            own = pmemobj_tx_zrealloc(own, 50, 90);
            SHOW_BOOL(all_bytes_are(pmemobj_direct(own), 'm', 50));
            SHOW(pmemobj_type_num(own));
            if (aborts) pmemobj_tx_abort(0);
        } TX_END
        show_objects(pop, aborts ? "aborted" : "committed");
    }

    HEADING("too large");
    TX_BEGIN(pop) {
        TX_ADD(root);
        D_RW(root)->object = TX_REALLOC(D_RO(root)->object, PMEMOBJ_MAX_ALLOC_SIZE + 1);
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    TX_BEGIN(pop) {
        TX_ADD(root);
        D_RW(root)->object = TX_ZREALLOC(D_RO(root)->object, pool_size);
    } TX_ONABORT {
        SHOW_CODE(errno);
    } TX_END
    SHOW_BOOL(as_made(10));
}

/* What fails aborts, and errno says why. */
#define FAILS(call) \
    TX_BEGIN(pop) { \
        call; \
        puts("not reached"); \
    } TX_ONABORT { \
        printf("%s: aborts, %s\n", #call, error_name(errno)); \
    } TX_END

static void strings(void)
{
    HEADING("strings");
    TX_BEGIN(pop) {
        TX_ADD(root);
        D_RW(root)->text = TX_STRDUP("a string", 100);
        D_RW(root)->wide = TX_WCSDUP(L"a wide string", 101);
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
    SHOW_TEXT((const char *)pmemobj_direct(D_RO(root)->text));
    SHOW_BOOL(wcscmp((const wchar_t *)pmemobj_direct(D_RO(root)->wide), L"a wide string") == 0);
    SHOW(pmemobj_type_num(D_RO(root)->text));
    SHOW(pmemobj_type_num(D_RO(root)->wide));
    TX_BEGIN(pop) {
        SHOW_TEXT((const char *)pmemobj_direct(pmemobj_tx_strdup("", 102)));
        SHOW(wcslen((const wchar_t *)pmemobj_direct(pmemobj_tx_wcsdup(L"", 103))));
        SHOW_TEXT((const char *)pmemobj_direct(TX_XSTRDUP("extended", 104, 0)));
        SHOW_TEXT((const char *)pmemobj_direct(pmemobj_tx_xstrdup("extended", 105, POBJ_XALLOC_NO_FLUSH | POBJ_XALLOC_NO_ABORT)));
        SHOW(wcslen((const wchar_t *)pmemobj_direct(TX_XWCSDUP(L"extended", 106, POBJ_XALLOC_NO_ABORT))));
        SHOW_TEXT((const char *)pmemobj_direct(pmemobj_tx_strdup((const char *)pmemobj_direct(D_RO(root)->text), 107)));
    } TX_END
    show_objects(pop, "committed");
    TX_BEGIN(pop) {
        pmemobj_tx_strdup("gone", 108);
        pmemobj_tx_wcsdup(L"gone", 108);
        pmemobj_tx_abort(0);
    } TX_END
    show_objects(pop, "aborted");
    FAILS(pmemobj_tx_strdup(NULL, 1))
    FAILS(pmemobj_tx_wcsdup(NULL, 1))
    FAILS(pmemobj_tx_xstrdup(NULL, 1, 0))
    FAILS(pmemobj_tx_xstrdup("text", 1, (uint64_t)1 << 20))
    FAILS(pmemobj_tx_xwcsdup(L"text", 1, (uint64_t)1 << 20))
    TX_BEGIN(pop) {
        SHOW_OID(pmemobj_tx_xstrdup(NULL, 1, POBJ_XALLOC_NO_ABORT));
        SHOW_OID(pmemobj_tx_xwcsdup(NULL, 1, POBJ_XALLOC_NO_ABORT));
        SHOW_STAGE();
    } TX_ONCOMMIT {
        puts("committed");
    } TX_END
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "tx_realloc");
    root = POBJ_ROOT(pop, struct root);
    sizes();
    null_and_zero();
    strings();
    pop = reopen(pop, argv[1], "tx_realloc");
    root = POBJ_ROOT(pop, struct root);
    SHOW_BOOL(as_made(10));
    SHOW_TEXT((const char *)pmemobj_direct(D_RO(root)->text));
    show_objects(pop, "reopened");
    pmemobj_close(pop);
    return 0;
}
