// SPDX-License-Identifier: MIT
// H1 to H4: the action log: order, copies of the data, veto, errors after the point of no return, what callbacks may do.
#include "c_block.h"
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

/** What happened, in order: "p1 p2 a1 a2 f1 f2". Callbacks have only their data, so the trace is global. */
std::string trace;
void note(char what, int id)
{
    if (!trace.empty()) trace += ' ';
    trace += what + std::to_string(id);
}

struct Entry {
    int id;
    int prepare_code, apply_code;
};
const tm_action traced = {
    [](void *d) { return note('p', static_cast<Entry *>(d)->id), static_cast<Entry *>(d)->prepare_code; },
    [](void *d) { return note('a', static_cast<Entry *>(d)->id), static_cast<Entry *>(d)->apply_code; },
    [](void *d) { note('u', static_cast<Entry *>(d)->id); },
    [](void *d) { note('f', static_cast<Entry *>(d)->id); },
};
void log_entry(int id, int prepare_code = 0, int apply_code = 0)
{
    const Entry entry = {id, prepare_code, apply_code};
    EXPECT_EQ(tm_log_action(&traced, &entry, sizeof entry), 0);
}

class Actions : public Modes {
protected:
    static inline Cell cell;
    void SetUp() override
    {
        trace.clear();
        cell.value = 1;
    }
};
TM_MODES_SUITE(Actions);

TEST_P(Actions, H1_forwards_at_the_commit)
{
    tx([] {
        for (int id : {1, 2, 3}) log_entry(id);
        EXPECT_EQ(trace, "");
    });
    EXPECT_EQ(trace, "p1 p2 p3 a1 a2 a3 f1 f2 f3");
}

TEST_P(Actions, H1_forwards_at_the_commit_of_a_writer)
{
    TM_SKIP_IF_SHAKEN();
    tx([] {
        log_entry(1);
        store(cell.value, 2L);
        log_entry(2);
    });
    EXPECT_EQ(trace, "p1 p2 a1 a2 f1 f2");
}

