// SPDX-License-Identifier: MIT
// P19, P20, D1, E1, H1: nesting, exceptions, irrevocability, the action log.
#include "suite.hpp"

#include <atomic>
#include <stdexcept>

namespace libtm::test {
namespace {

Cell x, y, effects;

void start_cells()
{
    x.value = y.value = effects.value = 0;
    explore::name_memory(&x, sizeof x, "x");
    explore::name_memory(&y, sizeof y, "y");
    explore::name_memory(&effects, sizeof effects, "effects");
}

void add_both()
{
    x.set(x.get() + 1);
    y.set(y.get() + 1);
}

void watch(const Variant &v, unsigned me)
{
    atomically(v.how(me), [] { check(x.get() == y.get(), "an attempt has seen half of a commit"); });
}

/** An irrevocable transaction runs once, and its plain effects are seen by nobody else meanwhile. */
Program irrevocable(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0, TM_IRREVOCABLE), [] {
                     ++effects.value;
                     add_both();
                 });
             },
             [=] { atomically(v.how(1), add_both); }, [=] { watch(v, 2); }},
            [] { check(effects.value == 1 && x.value == 2 && y.value == 2, "an irrevocable transaction has not run once"); }};
}

/** It becomes irrevocable in the middle: what it has read stays true. */
Program irrevocable_in_place(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0), [] {
                     const long a = x.get();
                     check(tm_irrevocable() == 0, "tm_irrevocable has failed");
                     ++effects.value;
                     check(x.get() == a && y.get() == a, "what an irrevocable transaction has read has changed");
                     x.set(a + 1);
                     y.set(a + 1);
                 });
             },
             [=] { atomically(v.how(1), add_both); }},
            [] { check(effects.value == 1 && x.value == 2 && y.value == 2, "an irrevocable transaction has not run once"); }};
}

Program irrevocable_after_a_write(const Variant &v)
{
    start_cells();
    const auto work = [v](unsigned me) {
        atomically(v.how(me), [] {
            x.set(x.get() + 1);
            check(tm_irrevocable() == 0, "tm_irrevocable has failed");
            y.set(y.get() + 1);
        });
    };
    return {{[=] { work(0); }, [=] { work(1); }}, [] { check(x.value == 2 && y.value == 2, "an addition is lost"); }};
}

/** E2: readers go on; and writers give way at their first write. */
Program two_irrevocable(const Variant &v)
{
    start_cells();
    const auto work = [v](unsigned me) {
        atomically(v.how(me, TM_IRREVOCABLE), [] {
            ++effects.value; // plain: they exclude each other
            add_both();
        });
    };
    return {{[=] { work(0); }, [=] { work(1); }, [=] { watch(v, 2); }}, [] { check(effects.value == 2 && x.value == 2, "they do not exclude each other"); }};
}

Program nested(const Variant &v)
{
    start_cells();
    const auto work = [v](unsigned me) {
        unsigned left = 1;
        atomically(v.how(me), [&] {
            x.set(x.get() + 1);
            atomically(v.how(me + 1), [&] {
                y.set(y.get() + 1);
                if (left && left--) restart();
            });
            check(x.get() == y.get(), "an inner block has been committed by itself");
        });
    };
    return {{[=] { work(0); }, [=] { work(1); }, [=] { watch(v, 2); }}, [] { check(x.value == 2 && y.value == 2, "an addition is lost"); }};
}

/** An exception of the user's rolls back; the transactions around it go on. */
Program exception(const Variant &v)
{
    start_cells();
    return {{[=] {
                 try {
                     atomically(v.how(0), [] {
                         add_both();
                         throw std::runtime_error("enough");
                     });
                 } catch (const std::runtime_error &) {
                     ++effects.value;
                 }
             },
             [=] { atomically(v.how(1), add_both); }, [=] { watch(v, 2); }},
            [] { check(effects.value == 1 && x.value == 1 && y.value == 1, "an exception has not rolled back"); }};
}

Program exception_that_commits(const Variant &v)
{
    start_cells();
    return {{[=] {
                 try {
                     atomically(v.how(0, TM_COMMIT_ON_THROW), [] {
                         add_both();
                         throw std::runtime_error("enough");
                     });
                 } catch (const std::runtime_error &) {
                     ++effects.value;
                 }
             },
             [=] { atomically(v.how(1), add_both); }},
            [] { check(effects.value == 1 && x.value == 2 && y.value == 2, "an exception has not committed"); }};
}

std::atomic<int> applied, undone, order;

/** `apply` runs before anybody sees the memory; `undo` backwards, while the data is held. */
Program action_log(const Variant &v)
{
    start_cells();
    applied = undone = order = 0;
    return {{[=] {
                 unsigned left = 1;
                 atomically(v.how(0), [&] {
                     add_both();
                     static constexpr tm_action first{nullptr, [](void *) { return applied.store(1), 0; }, [](void *) { order = order * 10 + 1; }, nullptr};
                     static constexpr tm_action second{nullptr, [](void *) { return check(applied == 1, "entries are not applied in order"), applied.store(2), 0; },
                                                       [](void *) { order = order * 10 + 2; }, [](void *) { undone.fetch_add(1); }};
                     tm_log_action(&first, nullptr, 0);
                     tm_log_action(&second, nullptr, 0);
                     if (left && left--) restart();
                 });
             },
             [=] {
                 const long seen = atomically(v.how(1), [] { return x.get(); });
                 check(seen == 0 || applied == 2, "a commit was seen before its log was applied");
             }},
            [] {
                check(applied == 2, "the log is not applied");
                check(undone >= 2 && order % 100 == 21, "the log is not undone backwards");
            }};
}

/** Two commits that change nothing of each other do not wait for each other. */
Program two_commits(const Variant &v)
{
    start_cells();
    return {{[=] { atomically(v.how(0), [] { x.set(1); }); }, [=] { atomically(v.how(1), [] { y.set(1); }); },
             [=] { atomically(v.how(2), [] { effects.set(x.get() + y.get()); }); }}};
}

const Add added{
    {"irrevocable", irrevocable},
    {"irrevocable in place", irrevocable_in_place},
    {"irrevocable after a write", irrevocable_after_a_write},
    {"two irrevocable", two_irrevocable},
    {"nested", nested},
    {"exception", exception},
    {"exception that commits", exception_that_commits},
    {"action log", action_log},
    {"two commits", two_commits},
    {"clock overflow, irrevocable", irrevocable, 4, 8},
    {"clock overflow, irrevocable in place", irrevocable_in_place, 4, 8},
    {"clock overflow, action log", action_log, 4, 8},
};

} // namespace
} // namespace libtm::test
