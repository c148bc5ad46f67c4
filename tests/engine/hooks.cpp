// SPDX-License-Identifier: MIT
// What another library learns of a commit (tm/hooks.h): when it is asked, what was written, and what becomes of its answers.
#include "c_block.h"
#include "support.hpp"

#include <cerrno>
#include <functional>
#include <map>
#include <tm/hooks.h>
#include <tm/stage.hpp>

namespace {

using namespace libtm;
using namespace libtm::test;

alignas(64) unsigned char memory[256]; ///< that the hooks watch over
alignas(64) long elsewhere;
std::string trace;
std::map<std::size_t, int> written; ///< bytes of memory: how often they were told of
int veto, late_fault;
std::function<void()> in_prepare, in_committed, in_ended;

void collect(const tm_written *of)
{
    written.clear();
    tm_each_written(
        of,
        [](void *, void *addr, std::size_t size) {
            for (auto *at = static_cast<unsigned char *>(addr); at < static_cast<unsigned char *>(addr) + size; ++at)
                if (at >= memory && at < memory + sizeof memory) ++written[static_cast<std::size_t>(at - memory)];
        },
        nullptr);
}

constexpr tm_hooks hooks = {
    [](const tm_written *of, tm_durability durability, int must) {
        trace += 'P';
        if (must) trace += '!';
        if (durability) trace += static_cast<char>('0' + durability);
        collect(of);
        if (in_prepare) in_prepare();
        return veto;
    },
    [] { trace += "R"; },
    [](const tm_written *of) {
        const auto before = std::exchange(written, {});
        collect(of);
        EXPECT_EQ(before, written) << "the same before and after";
        trace += "C";
        if (in_committed) in_committed();
    },
    [] {
        trace += "E";
        const int fault = late_fault;
        if (in_ended) in_ended();
        return fault;
    },
};

const tm_action noted = {[](void *) { return trace += "p", 0; }, [](void *) { return trace += "a", 0; }, [](void *) { trace += "u"; }, [](void *) { trace += "f"; }};

class Hooks : public Modes {
protected:
    void SetUp() override
    {
        ASSERT_EQ(tm_hooks_install(&hooks), 0);
        tm_hooks_range(memory, memory + sizeof memory);
        std::memset(memory, 0, sizeof memory);
        elsewhere = 0;
        trace.clear();
        veto = late_fault = 0;
        in_prepare = in_committed = in_ended = nullptr;
    }
    void TearDown() override { tm_hooks_range(nullptr, nullptr); }
};
TM_MODES_SUITE(Hooks);

TEST_P(Hooks, are_called_in_their_places)
{
    TM_SKIP_IF_SHAKEN();
    in_committed = [] { EXPECT_EQ(memory[3], 7) << "the new value is in memory"; };
    in_ended = [] { EXPECT_FALSE(tm_in_transaction()); };
    tx([] {
        tm_log_action(&noted, nullptr, 0);
        store(memory[3], static_cast<unsigned char>(7));
        EXPECT_EQ(trace, "");
    });
    EXPECT_EQ(trace, "pPCafE");
    EXPECT_EQ(written, (std::map<std::size_t, int>{{3, 1}}));
}

TEST_P(Hooks, learn_of_each_byte_once_and_of_no_other)
{
    TM_SKIP_IF_SHAKEN();
    std::uint64_t random = 1;
    const auto below = [&](std::size_t limit) { return static_cast<std::size_t>((random = random * 6364136223846793005u + 1442695040888963407u) >> 33) % limit; };
    for (int round = 0; round < 200; ++round) {
        std::map<std::size_t, int> expected;
        std::vector<std::pair<std::size_t, std::size_t>> stores;
        for (std::size_t i = below(12) + 1; i-- > 0;) {
            const std::size_t at = below(sizeof memory - 70), size = below(3) ? std::size_t{1} << below(4) : below(70) + 1;
            stores.emplace_back(at, size);
            for (std::size_t byte = at; byte < at + size; ++byte) expected[byte] = 1;
        }
        tx([&] {
            for (const auto &[at, size] : stores) tm_memset(memory + at, round, size);
            store(elsewhere, 1L);
        });
        ASSERT_EQ(written, expected) << "round " << round;
    }
}

TEST_P(Hooks, learn_of_privatized_bytes_and_of_whole_stripes_without_a_trace)
{
    TM_SKIP_IF_SHAKEN();
    tx([] {
        tm_privatize(memory + 2, 3, TM_PRIVATIZE_STORE);
        tm_privatize(memory + 10, 3, TM_PRIVATIZE_LOAD);
        tm_privatize(memory + 70, 1, TM_PRIVATIZE_STORE | TM_PRIVATIZE_NOUNDO);
    });
    std::map<std::size_t, int> expected{{2, 1}, {3, 1}, {4, 1}};
    for (std::size_t i = 64; i < 96; ++i) expected[i] = 1;
    EXPECT_EQ(written, expected);
}

TEST_P(Hooks, are_not_asked_about_other_memory)
{
    tx([] {
        static_cast<void>(load(memory[0]));
        store(elsewhere, 1L);
    });
    tm_hooks_range(nullptr, nullptr);
    tx([] { store(memory[0], static_cast<unsigned char>(1)); });
    EXPECT_EQ(trace, "");
    EXPECT_EQ(tm_hooks_call(), EPERM) << "outside of a transaction";
}

TEST_P(Hooks, are_called_on_request)
{
    TM_SKIP_IF_SHAKEN();
    tx([] { EXPECT_EQ(tm_hooks_call(), 0); });
    EXPECT_EQ(trace, "PCE");
    trace.clear();
    tx([] {
        tm_hooks_call();
        store(elsewhere, 1L);
    });
    EXPECT_EQ(trace, "PCE");
    EXPECT_TRUE(written.empty());
}

TEST_P(Hooks, may_refuse)
{
    TM_SKIP_IF_SHAKEN();
    veto = ENOSPC;
    try {
        tx([] {
            tm_log_action(&noted, nullptr, 0);
            store(memory[0], static_cast<unsigned char>(1));
        });
        ADD_FAILURE() << "it has committed";
    } catch (const error &refused) {
        EXPECT_EQ(refused.kind(), TM_ERROR_POOL);
        EXPECT_EQ(refused.code(), ENOSPC);
    }
    EXPECT_EQ(memory[0], 0);
    EXPECT_EQ(trace, "pPuf");
    veto = 0;
    tx([] { store(memory[0], static_cast<unsigned char>(1)); });
    EXPECT_EQ(memory[0], 1);
}

TEST_P(Hooks, are_told_when_it_is_rolled_back_after_all)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    in_prepare = [] { // what it has read changes
        std::thread([] {
            in_prepare = nullptr;
            attr hasty{};
            hasty.flags = TM_NO_QUIESCENCE; // it must not wait for us
            atomically(hasty, [] { store(elsewhere, 5L); });
        }).join();
    };
    tx([] { store(memory[0], static_cast<unsigned char>(load(elsewhere) + 1)); });
    EXPECT_EQ(trace, "PRPCE");
    EXPECT_EQ(memory[0], 6);
}

