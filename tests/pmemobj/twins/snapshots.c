/* SPDX-License-Identifier: MIT */
/* What a transaction was told to save is put back by an abort, to the byte, and nothing else is. */
#include "twin.h"

TOID_DECLARE_ROOT(struct root);
TOID_DECLARE(struct object, 5);

struct object {
    uint32_t number;
    char text[60];
    uint64_t large[500];
};
struct root {
    TOID(struct object) object;
    uint64_t numbers[16];
    unsigned char bytes[4096];
};

static PMEMobjpool *pop;
static TOID(struct root) root;
static TOID(struct object) object;

static void fill(void)
{
    for (int i = 0; i < 16; ++i) D_RW(root)->numbers[i] = 100 + (uint64_t)i;
    for (int i = 0; i < 4096; ++i) D_RW(root)->bytes[i] = (unsigned char)(i * 7);
    D_RW(object)->number = 1;
    memset(D_RW(object)->text, 0, sizeof D_RO(object)->text);
    strcpy(D_RW(object)->text, "as it was");
    for (uint64_t i = 0; i < 500; ++i) D_RW(object)->large[i] = i * i;
    pmemobj_persist(pop, D_RO(root), sizeof(struct root));
    pmemobj_persist(pop, D_RO(object), sizeof(struct object));
}

static void spoil(void)
{
    memset(D_RW(root)->numbers, 0xee, sizeof D_RW(root)->numbers);
    memset(D_RW(root)->bytes, 0xee, sizeof D_RW(root)->bytes);
    memset(D_RW(object), 0xee, sizeof(struct object));
}

static void sums(const char *when)
{
    printf("%s: numbers %08" PRIx32 ", bytes %08" PRIx32 ", object %08" PRIx32 "\n", when, checksum(D_RO(root)->numbers, sizeof D_RO(root)->numbers),
           checksum(D_RO(root)->bytes, sizeof D_RO(root)->bytes), checksum(D_RO(object), sizeof(struct object)));
}

