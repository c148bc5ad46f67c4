/* SPDX-License-Identifier: MIT */
/* A5, A8, A14: blocks with stages in C, in both modes: each part may be left out and stand anywhere; locals, loops, functions, errno. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <tm/tm.h>

#include "check.h"

static long shared;
static char trace[64];
static const tm_stages *how;

static void note(char what)
{
    const size_t length = strlen(trace);
    trace[length] = what;
    trace[length + 1] = 0;
}

static int traced(const char *expected)
{
    const int same = strcmp(trace, expected) == 0;
    if (!same)
        fprintf(stderr, "%s, not %s\n", trace, expected);
    trace[0] = 0;
    return same;
}

static void all_parts(int code)
{
    tm_begin_stages(how)
        note('W');
        CHECK(tm_stage() == TM_STAGE_WORK);
        tm_store(&shared, tm_load(&shared) + 1);
        if (code)
            tm_abort(code);
    tm_on_commit
        note('C');
        CHECK(tm_stage() == TM_STAGE_ONCOMMIT);
    tm_on_abort
        note('A');
        CHECK(tm_stage() == TM_STAGE_ONABORT);
        CHECK(tm_errno() == code && errno == code);
    tm_finally
        note('F');
        CHECK(tm_stage() == TM_STAGE_FINALLY);
    tm_end_stages
    CHECK(tm_stage() == TM_STAGE_NONE);
    CHECK(tm_errno() == code);
}

static void parts_in_any_order(int code)
{
    tm_begin_stages(how)
        if (code)
            tm_abort(code);
    tm_finally
        note('F');
    tm_on_abort
        note('A');
    tm_on_commit
        note('C');
    tm_end_stages
}

static void parts_left_out(int code)
{
    errno = 0;
    tm_begin_stages(how)
        if (code)
            tm_abort(code);
    tm_end_stages
    CHECK(errno == code);
    tm_begin_stages(how)
        if (code)
            tm_abort(code);
    tm_on_abort
        note('A');
    tm_end_stages
    tm_begin_stages(how)
        if (code)
            tm_abort(code);
    tm_on_commit
        note('C');
    tm_end_stages
}

/* break and continue end a part, and nothing else. */
static void break_ends_a_part(void)
{
    for (tm_save int i = 0; i < 3; ++i) {
        tm_begin_stages(how)
            tm_store(&shared, i);
            if (i == 1)
                break;
            if (i == 2)
                continue;
            note('W');
        tm_on_commit
            note('C');
            if (i)
                break;
            note('c');
        tm_end_stages
        CHECK(shared == i);
    }
    CHECK(traced("WCcCC"));
}

static void locals_over_restarts(void)
{
    tm_save int attempts = 0;
    int values[4] = {1, 2, 3, 4};
    const int unchanged = 5;
    tm_begin_stages(how)
        attempts = attempts + 1;
        CHECK(unchanged == 5 && values[3] == 4);
        CHECK(tm_log_local(&values) == 0);
        memset(values, 0, sizeof values);
        if (attempts < 3)
            tm_restart();
        tm_begin_stages(NULL) /* an inner one */
            if (attempts < 5)
                tm_restart();
        tm_on_commit
            note('c');
        tm_end_stages
    tm_on_commit
        note('C');
    tm_end_stages
    CHECK(attempts == 5);
    CHECK(values[3] == 0);
    CHECK(traced("cC"));
}

static void inner(int code)
{
    tm_begin_stages(NULL)
        tm_store(&shared, 100);
        if (code)
            tm_abort(code);
    tm_on_commit
        note('c');
    tm_on_abort
        note('a');
    tm_finally
        note('f');
    tm_end_stages
}

static void outer(int code)
{
    shared = 0;
    tm_begin_stages(how)
        inner(0);
        tm_begin_stages(NULL) /* in the same function */
            inner(code);
        tm_finally
            note('g');
        tm_end_stages
        tm_begin /* a plain one */
            tm_store(&shared, tm_load(&shared) + 1);
        tm_commit
        tm_end
    tm_on_commit
        note('C');
    tm_on_abort
        note('A');
        CHECK(tm_errno() == code);
    tm_end_stages
}

static void in_a_plain_block(void)
{
    tm_begin
        inner(7);
        CHECK(!"went on");
    tm_commit
        CHECK(tm_last_error()->code == 7);
        note('R');
    tm_end
    CHECK(traced("afR"));
    CHECK(tm_stage() == TM_STAGE_NONE);
}

static void try_again(void)
{
    tm_save int tries = 0;
    tm_begin_stages(how)
        tries = tries + 1;
        if (tries < 4)
            tm_abort(tries);
    tm_on_abort
        CHECK(tm_errno() == tries);
        tm_restart();
    tm_end_stages
    CHECK(tries == 4);
    CHECK(tm_errno() == 0);
}

/* The functions, in a function of the user's that drives them. */
static int by_hand(int code)
{
    jmp_buf env;
    if (_setjmp(env) == 0)
        CHECK(tm_stages_begin(&env, how) == 0);
    if (tm_stage() == TM_STAGE_WORK) {
        tm_store(&shared, 4);
        if (code)
            tm_abort(code);
        CHECK(tm_stages_commit() == 0);
        CHECK(tm_stage() == TM_STAGE_ONCOMMIT);
    } else {
        CHECK(tm_stage() == TM_STAGE_ONABORT);
    }
    return tm_stages_end();
}

static void locks(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    const tm_lock_ref list[] = {{TM_LOCK_MUTEX, &mutex}, {TM_LOCK_RWLOCK, &rwlock}};
    const tm_stages with_locks = {.attr = how->attr, .locks = list, .lock_count = 2};
    tm_begin_stages(&with_locks)
        CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
    tm_finally
        CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
        CHECK(pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
    tm_end_stages
    CHECK(pthread_mutex_trylock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_rwlock_trywrlock(&rwlock) == 0);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
}

int main(void)
{
    static const tm_mode modes[] = {TM_WRITE_BACK, TM_WRITE_THROUGH};
    for (int k = 0; k < 2; ++k) {
        const tm_attr attr = {.mode = modes[k]};
        const tm_stages all = {.attr = &attr};
        how = &all;
        shared = 0;
        all_parts(0);
        CHECK(traced("WCF") && shared == 1);
        all_parts(9);
        CHECK(traced("WAF") && shared == 1);
        parts_in_any_order(0);
        parts_in_any_order(3);
        CHECK(traced("CFAF"));
        parts_left_out(0);
        parts_left_out(3);
        CHECK(traced("CA"));
        break_ends_a_part();
        locals_over_restarts();
        outer(0);
        CHECK(traced("cfcfgC") && shared == 101);
        outer(5);
        CHECK(traced("cfafgA") && shared == 0);
        in_a_plain_block();
        try_again();
        CHECK(by_hand(0) == 0 && shared == 4);
        CHECK(by_hand(8) == 8 && errno == 8);
        locks();
    }
    return check_result();
}