TEST_P(Hooks, must_go_on_with_an_irrevocable_one)
{
    TM_SKIP_IF_SHAKEN();
    attr how{};
    how.flags = TM_IRREVOCABLE;
    how.durability = TM_DURABILITY_ASYNC;
    atomically(how, [] { store(memory[0], static_cast<unsigned char>(1)); });
    EXPECT_EQ(trace, "P!2CE");
}

TEST_P(Hooks, that_fail_late_are_reported_and_undo_nothing)
{
    TM_SKIP_IF_SHAKEN();
    late_fault = EIO;
    try {
        tx([] { store(memory[0], static_cast<unsigned char>(1)); });
        ADD_FAILURE() << "nobody was told";
    } catch (const error &told) {
        EXPECT_EQ(told.kind(), TM_ERROR_POOL);
        EXPECT_EQ(told.code(), EIO);
    }
    EXPECT_EQ(memory[0], 1);
    EXPECT_EQ(trace, "PCE");
}

TEST_P(Hooks, may_run_transactions_when_it_has_ended)
{
    TM_SKIP_IF_SHAKEN();
    in_ended = [] {
        in_ended = nullptr;
        const auto in_c = [] {
            tm_begin
                store(elsewhere, load(elsewhere) + 1);
            tm_commit
                ADD_FAILURE();
            tm_end
        };
        in_c();
        atomically([] { store(elsewhere, load(elsewhere) + 1); });
    };
    late_fault = EIO; // so that its own block's boundary is needed afterwards
    tm_save int recovered = 0;
    tm_begin
        store(memory[0], static_cast<unsigned char>(1));
    tm_commit
        recovered = recovered + 1;
    tm_end
    EXPECT_EQ(recovered, 1);
    EXPECT_EQ(elsewhere, 2);
    EXPECT_EQ(memory[0], 1);
}

/** Deeper than the block: a frame that is gone when that block's boundary is needed. */
[[gnu::noinline]] void destroy_by_transactions(void *)
{
    trace += "D";
    tm_begin
        store(elsewhere, load(elsewhere) + 1);
        store(memory[100], static_cast<unsigned char>(9)); // asks the hooks, too
    tm_commit
        trace += "r";
    tm_end
}

