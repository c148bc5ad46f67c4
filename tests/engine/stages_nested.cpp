// SPDX-License-Identifier: MIT
// A5: blocks with stages in each other, in plain blocks and in C++ ones; an abort and a restart at every step.
#include "stages.hpp"
#include <array>
#include <functional>

namespace {

using namespace libtm;
using namespace libtm::test;

class StagesNested : public StagedModes {};
TM_MODES_SUITE(StagesNested);

// Nesting.

TEST_P(StagesNested, A5_an_inner_commit_publishes_nothing)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_EQ(block([&] {
        EXPECT_EQ(block([&] { store(cell.value, 1L); }, true), 0);
        EXPECT_EQ(tm_stage(), TM_STAGE_WORK);
        tm_abort(4);
    }), 4);
    EXPECT_EQ(trace, "WwcfAF");
    EXPECT_EQ(cell.value, 0);
}

TEST_P(StagesNested, A5_an_error_in_an_inner_block_ends_all_from_the_inside_outwards)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_EQ(block([&] {
        store(other.value, 1L);
        block([&] {
            block([&] {
                store(cell.value, 1L);
                tm_abort(4);
            }, true);
            ADD_FAILURE() << "went on";
        }, true);
        ADD_FAILURE() << "went on";
    }), 4);
    EXPECT_EQ(trace, "WwwafafAF");
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(other.value, 0);
    EXPECT_EQ(tm_errno(), 4);
    EXPECT_FALSE(tm_in_transaction());
}

TEST_P(StagesNested, A5_blocks_nest_deeply)
{
    TM_SKIP_IF_SHAKEN();
    constexpr int deep = 40;
    std::string expected(deep, 'w');
    expected[0] = 'W';
    const std::function<void(int)> go = [&](int depth) {
        if (depth == deep) tm_abort(3);
        block([&] { go(depth + 1); }, depth > 0);
    };
    go(0);
    for (int i = 1; i < deep; ++i) expected += "af";
    EXPECT_EQ(trace, expected + "AF");
    EXPECT_EQ(block([] {}), 0);
}

TEST_P(StagesNested, A5_an_inner_block_without_a_jmp_buf_is_passed_by)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_EQ(block([&] {
        EXPECT_EQ(tm_stages_begin(nullptr, nullptr), 0);
        store(cell.value, 1L);
        EXPECT_EQ(tm_stages_commit(), 0);
        EXPECT_EQ(tm_stage(), TM_STAGE_ONCOMMIT);
        EXPECT_EQ(tm_stages_end(), 0);
        EXPECT_EQ(tm_stages_begin(nullptr, nullptr), 0);
        tm_abort(6);
    }), 6);
    EXPECT_EQ(trace, "WAF");
}

TEST_P(StagesNested, A5_a_block_cannot_commit_before_those_inside_have_ended)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_EQ(block([&] {
        c_transaction(how(), [] { EXPECT_EQ(tm_stages_commit(), EPERM); });
        tx([] { EXPECT_EQ(tm_process(), EPERM); });
    }), 0);
    EXPECT_EQ(trace, "WCF");
}

TEST_P(StagesNested, A5_an_inner_on_commit_part_belongs_to_the_transaction)
{
    TM_SKIP_IF_SHAKEN();
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    EXPECT_EQ(block([&] {
        staged({}, [&](tm_stage_kind stage) {
            if (stage != TM_STAGE_ONCOMMIT) return;
            EXPECT_EQ(tm_abort(1), EPERM);
            EXPECT_EQ(tm_recover(1), EPERM);
            EXPECT_EQ(tm_lock(TM_LOCK_MUTEX, &mutex), EPERM);
            EXPECT_EQ(block([] {}, true), EPERM);
            store(cell.value, 1L);
            c_transaction(how(), [&] {
                EXPECT_EQ(tm_stage(), TM_STAGE_WORK);
                store(other.value, 1L);
            });
            EXPECT_EQ(tm_stage(), TM_STAGE_ONCOMMIT);
        });
        tm_abort(2);
    }), 2);
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(other.value, 0);
}

TEST_P(StagesNested, A5_a_staged_block_in_a_plain_one)
{
    TM_SKIP_IF_SHAKEN();
    bool recovered = false;
    c_transaction(
        how(),
        [&] {
            EXPECT_EQ(block([&] { store(cell.value, 1L); }, true), 0);
            store(other.value, 1L);
            block([] { tm_abort(8); }, true);
            ADD_FAILURE() << "went on";
        },
        [&] {
            recovered = true;
            EXPECT_EQ(tm_last_error()->code, 8);
        });
    EXPECT_TRUE(recovered);
    EXPECT_EQ(trace, "wcfwaf");
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
    EXPECT_EQ(block([] {}), 0) << "nothing is left of it";
}

