// SPDX-License-Identifier: MIT
// A5: the stages of a transaction, driven by hand: each transition, allowed or not; restarts; ends that are neither commits nor aborts.
#include "stages.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

class Stages : public StagedModes {};
TM_MODES_SUITE(Stages);

TEST_P(Stages, A5_there_is_no_stage_outside)
{
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
    std::thread([] { EXPECT_EQ(tm_stage(), TM_STAGE_NONE); }).join();
}

TEST_P(Stages, A5_a_commit_goes_through_work_oncommit_finally)
{
    TM_SKIP_IF_SHAKEN();
    errno = 5;
    EXPECT_EQ(block([&] {
        EXPECT_EQ(tm_stage(), TM_STAGE_WORK);
        store(cell.value, 3L);
    }), 0);
    EXPECT_EQ(trace, "WCF");
    EXPECT_EQ(cell.value, 3);
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
    EXPECT_EQ(tm_errno(), 0);
    EXPECT_EQ(errno, 5) << "success leaves it alone";
}

TEST_P(Stages, A5_an_abort_goes_through_onabort_finally)
{
    errno = 0;
    EXPECT_EQ(block([&] {
        store(cell.value, 3L);
        tm_abort(77);
    }), 77);
    EXPECT_EQ(trace, "WAF");
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(tm_errno(), 77);
    EXPECT_EQ(errno, 77);
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_ABORT);
    EXPECT_FALSE(tm_in_transaction());
}

TEST_P(Stages, A5_an_abort_with_0_is_ecanceled)
{
    EXPECT_EQ(block([] { tm_abort(0); }), ECANCELED);
    EXPECT_EQ(tm_errno(), ECANCELED);
    EXPECT_EQ(errno, ECANCELED);
    EXPECT_EQ(block([] {}), 0);
    EXPECT_EQ(tm_errno(), 0) << "of the last one";
}

TEST_P(Stages, A5_a_begin_that_fails_goes_to_onabort)
{
    attr late = how();
    late.deadline = 1;
    stages all = with();
    all.attr = &late;
    EXPECT_EQ(block([] { ADD_FAILURE() << "has begun"; }, false, &all), ETIMEDOUT);
    EXPECT_EQ(trace, "AF");
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_DEADLINE);
}

TEST_P(Stages, A5_a_begin_without_a_jmp_buf_fails)
{
    EXPECT_EQ(tm_stages_begin(nullptr, nullptr), EINVAL);
    EXPECT_EQ(tm_stage(), TM_STAGE_ONABORT);
    EXPECT_EQ(tm_stages_end(), EINVAL);
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
}

TEST_P(Stages, A5_process_goes_from_stage_to_stage_and_stays_in_none)
{
    TM_SKIP_IF_SHAKEN();
    std::jmp_buf env;
    const stages all = with();
    if (_setjmp(env) == 0) tm_stages_begin(&env, &all);
    for (const tm_stage_kind next : {TM_STAGE_ONCOMMIT, TM_STAGE_FINALLY, TM_STAGE_NONE, TM_STAGE_NONE}) {
        EXPECT_EQ(tm_process(), 0);
        EXPECT_EQ(tm_stage(), next);
    }
    EXPECT_EQ(tm_stages_end(), 0);
    EXPECT_EQ(tm_process(), EPERM) << "after the end of the outermost";
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
}

TEST_P(Stages, A5_end_may_come_in_any_stage_but_work)
{
    TM_SKIP_IF_SHAKEN();
    for (int steps = 0; steps < 4; ++steps) {
        std::jmp_buf env;
        const stages all = with();
        if (_setjmp(env) == 0) tm_stages_begin(&env, &all);
        for (int i = 0; i < steps; ++i) tm_process();
        EXPECT_EQ(tm_stages_end(), steps ? 0 : EPERM);
        EXPECT_EQ(tm_stage(), steps ? TM_STAGE_NONE : TM_STAGE_WORK);
        if (steps) continue;
        EXPECT_EQ(tm_stages_commit(), 0);
        EXPECT_EQ(tm_stage(), TM_STAGE_ONCOMMIT);
        EXPECT_EQ(tm_stages_end(), 0);
    }
}

