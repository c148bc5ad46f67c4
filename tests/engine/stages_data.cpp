// SPDX-License-Identifier: MIT
// A5, A8, J2: the callback, user data, errors that are returned.
#include "stages.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

class StagesData : public StagedModes {};
TM_MODES_SUITE(StagesData);

// The callback.

TEST_P(StagesData, A5_the_callback_precedes_the_parts_and_the_commit)
{
    TM_SKIP_IF_SHAKEN();
    stages all = with([](void *subject, tm_stage_kind stage, void *trace) {
        callback_notes(nullptr, stage, trace);
        auto &cell = *static_cast<Cell *>(subject);
        if (stage == TM_STAGE_WORK) store(cell.value, load(cell.value) + 1);
        EXPECT_EQ(tm_stage(), stage);
    });
    EXPECT_EQ(block([&] { store(cell.value, 1L); }, false, &all), 0);
    EXPECT_EQ(trace, "W<W><C>C<F>F<N>");
    EXPECT_EQ(cell.value, 2) << "it may still write";
    trace.clear();
    EXPECT_EQ(block([] { tm_abort(1); }, false, &all), 1);
    EXPECT_EQ(trace, "W<A>A<F>F<N>");
}

TEST_P(StagesData, A5_the_callback_of_work_may_abort)
{
    TM_SKIP_IF_SHAKEN();
    const stages all = with([](void *, tm_stage_kind stage, void *trace) {
        callback_notes(nullptr, stage, trace);
        if (stage == TM_STAGE_WORK) tm_abort(31);
    });
    EXPECT_EQ(block([&] { store(cell.value, 1L); }, false, &all), 31);
    EXPECT_EQ(trace, "W<W><A>A<F>F<N>");
    EXPECT_EQ(cell.value, 0);
}

TEST_P(StagesData, A5_the_callback_is_called_when_the_begin_fails)
{
    attr late = how();
    late.deadline = 1;
    stages all = with(callback_notes);
    all.attr = &late;
    EXPECT_EQ(block([] {}, false, &all), ETIMEDOUT);
    EXPECT_EQ(trace, "<A>A<F>F<N>");
}

TEST_P(StagesData, A5_a_callback_of_an_inner_block_follows_the_outermost)
{
    TM_SKIP_IF_SHAKEN();
    const stages inner = with(callback_notes);
    EXPECT_EQ(block([&] {
        block([] {}, true, &inner);
        block([] {}, true, &inner);
    }), 0);
    EXPECT_EQ(trace, "Wwcfwcf<W><C>C<F>F<N>");
    trace.clear();
    EXPECT_EQ(block([&] {
        if (tm_attempt() == 1) block([] { tm_restart(); }, true, &inner);
    }), 0);
    EXPECT_EQ(trace, "WwWCF") << "a rollback takes the registration back";
    trace.clear();
    EXPECT_EQ(block([] {}), 0);
    EXPECT_EQ(trace, "WCF") << "it is that transaction's";
}

TEST_P(StagesData, A5_there_is_one_callback_in_a_transaction)
{
    TM_SKIP_IF_SHAKEN();
    const stages outer = with(callback_notes), inner = with([](void *, tm_stage_kind, void *) {});
    EXPECT_EQ(block([&] { block([] { ADD_FAILURE() << "has begun"; }, true, &inner); }, false, &outer), EINVAL);
    EXPECT_EQ(trace, "Waf<A>A<F>F<N>");
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    EXPECT_THROW(tx([&] { block([] {}, true, &inner); }), error) << "nothing to follow";
}

// User data, failure behaviour.

TEST_P(StagesData, A8_user_data_is_there_in_every_stage_and_null_at_each_begin)
{
    TM_SKIP_IF_SHAKEN();
    for (const bool aborts : {false, true}) {
        int data = 0, more = 0;
        staged(with(), [&](tm_stage_kind stage) {
            if (stage == TM_STAGE_WORK) {
                EXPECT_EQ(tm_user_data(), nullptr);
                EXPECT_EQ(tm_set_user_data(&data), 0);
                block([&] {
                    EXPECT_EQ(tm_user_data(), &data) << "of the whole transaction";
                    if (aborts) tm_abort(1);
                }, true);
            }
            EXPECT_EQ(tm_user_data(), stage == TM_STAGE_FINALLY ? &more : &data);
            if (stage != TM_STAGE_WORK) {
                EXPECT_EQ(tm_set_user_data(&more), 0);
            }
        });
    }
}

TEST_P(StagesData, A8_user_data_of_plain_transactions)
{
    TM_SKIP_IF_SHAKEN();
    int data = 0;
    for (int i = 0; i < 3; ++i) {
        tx([&] {
            EXPECT_EQ(tm_user_data(), nullptr);
            tm_set_user_data(&data);
            EXPECT_EQ(tm_user_data(), &data);
            if (tm_attempt() == 1) restart();
        });
    }
    tx([&] { block([&] { EXPECT_EQ(tm_user_data(), nullptr); }, true); });
}

TEST_P(StagesData, A8_a_local_is_found_by_its_type)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0;
    tx([&] {
        EXPECT_EQ(local<int>::current(), nullptr);
        local<int> number{3};
        {
            local<std::string> text{"x"};
            *text += "y";
            EXPECT_EQ(*local<std::string>::current(), "xy");
            EXPECT_EQ(local<int>::current(), nullptr);
            if (++attempts < 3) restart();
        }
        EXPECT_EQ(*local<int>::current(), 3);
    });
    EXPECT_EQ(local<int>::current(), nullptr);
    EXPECT_THROW(local<int>{1}, error);
}

TEST_P(StagesData, J2_errors_are_returned_where_the_block_says_so)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_EQ(block([&] {
        EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_ABORT);
        EXPECT_EQ(tm_set_failure_behavior(static_cast<tm_failure_behavior_kind>(7)), EINVAL);
        block([&] {
            tm_set_failure_behavior(TM_FAILURE_RETURN);
            block([&] {
                EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_RETURN) << "inherited";
                errno = 0;
                EXPECT_EQ(tm_malloc(SIZE_MAX), nullptr);
                EXPECT_EQ(errno, ENOMEM);
                EXPECT_EQ(tm_xlock(static_cast<tm_lock_kind>(3), this, 0), EINVAL);
                EXPECT_EQ(tm_log_append_buffer(TM_LOG_SNAPSHOTS, this, 1), EINVAL);
                EXPECT_EQ(tm_log_auto_alloc(static_cast<tm_log_kind>(9), 0), EINVAL);
                tm_set_failure_behavior(TM_FAILURE_ABORT);
            }, true);
            EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_RETURN) << "the inner block has not changed it";
        }, true);
        EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_ABORT) << "nor has this one";
        store(cell.value, 1L);
        tm_malloc(SIZE_MAX);
        ADD_FAILURE() << "went on";
    }), ENOMEM);
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(block([&] { tm_xlock(static_cast<tm_lock_kind>(3), &cell, 0); }), EINVAL);
    EXPECT_EQ(block([] { tm_log_append_buffer(TM_LOG_INTENTS, nullptr, 1000); }), EINVAL);
    EXPECT_EQ(block([] { EXPECT_EQ(tm_failure_behavior(), TM_FAILURE_ABORT); }), 0);
}

} // namespace
