// SPDX-License-Identifier: MIT
// P12, P15, P20: what each attempt sees, and what is left.
#include "suite.hpp"

#include <cstring>
#include <sched.h>
#include <utility>

namespace libtm::test {
namespace {

Cell x, y, z;

void start_cells(long a = 0, long b = 0, long c = 0)
{
    x.value = a;
    y.value = b;
    z.value = c;
    explore::name_memory(&x, sizeof x, "x");
    explore::name_memory(&y, sizeof y, "y");
    explore::name_memory(&z, sizeof z, "z");
}

/** Both threads add to both cells, in opposite orders. */
Program additions(const Variant &v)
{
    start_cells();
    const auto add = [v](unsigned me, Cell &first, Cell &second) {
        atomically(v.how(me), [&] {
            first.set(first.get() + 1);
            second.set(second.get() + 1);
        });
    };
    return {{[=] { add(0, x, y); }, [=] { add(1, y, x); }}, [] { check(x.value == 2 && y.value == 2, "an addition is lost"); }};
}

Program three_additions(const Variant &v)
{
    start_cells();
    const auto add = [v](unsigned me) { atomically(v.how(me), [] { x.set(x.get() + 1); }); };
    return {{[=] { add(0); }, [=] { add(1); }, [=] { add(2); }}, [] { check(x.value == 3, "an addition is lost"); }};
}

void write_both(const Variant &v, unsigned me, long value)
{
    atomically(v.how(me), [&] {
        x.set(value);
        y.set(value);
    });
}

/** A doomed attempt, too, sees both or none. */
Program reader_and_writer(const Variant &v, unsigned flags)
{
    start_cells();
    const auto read = [=] {
        atomically(v.how(1, flags), [] {
            const long a = x.get(), b = y.get();
            check(a == b, "an attempt has seen half of a commit");
        });
    };
    return {{[=] {
                 write_both(v, 0, 1);
                 write_both(v, 0, 2);
             },
             read}};
}
Program reader(const Variant &v) { return reader_and_writer(v, 0); }
Program read_only(const Variant &v) { return reader_and_writer(v, TM_READ_ONLY); }
Program read_mostly(const Variant &v) { return reader_and_writer(v, TM_READ_MOSTLY); }

/** Reads, meets a newer version elsewhere, extends, goes on. */
Program extension(const Variant &v)
{
    start_cells();
    return {{[=] { write_both(v, 0, 1); }, [=] { atomically(v.how(1), [] { z.set(1); }); },
             [=] {
                 atomically(v.how(2), [] {
                     const long a = x.get();
                     z.get();
                     check(a == y.get(), "an extension has let a change pass");
                 });
             }}};
}

/** A reader that also writes validates at its commit. */
Program write_skew(const Variant &v)
{
    start_cells(1, 1);
    const auto take = [v](unsigned me, Cell &mine) {
        atomically(v.how(me), [&] {
            if (x.get() + y.get() == 2) mine.set(0);
        });
    };
    return {{[=] { take(0, x); }, [=] { take(1, y); }}, [] { check(x.value + y.value == 1, "write skew"); }};
}

/** The log of a transaction that was to read only has wrapped when it writes: it must not write by what it no longer knows. */
Program read_mostly_that_writes(const Variant &v)
{
    start_cells();
    return {{[=] { atomically(v.how(0), [] { x.set(y.get() + 1); }); },
             [=] {
                 atomically(v.how(1, TM_READ_MOSTLY), [] {
                     const long a = x.get();
                     for (int i = 0; i < 520; ++i) z.get();
                     y.set(a + 1);
                 });
             }},
            [] { check(x.value + y.value == 3, "write skew"); }};
}

/** Writes of one thread in order; what the other has seen is not older than what it has seen before. */
Program real_time(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0), [] { x.set(1); });
                 atomically(v.how(0), [] { y.set(1); });
             },
             [=] {
                 const long b = atomically(v.how(1), [] { return y.get(); });
                 const long a = atomically(v.how(1, TM_READ_ONLY), [] { return x.get(); });
                 check(a >= b, "a later transaction has seen an older state");
             }}};
}

struct alignas(32) Neighbours {
    std::uint8_t mine[8];
    long other; ///< of plain code, in the same stripe
    long third;
} neighbours;

/** P15: a rollback restores what was written and no other byte; a commit writes no other. */
Program neighbours_in_a_stripe(const Variant &v)
{
    neighbours = {};
    start_cells();
    return {{[=] {
                 unsigned left = 1;
                 atomically(v.how(0), [&] {
                     store(neighbours.mine[3], std::uint8_t{7});
                     if (left && left--) restart();
                 });
             },
             [] {
                 neighbours.other = 5;
                 neighbours.other = 6;
             },
             [=] { atomically(v.how(2), [] { store(neighbours.third, load(neighbours.third) + 1); }); }},
            [] {
                check(neighbours.other == 6, "a transaction has written bytes beside its own");
                check(neighbours.third == 1 && neighbours.mine[3] == 7 && neighbours.mine[2] == 0, "a byte is lost");
            }};
}

/** Bytes of one word by two transactions. */
Program bytes_of_a_word(const Variant &v)
{
    neighbours = {};
    const auto put = [v](unsigned me, std::uint8_t value) {
        atomically(v.how(me), [&] {
            store(neighbours.mine[me], value);
            store(neighbours.mine[2], static_cast<std::uint8_t>(load(neighbours.mine[2]) + 1));
        });
    };
    return {{[=] { put(0, 8); }, [=] { put(1, 9); }},
            [] { check(neighbours.mine[0] == 8 && neighbours.mine[1] == 9 && neighbours.mine[2] == 2, "a byte is lost"); }};
}

