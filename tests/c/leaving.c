/* SPDX-License-Identifier: MIT */
/* P19: threads that leave a C block in every wrong way, one after another; the others count on. */
#include <pthread.h>
#include <setjmp.h>
#include <tm/tm.h>

#include "check.h"

static long counter;
static const tm_attr *attr;

static void add(long by)
{
    tm_begin_with(attr)
        tm_store(&counter, tm_load(&counter) + by);
    tm_commit
        CHECK(!"an error");
    tm_end
}


/* The thread's function returns out of the middle of the block: forbidden, and survived. */
static void *returns(void *unused)
{
    tm_begin_with(attr)
        tm_store(&counter, 1000);
        return NULL;
    tm_commit
    tm_end
    return unused;
}

static void *exits(void *unused)
{
    tm_begin_with(attr)
        tm_store(&counter, 1000);
        pthread_exit(unused);
    tm_commit
    tm_end
    return NULL;
}

static __attribute__((noinline)) void jump(jmp_buf out)
{
    char frame[8192]; /* far below what the caller calls next */
    __asm__ volatile("" : : "r"(frame) : "memory");
    tm_begin_with(attr)
        tm_store(&counter, 1000);
        longjmp(out, 1);
    tm_commit
    tm_end
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static void *jumps_and_goes_on(void *unused)
{
    jmp_buf out;
    if (setjmp(out) == 0)
        jump(out);
    add(1);
    CHECK(!tm_in_transaction());
    return unused;
}

static void *long_jumps(void *unused)
{
    jmp_buf out;
    if (setjmp(out) == 0) {
        tm_begin_with(attr)
            tm_store(&counter, 1000);
            tm_longjmp(out, 1);
        tm_commit
        tm_end
    }
    CHECK(!tm_in_transaction());
    add(1);
    return unused;
}

static void *waits_for_cancellation(void *unused)
{
    tm_begin_with(attr)
        tm_store(&counter, 1000);
        for (;;)
            pthread_testcancel();
    tm_commit
    tm_end
    return unused;
}

static void *counts(void *unused)
{
    for (int i = 0; i < 1000; ++i)
        add(1);
    return unused;
}

static void run(void *(*function)(void *), int cancelled)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, NULL) == 0);
    if (cancelled)
        pthread_cancel(thread);
    pthread_join(thread, NULL);
}

int main(void)
{
    static const tm_mode modes[] = {TM_WRITE_BACK, TM_WRITE_THROUGH};
    for (int k = 0; k < 2; ++k) {
        const tm_attr one = {.mode = modes[k]};
        attr = &one;
        counter = 0;
        pthread_t other;
        CHECK(pthread_create(&other, NULL, counts, NULL) == 0);
        for (int i = 0; i < 20; ++i) {
            run(returns, 0);
            run(exits, 0);
            run(jumps_and_goes_on, 0);
            run(long_jumps, 0);
            run(waits_for_cancellation, 1);
            add(1);
        }
        pthread_join(other, NULL);
        CHECK(counter == 1000 + 20 * 3);
    }
    return check_result();
}
