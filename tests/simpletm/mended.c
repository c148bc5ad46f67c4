/* SPDX-License-Identifier: MIT */
/* K4: simpletm's defects, mended; each function names its sentence in tm/compat/simpletm.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "stdlib-tx.h"
#include "tm.h"

static char bytes[100];
static int values[16];

/* "a rollback after privatize(store) restores the bytes" */
static void rollback_after_privatize_store_restores_the_bytes(void)
{
    tm_save int attempts = 0;
    strcpy(bytes, "before");
    tm_begin
        attempts = attempts + 1;
        CHECK(strcmp(bytes, "before") == 0);
        privatize((uintptr_t)bytes, sizeof(bytes), false, true);
        strcpy(bytes, "after, and longer than one stripe is");
        if (attempts < 3)
            tm_restart();
        tm_recover(EIO);
    tm_commit
        CHECK(strcmp(bytes, "before") == 0);
    tm_end
    CHECK(attempts == 3);
    CHECK(strcmp(bytes, "before") == 0);
}

/* "nothing is left behind for the next transaction" */
static void nothing_is_left_behind(void)
{
    values[0] = 1;
    tm_begin
        privatize((uintptr_t)values, sizeof(values), true, true);
        values[0] = 2;
    tm_commit
    tm_end
    tm_begin
        store_int(&values[0], 3);
        store_int(&values[1], 3);
        tm_recover(EIO);
    tm_commit
        CHECK(values[0] == 2 && values[1] == 0);
    tm_end
    tm_begin
        store_int(&values[0], 4);
        CHECK(load_int(&values[0]) == 4);
    tm_commit
    tm_end
    CHECK(values[0] == 4);
}

/* "a commit forgets the saved errno" */
static void commit_forgets_the_saved_errno(void)
{
    tm_save int attempts = 0;
    tm_begin
        errno = 40;
        save_errno();
    tm_commit
    tm_end
    errno = 1;
    tm_begin
        attempts = attempts + 1;
        CHECK(errno == 1);
        errno = 2;
        if (attempts == 1)
            tm_restart();
    tm_commit
    tm_end
    CHECK(attempts == 2);
}

/* "a store before a privatize is kept" */
static void store_before_privatize_is_kept(void)
{
    values[4] = values[5] = 0;
    tm_begin
        store_int(&values[4], 44);
        privatize((uintptr_t)&values[4], 2 * sizeof(int), true, true);
        CHECK(values[4] == 44);
        values[5] = values[4] + 1;
    tm_commit
    tm_end
    CHECK(values[4] == 44 && values[5] == 45);
    tm_begin
        store_int(&values[4], 54);
        privatize((uintptr_t)&values[4], sizeof(int), true, false);
        CHECK(values[4] == 54);
        CHECK(load_int(&values[4]) == 54);
        tm_recover(EIO);
    tm_commit
    tm_end
    CHECK(values[4] == 44);
}

/* "a nested commit publishes nothing" */
static void add_nested(int *value)
{
    tm_begin
        store_int(value, load_int(value) + 1);
    tm_commit
        CHECK(!"an inner recovery block");
    tm_end
}

static void nested_commit_publishes_nothing(void)
{
    values[8] = 10;
    tm_begin
        add_nested(&values[8]);
        add_nested(&values[8]);
        CHECK(load_int(&values[8]) == 12);
        tm_recover(EIO);
    tm_commit
        CHECK(values[8] == 10);
    tm_end
    CHECK(values[8] == 10);
}

/* "frees come after the transaction's memory is written" */
static void frees_come_after_the_memory_is_written(void)
{
    int *tm_save block = malloc(4000);
    for (int i = 0; i < 1000; ++i)
        block[i] = i;
    tm_begin
        for (int i = 0; i < 1000; i += 7)
            store_int(&block[i], -1); /* waits in the write log for a commit that also frees the block */
        free_tx(block);
    tm_commit
    tm_end
    block = malloc(4000);
    memset(block, 0, 4000);
    for (int i = 0; i < 1000; ++i)
        CHECK(block[i] == 0);
    free(block);
}

int main(void)
{
    rollback_after_privatize_store_restores_the_bytes();
    nothing_is_left_behind();
    commit_forgets_the_saved_errno();
    store_before_privatize_is_kept();
    nested_commit_publishes_nothing();
    frees_come_after_the_memory_is_written();
    return check_result();
}
