/* SPDX-License-Identifier: MIT */
/**
 * @file philosophers.c
 * The dining philosophers. Each needs the fork on either side to eat; with a lock per fork they starve as soon as each holds
 * one. A transaction takes both forks or none, so nobody has to think about the order.
 *
 *     philosophers [PHILOSOPHERS [MEALS]]
 *
 * It also shows how memory becomes private: who has taken a fork by a committed transaction uses what belongs to it, here
 * a plain counter of its uses, by plain loads and stores, until a later transaction puts the fork back.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <tm/tm.h>

enum { most = 256 };

struct fork {
    bool taken; /* shared: by transactions only */
    long uses;  /* of whoever has taken the fork */
};

static struct fork forks[most];
static long philosophers = 5;
static long meals = 20000;

static bool take(struct fork *left, struct fork *right)
{
    tm_save bool have_both = false;
    tm_begin
        have_both = !tm_load(&left->taken) && !tm_load(&right->taken);
        if (have_both) {
            tm_store(&left->taken, true);
            tm_store(&right->taken, true);
        }
    tm_commit
        fprintf(stderr, "philosophers: %s\n", tm_last_error()->message);
        exit(1);
    tm_end
    return have_both;
}

static void put_back(struct fork *left, struct fork *right)
{
    tm_begin
        tm_store(&left->taken, false);
        tm_store(&right->taken, false);
    tm_commit
        fprintf(stderr, "philosophers: %s\n", tm_last_error()->message);
        exit(1);
    tm_end
}

static void *dine(void *place)
{
    struct fork *const left = place;
    struct fork *const right = &forks[(left - forks + 1) % philosophers];
    for (long i = 0; i < meals; ++i) {
        while (!take(left, right)) sched_yield(); /* think */
        ++left->uses;
        ++right->uses;
        put_back(left, right);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1) philosophers = atol(argv[1]);
    if (argc > 2) meals = atol(argv[2]);
    if (argc > 3 || philosophers < 2 || philosophers > most || meals < 1) {
        fprintf(stderr, "Usage: philosophers [PHILOSOPHERS [MEALS]]\n");
        return 2;
    }
    pthread_t threads[most];
    for (long i = 0; i < philosophers; ++i)
        if (pthread_create(&threads[i], NULL, dine, &forks[i])) return 1;
    for (long i = 0; i < philosophers; ++i) pthread_join(threads[i], NULL);

    long wrong = 0;
    for (long i = 0; i < philosophers; ++i) wrong += forks[i].taken || forks[i].uses != 2 * meals;
    printf("%ld philosophers had %ld meals each; %ld forks are wrong\n", philosophers, meals, wrong);
    return wrong ? 1 : 0;
}
