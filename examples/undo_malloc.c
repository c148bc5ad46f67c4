/* SPDX-License-Identifier: MIT */
/**
 * @file undo_malloc.c
 * What a rollback undoes besides stores: allocations, frees, errno, and by the action log anything else; here, a file.
 *
 *     undo_malloc
 *
 * A transaction takes an order off one list, puts a new one on it and writes a receipt. If any of it fails, all of it
 * has not happened: the new order is freed (AddressSanitizer would report the leak), the old one is not, and the receipt is gone.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tm/tm.h>
#include <unistd.h>

struct order {
    int number;
    struct order *next;
};

static struct order *orders; /* the newest first */

/* An entry of the action log: it is copied into the log, so it may live on the stack. */
struct receipt {
    int fd;
    char path[64];
};

/* At the commit. What it returns other than 0 would be reported as TM_ERROR_ACTION. */
static int keep_receipt(void *data)
{
    const struct receipt *const r = data;
    return close(r->fd) ? errno : 0;
}

/* At a rollback: an abort, but a conflict with another transaction just as well. */
static void destroy_receipt(void *data)
{
    const struct receipt *const r = data;
    close(r->fd);
    unlink(r->path);
}

/** Replace the newest order by order `number`, with a receipt. Returns 0, or why nothing has happened: an errno value. */
static int replace_order(int number, const char *path, int disk_is_full)
{
    tm_save int error = 0;
    tm_begin
        /* Memory. Nobody else sees the new order before the commit, so it is filled by plain stores. */
        struct order *const old = tm_load(&orders);
        struct order *const fresh = tm_malloc(sizeof *fresh);
        fresh->number = number;
        fresh->next = old ? tm_load(&old->next) : NULL;
        tm_store(&orders, fresh);
        tm_free(old); /* happens at the commit */

        /* The file. Room in the log first: once the file is there, logging must not fail. */
        struct receipt r;
        snprintf(r.path, sizeof r.path, "%s", path);
        if (tm_log_reserve(1, sizeof r, 0)) tm_recover(ENOMEM);
        r.fd = open(r.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (r.fd < 0) tm_recover(errno);
        tm_log(keep_receipt, destroy_receipt, NULL, &r, sizeof r);

        if (disk_is_full) errno = ENOSPC; /* as write() would have set it */
        if (disk_is_full || dprintf(r.fd, "order %d\n", number) < 0) tm_recover(errno);
    tm_commit
        error = tm_last_error()->code;
    tm_end
    return error;
}

static int failures;

static void expect(int holds, const char *what)
{
    printf("%s: %s\n", holds ? "ok" : "WRONG", what);
    if (!holds) ++failures;
}

int main(void)
{
    char directory[] = "/tmp/undo_malloc.XXXXXX";
    char path[64];
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    snprintf(path, sizeof path, "%s/receipt", directory);

    expect(replace_order(1, path, 0) == 0 && orders && orders->number == 1, "the first order is placed");
    expect(access(path, F_OK) == 0, "its receipt is there");
    unlink(path);

    struct order *const before = orders;
    errno = EXDEV;
    const int error = replace_order(2, path, 1);
    expect(errno == EXDEV, "errno is what it was before the transaction that failed");
    expect(error == ENOSPC, "the recovery block has got the reason");
    expect(orders == before && orders->number == 1, "the second order is not on the list, the first one is, and not freed");
    expect(access(path, F_OK) != 0, "no receipt is left of it");

    expect(replace_order(3, "/nowhere/receipt", 0) == ENOENT && orders == before, "an order without a receipt is not placed either");
    expect(replace_order(4, path, 0) == 0 && orders->number == 4, "the next one that works is placed");

    unlink(path);
    rmdir(directory);
    tm_free(orders); /* outside of a transaction it is free() */
    return failures ? 1 : 0;
}
