// SPDX-License-Identifier: MIT
// P1, P13, P20: a thread that runs alone, without orecs, and others that come; transactions that take turns.
#include "suite.hpp"

#include <sched.h>
#include <tm/hold.h>

namespace libtm::test {
namespace {

Cell x, y, z;
Cell *slot;

void start_cells()
{
    x.value = y.value = z.value = 0;
    explore::name_memory(&x, sizeof x, "x");
    explore::name_memory(&y, sizeof y, "y");
    explore::name_memory(&z, sizeof z, "z");
    explore::name_memory(&slot, sizeof slot, "slot");
}

void add_both()
{
    x.set(x.get() + 1);
    y.set(y.get() + 1);
}

/** Through orecs, whoever has the bias. */
void store_bytes(Cell &cell, long value) { tm_store_bytes(&cell.value, &value, sizeof value); }

void add_times(const Variant &v, unsigned me, unsigned times)
{
    for (unsigned i = 0; i < times; ++i) atomically(v.how(me), add_both);
}

void watch(const Variant &v, unsigned me)
{
    atomically(v.how(me), [] { check(x.get() == y.get(), "an attempt has seen half of a commit"); });
}

std::function<void()> sum_is(long sum)
{
    return [=] { check(x.value == sum && y.value == sum, "a commit is lost"); };
}

Program adders(const Variant &v)
{
    start_cells();
    return {{[=] { add_times(v, 0, 3); }, [=] { add_times(v, 1, 1); }}, sum_is(4)};
}

/** One that keeps its turn while it lets another one run, which wants it. */
Program a_turn_is_kept(const Variant &v)
{
    start_cells();
    const auto add = [=](unsigned me) { atomically(v.how(me), [] { x.set(x.get() + 1); }); };
    return {{[=] {
                 add(0);
                 sched_yield();
                 add(0);
             },
             [=] { add(1); }},
            [] { check(x.value == 3, "a commit is lost"); }};
}

Program two_come(const Variant &v)
{
    start_cells();
    return {{[=] { add_times(v, 0, 2); }, [=] { add_times(v, 1, 1); }, [=] { watch(v, 2); }}, sum_is(3)};
}

Program reader_comes(const Variant &v)
{
    start_cells();
    return {{[=] { add_times(v, 0, 2); },
             [=] {
                 atomically(v.how(1, TM_READ_ONLY), [] { check(x.get() == y.get(), "an attempt has seen half of a commit"); });
                 watch(v, 1);
             }},
            sum_is(2)};
}

/** What is stored in place comes back, and nobody has seen it. */
Program rollback(const Variant &v)
{
    start_cells();
    return {{[=] {
                 add_times(v, 0, 1);
                 atomically(v.how(0), [] {
                     add_both();
                     x.set(x.get() + 10);
                     if (tm_attempt() == 1) tm_restart();
                     y.set(y.get() + 10);
                 });
             },
             [=] { watch(v, 1); }},
            sum_is(12)};
}

/** The rest of the attempt takes orecs, and everything is undone in the right order. */
Program orecs_in_the_middle(const Variant &v)
{
    start_cells();
    return {{[=] {
                 add_times(v, 0, 1);
                 atomically(v.how(0), [] {
                     add_both();
                     store_bytes(x, 3);
                     check(x.get() == 3, "an own store is not seen");
                     if (tm_attempt() == 1) x.set(5);
                     if (tm_attempt() == 1) tm_restart();
                     add_both();
                     y.set(x.get());
                 });
             },
             [=] { watch(v, 1); }},
            sum_is(4)};
}

/** The orec that an earlier transaction has taken is too new for this one, which moves the clock. */
Program orecs_again(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0), [] { store_bytes(z, 1); });
                 atomically(v.how(0), [] {
                     x.set(1);
                     store_bytes(z, 2);
                     y.set(1);
                 });
             },
             [=] { watch(v, 1); }},
            sum_is(1)};
}

