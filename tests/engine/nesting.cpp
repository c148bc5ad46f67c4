// SPDX-License-Identifier: MIT
// D1: flat nesting of C in C++ and C++ in C, conflicts and aborts inside; a nested commit publishes nothing.
#include "c_block.h"
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

struct Counted {
    explicit Counted(int &destroyed) : destroyed_(destroyed) {}
    ~Counted() { ++destroyed_; }
    Counted(const Counted &) = delete;
    Counted &operator=(const Counted &) = delete;
    int &destroyed_;
};

class Nesting : public Modes {
protected:
    Cell a, b, c;
    /** Adds one. */
    static void bump(Cell &cell) { tm_store_i64(&cell.value, tm_load_i64(&cell.value) + 1); }
};
TM_MODES_SUITE(Nesting);

TEST_P(Nesting, D1_inner_block_is_part_of_the_outer)
{
    tx([&] {
        bump(a);
        const long inner = atomically([&] {
            EXPECT_EQ(load(a.value), 1); // sees what the outer wrote
            bump(b);
            return load(a.value) + load(b.value);
        });
        EXPECT_EQ(inner, 2);
        EXPECT_TRUE(tm_in_transaction());
        EXPECT_EQ(load(b.value), 1);
        bump(c);
    });
    EXPECT_FALSE(tm_in_transaction());
    EXPECT_EQ(a.value + b.value + c.value, 3);
}

TEST_P(Nesting, D1_nested_commit_publishes_nothing)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    tx([&] {
        atomically([&] { bump(a); });
        long seen = -1;
        bool asked = false;
        std::thread([&] {
            // May meet the locked stripe: then it gives up by its deadline, which is not seeing either.
            attr reader = how(TM_READ_ONLY);
            reader.deadline = in_ms(20);
            asked = true;
            try {
                seen = atomically(reader, [&] { return load(a.value); });
            } catch (const error &) {
            }
        }).join();
        EXPECT_TRUE(asked);
        EXPECT_NE(seen, 1);
    });
    EXPECT_EQ(a.value, 1);
}