TEST_P(StagesNested, A5_a_staged_block_in_a_cxx_one_passes_its_error_on_as_an_exception)
{
    TM_SKIP_IF_SHAKEN();
    struct Witness {
        int &destroyed;
        ~Witness() { ++destroyed; }
    };
    int destroyed = 0;
    try {
        tx([&] {
            const Witness outer{destroyed};
            store(cell.value, 1L);
            tx([&] {
                block([&] {
                    atomically([&] { // a C++ block in a staged one in a C++ one
                        const Witness inner{destroyed};
                        cancel(12);
                    });
                }, true);
                ADD_FAILURE() << "went on";
            });
        });
        ADD_FAILURE() << "committed";
    } catch (const error &e) {
        EXPECT_EQ(e.code(), 12);
    }
    EXPECT_EQ(trace, "waf");
    EXPECT_EQ(destroyed, 2);
    EXPECT_EQ(cell.value, 0);
    EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
}

TEST_P(StagesNested, A5_transactions_in_the_parts_stand_for_themselves)
{
    TM_SKIP_IF_SHAKEN();
    const auto run = [&](bool aborts) {
        return staged(with(), [&](tm_stage_kind stage) {
            if (stage == TM_STAGE_WORK) {
                tm_set_user_data(this);
                if (aborts) tm_abort(5);
                return;
            }
            c_transaction(how(), [&] {
                EXPECT_EQ(tm_stage(), TM_STAGE_WORK);
                EXPECT_EQ(tm_user_data(), nullptr);
                tm_set_user_data(&trace);
                store(cell.value, load(cell.value) + 1);
            });
            c_transaction(how(), [&] {
                store(cell.value, 1000L);
                tm_abort(99);
            });
            EXPECT_THROW(tx([] { cancel(98); }), error);
            EXPECT_EQ(tm_stage(), stage);
            EXPECT_EQ(tm_user_data(), this);
            EXPECT_EQ(tm_errno(), aborts ? 5 : 0);
        });
    };
    EXPECT_EQ(run(false), 0);
    EXPECT_EQ(run(true), 5);
    EXPECT_EQ(cell.value, 4);
}

TEST_P(StagesNested, A5_no_transaction_begins_before_the_outer_blocks_have_learnt_of_the_failure)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_EQ(block([&] {
        staged({}, [&](tm_stage_kind stage) {
            if (stage == TM_STAGE_WORK) tm_abort(5);
            bool refused = false;
            c_transaction(how(), [] { ADD_FAILURE() << "has begun"; }, [&] { refused = tm_last_error()->kind == TM_ERROR_MISUSE; });
            EXPECT_TRUE(refused);
            EXPECT_THROW(tx([] { ADD_FAILURE() << "has begun"; }), error);
            EXPECT_EQ(block([] {}, true), EPERM);
            EXPECT_EQ(load(cell.value), 0) << "memory may be looked at";
        });
    }), 5);
    EXPECT_EQ(trace, "WafafAF") << "refused in each of the two parts";
}

// Every step of nested blocks.

/** Three blocks, one in another, with memory, blocks of memory, log entries and a callback; `act` is called at each step with its number. */
template <class Act> int nest(const stages &outer, std::array<Cell, 4> &cells, std::array<void *, 4> &blocks, Act act)
{
    static constexpr tm_action noted = {nullptr, nullptr, nullptr, nullptr};
    int step = 0;
    const auto write = [&](unsigned i) {
        act(step++);
        store(cells[i].value, load(cells[i].value) + 1);
        act(step++);
        tm_free(tm_malloc(33));
        blocks[i] = tm_malloc(35);
        tm_log_action(&noted, nullptr, 0);
        act(step++);
    };
    return staged(outer, [&](tm_stage_kind stage) {
        if (stage != TM_STAGE_WORK) return;
        step = 0;
        write(0);
        staged({}, [&](tm_stage_kind s) {
            if (s != TM_STAGE_WORK) return;
            write(1);
            staged({}, [&](tm_stage_kind t) {
                if (t == TM_STAGE_WORK) write(2);
            });
            act(step++);
        });
        write(3);
    });
}

TEST_P(StagesNested, A5_an_abort_at_any_step_leaves_nothing)
{
    TM_SKIP_IF_SHAKEN();
    constexpr int steps = 13;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const tm_lock_ref lock{TM_LOCK_MUTEX, &mutex};
    for (const bool restarts : {false, true})
        for (int at = 0; at <= steps; ++at) {
            std::array<Cell, 4> cells{};
            std::array<void *, 4> blocks{};
            stages all = with(callback_notes);
            all.locks = &lock;
            all.lock_count = 1;
            trace.clear();
            bool done = false;
            const int code = nest(all, cells, blocks, [&](int step) {
                if (step != at || done) return;
                done = true;
                EXPECT_EQ(pthread_mutex_trylock(&mutex), EBUSY);
                restarts ? tm_restart() : static_cast<void>(tm_abort(100 + step));
            });
            const bool aborted = at < steps && !restarts;
            if (code == 0)
                for (void *block : blocks) tm_free(block); // a rollback has freed them
            EXPECT_EQ(code, aborted ? 100 + at : 0);
            EXPECT_EQ(trace, aborted ? "<A><F><N>" : "<W><C><F><N>") << at;
            for (const Cell &one : cells) EXPECT_EQ(one.value, aborted ? 0 : 1) << at;
            EXPECT_EQ(done, at < steps);
            ASSERT_EQ(pthread_mutex_trylock(&mutex), 0) << "free again";
            pthread_mutex_unlock(&mutex);
        }
}

} // namespace