Program irrevocable_comes(const Variant &v)
{
    start_cells();
    return {{[=] { add_times(v, 0, 2); },
             [=] {
                 atomically(v.how(1, TM_IRREVOCABLE), [] {
                     ++z.value;
                     add_both();
                 });
             }},
            [] { check(x.value == 3 && y.value == 3 && z.value == 1, "an irrevocable transaction has not run once"); }};
}

Program irrevocable_in_place(const Variant &v)
{
    start_cells();
    return {{[=] {
                 add_times(v, 0, 1);
                 atomically(v.how(0), [] {
                     add_both();
                     check(tm_irrevocable() == 0, "tm_irrevocable has failed");
                     ++z.value;
                     add_both();
                 });
             },
             [=] { add_times(v, 1, 1); }},
            [] { check(x.value == 4 && y.value == 4 && z.value == 1, "an irrevocable transaction has not run once"); }};
}

Program holder_comes(const Variant &v)
{
    start_cells();
    return {{[=] { add_times(v, 0, 2); },
             [] {
                 tm_holder *const holder = tm_hold_begin();
                 check(tm_hold(holder, &x, sizeof x) == 0 && tm_hold(holder, &y, sizeof y) == 0, "no holder");
                 const long before = x.value;
                 ++x.value;
                 ++y.value;
                 check(x.value == before + 1 && y.value == before + 1, "a transaction has changed what is held");
                 tm_hold_end(holder);
             }},
            sum_is(3)};
}

/** The bias may be lost to a holder and taken again at the same begin: then too the other one sees when an attempt has ended. */
Program holder_comes_and_goes(const Variant &v)
{
    start_cells();
    return {{[=] { add_times(v, 0, 5); },
             [=] {
                 tm_hold_end(tm_hold_begin());
                 add_times(v, 1, 1);
             }},
            sum_is(6)};
}

/** A node is taken out and freed under who may look at it. */
Program a_node_is_freed(const Variant &v)
{
    start_cells();
    slot = static_cast<Cell *>(tm_malloc(sizeof(Cell)));
    slot->value = 7;
    return {{[=] {
                 add_times(v, 0, 1);
                 atomically(v.how(0), [] {
                     Cell *const mine = load(slot);
                     store(slot, nullptr);
                     tm_free(mine);
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     if (const Cell *const node = load(slot)) check(node->get() == 7, "a freed node is seen");
                 });
             }}};
}

/** What is private now is used plainly, though others were about. */
Program privatization(const Variant &v)
{
    start_cells();
    return {{[=] {
                 add_times(v, 0, 1);
                 atomically(v.how(0), [] { z.set(1); });
                 x.value = y.value = 100;
             },
             [=] {
                 atomically(v.how(1), [] {
                     if (!z.get()) add_both();
                 });
             }},
            sum_is(100)};
}

/** Who runs the destructors of its rolled back transaction has not ended: what they look at is still there. */
Program unwinding_looks(const Variant &v)
{
    start_cells();
    slot = static_cast<Cell *>(tm_malloc(sizeof(Cell)));
    slot->value = 7;
    return {{[=] {
                 atomically(v.how(0), [] {
                     struct Looks {
                         Cell *at;
                         ~Looks()
                         {
                             if (at) check(at->get() == 7, "a freed node is seen");
                         }
                     } looks{load(slot)};
                     if (tm_attempt() == 1 && looks.at) tm_restart();
                     looks.at = nullptr;
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     Cell *const mine = load(slot);
                     store(slot, nullptr);
                     tm_free(mine);
                 });
             }}};
}

/** Turns start while others run. */
Program turns_come(const Variant &v)
{
    start_cells();
    tm_config_set("turns", "off");
    return {{[=] {
                 tm_config_set("turns", "always");
                 add_times(v, 0, 1);
             },
             [=] { add_times(v, 1, 2); }, [=] { watch(v, 2); }},
            sum_is(3)};
}

/** They start, and end for good. */
Program turns_come_and_go(const Variant &v)
{
    start_cells();
    tm_config_set("turns", "off");
    return {{[=] {
                 tm_config_set("turns", "always");
                 add_times(v, 0, 1);
                 tm_config_set("turns", "off");
                 add_times(v, 0, 1);
             },
             [=] { add_times(v, 1, 2); }},
            sum_is(4)};
}

