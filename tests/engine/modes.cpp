// SPDX-License-Identifier: MIT
// B1, B2, B3: write-back and write-through, chosen at run time, both at once on the same data.
#include "support.hpp"

#include <tm/var.hpp>

namespace {

using namespace libtm;
using namespace libtm::test;

class BothModes : public Concurrent {};
TM_CONCURRENT_SUITE(BothModes);

TEST_P(BothModes, B3_counters_on_one_stripe)
{
    struct {
        alignas(32) int counters[8];
    } s{};
    const auto rounds = each(50000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i)
            atomically(how(static_cast<unsigned>(me + i)), [&] {
                auto &mine = s.counters[random.below(8)];
                store(mine, load(mine) + 1);
            });
    });
    long sum = 0;
    for (int counter : s.counters) sum += counter;
    EXPECT_EQ(sum, static_cast<long>(rounds * threads()));
}

TEST_P(BothModes, B3_bytes_of_every_size_in_one_stripe)
{
    // A string of digits as one number: increments carry over neighbouring bytes.
    struct {
        alignas(32) char digits[9];
    } s{};
    std::memset(s.digits, '0', sizeof s.digits);
    const auto rounds = each(30000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i)
            atomically(how(me), [&] {
                for (std::size_t k = sizeof s.digits; k-- > 0;) {
                    const char digit = load(s.digits[k]);
                    if (digit != '9') {
                        store(s.digits[k], static_cast<char>(digit + 1));
                        break;
                    }
                    store(s.digits[k], '0');
                }
            });
    });
    EXPECT_EQ(std::stoul(std::string(s.digits, sizeof s.digits)), rounds * threads());
}

TEST_P(BothModes, B3_one_thread_changes_modes_over_the_same_data)
{
    Cell cell;
    const auto rounds = each(30000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const attr a = make_attr(i % 2 ? TM_WRITE_BACK : TM_WRITE_THROUGH);
            try {
                atomically(a, [&] {
                    store(cell.value, load(cell.value) + 1);
                    if ((me + i) % 5 == 0) cancel(1);
                    if ((me + i) % 5 == 1 && tm_attempt() == 1) restart();
                });
            } catch (const error &) {
                atomically(a, [&] { store(cell.value, load(cell.value) + 1); });
            }
        }
    });
    EXPECT_EQ(cell.value, static_cast<long>(rounds * threads()));
}

TEST_P(BothModes, F8_vars_and_arrays)
{
    struct {
        alignas(32) var<int> count;
        var<double> sum;
        array<short, 20> shorts;
    } s{};
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i)
            atomically(how(me), [&] {
                ++s.count;
                s.sum += 0.5;
                s.shorts[i % 20] += 1;
                s.shorts.at((i + 1) % 20) -= 1;
            });
    });
    EXPECT_EQ(s.count.get(), static_cast<int>(rounds * threads()));
    EXPECT_EQ(s.sum.get(), 0.5 * static_cast<double>(rounds * threads()));
    int sum = 0;
    for (const auto &value : s.shorts) sum += value;
    EXPECT_EQ(sum, 0);
}

} // namespace
