// SPDX-License-Identifier: MIT
// B4: loads and stores mixed with privatization on the same bytes, in every order, against a reference model.
#include "support.hpp"

#include <unistd.h>

namespace {

using namespace libtm;
using namespace libtm::test;

constexpr std::size_t size = 64; // two stripes

struct Range {
    std::size_t at, end;
};
constexpr Range ranges[] = {{4, 12}, {8, 20}, {28, 40}, {0, 64}, {33, 34}};

enum class Kind {
    load,
    store,
    private_load,           // privatized for loading, read plainly
    private_store,          // privatized for storing, written plainly
    private_load_store,     // both
    private_discard,        // what it holds is dropped
    private_discard_store,  // dropped, and written plainly
    private_store_no_undo,  // written plainly, and lost by a rollback
    plain_write,            // wherever an earlier operation has allowed it
    plain_read,             // the same
    kinds
};
constexpr std::size_t operations = static_cast<std::size_t>(Kind::kinds) * std::size(ranges);

/** What memory should hold. */
struct Model {
    unsigned char now[size];
    bool known[size];      // false: discarded, so any content will do
    bool writable[size];   // privatized for storing
    bool readable[size];   // privatized for loading
    bool restored[size];   // false: stored without undo, so a rollback may leave anything

    Model()
    {
        for (std::size_t i = 0; i < size; ++i) {
            now[i] = initial(i);
            known[i] = restored[i] = true;
            writable[i] = readable[i] = false;
        }
    }
    static unsigned char initial(std::size_t i) { return static_cast<unsigned char>(i + 1); }
};

struct Machine {
    alignas(32) unsigned char memory[size];
    Model model;
    unsigned char next = 0x80;
    bool right = true;

    /** At the begin of an attempt: the state before the transaction, less what an earlier attempt has lost by TM_PRIVATIZE_NOUNDO. */
    void reset()
    {
        const Model before = model;
        model = Model();
        for (std::size_t i = 0; i < size; ++i) model.known[i] = model.restored[i] = before.restored[i];
        next = 0x80;
    }

    void expect(const unsigned char *seen, const Range &r)
    {
        for (std::size_t i = r.at; i < r.end; ++i)
            if (model.known[i] && seen[i - r.at] != model.now[i]) right = false;
    }
    void write(unsigned char *to, const Range &r)
    {
        for (std::size_t i = r.at; i < r.end; ++i) {
            to[i - r.at] = model.now[i] = ++next;
            model.known[i] = true;
        }
    }
    void privatize(const Range &r, unsigned flags)
    {
        if (tm_privatize(&memory[r.at], r.end - r.at, flags) != 0) right = false;
        for (std::size_t i = r.at; i < r.end; ++i) {
            if (flags & TM_PRIVATIZE_STORE) model.writable[i] = true;
            if (flags & TM_PRIVATIZE_LOAD) model.readable[i] = true;
            if (flags & TM_PRIVATIZE_DISCARD) model.known[i] = false;
            if (flags & TM_PRIVATIZE_NOUNDO) model.restored[i] = false;
        }
    }

    static bool all(const bool *set, const Range &r)
    {
        bool every = true;
        for (std::size_t i = r.at; i < r.end; ++i) every = every && set[i];
        return every;
    }

    void operate(std::size_t operation)
    {
        const Range &r = ranges[operation % std::size(ranges)];
        unsigned char buf[size];
        switch (static_cast<Kind>(operation / std::size(ranges))) {
        case Kind::load:
            tm_load_bytes(&memory[r.at], buf, r.end - r.at);
            expect(buf, r);
            break;
        case Kind::store:
            write(buf, r);
            tm_store_bytes(&memory[r.at], buf, r.end - r.at);
            break;
        case Kind::private_load:
            privatize(r, TM_PRIVATIZE_LOAD);
            expect(&memory[r.at], r);
            break;
        case Kind::private_store:
            privatize(r, TM_PRIVATIZE_STORE);
            write(&memory[r.at], r);
            break;
        case Kind::private_load_store:
            privatize(r, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
            expect(&memory[r.at], r);
            write(&memory[r.at], r);
            break;
        case Kind::private_discard: privatize(r, TM_PRIVATIZE_DISCARD); break;
        case Kind::private_discard_store:
            privatize(r, TM_PRIVATIZE_DISCARD | TM_PRIVATIZE_STORE);
            write(&memory[r.at], r);
            break;
        case Kind::private_store_no_undo:
            privatize(r, TM_PRIVATIZE_STORE | TM_PRIVATIZE_NOUNDO);
            write(&memory[r.at], r);
            break;
        case Kind::plain_write:
            if (all(model.writable, r)) write(&memory[r.at], r);
            break;
        default:
            if (all(model.readable, r)) expect(&memory[r.at], r);
        }
    }

    /** Runs the sequence in one transaction. Returns whether all it saw, and what it left, is right. */
    bool run(const attr &a, const std::size_t *sequence, std::size_t length, bool commits)
    {
        for (std::size_t i = 0; i < size; ++i) memory[i] = Model::initial(i);
        right = true;
        model = Model();
        try {
            atomically(a, [&] {
                reset();
                for (std::size_t k = 0; k < length; ++k) operate(sequence[k]);
                if (!commits) cancel(1);
            });
        } catch (const error &e) {
            if (e.kind() != TM_ERROR_ABORT || commits) right = false;
        }
        for (std::size_t i = 0; i < size; ++i) {
            if (commits ? model.known[i] && memory[i] != model.now[i] : model.restored[i] && memory[i] != Model::initial(i)) right = false;
        }
        return right;
    }
};

std::string describe(const std::size_t *sequence, std::size_t length, bool commits)
{
    static const char *const names[] = {"load", "store", "p-load", "p-store", "p-load-store", "p-discard", "p-discard-store",
                                        "p-store-noundo", "plain-write", "plain-read"};
    std::string text;
    for (std::size_t k = 0; k < length; ++k) {
        const Range &r = ranges[sequence[k] % std::size(ranges)];
        text += std::string(names[sequence[k] / std::size(ranges)]) + "[" + std::to_string(r.at) + "," + std::to_string(r.end) + ") ";
    }
    return text + (commits ? "commit" : "abort");
}

class Privatize : public Modes {
protected:
    Machine machine;
    int failures = 0;