/* The statements, all spoilt, and an abort; then the same with a commit. */
#define TRY(statements) \
    printf("\n== %s\n", #statements); \
    fill(); \
    sums("before"); \
    TX_BEGIN(pop) { statements; spoil(); pmemobj_tx_abort(EDOM); } TX_ONABORT { sums("in onabort"); } TX_END \
    sums("aborted"); \
    fill(); \
    TX_BEGIN(pop) { statements; spoil(); } TX_ONABORT { puts("not reached"); } TX_END \
    sums("committed");

/* What fails: it ends the transaction, and everything is put back. */
#define FAILS(statement) \
    printf("\n== %s\n", #statement); \
    fill(); \
    TX_BEGIN(pop) { \
        TX_ADD(root); \
        TX_ADD(object); \
        spoil(); \
        errno = 0; \
        statement; \
        puts("not reached"); \
    } TX_ONABORT { \
        printf("aborted, %s\n", error_name(errno)); \
    } TX_END \
    sums("then");

/* What fails and does not end the transaction. */
#define RETURNS(call) \
    printf("\n== %s\n", #call); \
    fill(); \
    TX_BEGIN(pop) { \
        errno = 0; \
        const int rc = (call); \
        printf("returned %s, errno %s, stage %s\n", error_name(rc), error_name(errno), stage_name(pmemobj_tx_stage())); \
    } TX_ONCOMMIT { \
        puts("committed"); \
    } TX_ONABORT { \
        puts("aborted"); \
    } TX_END

static void ranges(void)
{
    TRY((void)0)
    TRY(pmemobj_tx_add_range(root.oid, 0, sizeof(struct root)); pmemobj_tx_add_range(object.oid, 0, sizeof(struct object)))
    TRY(pmemobj_tx_add_range_direct(D_RO(root), sizeof(struct root)))
    TRY(pmemobj_tx_add_range_direct(&D_RO(root)->bytes[1], 1))
    TRY(pmemobj_tx_add_range_direct(&D_RO(root)->bytes[3], 1000))
    TRY(pmemobj_tx_add_range(object.oid, offsetof(struct object, text), 60))
    TRY(pmemobj_tx_add_range_direct(&D_RO(root)->numbers[2], 8); pmemobj_tx_add_range_direct(&D_RO(root)->numbers[4], 8))
}

static void overlapping(void)
{
    TRY(pmemobj_tx_add_range_direct(&D_RO(root)->bytes[100], 100); pmemobj_tx_add_range_direct(&D_RO(root)->bytes[150], 100))
    TRY(pmemobj_tx_add_range_direct(&D_RO(root)->bytes[100], 100); memset(D_RW(root)->bytes, 1, 4096); pmemobj_tx_add_range_direct(&D_RO(root)->bytes[50], 200))
    TRY(pmemobj_tx_add_range_direct(&D_RO(root)->bytes[100], 300); memset(D_RW(root)->bytes, 1, 4096); pmemobj_tx_add_range_direct(&D_RO(root)->bytes[200], 10))
    TRY(for (int i = 0; i < 4096; i += 2) pmemobj_tx_add_range_direct(&D_RO(root)->bytes[i], 1))
    TRY(for (int i = 0; i < 4096 - 64; i += 7) pmemobj_tx_add_range_direct(&D_RO(root)->bytes[i], 64))
    TRY(for (int i = 4000; i > 0; i -= 100) pmemobj_tx_add_range_direct(&D_RO(root)->bytes[i], 96))
}

static void macros(void)
{
    TRY(TX_ADD(root))
    TRY(TX_ADD(object); TX_ADD(root); TX_ADD(object))
    TRY(TX_ADD_FIELD(object, text))
    TRY(TX_ADD_FIELD(root, numbers[5]))
    TRY(TX_ADD_DIRECT(D_RW(object)))
    TRY(TX_ADD_DIRECT(&D_RW(root)->numbers[15]))
    TRY(TX_ADD_FIELD_DIRECT(D_RW(object), large))
    TRY(TX_XADD(root, 0))
    TRY(TX_XADD(root, POBJ_XADD_ASSUME_INITIALIZED))
    TRY(TX_XADD_FIELD(object, number, POBJ_XADD_NO_FLUSH))
    TRY(TX_XADD_DIRECT(D_RW(object), POBJ_XADD_NO_FLUSH | POBJ_XADD_ASSUME_INITIALIZED | POBJ_XADD_NO_ABORT))
    TRY(TX_XADD_FIELD_DIRECT(D_RW(object), text, 0))
    TRY(TX_XADD(object, POBJ_XADD_NO_SNAPSHOT))
    TRY(TX_XADD_FIELD(object, text, POBJ_XADD_NO_SNAPSHOT); TX_ADD_FIELD(object, number))
    TRY(pmemobj_tx_xadd_range(object.oid, 4, 30, 0); pmemobj_tx_xadd_range_direct(D_RO(root)->bytes, 16, POBJ_XADD_NO_SNAPSHOT))
}

static void setters(void)
{
    HEADING("TX_SET, TX_SET_DIRECT, TX_MEMCPY, TX_MEMSET");
    for (int aborts = 1; aborts >= 0; --aborts) {
        fill();
        sums("before");
        TX_BEGIN(pop) {
            TX_SET(object, number, 77);
            TX_SET_DIRECT(D_RW(object), large[2], 88);
            TX_SET(root, numbers[1], 99);
            SHOW_BOOL(TX_MEMCPY(D_RW(object)->text, "as it is now", 13) == D_RW(object)->text);
            SHOW_BOOL(TX_MEMSET(&D_RW(root)->bytes[10], 3, 1000) == &D_RW(root)->bytes[10]);
            sums("within");
            if (aborts) pmemobj_tx_abort(0);
        } TX_END
        sums(aborts ? "aborted" : "committed");
        SHOW(D_RO(object)->number);
        SHOW(D_RO(object)->large[2]);
        SHOW_TEXT(D_RO(object)->text);
    }
}

static void failures(void)
{
    static char outside[64];
    FAILS(pmemobj_tx_add_range_direct(outside, sizeof outside))
    FAILS(TX_MEMSET(outside, 0, sizeof outside))
    FAILS(pmemobj_tx_add_range_direct((char *)D_RW(root), pool_size))
    FAILS(pmemobj_tx_add_range(root.oid, 0, PMEMOBJ_MAX_ALLOC_SIZE + 1))
    FAILS(pmemobj_tx_add_range_direct(D_RO(root), PMEMOBJ_MAX_ALLOC_SIZE + 1))
    FAILS(pmemobj_tx_xadd_range(root.oid, 0, 8, (uint64_t)1 << 20))
    FAILS(pmemobj_tx_xadd_range_direct(D_RO(root), 8, (uint64_t)1 << 20))
    RETURNS(pmemobj_tx_xadd_range_direct(outside, sizeof outside, POBJ_XADD_NO_ABORT))
    RETURNS(pmemobj_tx_xadd_range(root.oid, 0, PMEMOBJ_MAX_ALLOC_SIZE + 1, POBJ_XADD_NO_ABORT))
    RETURNS(pmemobj_tx_xadd_range_direct(D_RO(root), 8, POBJ_XADD_NO_ABORT | (uint64_t)1 << 20))
    RETURNS(pmemobj_tx_xadd_range_direct(D_RO(root), 8, POBJ_XADD_NO_ABORT))
    RETURNS(pmemobj_tx_add_range(root.oid, 8, 8))
}

static void larger(void)
{
    HEADING("a megabyte, and many small ones");
    PMEMoid large;
    if (pmemobj_zalloc(pop, &large, 1 << 20, 6)) exit(3);
    unsigned char *bytes = (unsigned char *)pmemobj_direct(large);
    for (int i = 0; i < 1 << 20; ++i) bytes[i] = (unsigned char)(i % 251);
    pmemobj_persist(pop, bytes, 1 << 20);
    SHOW_SUM(bytes, 1 << 20);
    TX_BEGIN(pop) {
        pmemobj_tx_add_range(large, 0, 1 << 20);
        memset(bytes, 0, 1 << 20);
        pmemobj_tx_abort(0);
    } TX_END
    SHOW_SUM(bytes, 1 << 20);
    TX_BEGIN(pop) {
        for (int i = 0; i < 1 << 20; i += 512) {
            pmemobj_tx_add_range(large, (uint64_t)i, 100);
            memset(bytes + i, 0, 100);
        }
        pmemobj_tx_abort(0);
    } TX_END
    SHOW_SUM(bytes, 1 << 20);
    TX_BEGIN(pop) {
        pmemobj_tx_add_range_direct(bytes, 1 << 20);
        memset(bytes, 1, 1 << 20);
    } TX_END
    SHOW_SUM(bytes, 1 << 20);
}

static void nested(void)
{
    HEADING("saved by the outer, the inner, and both");
    for (int aborts = 1; aborts >= 0; --aborts) {
        fill();
        TX_BEGIN(pop) {
            TX_SET(root, numbers[0], 1);
            TX_BEGIN(pop) {
                TX_SET(root, numbers[0], 2);
                TX_SET(root, numbers[1], 3);
            } TX_END
            TX_SET(root, numbers[1], 4);
            if (aborts) pmemobj_tx_abort(0);
        } TX_END
        SHOW(D_RO(root)->numbers[0]);
        SHOW(D_RO(root)->numbers[1]);
    }
}

int main(int argc, char **argv)
{
    pop = new_pool(argc, argv, "snapshots");
    root = POBJ_ROOT(pop, struct root);
    if (POBJ_ZNEW(pop, &D_RW(root)->object, struct object)) return 3;
    object = D_RO(root)->object;
    ranges();
    overlapping();
    macros();
    setters();
    failures();
    larger();
    nested();
    sums("in the end");
    pop = reopen(pop, argv[1], "snapshots");
    root = POBJ_ROOT(pop, struct root);
    object = D_RO(root)->object;
    sums("reopened");
    pmemobj_close(pop);
    return 0;
}
