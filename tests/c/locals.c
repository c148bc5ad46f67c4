/* SPDX-License-Identifier: MIT */
/* A9, A4: the locals of a C function over restarts, and its recovery block. Run in both modes. */
#include <errno.h>
#include <string.h>
#include <tm/tm.h>

#include "check.h"

static int shared;

/* A local that the block changes and still needs is tm_save. */
static void saved_local_keeps_its_value(const tm_attr *attr)
{
    tm_save int attempts = 0;
    int unchanged = 5;
    tm_begin_with(attr)
        attempts = attempts + 1;
        CHECK(unchanged == 5);
        tm_store(&shared, attempts);
        if (attempts < 4)
            tm_restart();
    tm_commit
        CHECK(!"an error");
    tm_end
    CHECK(attempts == 4);
    CHECK(shared == 4);
}

static void logged_local_is_restored(const tm_attr *attr)
{
    tm_save int attempts = 0;
    int values[20];
    for (int i = 0; i < 20; ++i)
        values[i] = i;
    tm_begin_with(attr)
        attempts = attempts + 1;
        for (int i = 0; i < 20; ++i)
            CHECK(values[i] == i);
        CHECK(tm_log_local(&values) == 0);
        memset(values, 0xff, sizeof values);
        if (attempts < 3)
            tm_restart();
    tm_commit
        CHECK(!"an error");
    tm_end
    CHECK(values[19] == -1);
    CHECK(attempts == 3);
}

/* Registers that hold locals of the function go back to what they were: many of them, so that some are in registers. */
static long many_locals(const tm_attr *attr, long a, long b, long c, long d, long e, long f)
{
    tm_save int attempts = 0;
    const long g = a * b, h = c * d, i = e * f, j = a + f;
    tm_begin_with(attr)
        attempts = attempts + 1;
        tm_store(&shared, (int)(a + b + c + d + e + f));
        if (attempts < 3)
            tm_restart();
        tm_store(&shared, (int)(g + h + i + j));
    tm_commit
        CHECK(!"an error");
    tm_end
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f + g + h + i + j;
}

static void recovery_block_sees_the_function(const tm_attr *attr)
{
    tm_save int recoveries = 0;
    const int limit = 3;
    tm_begin_with(attr)
        tm_store(&shared, 100);
        if (recoveries < limit)
            tm_recover(EAGAIN);
    tm_commit
        CHECK(tm_last_error()->kind == TM_ERROR_RECOVER);
        CHECK(tm_last_error()->code == EAGAIN);
        CHECK(shared != 100);
        recoveries = recoveries + 1;
        tm_restart();
    tm_end
    CHECK(recoveries == limit);
    CHECK(shared == 100);
}

/* Several blocks in one function, one in a loop, one after another. */
static void several_blocks(const tm_attr *attr)
{
    shared = 0;
    for (tm_save int i = 0; i < 100; ++i) {
        tm_begin_with(attr)
            tm_store(&shared, tm_load(&shared) + i);
        tm_commit
            CHECK(!"an error");
        tm_end
    }
    tm_begin_with(attr)
        tm_store(&shared, tm_load(&shared) + 50);
    tm_commit
    tm_end
    CHECK(shared == 5000);
}

int main(void)
{
    static const tm_mode modes[] = {TM_WRITE_BACK, TM_WRITE_THROUGH};
    for (int k = 0; k < 2; ++k) {
        const tm_attr attr = {.mode = modes[k]};
        saved_local_keeps_its_value(&attr);
        logged_local_is_restored(&attr);
        CHECK(many_locals(&attr, 1, 2, 3, 4, 5, 6) == 654321 + 2 + 12 + 30 + 7);
        shared = 0;
        recovery_block_sees_the_function(&attr);
        several_blocks(&attr);
    }
    return check_result();
}