TEST_P(Stages, A5_what_is_not_allowed_in_a_stage_is_eperm_and_changes_nothing)
{
    TM_SKIP_IF_SHAKEN();
    const auto outside_of_work = [&](const char *where) {
        const tm_stage_kind before = tm_stage();
        char buffer[4096];
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        EXPECT_EQ(tm_stages_commit(), EPERM) << where;
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE) << where;
        EXPECT_EQ(tm_abort(1), EPERM) << where;
        EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), EPERM) << where;
        EXPECT_EQ(tm_xlock(TM_LOCK_MUTEX, &mutex, 0), EPERM) << where;
        EXPECT_EQ(tm_set_failure_behavior(TM_FAILURE_RETURN), EPERM) << where;
        EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_ABORT) << where;
        EXPECT_EQ(tm_log_append_buffer(TM_LOG_SNAPSHOTS, buffer, sizeof buffer), EPERM) << where;
        EXPECT_EQ(tm_log_auto_alloc(TM_LOG_INTENTS, 0), EPERM) << where;
        EXPECT_EQ(tm_stage(), before) << where;
        if (before == TM_STAGE_NONE) return;
        const std::string outer = trace;
        trace.clear();
        EXPECT_EQ(block([] { ADD_FAILURE() << "has begun"; }), EPERM) << where;
        EXPECT_EQ(trace, "AF") << where;
        trace = outer;
        EXPECT_EQ(tm_stage(), before) << where;
    };
    tx([] {}); // without any before, a thread has no record to write to
    outside_of_work("outside");
    EXPECT_EQ(tm_process(), EPERM);
    EXPECT_EQ(tm_stages_end(), EPERM);
    EXPECT_EQ(tm_set_user_data(this), EPERM);
    EXPECT_EQ(tm_user_data(), nullptr);
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    for (const bool aborts : {false, true}) {
        trace.clear();
        const int code = staged(with(), [&](tm_stage_kind stage) {
            note(stage);
            if (stage != TM_STAGE_WORK) return outside_of_work(trace.c_str());
            EXPECT_EQ(tm_stages_end(), EPERM);
            if (aborts) tm_abort(9);
        });
        EXPECT_EQ(trace, aborts ? "WAF" : "WCF");
        EXPECT_EQ(code, aborts ? 9 : 0);
    }
}

TEST_P(Stages, A5_functions_of_the_action_log_may_not_change_stages)
{
    TM_SKIP_IF_SHAKEN();
    const auto probe = [](void *) {
        EXPECT_EQ(tm_stage(), TM_STAGE_WORK);
        EXPECT_EQ(tm_process(), EPERM);
        EXPECT_EQ(tm_stages_commit(), EPERM);
        EXPECT_EQ(tm_stages_end(), EPERM);
        EXPECT_EQ(tm_set_user_data(nullptr), EPERM);
        EXPECT_EQ(staged({}, [](tm_stage_kind stage) { EXPECT_NE(stage, TM_STAGE_WORK); }), EPERM);
        return 0;
    };
    static const tm_action action = {probe, probe, nullptr, nullptr};
    EXPECT_EQ(block([&] { tm_log_action(&action, nullptr, 0); }), 0);
    EXPECT_EQ(trace, "WCF");
}

TEST_P(Stages, A5_plain_blocks_have_stages_too)
{
    c_transaction(
        how(), [] { EXPECT_EQ(tm_stage(), TM_STAGE_WORK), tm_abort(0); },
        [] {
            EXPECT_EQ(tm_stage(), TM_STAGE_ONABORT);
            EXPECT_EQ(tm_errno(), ECANCELED);
        });
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
    tx([] { EXPECT_EQ(tm_stage(), TM_STAGE_WORK); });
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
    EXPECT_EQ(tm_process(), EPERM);
}

// Restarts.

TEST_P(Stages, A5_a_conflict_runs_work_again_and_no_part)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const stages all = with(callback_notes);
    int attempts = 0;
    EXPECT_EQ(block([&] {
        if (++attempts == 1)
            be_overtaken(cell);
        else
            store(cell.value, load(cell.value) + 10);
    }, false, &all), 0);
    EXPECT_EQ(cell.value, 11);
    EXPECT_EQ(trace, "WW<W><C>C<F>F<N>");
}

