// SPDX-License-Identifier: MIT
// P16: clock overflow leaves no ABA and stops nobody for good. Meant for `clock_bits` of 4 to 10; holds for any.
#include "support.hpp"

namespace {

using namespace libtm;
using namespace libtm::test;

class Clock : public Concurrent {
protected:
    std::atomic<std::uint64_t> violations{0};
    void require(bool holds)
    {
        if (!holds) violations.fetch_add(1, std::memory_order_relaxed);
    }
};
TM_CONCURRENT_SUITE(Clock);

TEST_P(Clock, P16_overflow_under_load_keeps_the_invariant)
{
    constexpr std::size_t count = 8;
    std::vector<Cell> cells(count);
    const auto rounds = each(30000);
    std::atomic<std::uint64_t> done{0};
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(static_cast<unsigned>(me + i)), [&] {
                long sum = 0;
                for (auto &cell : cells) sum += load(cell.value);
                require(sum == 0);
                auto &from = cells[random.below(count)].value, &to = cells[random.below(count)].value;
                store(from, load(from) - 1);
                store(to, load(to) + 1);
            });
            done.fetch_add(1);
        }
    });
    EXPECT_EQ(done.load(), rounds * threads()); // nobody was stopped
    EXPECT_EQ(violations.load(), 0u);
}

/** A long reader sleeps over whole turns of the clock: a version met again must not pass for the one it has read. */
TEST_P(Clock, P16_no_aba_after_a_whole_turn)
{
    Cell x, y;
    const auto rounds = each(4000);
    std::atomic<std::uint64_t> commits{0};
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            if (me % 2 == 0 && i % 16 == 0) {
                atomically(how(me, i % 32 ? unsigned{TM_READ_ONLY} : 0u), [&] {
                    const long a = load(x.value);
                    const std::uint64_t start = commits.load();
                    for (int k = 0; k < 200 && commits.load() - start < 20; ++k) std::this_thread::yield();
                    require(a == load(y.value));
                });
            } else {
                attr a = how(me);
                a.flags |= TM_NO_QUIESCENCE; // go round the clock while the readers sleep
                atomically(a, [&] {
                    const long value = load(x.value);
                    store(x.value, value + 1);
                    store(y.value, value + 1);
                });
                commits.fetch_add(1);
            }
        }
    });
    EXPECT_EQ(x.value, y.value);
    EXPECT_EQ(x.value, static_cast<long>(commits.load()));
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Clock, P16_rollbacks_count_too)
{
    Cell cell;
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            unsigned left = 3;
            atomically(how(me), [&] {
                store(cell.value, load(cell.value) + 1);
                if (left && left--) restart();
            });
        }
    });
    EXPECT_EQ(cell.value, static_cast<long>(rounds * threads()));
}

TEST_P(Clock, P16_irrevocable_and_nested_across_an_overflow)
{
    Cell cell;
    long effects = 0; // only the irrevocable one touches it
    const auto rounds = each(6000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i)
            atomically(how(me), [&] {
                const long value = load(cell.value);
                atomically([&] { store(cell.value, value + 1); });
                if (i % 8 == 0) {
                    EXPECT_EQ(tm_irrevocable(), 0);
                    ++effects;
                }
            });
    });
    EXPECT_EQ(cell.value, static_cast<long>(rounds * threads()));
    EXPECT_EQ(effects, static_cast<long>((rounds + 7) / 8 * threads()));
}

} // namespace
