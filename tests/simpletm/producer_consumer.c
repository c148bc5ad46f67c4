/* SPDX-License-Identifier: MIT */
/* K4: the buffer between a producer and a consumer, with each of the interface's ways to reach two integers. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tm.h"

#define ROUNDS 5000

static int buffer[2];
static bool is_full;
static int errors;

static void produce(int value)
{
    tm_save int i[2] = {value, value * 3};
    tm_save bool done = false;
    while (!done) {
        done = false;
        tm_begin
            bool full;
            load((uintptr_t)&is_full, &full, sizeof(full));
            if (!full) {
                if (i[0] % 3 == 0) {
                    store_int(&buffer[0], i[0]);
                    store_int(&buffer[1], i[1]);
                } else if (i[0] % 3 == 1) {
                    int both[2] = {i[0], i[1]};
                    store((uintptr_t)buffer, both, sizeof(both));
                } else {
                    int both[2] = {i[0], i[1]};
                    privatize((uintptr_t)buffer, sizeof(buffer), false, true);
                    memcpy(buffer, both, sizeof(buffer));
                }
                full = true;
                store((uintptr_t)&is_full, &full, sizeof(full));
                done = true;
            }
        tm_commit
            perror("produce");
            abort();
        tm_end
        if (!done)
            sched_yield();
    }
}

static void consume(int value)
{
    tm_save int i[2] = {0, 0};
    tm_save bool done = false;
    while (!done) {
        done = false;
        tm_begin
            bool full;
            load((uintptr_t)&is_full, &full, sizeof(full));
            if (full) {
                if (value % 2) {
                    i[0] = load_int(&buffer[0]);
                    i[1] = load_int(&buffer[1]);
                } else {
                    int both[2];
                    privatize((uintptr_t)buffer, sizeof(buffer), true, false);
                    memcpy(both, buffer, sizeof(both));
                    i[0] = both[0];
                    i[1] = both[1];
                }
                full = false;
                store((uintptr_t)&is_full, &full, sizeof(full));
                done = true;
            }
        tm_commit
            perror("consume");
            abort();
        tm_end
        if (!done)
            sched_yield();
    }
    if (i[0] != value || i[1] != 3 * value)
        ++errors;
}

static void *producer(void *unused)
{
    for (int value = 0; value < ROUNDS; ++value)
        produce(value);
    return unused;
}

static void *consumer(void *unused)
{
    for (int value = 0; value < ROUNDS; ++value)
        consume(value);
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, producer, NULL);
    pthread_create(&threads[1], NULL, consumer, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    if (errors)
        fprintf(stderr, "%d wrong pairs\n", errors);
    return errors != 0;
}
