// SPDX-License-Identifier: MIT
// A5 in C++: libtm::atomically with on_commit, on_abort and finally.
#include "c_block.h"
#include "support.hpp"

#include <cerrno>
#include <stdexcept>
#include <tm/stage.hpp>

namespace {

using namespace libtm;
using namespace libtm::test;

class StagesCxx : public Modes {
protected:
    Cell cell;
    std::string trace;

    template <class Block> decltype(auto) run(Block block, char first = 'A')
    {
        const attr mode = how();
        stages all{};
        all.attr = &mode;
        return atomically(all, block, on_commit{[this, first] { trace += static_cast<char>(first + 2); }}, on_abort{[this, first] { trace += first; }},
                          finally{[this, first] { trace += static_cast<char>(first + 5); }});
    }
};
TM_MODES_SUITE(StagesCxx);

TEST_P(StagesCxx, A5_parts_run_after_the_block_whose_value_is_returned)
{
    EXPECT_EQ(run([&] {
        store(cell.value, 5L);
        return std::string("text");
    }), "text");
    EXPECT_EQ(trace, "CF");
    EXPECT_EQ(cell.value, 5);
    EXPECT_EQ(*run([] { return std::make_unique<int>(4); }), 4);
    long &same = run([&]() -> long & { return cell.value; });
    EXPECT_EQ(&same, &cell.value);
    run([] {});
    EXPECT_EQ(atomically([] { return 1; }, finally{[this] { trace.assign(1, 'x'); }}), 1);
    EXPECT_EQ(trace, "x");
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
}

TEST_P(StagesCxx, A5_an_error_runs_on_abort_and_is_thrown)
{
    try {
        run([&] {
            store(cell.value, 5L);
            cancel(7);
        });
        ADD_FAILURE();
    } catch (const error &e) {
        EXPECT_EQ(e.code(), 7);
    }
    EXPECT_EQ(trace, "AF");
    EXPECT_EQ(tm_errno(), 7);
    EXPECT_EQ(cell.value, 0);
}

TEST_P(StagesCxx, A5_an_exception_of_the_block_rolls_back_and_runs_on_abort)
{
    EXPECT_THROW(run([&] {
        store(cell.value, 5L);
        throw std::out_of_range("x");
    }), std::out_of_range);
    EXPECT_EQ(trace, "AF");
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(tm_errno(), ECANCELED);
    trace.clear();
    const attr mode = how(TM_COMMIT_ON_THROW);
    stages all{};
    all.attr = &mode;
    EXPECT_THROW(atomically(all, [&] {
        store(cell.value, 5L);
        throw std::out_of_range("x");
    }, on_commit{[&] { trace += 'C'; }}), std::out_of_range);
    EXPECT_EQ(trace, "C");
    EXPECT_EQ(cell.value, 5);
}

TEST_P(StagesCxx, A5_a_restart_runs_no_part)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0;
    run([&] {
        run([&] {
            if (++attempts < 3) restart();
        }, 'a');
    });
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(trace, "cfCF");
}

TEST_P(StagesCxx, A5_an_error_goes_from_the_inside_outwards)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_THROW(run([&] { run([&] { run([] { cancel(3); }, 'a'); }, 'a'); }), error);
    EXPECT_EQ(trace, "afafAF");
    trace.clear();
    EXPECT_THROW(tx([&] { run([] { cancel(3); }, 'a'); }), error) << "in a plain one";
    EXPECT_EQ(trace, "af");
    trace.clear();
    const int code = staged({}, [&](tm_stage_kind stage) { // in and around blocks in C
        if (stage == TM_STAGE_WORK)
            run([&] {
                staged({}, [&](tm_stage_kind inner) {
                    if (inner == TM_STAGE_WORK) run([] { cancel(3); }, 'a');
                    if (inner == TM_STAGE_ONABORT) trace += '-';
                });
            }, 'a');
        if (stage == TM_STAGE_ONABORT) trace += '+';
    });
    EXPECT_EQ(code, 3);
    EXPECT_EQ(trace, "af-af+");
    bool recovered = false;
    c_transaction(how(), [&] { run([] { cancel(3); }, 'a'); }, [&] { recovered = true; });
    EXPECT_TRUE(recovered);
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
}

TEST_P(StagesCxx, A5_an_exception_that_the_outer_block_takes_ends_nothing)
{
    TM_SKIP_IF_SHAKEN();
    run([&] {
        EXPECT_THROW(run([&] {
            store(cell.value, 1L);
            throw 5;
        }, 'a'), int);
        EXPECT_EQ(tm_stage(), TM_STAGE_WORK);
    });
    EXPECT_EQ(trace, "fCF");
    EXPECT_EQ(cell.value, 1);
}

TEST_P(StagesCxx, A5_the_exception_of_a_part_does_not_keep_the_others_from_running)
{
    EXPECT_THROW(atomically([] {}, on_commit{[] { throw 1; }}, finally{[&] { trace += 'F'; }}), int);
    EXPECT_THROW(atomically([] { cancel(1); }, on_abort{[] { throw 1L; }}, finally{[&] { trace += 'F'; }}), long);
    EXPECT_EQ(trace, "FF");
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
}

TEST_P(StagesCxx, A5_parameters_lock_and_call_back)
{
    TM_SKIP_IF_SHAKEN();
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const tm_lock_ref lock{TM_LOCK_MUTEX, &mutex};
    stages all{};
    all.locks = &lock;
    all.lock_count = 1;
    all.callback = [](void *, tm_stage_kind stage, void *text) { *static_cast<std::string *>(text) += "NWCAF"[stage]; };
    all.argument = &trace;
    const auto busy = [&] { return pthread_mutex_trylock(&mutex) == EBUSY; };
    atomically(all, [&] { EXPECT_TRUE(busy()); }, finally{[&] { EXPECT_TRUE(busy()); }});
    EXPECT_EQ(trace, "WCFN");
    trace.clear();
    EXPECT_THROW(atomically(all, [] { cancel(1); }, on_abort{[&] { EXPECT_TRUE(busy()); }}), error);
    EXPECT_EQ(trace, "AFN");
    tx([&] { atomically(all.locks ? stages{nullptr, &lock, 1, nullptr, nullptr, nullptr, {}} : all, [&] { EXPECT_TRUE(busy()); }); });
    EXPECT_FALSE(busy());
    pthread_mutex_unlock(&mutex);
    const tm_lock_ref wrong{static_cast<tm_lock_kind>(3), &mutex};
    all.locks = &wrong;
    trace.clear();
    EXPECT_THROW(atomically(all, [] { ADD_FAILURE() << "has begun"; }), error);
    EXPECT_EQ(trace, "AFN");
}

TEST_P(StagesCxx, A5_no_block_begins_in_the_parts_of_another)
{
    TM_SKIP_IF_SHAKEN();
    atomically([] {}, on_commit{[&] {
        EXPECT_THROW(run([] { ADD_FAILURE() << "has begun"; }), error);
        tx([&] { store(cell.value, 2L); }); // a plain one does
    }});
    EXPECT_EQ(trace, "AF");
    EXPECT_EQ(cell.value, 2);
}

} // namespace