TEST_P(Nesting, D1_outer_abort_undoes_the_inner_commit)
{
    EXPECT_THROW(tx([&] {
                     atomically([&] { bump(a); });
                     c_transaction(how(), [&] { bump(b); });
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(a.value, 0);
    EXPECT_EQ(b.value, 0);
}

TEST_P(Nesting, D1_restart_in_the_inner_block_restarts_the_outermost)
{
    TM_SKIP_IF_SHAKEN();
    int outer = 0, inner = 0, destroyed = 0;
    tx([&] {
        const Counted object(destroyed);
        ++outer;
        bump(a);
        atomically([&] {
            const Counted object_inside(destroyed);
            ++inner;
            bump(b);
            if (inner < 3) restart();
        });
        bump(c);
    });
    EXPECT_EQ(outer, 3);
    EXPECT_EQ(inner, 3);
    EXPECT_EQ(destroyed, 6);
    EXPECT_EQ(a.value, 1);
    EXPECT_EQ(b.value, 1);
    EXPECT_EQ(c.value, 1);
}

TEST_P(Nesting, D1_cancel_in_the_inner_block_cancels_all)
{
    int destroyed = 0;
    try {
        atomically(how(0, "outer"), [&] {
            const Counted object(destroyed);
            bump(a);
            atomically(how(0, "inner"), [&] {
                bump(b);
                cancel(9);
            });
            ADD_FAILURE() << "went on";
        });
        ADD_FAILURE() << "committed";
    } catch (const error &e) {
        EXPECT_EQ(e.code(), 9);
        EXPECT_STREQ(e.label(), "outer");
    }
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(a.value, 0);
    EXPECT_EQ(b.value, 0);
}

TEST_P(Nesting, D1_c_in_c_restart_and_abort)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int outer = 0, inner = 0, recoveries = 0, inner_recoveries = 0;
    } local;
    c_transaction(
        how(),
        [&] {
            ++local.outer;
            bump(a);
            c_transaction(
                how(),
                [&] {
                    bump(b);
                    if (++local.inner < 3) tm_restart();
                    if (local.inner == 3) tm_abort(3);
                },
                [&] { ++local.inner_recoveries; });
            bump(c);
        },
        [&] {
            EXPECT_EQ(tm_last_error()->code, 3);
            EXPECT_EQ(a.value + b.value, 0);
            ++local.recoveries;
            tm_restart();
        });
    EXPECT_EQ(local.outer, 4);
    EXPECT_EQ(local.inner, 4);
    EXPECT_EQ(local.recoveries, 1);
    EXPECT_EQ(local.inner_recoveries, 0); // the outermost alone has one that runs
    EXPECT_EQ(a.value, 1);
    EXPECT_EQ(b.value, 1);
    EXPECT_EQ(c.value, 1);
}

TEST_P(Nesting, D1_c_in_cpp)
{
    int outer = 0, inner_recoveries = 0, destroyed = 0;
    struct Local {
        int inner = 0;
    } local;
    try {
        tx([&] {
            const Counted object(destroyed);
            ++outer;
            bump(a);
            c_transaction(
                how(),
                [&] {
                    bump(b);
                    ++local.inner;
                    if (local.inner < 3) tm_restart();
                    if (local.inner == 3) tm_abort(4);
                },
                [&] { ++inner_recoveries; });
        });
        ADD_FAILURE() << "committed";
    } catch (const error &e) {
        EXPECT_EQ(e.code(), 4);
    }
    EXPECT_EQ(outer, 3);
    EXPECT_EQ(local.inner, 3);
    EXPECT_EQ(destroyed, 3);
    EXPECT_EQ(inner_recoveries, 0);
    EXPECT_EQ(a.value, 0);
    EXPECT_EQ(b.value, 0);
}

TEST_P(Nesting, D1_cpp_in_c)
{
    TM_SKIP_IF_SHAKEN();
    struct Local {
        int outer = 0, inner = 0, recoveries = 0, destroyed = 0;
    } local;
    c_transaction(
        how(),
        [&] {
            ++local.outer;
            bump(a);
            atomically([&] {
                const Counted object(local.destroyed);
                bump(b);
                ++local.inner;
                if (local.inner < 3) restart();
                if (local.inner == 3) cancel(6);
            });
            bump(c);
        },
        [&] {
            ++local.recoveries;
            EXPECT_EQ(tm_last_error()->code, 6);
            tm_restart();
        });
    EXPECT_EQ(local.outer, 4);
    EXPECT_EQ(local.inner, 4);
    EXPECT_EQ(local.destroyed, 4);
    EXPECT_EQ(local.recoveries, 1);
    EXPECT_EQ(a.value, 1);
    EXPECT_EQ(b.value, 1);
    EXPECT_EQ(c.value, 1);
}

TEST_P(Nesting, D1_languages_in_turns)
{
    TM_SKIP_IF_SHAKEN();
    int outermost = 0, destroyed_outermost = 0;
    struct Local {
        int attempts = 0, destroyed = 0;
    } local;
    tx([&] {
        const Counted object(destroyed_outermost);
        ++outermost;
        bump(a);
        c_transaction(how(), [&] {
            bump(b);
            atomically([&] {
                const Counted object_inside(local.destroyed);
                c_transaction(how(), [&] { bump(c); });
                if (++local.attempts < 5) restart();
            });
        });
    });
    EXPECT_EQ(outermost, 5);
    EXPECT_EQ(destroyed_outermost, 5);
    EXPECT_EQ(local.destroyed, 5);
    EXPECT_EQ(a.value, 1);
    EXPECT_EQ(b.value, 1);
    EXPECT_EQ(c.value, 1);
}

TEST_P(Nesting, D1_restart_in_the_outer_after_inner_blocks_of_both_languages)
{
    struct Local {
        int attempts = 0;
    } local;
    c_transaction(how(), [&] {
        atomically([&] { bump(a); });
        c_transaction(how(), [&] { bump(b); });
        if (++local.attempts < 3) tm_restart();
    });
    int attempts = 0;
    tx([&] {
        c_transaction(how(), [&] { bump(b); });
        atomically([&] { bump(a); });
        if (++attempts < 3) restart();
    });
    EXPECT_EQ(a.value, 2);
    EXPECT_EQ(b.value, 2);
}

TEST_P(Nesting, D1_exception_of_an_inner_block_rolls_all_back_when_it_leaves_the_outermost)
{
    EXPECT_THROW(tx([&] {
                     bump(a);
                     atomically([&] {
                         bump(b);
                         throw std::runtime_error("mine");
                     });
                 }),
                 std::runtime_error);
    EXPECT_FALSE(tm_in_transaction());
    EXPECT_EQ(a.value, 0);
    EXPECT_EQ(b.value, 0);
}

class NestingConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(NestingConcurrent);

/** Conflicts strike at every level, in both languages. */
TEST_P(NestingConcurrent, D1_conflicts_inside_nested_blocks)
{
    struct Shared {
        Cell a, b, c;
    } shared;
    std::atomic<int> destroyed{0}, constructed{0};
    struct Object {
        std::atomic<int> &destroyed;
        Object(std::atomic<int> &c, std::atomic<int> &d) : destroyed(d) { c.fetch_add(1); }
        ~Object() { destroyed.fetch_add(1); }
    };
    const auto bump = [](Cell &cell) { tm_store_i64(&cell.value, tm_load_i64(&cell.value) + 1); };
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const attr how_i = how(me);
            if ((me + i) % 2)
                atomically(how_i, [&] {
                    const Object object(constructed, destroyed);
                    bump(shared.a);
                    c_transaction(how_i, [&] {
                        bump(shared.b);
                        atomically([&] { bump(shared.c); });
                    });
                });
            else
                c_transaction(how_i, [&] {
                    bump(shared.c);
                    atomically([&] {
                        const Object object(constructed, destroyed);
                        bump(shared.b);
                        c_transaction(how_i, [&] { bump(shared.a); });
                    });
                });
        }
    });
    const auto total = static_cast<long>(rounds * threads());
    EXPECT_EQ(shared.a.value, total);
    EXPECT_EQ(shared.b.value, total);
    EXPECT_EQ(shared.c.value, total);
    EXPECT_EQ(constructed.load(), destroyed.load());
}

} // namespace
