/* SPDX-License-Identifier: MIT */
/* K4: a shared list whose nodes are allocated and freed in transactions, linked by loads and stores of pointers. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "stdlib-tx.h"
#include "tm.h"

#define THREADS 4
#define ROUNDS 3000

struct item {
    struct item *next;
    int value;
};

static struct item *head;
static int length;

static struct item *load_item(struct item **addr)
{
    struct item *item;
    load((uintptr_t)addr, &item, sizeof(item));
    return item;
}

static void store_item(struct item **addr, struct item *item)
{
    store((uintptr_t)addr, &item, sizeof(item));
}

static void push(int value)
{
    tm_begin
        struct item *item = malloc_tx(sizeof(*item));
        store_int(&item->value, value);
        store_item(&item->next, load_item(&head));
        store_item(&head, item);
        store_int(&length, load_int(&length) + 1);
    tm_commit
        fprintf(stderr, "push: error %d\n", tm_recovery_errno());
        abort();
    tm_end
}

static int pop(void)
{
    tm_save int value = -1;
    tm_begin
        struct item *item = load_item(&head);
        if (item) {
            value = load_int(&item->value);
            store_item(&head, load_item(&item->next));
            store_int(&length, load_int(&length) - 1);
            free_tx(item);
        }
    tm_commit
        fprintf(stderr, "pop: error %d\n", tm_recovery_errno());
        abort();
    tm_end
    return value;
}

static long sums[THREADS];

static void *work(void *arg)
{
    const int me = *(int *)arg;
    for (int i = 0; i < ROUNDS; ++i) {
        push(i);
        sums[me] += i;
        if (i % 4 != 3) {
            const int value = pop();
            if (value >= 0)
                sums[me] -= value;
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    int ids[THREADS];
    for (int i = 0; i < THREADS; ++i) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, work, &ids[i]);
    }
    for (int i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
    long sum = 0;
    for (int i = 0; i < THREADS; ++i)
        sum += sums[i];
    int popped = 0;
    const int expected = length;
    for (int value = pop(); value >= 0; value = pop()) {
        sum -= value;
        ++popped;
    }
    if (sum != 0 || popped != expected || head || length) {
        fprintf(stderr, "sum %ld, popped %d of %d, length %d\n", sum, popped, expected, length);
        return 1;
    }
    return 0;
}