TEST_P(Stages, A5_a_restart_of_the_commit_calls_the_callback_of_work_again)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const stages all = with(callback_notes);
    int attempts = 0;
    block([&] {
        store(other.value, -1L); // what is stored later meets no newer version
        const long seen = load(cell.value);
        if (++attempts == 1)
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(cell.value, 5L); }); }).join();
        store(other.value, seen);
    }, false, &all);
    EXPECT_EQ(trace, "W<W>W<W><C>C<F>F<N>");
    EXPECT_EQ(other.value, 5);
}

TEST_P(Stages, A5_a_restart_in_an_inner_block_returns_to_the_outermost)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0;
    EXPECT_EQ(block([&] {
        EXPECT_EQ(tm_user_data(), nullptr);
        EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_ABORT);
        tm_set_user_data(this);
        tm_set_failure_behavior(TM_FAILURE_RETURN);
        block([&] {
            EXPECT_EQ(tm_user_data(), this);
            store(cell.value, load(cell.value) + 1);
            if (++attempts < 3) tm_restart();
        }, true);
    }), 0);
    EXPECT_EQ(trace, "WwWwWwcfCF");
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Stages, A5_restart_in_the_part_on_abort_tries_again)
{
    int tries = 0;
    const stages all = with(callback_notes);
    const int code = staged(all, [&](tm_stage_kind stage) {
        note(stage);
        if (stage == TM_STAGE_WORK && ++tries < 3) tm_abort(1);
        if (stage == TM_STAGE_ONABORT) tm_restart();
        if (stage == TM_STAGE_ONCOMMIT || stage == TM_STAGE_FINALLY) {
            tm_restart();
            EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
        }
    });
    EXPECT_EQ(code, 0);
    if (!number_option("shake")) {
        EXPECT_EQ(trace, "W<A>AW<A>AW<W><C>C<F>F<N>");
    }
}

// Ends that are not commits or aborts.

TEST_P(Stages, A5_a_veto_leads_to_onabort)
{
    TM_SKIP_IF_SHAKEN();
    static const tm_action veto = {[](void *) { return 55; }, nullptr, nullptr, nullptr};
    EXPECT_EQ(block([&] {
        store(cell.value, 1L);
        tm_log_action(&veto, nullptr, 0);
    }), 55);
    EXPECT_EQ(trace, "WAF");
    EXPECT_EQ(cell.value, 0);
}

TEST_P(Stages, A5_a_block_that_was_left_is_forgotten)
{
    TM_SKIP_IF_SHAKEN();
    for (const tm_stage_kind where : {TM_STAGE_WORK, TM_STAGE_ONCOMMIT, TM_STAGE_FINALLY}) {
        std::jmp_buf out;
        if (_setjmp(out) == 0)
            staged(with(), [&](tm_stage_kind stage) {
                if (stage == TM_STAGE_WORK) store(cell.value, load(cell.value) + 1);
                if (stage == where) tm_longjmp(out, 1);
            });
        EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
        EXPECT_FALSE(tm_in_transaction());
        EXPECT_EQ(block([] {}), 0);
    }
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Stages, A5_an_irrevocable_transaction_commits)
{
    TM_SKIP_IF_SHAKEN();
    const attr alone = how(TM_IRREVOCABLE);
    stages all = with(callback_notes);
    all.attr = &alone;
    EXPECT_EQ(block([&] {
        store(cell.value, 1L);
        EXPECT_EQ(tm_abort(1), EPERM);
        const stages second = with([](void *, tm_stage_kind, void *) {});
        EXPECT_EQ(block([] { ADD_FAILURE() << "has begun"; }, true, &second), EINVAL);
        EXPECT_EQ(block([&] { store(other.value, 1L); }, true), 0);
    }, false, &all), 0);
    EXPECT_EQ(trace, "Wafwcf<W><C>C<F>F<N>");
    EXPECT_EQ(other.value, 1);
}

} // namespace