TEST_P(Hooks, what_was_retired_is_destroyed_when_they_have_ended)
{
    TM_SKIP_IF_SHAKEN();
    for (const int fault : {0, EIO}) {
        trace.clear();
        late_fault = fault;
        in_ended = [] { // retires, too, and has nothing of the block's destroyed
            in_ended = nullptr;
            late_fault = 0;
            tx([] { tm_retire(&elsewhere, [](void *) { trace += "d"; }); });
        };
        tm_save int recovered = 0;
        tm_begin
            store(memory[0], static_cast<unsigned char>(1));
            tm_retire(&elsewhere, destroy_by_transactions);
        tm_commit
            recovered = recovered + 1;
        tm_end
        EXPECT_EQ(trace, "PCEdDPCE");
        EXPECT_EQ(recovered, fault ? 1 : 0);
    }
    EXPECT_EQ(elsewhere, 2);
}

TEST_P(Hooks, L3_what_runs_when_it_has_ended_is_counted_under_its_own_label)
{
    TM_SKIP_IF_SHAKEN();
    const auto commits = [](const char *label) {
        tm_label_stats stats;
        tm_label_stats_get(label, &stats);
        EXPECT_EQ(stats.commits, stats.duration_ns.count);
        return stats.commits;
    };
    const std::uint64_t outer = commits("hooked"), inner = commits("in the hook");
    in_ended = [] {
        in_ended = nullptr;
        for (int i = 0; i < 3; ++i) atomically(how(0, "in the hook"), [] { store(elsewhere, load(elsewhere) + 1); });
    };
    atomically(how(0, "hooked"), [] { store(memory[0], static_cast<unsigned char>(1)); });
    EXPECT_EQ(commits("hooked") - outer, 1u);
    EXPECT_EQ(commits("in the hook") - inner, 3u);
    late_fault = EIO; // committed in memory all the same
    EXPECT_THROW(atomically(how(0, "hooked"), [] { store(memory[0], static_cast<unsigned char>(2)); }), error);
    EXPECT_EQ(commits("hooked") - outer, 2u);
}

TEST_P(Hooks, leave_nothing_of_the_block_to_the_next_transaction)
{
    TM_SKIP_IF_SHAKEN();
    tm_hooks_range(nullptr, nullptr); // called on demand; beside a range nobody is alone
    const Option seldom{"bias", "50"};
    for (int i = 0; i < 1000; ++i) tx([] {});
    for (int i = 0; i < 3; ++i) {
        in_ended = [] { tx([] {}); };
        atomically(how(TM_READ_ONLY), [] { EXPECT_EQ(tm_hooks_call(), 0); });
        in_ended = nullptr;
        EXPECT_NO_THROW(tx([] { store(elsewhere, load(elsewhere) + 1); }));
    }
    EXPECT_EQ(elsewhere, 3);
}

TEST_P(Hooks, are_one_table)
{
    static constexpr tm_hooks others = hooks;
    EXPECT_EQ(tm_hooks_install(&others), EBUSY);
    EXPECT_EQ(tm_hooks_install(&hooks), 0);
}

TEST_P(Hooks, of_a_block_with_stages_are_called_before_its_parts_and_may_fail_it)
{
    TM_SKIP_IF_SHAKEN();
    const attr mode = how();
    stages all{};
    all.attr = &mode;
    in_ended = [] {
        EXPECT_EQ(tm_stage(), TM_STAGE_ONCOMMIT);
        tx([] { store(elsewhere, load(elsewhere) + 1); }); // another transaction, and its failure
        EXPECT_THROW(tx([] { cancel(5); }), error);
    };
    for (const int fault : {0, EIO}) {
        late_fault = fault;
        trace.clear();
        EXPECT_EQ(staged(all, [&](tm_stage_kind stage) {
            trace += static_cast<char>('0' + stage);
            if (stage == TM_STAGE_WORK) store(memory[3], static_cast<unsigned char>(7));
        }), fault);
        EXPECT_EQ(trace, fault ? "1PCE34" : "1PCE24");
        EXPECT_EQ(tm_errno(), fault);
        trace.clear();
        const auto run = [&] {
            atomically(all, [] { store(memory[3], static_cast<unsigned char>(8)); }, on_commit{[] { trace += "2"; }}, on_abort{[] { trace += "3"; }});
        };
        if (fault)
            EXPECT_THROW(run(), error);
        else
            run();
        EXPECT_EQ(trace, fault ? "PCE3" : "PCE2");
        EXPECT_EQ(tm_stage(), TM_STAGE_NONE);
    }
    late_fault = 0;
    veto = ENOSPC;
    trace.clear();
    EXPECT_EQ(staged(all, [&](tm_stage_kind stage) {
        trace += static_cast<char>('0' + stage);
        if (stage == TM_STAGE_WORK) store(memory[3], static_cast<unsigned char>(9));
    }), ENOSPC);
    EXPECT_EQ(trace, "1P34");
    EXPECT_EQ(memory[3], 8);
}

} // namespace