    void check(const std::size_t *sequence, std::size_t length)
    {
        for (const bool commits : {true, false})
            if (!machine.run(how(), sequence, length, commits) && ++failures <= 5)
                ADD_FAILURE() << describe(sequence, length, commits);
    }
    void TearDown() override { EXPECT_EQ(failures, 0); }
};
TM_MODES_SUITE(Privatize);

TEST_P(Privatize, B4_privatize_matrix_of_one_and_two)
{
    for (std::size_t a = 0; a < operations; ++a) {
        check(&a, 1);
        for (std::size_t b = 0; b < operations; ++b) {
            const std::size_t sequence[] = {a, b};
            check(sequence, 2);
        }
    }
}

TEST_P(Privatize, B4_privatize_matrix_of_three)
{
    constexpr std::size_t all = operations * operations * operations;
    const std::size_t step = (all + scaled(all) - 1) / scaled(all); // all of them, or every tenth under a sanitizer
    for (std::size_t n = 0; n < all; n += step) {
        const std::size_t sequence[] = {n % operations, n / operations % operations, n / operations / operations};
        check(sequence, 3);
    }
}

TEST_P(Privatize, B4_privatize_matrix_of_four_sampled)
{
    Random random(3);
    for (std::uint64_t n = 0; n < scaled(100000); ++n) {
        const std::size_t sequence[] = {random.below(operations), random.below(operations), random.below(operations), random.below(operations)};
        check(sequence, 4);
    }
}

TEST_P(Privatize, B4_privatize_matrix_of_many_sampled)
{
    Random random(4);
    for (std::uint64_t n = 0; n < scaled(20000); ++n) {
        std::size_t sequence[16];
        for (auto &operation : sequence) operation = random.below(operations);
        check(sequence, std::size(sequence));
    }
}

TEST_P(Privatize, F5_until_a_byte)
{
    char text[100] = "a string, privatized; then more";
    tx([&] {
        EXPECT_EQ(tm_privatize_until(text, ';', TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE), std::strlen("a string, privatized;"));
        text[0] = 'A';
    });
    EXPECT_EQ(text[0], 'A');
    EXPECT_THROW(tx([&] {
                     tm_store_u8(reinterpret_cast<std::uint8_t *>(&text[5]), 0); // its own store ends it
                     EXPECT_EQ(tm_privatize_until(text, 0, TM_PRIVATIZE_STORE), 6u);
                     std::memset(text, 'x', 6);
                     cancel(1);
                 }),
                 error);
    EXPECT_STREQ(text, "A string, privatized; then more");
}

TEST_P(Privatize, F5_errors)
{
    long value = 1;
    EXPECT_EQ(tm_privatize(&value, sizeof value, TM_PRIVATIZE_LOAD), EPERM);
    EXPECT_EQ(tm_privatize_until("x", 0, TM_PRIVATIZE_LOAD), 0u);
    tx([&] {
        EXPECT_EQ(tm_privatize(&value, sizeof value, 16), EINVAL);
        EXPECT_EQ(tm_privatize(&value, sizeof value, ~0u), EINVAL);
        EXPECT_EQ(tm_privatize_until("x", 0, 1u << 31), 0u);
        EXPECT_EQ(tm_privatize(&value, 0, TM_PRIVATIZE_STORE), 0);
        store(value, 2L);
    });
    EXPECT_EQ(value, 2);
}

/** A stripe written through by one transaction leaves nothing behind for the next. */
TEST_P(Privatize, B4_nothing_is_left_for_the_next_transaction)
{
    alignas(32) long values[4] = {};
    tx([&] {
        tm_privatize(values, sizeof values, TM_PRIVATIZE_STORE);
        values[0] = 1;
    });
    EXPECT_THROW(tx([&] {
                     store(values[0], 2L);
                     store(values[1], 2L);
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(values[0], 1);
    EXPECT_EQ(values[1], 0);
}

TEST_P(Privatize, B4_into_a_system_call)
{
    TM_SKIP_IF_SHAKEN();
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(write(ends[1], "0123456789", 10), 10);
    char buffer[40] = "untouched";
    EXPECT_THROW(tx([&] {
                     tm_privatize(buffer, sizeof buffer, TM_PRIVATIZE_STORE);
                     EXPECT_EQ(read(ends[0], buffer, 5), 5);
                     EXPECT_EQ(tm_load_u8(reinterpret_cast<std::uint8_t *>(buffer)), '0');
                     cancel(1);
                 }),
                 error);
    EXPECT_STREQ(buffer, "untouched");
    tx([&] {
        tm_privatize(buffer, 5, TM_PRIVATIZE_STORE | TM_PRIVATIZE_DISCARD);
        EXPECT_EQ(read(ends[0], buffer, 5), 5);
    });
    EXPECT_STREQ(buffer, "56789ched");
    close(ends[0]);
    close(ends[1]);
}

} // namespace
