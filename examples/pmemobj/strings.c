/* SPDX-License-Identifier: MIT */
/**
 * @file strings.c
 * A store of texts, each under a number that it keeps. It teaches
 *
 * - strings in a pool: TX_STRDUP, and TX_REALLOC for one that becomes longer and may move;
 * - that a resized object may also stay where it is, so that what is overwritten in it is saved first, like any other bytes;
 * - a list by hand, of objects that lead to other objects, and a removal that frees both;
 * - an abort by the program's own wish: `append` finds out late that the text would be too long, and everything is as before.
 *
 *     strings POOL add TEXT        strings POOL append NUMBER TEXT      strings POOL get NUMBER       strings POOL remove NUMBER
 *     strings POOL list            strings POOL check                   strings POOL fill FROM TO
 *
 * `add` prints the number of the new text; `fill` adds texts, makes each longer, and says which are done; `check` looks whether the store is whole.
 */
#define _GNU_SOURCE
#include "common.h"

enum { longest = 1000 };

POBJ_LAYOUT_BEGIN(strings);
POBJ_LAYOUT_ROOT(strings, struct store);
POBJ_LAYOUT_TOID(strings, struct entry);
POBJ_LAYOUT_TOID(strings, char);
POBJ_LAYOUT_END(strings);

struct entry {
    uint64_t number;
    uint64_t length;
    TOID(char) text;
    TOID(struct entry) next;
};

struct store {
    TOID(struct entry) first; /* the latest */
    uint64_t next_number;
};

static PMEMobjpool *pop;
static TOID(struct store) store;

static TOID(struct entry) *link_to(uint64_t number)
{
    TOID(struct entry) *link = &D_RW(store)->first;
    while (!TOID_IS_NULL(*link) && D_RO(*link)->number != number) link = &D_RW(*link)->next;
    if (TOID_IS_NULL(*link)) fail(1, "there is no text %" PRIu64, number);
    return link;
}

static uint64_t add(const char *text)
{
    if (strlen(text) > longest) fail(1, "a text has no more than %d bytes", longest);
    const uint64_t number = D_RO(store)->next_number;
    TX_BEGIN(pop) {
        TOID(struct entry) entry = TX_NEW(struct entry);
        D_RW(entry)->number = number;
        D_RW(entry)->length = strlen(text);
        TOID_ASSIGN(D_RW(entry)->text, TX_STRDUP(text, TOID_TYPE_NUM(char)));
        D_RW(entry)->next = D_RO(store)->first;
        TX_ADD(store);
        D_RW(store)->first = entry;
        D_RW(store)->next_number = number + 1;
    } TX_ONABORT {
        fail(1, "the text could not be added: %s", pmemobj_errormsg());
    } TX_END
    return number;
}

static void append(uint64_t number, const char *more)
{
    TOID(struct entry) entry = *link_to(number);
    TX_BEGIN(pop) {
        const uint64_t length = D_RO(entry)->length;
        TX_ADD(entry);
        D_RW(entry)->length = length + strlen(more);
        pmemobj_tx_add_range(D_RO(entry)->text.oid, length, 1); /* its end, in case it does not move */
        D_RW(entry)->text = TX_REALLOC(D_RO(entry)->text, D_RO(entry)->length + 1);
        strcpy(D_RW(D_RW(entry)->text) + length, more);
        if (D_RO(entry)->length > longest) pmemobj_tx_abort(EFBIG);
    } TX_ONABORT {
        if (errno == EFBIG) fail(1, "a text has no more than %d bytes", longest);
        fail(1, "text %" PRIu64 " could not be made longer: %s", number, pmemobj_errormsg());
    } TX_END
}

static void remove_number(uint64_t number)
{
    TOID(struct entry) *link = link_to(number);
    TX_BEGIN(pop) {
        TOID(struct entry) old = *link;
        TX_ADD_DIRECT(link);
        *link = D_RO(old)->next;
        TX_FREE(D_RO(old)->text);
        TX_FREE(old);
    } TX_ONABORT {
        fail(1, "text %" PRIu64 " could not be removed: %s", number, pmemobj_errormsg());
    } TX_END
}

static void check(void)
{
    uint64_t reached = 0, entries = 0, texts = 0, before = D_RO(store)->next_number;
    for (TOID(struct entry) entry = D_RO(store)->first; !TOID_IS_NULL(entry); entry = D_RO(entry)->next) {
        const struct entry *it = D_RO(entry);
        ++reached;
        if (it->number >= before) fail(1, "text %" PRIu64 " is in a wrong place", it->number);
        if (!TOID_VALID(it->text) || strlen(D_RO(it->text)) != it->length) fail(1, "text %" PRIu64 " is torn", it->number);
        before = it->number;
    }
    PMEMoid oid;
    POBJ_FOREACH(pop, oid) {
        entries += OID_INSTANCEOF(oid, struct entry);
        texts += OID_INSTANCEOF(oid, char);
    }
    if (reached != entries || reached != texts) fail(1, "%" PRIu64 " texts are reached, %" PRIu64 " entries and %" PRIu64 " texts are allocated", reached, entries, texts);
    printf("%" PRIu64 " texts, all is well\n", reached);
}

static void fill(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; ++i) {
        char text[40];
        snprintf(text, sizeof text, "text %" PRIu64, i);
        const uint64_t number = add(text);
        append(number, ", made longer by this much and more");
        done(i);
    }
}

int main(int argc, char **argv)
{
    const char *command = argc >= 3 ? argv[2] : "";
    const int adds = !strcmp(command, "add") && argc == 4, appends = !strcmp(command, "append") && argc == 5, fills = !strcmp(command, "fill") && argc == 5;
    const int gets = !strcmp(command, "get") && argc == 4, removes = !strcmp(command, "remove") && argc == 4;
    const int lists = !strcmp(command, "list") && argc == 3, checks = !strcmp(command, "check") && argc == 3;
    if (!adds && !appends && !fills && !gets && !removes && !lists && !checks)
        fail(2, "usage: strings POOL add TEXT | append NUMBER TEXT | get NUMBER | remove NUMBER | list | check | fill FROM TO");
    const uint64_t number = appends || gets || removes || fills ? number_from(argv[3]) : 0, to = fills ? number_from(argv[4]) : 0;

    pop = open_pool(argv[1], POBJ_LAYOUT_NAME(strings), adds || fills);
    store = POBJ_ROOT(pop, struct store);
    if (TOID_IS_NULL(store)) fail(1, "%s: %s", argv[1], pmemobj_errormsg());
    if (adds) {
        done(add(argv[3]));
    } else if (appends) {
        append(number, argv[4]);
    } else if (fills) {
        fill(number, to);
    } else if (gets) {
        puts(D_RO(D_RO(*link_to(number))->text));
    } else if (removes) {
        remove_number(number);
    } else if (lists) {
        for (TOID(struct entry) entry = D_RO(store)->first; !TOID_IS_NULL(entry); entry = D_RO(entry)->next)
            printf("%" PRIu64 " %s\n", D_RO(entry)->number, D_RO(D_RO(entry)->text));
    } else {
        check();
    }
    pmemobj_close(pop);
    return 0;
}
