// SPDX-License-Identifier: MIT
// libtm::reading(): loads that are asked once whether they may be plain.
#include "support.hpp"

#include <stdexcept>
#include <tm/pptr.hpp>
#include <tm/var.hpp>

namespace {

using namespace libtm;
using namespace libtm::test;

class Reading : public Modes {
protected:
    /** Calls `check` within transactions that are not alone, and within some that are. */
    template <class Check> static void alone_or_not(Check check)
    {
        for (const char *const bias : {"0", "3"}) {
            const Option soon("bias", bias);
            if (bias[0] != '0') become_alone();
            for (int i = 0; i < 20; ++i) tx([&] { check(); });
        }
    }
};
TM_MODES_SUITE(Reading);

TEST_P(Reading, loads_what_is_there)
{
    struct Wide {
        char text[40];
        bool operator==(const Wide &) const = default;
    };
    struct Half {
        std::int16_t a, b;
    };
    struct Objects {
        std::uint8_t byte = 200;
        std::int16_t half = -2;
        Half halves{3, -4}; // of 4 bytes, aligned to 2
        float real = 0.5F;
        double number = 1e300;
        const char *name = "name";
        Wide wide{"more than a word"};
        var<long> variable{7};
        pptr<double> pointer{};
    };
    static Objects in;
    in.pointer = &in.number;
    alone_or_not([&] {
        reading([&](auto get) {
            EXPECT_EQ(get(in.byte), 200);
            EXPECT_EQ(get(in.half), -2);
            EXPECT_EQ(get(in.halves).a + get(in.halves).b, -1);
            EXPECT_EQ(get(in.real), 0.5F);
            EXPECT_EQ(get(in.number), 1e300);
            EXPECT_STREQ(get(in.name), "name");
            EXPECT_EQ(get(in.wide), in.wide);
            EXPECT_EQ(in.variable.get(get), 7);
            EXPECT_EQ(in.pointer.load(get), &in.number);
        });
    });
    EXPECT_EQ(reading([&](auto get) { return get(in.half); }), -2); // outside of any transaction
}

TEST_P(Reading, sees_what_the_transaction_has_stored)
{
    Cell cell, privatized;
    long expected = 0;
    const auto value = [&] { return reading([&](auto get) { return get(cell.value); }); };
    alone_or_not([&] {
        const long now = cell.value;
        store(cell.value, now + 1);
        EXPECT_EQ(value(), now + 1);
        EXPECT_EQ(tm_privatize(&privatized, sizeof privatized, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE), 0); // from now on by orecs
        EXPECT_EQ(value(), now + 1);
        store(cell.value, now + 2);
        EXPECT_EQ(value(), now + 2);
        atomically([&] { store(cell.value, now + 3); });
        EXPECT_EQ(value(), now + 3);
        expected = now + 3;
    });
    EXPECT_EQ(cell.value, expected);
}

TEST_P(Reading, sees_stores_beyond_what_one_alone_undoes)
{
    constexpr std::size_t count = 3000;
    static std::uint64_t words[count];
    std::uint64_t round = 0;
    alone_or_not([&] {
        ++round;
        for (std::size_t i = 0; i < count; ++i) store(words[i], round * count + i);
        const std::size_t wrong = reading([&](auto get) {
            std::size_t found = 0;
            for (std::size_t i = 0; i < count; ++i) found += get(words[i]) != round * count + i;
            return found;
        });
        EXPECT_EQ(wrong, 0u);
    });
}

TEST_P(Reading, gives_back_what_the_part_returns_or_throws)
{
    alone_or_not([&] {
        EXPECT_EQ(reading([](auto) { return std::string("text"); }), "text");
        EXPECT_THROW(reading([](auto) { throw std::length_error("no"); }), std::length_error);
        bool ran = false;
        reading([&](auto) { ran = true; });
        EXPECT_TRUE(ran);
    });
}

class ReadingThreads : public Concurrent {};
TM_CONCURRENT_SUITE(ReadingThreads);

TEST_P(ReadingThreads, P12_sees_one_state_and_loses_no_update)
{
    constexpr std::size_t count = 16;
    std::vector<Cell> cells(count);
    const auto rounds = each(40000);
    std::atomic<std::uint64_t> violations{0};
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto &from = cells[random.below(count)].value;
            auto &to = cells[random.below(count)].value;
            atomically(how(static_cast<unsigned>(me + i)), [&] {
                const auto sum = [&] {
                    return reading([&](auto get) {
                        long all = 0;
                        for (auto &cell : cells) all += get(cell.value);
                        return all;
                    });
                };
                if (sum() != 0) ++violations;
                store(from, reading([&](auto get) { return get(from); }) - 1);
                store(to, reading([&](auto get) { return get(to); }) + 1);
                if (sum() != 0) ++violations;
            });
        }
    });
    long all = 0;
    for (auto &cell : cells) all += cell.value;
    EXPECT_EQ(all, 0);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(ReadingThreads, loses_no_update_of_a_single_counter)
{
    Cell cell;
    const auto rounds = each(60000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i)
            atomically(how(static_cast<unsigned>(me + i)), [&] { store(cell.value, reading([&](auto get) { return get(cell.value); }) + 1); });
    });
    EXPECT_EQ(cell.value, static_cast<long>(rounds * threads()));
}

} // namespace
