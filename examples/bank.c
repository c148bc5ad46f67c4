/* SPDX-License-Identifier: MIT */
/**
 * @file bank.c
 * The smallest useful transaction, in C: money moves between accounts, and none is lost or made.
 *
 *     bank [THREADS [TRANSFERS]]
 *
 * Many a transfer asks for more than there is: tm_abort() undoes it, and the recovery block, between
 * tm_commit and tm_end, says what to do instead. Meanwhile an auditor adds up all accounts in one transaction, and must
 * find the same sum every time.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <tm/tm.h>

enum { accounts = 64, opening = 1000 };

static int64_t balance[accounts];
static long transfers = 20000; /* of each thread */
static int running = 1;

/** Move `amount`, or nothing if there is not so much. Returns 0, or the code given to tm_abort(). */
static int transfer(int64_t *from, int64_t *to, int64_t amount)
{
    /* A local variable that the block or its recovery changes is declared with tm_save: see tm/control.h. */
    tm_save int refused = 0;
    tm_begin
        tm_store(to, tm_load(to) + amount);
        const int64_t have = tm_load(from);
        if (have < amount) tm_abort(EDOM); /* does not come back; the store above is undone */
        tm_store(from, have - amount);
    tm_commit
        refused = tm_last_error()->code;
    tm_end
    return refused;
}

/** The sum of all accounts, at one moment. Read-only transactions cost less. */
static int64_t audit(void)
{
    static const tm_attr read_only = {.flags = TM_READ_ONLY, .label = "audit"};
    tm_save int64_t sum = 0;
    tm_begin_with(&read_only)
        int64_t so_far = 0; /* a variable of the block begins afresh whenever the block does */
        for (int i = 0; i < accounts; ++i) so_far += tm_load(&balance[i]);
        sum = so_far;
    tm_commit
        fprintf(stderr, "bank: %s\n", tm_last_error()->message);
        exit(1);
    tm_end
    return sum;
}

static void *teller(void *seed)
{
    unsigned random = *(unsigned *)seed;
    long *refused = calloc(1, sizeof *refused);
    if (!refused) abort();
    for (long i = 0; i < transfers; ++i) {
        int64_t *const from = &balance[rand_r(&random) % accounts];
        int64_t *const to = &balance[rand_r(&random) % accounts];
        const int64_t amount = rand_r(&random) % (4 * opening);
        if (from != to && transfer(from, to, amount) == EDOM) ++*refused;
    }
    return refused;
}

static void *auditor(void *wrong)
{
    while (__atomic_load_n(&running, __ATOMIC_RELAXED))
        if (audit() != (int64_t)accounts * opening) ++*(long *)wrong;
    return NULL;
}

int main(int argc, char **argv)
{
    enum { most = 256 };
    const long threads = argc > 1 ? atol(argv[1]) : 4;
    if (argc > 2) transfers = atol(argv[2]);
    if (argc > 3 || threads < 1 || threads > most || transfers < 1) {
        fprintf(stderr, "Usage: bank [THREADS [TRANSFERS]]\n");
        return 2;
    }
    for (int i = 0; i < accounts; ++i) balance[i] = opening; /* nobody else is there yet: plain stores */

    pthread_t tellers[most], watch;
    unsigned seeds[most];
    long wrong = 0, refused = 0;
    if (pthread_create(&watch, NULL, auditor, &wrong)) return 1;
    for (long i = 0; i < threads; ++i) {
        seeds[i] = (unsigned)i + 1;
        if (pthread_create(&tellers[i], NULL, teller, &seeds[i])) return 1;
    }
    for (long i = 0; i < threads; ++i) {
        void *one;
        pthread_join(tellers[i], &one);
        refused += *(long *)one;
        free(one);
    }
    __atomic_store_n(&running, 0, __ATOMIC_RELAXED);
    pthread_join(watch, NULL);

    int overdrawn = 0;
    for (int i = 0; i < accounts; ++i) overdrawn += balance[i] < 0;
    const int64_t sum = audit();
    printf("%ld transfers, %ld refused; the accounts hold %" PRId64 " of %d\n", threads * transfers, refused, sum,
           accounts * opening);
    if (sum != accounts * opening || wrong || overdrawn) {
        fprintf(stderr, "bank: %ld wrong audits, %d overdrawn accounts\n", wrong, overdrawn);
        return 1;
    }
    return 0;
}
