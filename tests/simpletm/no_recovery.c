/* SPDX-License-Identifier: MIT */
/* K4: the older dialect, without a recovery block: built with -DTM_SIMPLETM_NO_RECOVERY. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tm.h"

#define THREADS 3
#define ROUNDS 4000

static int buffer[2];

static void add(int by)
{
    tm_begin
        const int first = load_int(buffer + 0);
        store_int(buffer + 0, first + by);
        store_int(buffer + 1, load_int(buffer + 1) - by);
    tm_commit
}

static void add_in_private(int by)
{
    tm_begin
        privatize((uintptr_t)buffer, sizeof(buffer), true, true);
        int copy[2];
        memcpy(copy, buffer, sizeof(copy));
        copy[0] += by;
        copy[1] -= by;
        memcpy(buffer, copy, sizeof(copy));
    tm_commit
}

static int sum(void)
{
    tm_save int result = 0;
    tm_begin
        result = load_int(buffer + 0) + load_int(buffer + 1);
    tm_commit
    return result;
}

static void *work(void *arg)
{
    int *const wrong = arg;
    for (int i = 0; i < ROUNDS; ++i) {
        if (i % 2)
            add(1);
        else
            add_in_private(1);
        if (sum() != 0)
            ++*wrong;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    int wrong[THREADS] = {0};
    for (int i = 0; i < THREADS; ++i)
        pthread_create(&threads[i], NULL, work, &wrong[i]);
    int total = 0;
    for (int i = 0; i < THREADS; ++i) {
        pthread_join(threads[i], NULL);
        total += wrong[i];
    }
    if (total || buffer[0] != THREADS * ROUNDS || sum() != 0) {
        fprintf(stderr, "%d wrong sums, %d instead of %d\n", total, buffer[0], THREADS * ROUNDS);
        return 1;
    }
    return 0;
}