/** Overlapping writes of different sizes in one word, taken back once. */
Program overlapping_writes(const Variant &v)
{
    neighbours = {};
    return {{[=] {
                 bool first = true;
                 atomically(v.how(0), [&] {
                     auto &word = reinterpret_cast<std::uint64_t &>(neighbours.mine);
                     store(neighbours.mine[1], std::uint8_t{1});
                     store(word, std::uint64_t{0x0202020202020202});
                     store(neighbours.mine[3], std::uint8_t{3});
                     if (std::exchange(first, false)) restart();
                     store(word, load(word) - std::uint64_t{0x0202020203020202});
                 });
             },
             [=] { atomically(v.how(1), [] { check(load(neighbours.mine[1]) == 0 && load(neighbours.mine[3]) == 0, "a value has been read that was taken back"); }); }},
            [] { check(neighbours.mine[0] == 0 && neighbours.mine[1] == 0 && neighbours.mine[3] == 0, "a byte is lost"); }};
}

/** A value is written and taken back: the reader in between must not keep it (the incarnation). */
Program value_taken_back(const Variant &v)
{
    start_cells();
    return {{[=] {
                 unsigned left = 1;
                 atomically(v.how(0), [&] {
                     x.set(left ? 99 : 1);
                     y.set(1);
                     if (left && left--) restart();
                 });
             },
             [=] {
                 atomically(v.how(1), [] {
                     const long a = x.get();
                     check(a != 99, "a value has been read that was taken back");
                     check(a == y.get(), "an attempt has seen half of a commit");
                 });
             }}};
}

/** Each waits for what the other holds. */
Program crossing(const Variant &v)
{
    start_cells();
    const auto cross = [v](unsigned me, Cell &first, Cell &second) {
        atomically(v.how(me), [&] {
            first.set(long{me} + 1);
            second.set(long{me} + 1);
        });
    };
    return {{[=] { cross(0, x, y); }, [=] { cross(1, y, x); }}, [] { check(x.value == y.value && x.value, "half of a commit is left"); }};
}

/** Sums of transfers, checked within the attempts of an auditor. */
Program transfers(const Variant &v)
{
    start_cells(10, 10, 10);
    const auto move = [v](unsigned me, Cell &from, Cell &to) {
        atomically(v.how(me), [&] {
            from.set(from.get() - 1);
            to.set(to.get() + 1);
        });
    };
    return {{[=] { move(0, x, y); }, [=] { move(1, y, z); },
             [=] { atomically(v.how(2, TM_READ_ONLY), [] { check(z.get() + y.get() + x.get() == 30, "an auditor has seen money in flight"); }); }},
            [] { check(x.value == 9 && y.value == 10 && z.value == 11, "money is lost"); }};
}

/** Waits by restarting: the one that it waits for must get through. */
Program polling(const Variant &v)
{
    start_cells();
    return {{[=] {
                 atomically(v.how(0), [] {
                     if (x.get() == 0) {
                         sched_yield();
                         restart();
                     }
                     x.set(2);
                 });
             },
             [=] { atomically(v.how(1), [] { x.set(1); }); }},
            [] { check(x.value == 2, "the order is wrong"); }};
}

const Add added{
    {"additions", additions},
    {"additions, contention suicide", additions, 60, 0, "contention:suicide"},
    {"additions, contention delay", additions, 60, 0, "contention:delay"},
    {"additions, contention timestamp", additions, 60, 0, "contention:timestamp"},
    {"additions, serial at once", additions, 60, 0, "max_retries:0"},
    {"additions, no quiescence", additions, 60, 0, "quiescence:off"},
    {"three additions", three_additions},
    {"three additions, serial after 1", three_additions, 60, 0, "max_retries:1"},
    {"reader", reader},
    {"reader, no quiescence", reader, 60, 0, "quiescence:off"},
    {"read-only", read_only},
    {"read-mostly", read_mostly},
    {"read-mostly that writes", read_mostly_that_writes},
    {"extension", extension},
    {"extension, no quiescence", extension, 60, 0, "quiescence:off"},
    {"write skew", write_skew},
    {"real time", real_time},
    {"neighbours in a stripe", neighbours_in_a_stripe},
    {"bytes of a word", bytes_of_a_word},
    {"overlapping writes", overlapping_writes},
    {"value taken back", value_taken_back},
    {"value taken back, no quiescence", value_taken_back, 60, 0, "quiescence:off"},
    {"crossing", crossing},
    {"crossing, contention timestamp", crossing, 60, 0, "contention:timestamp"},
    {"transfers", transfers},
    {"transfers, no quiescence", transfers, 60, 0, "quiescence:off"},
    {"polling", polling, 60, 0, "max_retries:2"},
    {"clock overflow, additions", additions, 4, 7},
    {"clock overflow, three additions", three_additions, 4, 7},
    {"clock overflow, reader", reader, 4, 7},
    {"clock overflow, reader, no quiescence", reader, 4, 8, "quiescence:off"},
    {"clock overflow, additions, no quiescence", additions, 4, 8, "quiescence:off"},
    {"clock overflow, transfers", transfers, 4, 6},
    {"clock overflow, value taken back", value_taken_back, 4, 8},
    {"clock overflow, serial at once", additions, 4, 7, "max_retries:0"},
};

} // namespace
} // namespace libtm::test