/** The clock overflows by what one stores through orecs, while others are alone. */
Program overflow_beside_turns(const Variant &v)
{
    start_cells();
    return {{[=] {
                 for (long i = 1; i <= 3; ++i) atomically(v.how(0), [i] { store_bytes(z, i); });
             },
             [=] { add_times(v, 1, 2); }, [=] { watch(v, 2); }},
            [] { check(x.value == 2 && y.value == 2 && z.value == 3, "a commit is lost"); }};
}

const Add add_bias{
    {"alone", adders, 60, 0, "bias:1"},
    {"alone, two come", two_come, 60, 0, "bias:1"},
    {"alone, a reader comes", reader_comes, 60, 0, "bias:1"},
    {"alone, rollback", rollback, 60, 0, "bias:1"},
    {"alone, orecs in the middle", orecs_in_the_middle, 60, 0, "bias:1"},
    {"alone, orecs again", orecs_again, 60, 0, "bias:1"},
    {"alone, irrevocable comes", irrevocable_comes, 60, 0, "bias:1"},
    {"alone, irrevocable in place", irrevocable_in_place, 60, 0, "bias:1"},
    {"alone, a holder comes", holder_comes, 60, 0, "bias:1"},
    {"alone, a holder comes and goes", holder_comes_and_goes, 60, 0, "bias:2"}, // not each begin looks whether to take it
    {"alone, a node is freed", a_node_is_freed, 60, 0, "bias:1"},
    {"alone, privatization", privatization, 60, 0, "bias:1"},
    {"alone, unwinding looks", unwinding_looks, 60, 0, "bias:1"},
    {"alone, clock overflow", orecs_in_the_middle, 4, 7, "bias:1"},
    {"alone, clock overflow, two come", two_come, 4, 7, "bias:1"},
    {"alone, serial at once", two_come, 60, 0, "bias:1,max_retries:0"},
};

// Each begin starts turns if there are none.
const Add add_turns{
    {"turns", adders, 60, 0, "bias:1,turns:always"},
    {"turns, one is kept", a_turn_is_kept, 60, 0, "bias:1,turns:always"},
    {"turns, two come", two_come, 60, 0, "bias:1,turns:always"},
    {"turns, a reader comes", reader_comes, 60, 0, "bias:1,turns:always"},
    {"turns, rollback", rollback, 60, 0, "bias:1,turns:always"},
    {"turns, orecs in the middle", orecs_in_the_middle, 60, 0, "bias:1,turns:always"},
    {"turns, orecs again", orecs_again, 60, 0, "bias:1,turns:always"},
    {"turns, irrevocable comes", irrevocable_comes, 60, 0, "bias:1,turns:always"},
    {"turns, irrevocable in place", irrevocable_in_place, 60, 0, "bias:1,turns:always"},
    {"turns, a holder comes", holder_comes, 60, 0, "bias:1,turns:always"},
    {"turns, a node is freed", a_node_is_freed, 60, 0, "bias:1,turns:always"},
    {"turns, privatization", privatization, 60, 0, "bias:1,turns:always"},
    {"turns, unwinding looks", unwinding_looks, 60, 0, "bias:1,turns:always"},
    {"turns come", turns_come, 60, 0, "bias:1"},
    {"turns come, clock overflow", turns_come, 4, 7, "bias:1"},
    {"turns come, no bias", turns_come, 60, 0, "bias:0"},
    {"turns come and go", turns_come_and_go, 60, 0, "bias:1"},
    {"turns, clock overflow", orecs_in_the_middle, 4, 7, "bias:1,turns:always"},
    {"turns, clock overflow, two come", two_come, 4, 7, "bias:1,turns:always"},
    {"turns, clock overflow, others", overflow_beside_turns, 4, 7, "bias:1,turns:always"},
    {"turns, serial at once", two_come, 60, 0, "bias:1,max_retries:0,turns:always"},
};

} // namespace
} // namespace libtm::test
