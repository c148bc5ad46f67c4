/* SPDX-License-Identifier: MIT */
/**
 * @file common.h
 * What the four programs share: opening the pool, reading numbers, saying what is wrong.
 */
#pragma once
#include <errno.h>
#include <inttypes.h>
#include <libpmemobj.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { pool_bytes = 64 << 20 };

/** Print "PROGRAM: ..." and end with `status`: 1 for what went wrong, 2 for a command line that means nothing. */
__attribute__((noreturn, format(printf, 2, 3))) static inline void fail(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    exit(status);
}

/** Open the pool. If there is none, a command that writes makes it, and one that only reads has nothing to read. */
static inline PMEMobjpool *open_pool(const char *path, const char *layout, int may_create)
{
    PMEMobjpool *pop;
    if (may_create && access(path, F_OK)) pop = pmemobj_create(path, layout, pool_bytes, 0600);
    else pop = pmemobj_open(path, layout);
    if (!pop) fail(1, "%s: %s", path, errno == ENOENT ? "there is no such pool" : pmemobj_errormsg());
    return pop;
}

static inline uint64_t number_from(const char *text)
{
    char *end;
    errno = 0;
    const uint64_t number = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') fail(2, "\"%s\" is not a number from 0 to %" PRIu64, text, UINT64_MAX);
    return number;
}

/** Tell whoever watches that `number` is done and will be there after a crash. */
static inline void done(uint64_t number)
{
    printf("%" PRIu64 "\n", number);
    fflush(stdout);
}
