/* SPDX-License-Identifier: MIT */
/**
 * @file twin.h
 * What the twins print: results by name, never an address, an offset or a size that depends on the allocator.
 *
 * SHOW_*(EXPRESSION) prints the expression as it stands in the source and what it came to.
 */
#pragma once
#include <errno.h>
#include <inttypes.h>
#include <libpmemobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { pool_size = 32 << 20 };

static inline const char *error_name(int code)
{
    switch (code) {
    case 0: return "0";
    case EACCES: return "EACCES";
    case EAGAIN: return "EAGAIN";
    case EBUSY: return "EBUSY";
    case ECANCELED: return "ECANCELED";
    case EDEADLK: return "EDEADLK";
    case EDOM: return "EDOM";
    case EEXIST: return "EEXIST";
    case EFBIG: return "EFBIG";
    case EINVAL: return "EINVAL";
    case EIO: return "EIO";
    case EISDIR: return "EISDIR";
    case ENOENT: return "ENOENT";
    case ENOMEM: return "ENOMEM";
    case ENOSPC: return "ENOSPC";
    case ENOTDIR: return "ENOTDIR";
    case ENOTSUP: return "ENOTSUP";
    case EPERM: return "EPERM";
    case ERANGE: return "ERANGE";
    case ETIMEDOUT: return "ETIMEDOUT";
    default: return "another error";
    }
}

static inline const char *stage_name(enum pobj_tx_stage stage)
{
    switch (stage) {
    case TX_STAGE_NONE: return "NONE";
    case TX_STAGE_WORK: return "WORK";
    case TX_STAGE_ONCOMMIT: return "ONCOMMIT";
    case TX_STAGE_ONABORT: return "ONABORT";
    case TX_STAGE_FINALLY: return "FINALLY";
    default: return "another stage";
    }
}

/** FNV-1a: tells whether bytes are the same as before. */
static inline uint32_t checksum(const void *from, size_t size)
{
    uint32_t sum = 2166136261U;
    for (const unsigned char *byte = (const unsigned char *)from; size; ++byte, --size) sum = (sum ^ *byte) * 16777619U;
    return sum;
}

static inline int all_bytes_are(const void *from, int value, size_t size)
{
    for (const unsigned char *byte = (const unsigned char *)from; size; ++byte, --size)
        if (*byte != value) return 0;
    return 1;
}

static inline int compare_numbers(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/** The type numbers of all objects, sorted: the manual promises no order. */
static inline void show_objects(PMEMobjpool *pop, const char *when)
{
    static uint64_t types[10000];
    size_t count = 0;
    PMEMoid oid;
    POBJ_FOREACH(pop, oid) if (count < 10000) types[count++] = pmemobj_type_num(oid);
    qsort(types, count, sizeof *types, compare_numbers);
    printf("objects %s:", when);
    for (size_t i = 0; i < count;) {
        size_t same = 1;
        while (i + same < count && types[i + same] == types[i]) ++same;
        printf(" %zu of type %" PRIu64, same, types[i]);
        i += same;
    }
    puts(count ? "" : " none");
}

static inline int show_rc(const char *what, int result)
{
    if (result) printf("%s: %d, %s\n", what, result, error_name(errno));
    else printf("%s: 0\n", what);
    return result;
}

static inline void *show_ptr(const char *what, const void *result)
{
    if (result) printf("%s: not NULL\n", what);
    else printf("%s: NULL, %s\n", what, error_name(errno));
    return (void *)(uintptr_t)result;
}

static inline PMEMoid show_oid(const char *what, PMEMoid result)
{
    if (OID_IS_NULL(result)) printf("%s: OID_NULL, %s\n", what, error_name(errno));
    else printf("%s: an object\n", what);
    return result;
}

#define HEADING(text) puts("\n== " text)
/** An int, or what converts to one. */
#define SHOW(e) printf("%s = %lld\n", #e, (long long)(e))
#define SHOW_BOOL(e) printf("%s: %s\n", #e, (e) ? "yes" : "no")
#define SHOW_TEXT(e) printf("%s = \"%s\"\n", #e, (e))
#define SHOW_SUM(from, size) printf("checksum of %s: %08" PRIx32 "\n", #from, checksum((from), (size)))
/** A call that returns 0, or a number and sets errno. */
#define SHOW_RC(e) (errno = 0, show_rc(#e, (e)))
/** A call that returns an error number. */
#define SHOW_CODE(e) printf("%s: %s\n", #e, error_name(e))
#define SHOW_PTR(e) (errno = 0, show_ptr(#e, (e)))
#define SHOW_OID(e) (errno = 0, show_oid(#e, (e)))
/** A handle that is there already, so that errno says nothing. */
#define SHOW_NULL(e) printf("%s: %s\n", #e, OID_IS_NULL(e) ? "null" : "not null")
#define SHOW_STAGE() printf("stage %s\n", stage_name(pmemobj_tx_stage()))

/** The pool of a program that needs only one. */
static inline PMEMobjpool *new_pool(int argc, char **argv, const char *layout)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was printed before a crash is seen */
    if (argc != 2) {
        fprintf(stderr, "Usage: %s POOL   (a file that does not exist yet)\n", argv[0]);
        exit(2);
    }
    PMEMobjpool *pop = pmemobj_create(argv[1], layout, pool_size, 0600);
    if (!pop) {
        fprintf(stderr, "%s: %s\n", argv[1], pmemobj_errormsg());
        exit(2);
    }
    return pop;
}

static inline PMEMobjpool *reopen(PMEMobjpool *pop, const char *path, const char *layout)
{
    pmemobj_close(pop);
    printf("check: %d\n", pmemobj_check(path, layout));
    pop = pmemobj_open(path, layout);
    if (!pop) {
        fprintf(stderr, "%s: %s\n", path, pmemobj_errormsg());
        exit(2);
    }
    return pop;
}
