/* SPDX-License-Identifier: MIT */
/* Layout declarations: names, numbers, more than one layout in one program. */
#include "twin.h"

POBJ_LAYOUT_BEGIN(library);
POBJ_LAYOUT_ROOT(library, struct library);
POBJ_LAYOUT_TOID(library, struct book);
POBJ_LAYOUT_TOID(library, struct reader);
POBJ_LAYOUT_TOID(library, struct loan);
POBJ_LAYOUT_END(library);

POBJ_LAYOUT_BEGIN(second);
POBJ_LAYOUT_ROOT(second, struct second);
POBJ_LAYOUT_TOID(second, struct thing);
POBJ_LAYOUT_END(second);

POBJ_LAYOUT_BEGIN(empty);
POBJ_LAYOUT_END(empty);

struct book {
    char title[40];
};
struct reader {
    char name[20];
};
struct loan {
    TOID(struct book) book;
    TOID(struct reader) reader;
    uint32_t days;
};
struct library {
    TOID(struct loan) loan;
};
struct thing {
    int value;
};
struct second {
    TOID(struct thing) thing;
};

int main(int argc, char **argv)
{
    PMEMobjpool *pop = new_pool(argc, argv, POBJ_LAYOUT_NAME(library));
    SHOW_TEXT(POBJ_LAYOUT_NAME(library));
    SHOW_TEXT(POBJ_LAYOUT_NAME(second));
    SHOW(POBJ_LAYOUT_TYPES_NUM(library));
    SHOW(POBJ_LAYOUT_TYPES_NUM(second));
    SHOW(POBJ_LAYOUT_TYPES_NUM(empty));
    SHOW(TOID_TYPE_NUM(struct library));
    SHOW(TOID_TYPE_NUM(struct book));
    SHOW(TOID_TYPE_NUM(struct reader));
    SHOW(TOID_TYPE_NUM(struct loan));
    SHOW(TOID_TYPE_NUM(struct second));
    SHOW(TOID_TYPE_NUM(struct thing));

    TOID(struct library) root = POBJ_ROOT(pop, struct library);
    TX_BEGIN(pop) {
        TX_ADD(root);
        TOID(struct loan) loan = TX_ZNEW(struct loan);
        D_RW(root)->loan = loan;
        D_RW(loan)->book = TX_ZNEW(struct book);
        D_RW(loan)->reader = TX_ZNEW(struct reader);
        D_RW(loan)->days = 14;
        strcpy(D_RW(D_RW(loan)->book)->title, "A book");
        strcpy(D_RW(D_RW(loan)->reader)->name, "A reader");
    } TX_END
    pop = reopen(pop, argv[1], POBJ_LAYOUT_NAME(library));
    root = POBJ_ROOT(pop, struct library);
    SHOW_TEXT(D_RO(D_RO(D_RO(root)->loan)->book)->title);
    SHOW_TEXT(D_RO(D_RO(D_RO(root)->loan)->reader)->name);
    SHOW(D_RO(D_RO(root)->loan)->days);
    SHOW_BOOL(TOID_VALID(D_RO(D_RO(root)->loan)->book));
    SHOW_BOOL(TOID_VALID(D_RO(root)->loan));
    SHOW_BOOL(OID_INSTANCEOF(D_RO(root)->loan.oid, struct loan));
    SHOW_BOOL(OID_INSTANCEOF(D_RO(root)->loan.oid, struct book));
    show_objects(pop, "in the end");
    pmemobj_close(pop);
    SHOW_PTR(pmemobj_open(argv[1], POBJ_LAYOUT_NAME(second)));
    return 0;
}