TEST_P(Actions, H1_backwards_at_a_rollback)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_THROW(tx([] {
                     for (int id : {1, 2, 3}) log_entry(id);
                     store(cell.value, 2L);
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(trace.substr(0, 8), "u3 u2 u1");
    for (const char *finish : {"f1", "f2", "f3"}) EXPECT_NE(trace.find(finish), std::string::npos);
    EXPECT_EQ(trace.size(), std::strlen("u3 u2 u1 f1 f2 f3"));
}

TEST_P(Actions, H1_each_attempt_has_its_own_log)
{
    int attempts = 0;
    tx([&] {
        log_entry(++attempts);
        if (attempts < 3) restart();
    });
    EXPECT_EQ(trace, "u1 f1 u2 f2 p3 a3 f3");
}

TEST_P(Actions, H1_inner_blocks_log_into_the_outermost)
{
    tx([] {
        log_entry(1);
        atomically([] { log_entry(2); });
        c_transaction(how(), [] { log_entry(3); });
        EXPECT_EQ(trace, "");
        log_entry(4);
    });
    EXPECT_EQ(trace, "p1 p2 p3 p4 a1 a2 a3 a4 f1 f2 f3 f4");
}

TEST_P(Actions, H1_memory_comes_first)
{
    static long applied, undone, prepared;
    applied = undone = prepared = 0;
    const tm_action look = {
        [](void *) { return prepared = tm_load_i64(&cell.value), 0; },
        [](void *) { return applied = cell.value, 0; },
        [](void *) { undone = cell.value; },
        nullptr,
    };
    tx([&] {
        store(cell.value, 2L);
        tm_log_action(&look, nullptr, 0);
        store(cell.value, 3L);
    });
    EXPECT_EQ(prepared, 3);
    EXPECT_EQ(applied, 3);
    EXPECT_THROW(tx([&] {
                     store(cell.value, 4L);
                     tm_log_action(&look, nullptr, 0);
                     store(cell.value, 5L);
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(undone, 3);
}

TEST_P(Actions, H1_callbacks_may_load_and_store_what_is_held)
{
    static long seen;
    const tm_action add = {
        nullptr,
        [](void *) {
            seen = tm_load_i64(&cell.value);
            tm_store_i64(&cell.value, seen + 100);
            return 0;
        },
        [](void *) { seen = tm_load_i64(&cell.value); },
        nullptr,
    };
    tx([&] {
        store(cell.value, 2L);
        tm_log_action(&add, nullptr, 0);
    });
    EXPECT_EQ(seen, 2);
    EXPECT_EQ(cell.value, 102);
    EXPECT_THROW(tx([&] {
                     store(cell.value, 4L);
                     tm_log_action(&add, nullptr, 0);
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(seen, 102);
    EXPECT_EQ(cell.value, 102);
}

TEST_P(Actions, H1_data_is_held_until_all_is_applied)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    static std::atomic<bool> applying, applied;
    applying = applied = false;
    std::atomic<bool> early{false};
    std::thread reader([&] {
        wait_until([] { return applying.load(); });
        for (bool last = false; !last;) {
            last = applied;
            atomically(how(TM_READ_ONLY), [&] {
                if (load(cell.value) == 2 && !applied) early = true;
            });
        }
    });
    tx([] {
        store(cell.value, 2L);
        tm_log(
            [](void *) {
                applying = true;
                for (int i = 0; i < 2000; ++i) std::this_thread::yield();
                applied = true;
                return 0;
            },
            nullptr, nullptr, nullptr, 0);
    });
    reader.join();
    EXPECT_FALSE(early.load());
}

TEST_P(Actions, H1_data_is_held_until_all_is_undone)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    static std::atomic<bool> undoing, undone;
    undoing = undone = false;
    std::atomic<bool> early{false};
    std::thread writer([&] {
        wait_until([] { return undoing.load(); });
        atomically(how(), [&] {
            store(cell.value, load(cell.value) + 1);
            if (!undone) early = true;
        });
    });
    EXPECT_THROW(tx([] {
                     store(cell.value, 2L);
                     tm_log(
                         nullptr,
                         [](void *) {
                             undoing = true;
                             for (int i = 0; i < 2000; ++i) std::this_thread::yield();
                             undone = true;
                         },
                         nullptr, nullptr, 0);
                     cancel(1);
                 }),
                 error);
    writer.join();
    EXPECT_FALSE(early.load());
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Actions, H2_data_is_copied_aligned_and_does_not_move)
{
    struct Probe {
        void *seen_first;
        std::size_t id;
        char bytes[1];
    };
    static std::size_t wrong, prepared, applied, finished;
    wrong = prepared = applied = finished = 0;
    const tm_action probe = {
        [](void *d) {
            static_cast<Probe *>(d)->seen_first = d;
            if (reinterpret_cast<std::uintptr_t>(d) % 16) ++wrong;
            if (static_cast<Probe *>(d)->id != prepared++) ++wrong;
            return 0;
        },
        [](void *d) {
            if (static_cast<Probe *>(d)->seen_first != d || static_cast<Probe *>(d)->id != applied++) ++wrong;
            return 0;
        },
        nullptr,
        [](void *d) {
            if (static_cast<Probe *>(d)->seen_first != d || static_cast<Probe *>(d)->id != finished++) ++wrong;
        },
    };
    const std::size_t count = scaled(20000);
    tx([&] {
        std::vector<unsigned char> buffer(sizeof(Probe) + 3000);
        for (std::size_t id = 0; id < count; ++id) {
            Probe p = {nullptr, id, {0}};
            std::memcpy(buffer.data(), &p, sizeof p);
            tm_log_action(&probe, buffer.data(), sizeof p + (id % 100 == 0 ? 3000 : id % 37));
            std::memset(buffer.data(), 0xff, sizeof p); // the log has its own copy
        }
    });
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(finished, count);
}

TEST_P(Actions, H3_reserve)
{
    EXPECT_EQ(tm_log_reserve(1, 1, 1), EPERM);
    std::thread([] {
        atomically(how(TM_NO_GROW), [] {
            EXPECT_EQ(tm_log_reserve(1000, 1000 * sizeof(Entry), 1), 0);
            for (int id = 0; id < 1000; ++id) log_entry(id);
        });
        trace.clear();
        try {
            atomically(how(TM_NO_GROW, "bounded"), [] {
                EXPECT_EQ(tm_log_reserve(3, 3 * sizeof(Entry), 0), 0);
                const std::vector<char> large(1 << 20);
                for (int id = 0; id < 1000; ++id) tm_log(nullptr, nullptr, nullptr, large.data(), large.size());
            });
            ADD_FAILURE() << "committed";
        } catch (const error &e) {
            EXPECT_EQ(e.kind(), TM_ERROR_LOG_FULL);
            EXPECT_EQ(e.code(), ENOBUFS);
        }
    }).join();
}

TEST_P(Actions, H4_prepare_may_veto)
{
    try {
        atomically(how(0, "vetoed"), [] {
            store(cell.value, 2L);
            log_entry(1);
            log_entry(2, 55);
            log_entry(3);
        });
        ADD_FAILURE() << "committed";
    } catch (const error &e) {
        EXPECT_EQ(e.kind(), TM_ERROR_VETO);
        EXPECT_EQ(e.code(), 55);
        EXPECT_STREQ(e.label(), "vetoed");
    }
    EXPECT_EQ(cell.value, 1);
    EXPECT_EQ(trace.substr(0, 14), "p1 p2 u3 u2 u1");
    EXPECT_EQ(trace.find('a'), std::string::npos);
}

TEST_P(Actions, H4_veto_leads_to_the_recovery_block)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int recoveries = 0, attempts = 0;
    } local;
    c_transaction(
        how(),
        [&] {
            tm_store_i64(&cell.value, tm_load_i64(&cell.value) + 1);
            log_entry(1, ++local.attempts == 1 ? 7 : 0);
        },
        [&] {
            ++local.recoveries;
            EXPECT_EQ(tm_last_error()->kind, TM_ERROR_VETO);
            EXPECT_EQ(tm_last_error()->code, 7);
            tm_restart();
        });
    EXPECT_EQ(local.recoveries, 1);
    EXPECT_EQ(cell.value, 2);
    EXPECT_EQ(trace, "p1 u1 f1 p1 a1 f1");
}

TEST_P(Actions, H4_error_after_the_point_of_no_return_is_reported_and_the_rest_applied)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int recoveries = 0;
    } local;
    c_transaction(
        how(0, "partly"),
        [] {
            tm_store_i64(&cell.value, 2);
            log_entry(1);
            log_entry(2, 0, 66);
            log_entry(3, 0, 67);
            log_entry(4);
        },
        [&] { ++local.recoveries; });
    EXPECT_EQ(local.recoveries, 0); // it has committed
    EXPECT_EQ(cell.value, 2);
    EXPECT_EQ(trace, "p1 p2 p3 p4 a1 a2 a3 a4 f1 f2 f3 f4");
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_ACTION);
    EXPECT_TRUE(tm_last_error()->code == 66 || tm_last_error()->code == 67);
    EXPECT_STREQ(tm_last_error()->label, "partly");
}

TEST_P(Actions, H1_begin_is_refused_in_callbacks)
{
    TM_SKIP_IF_SHAKEN();
    static int ran, refused;
    ran = refused = 0;
    const auto attempt = [](void *) {
        try {
            atomically([] { ++ran; });
        } catch (const error &e) {
            if (e.kind() == TM_ERROR_MISUSE) ++refused;
        }
        c_transaction(make_attr(TM_MODE_DEFAULT), [] { ++ran; }, [] {
            if (tm_last_error()->kind == TM_ERROR_MISUSE) ++refused;
        });
        return 0;
    };
    const tm_action nesting = {attempt, attempt, [](void *d) { (void)d; }, nullptr};
    tx([&] {
        store(cell.value, 2L);
        tm_log_action(&nesting, nullptr, 0);
    });
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(refused, 4);
    EXPECT_EQ(cell.value, 2);
    EXPECT_FALSE(tm_in_transaction());
    tx([] { store(cell.value, 3L); }); // and all is well after it
    EXPECT_EQ(cell.value, 3);
}

TEST_P(Actions, H1_begin_is_refused_in_undo)
{
    static int ran, refused;
    ran = refused = 0;
    EXPECT_THROW(tx([] {
                     store(cell.value, 2L);
                     tm_log(
                         nullptr,
                         [](void *) {
                             try {
                                 atomically([] { ++ran; });
                             } catch (const error &) {
                                 ++refused;
                             }
                         },
                         nullptr, nullptr, 0);
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Actions, H1_begin_is_refused_in_finish)
{
    TM_SKIP_IF_SHAKEN();
    static int ran, refused, finished;
    ran = refused = finished = 0;
    const auto finish = [](void *d) {
        try {
            atomically([] { ++ran; });
        } catch (const error &e) {
            if (e.kind() == TM_ERROR_MISUSE) ++refused;
        }
        finished += *static_cast<int *>(d);
    };
    tx([&] {
        store(cell.value, 2L);
        for (int data : {1, 2, 4}) tm_log(nullptr, nullptr, finish, &data, sizeof data);
    });
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(refused, 3);
    EXPECT_EQ(finished, 7);
    EXPECT_EQ(cell.value, 2);
    tx([] { store(cell.value, 3L); }); // and all is well after it
    EXPECT_EQ(cell.value, 3);
}

TEST_P(Actions, H1_outside_of_a_transaction_at_once)
{
    log_entry(1);
    EXPECT_EQ(trace.find('u'), std::string::npos);
    EXPECT_NE(trace.find("a1 f1"), std::string::npos);
    const Entry failing = {2, 0, 12};
    EXPECT_EQ(tm_log_action(&traced, &failing, sizeof failing), 12);
    const Entry vetoing = {3, 13, 0};
    EXPECT_EQ(tm_log_action(&traced, &vetoing, sizeof vetoing), 13);
    EXPECT_EQ(trace.find("a3"), std::string::npos);
}

TEST_P(Actions, H1_members_may_be_null)
{
    const tm_action none = {nullptr, nullptr, nullptr, nullptr};
    tx([&] {
        EXPECT_EQ(tm_log_action(&none, nullptr, 0), 0);
        EXPECT_EQ(tm_log(nullptr, nullptr, nullptr, nullptr, 0), 0);
    });
    EXPECT_THROW(tx([&] {
                     tm_log_action(&none, nullptr, 0);
                     cancel(1);
                 }),
                 error);
}

class ActionsConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(ActionsConcurrent);

/** What is done at once and undone by the log ends up as many times as transactions committed. */
TEST_P(ActionsConcurrent, H1_compensated_effects)
{
    static std::atomic<long> effects, applied;
    effects = applied = 0;
    Cell cell;
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i)
            atomically(how(me), [&] {
                effects.fetch_add(1);
                tm_log([](void *) { return applied.fetch_add(1), 0; }, [](void *) { effects.fetch_sub(1); }, nullptr, nullptr, 0);
                store(cell.value, load(cell.value) + 1);
            });
    });
    EXPECT_EQ(cell.value, static_cast<long>(rounds * threads()));
    EXPECT_EQ(effects.load(), cell.value);
    EXPECT_EQ(applied.load(), cell.value);
}

} // namespace
