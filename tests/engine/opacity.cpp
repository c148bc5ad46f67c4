// SPDX-License-Identifier: MIT
// P12: every transaction, a doomed one too, sees a consistent snapshot. The checks are inside the running transactions, so an
// attempt that will be rolled back is checked as well; what they find is counted outside of transactional memory.
#include "support.hpp"

#include <tm/var.hpp>

namespace {

using namespace libtm;
using namespace libtm::test;

class Opacity : public Concurrent {
protected:
    std::atomic<std::uint64_t> violations{0};
    void require(bool holds)
    {
        if (!holds) violations.fetch_add(1, std::memory_order_relaxed);
    }
};
TM_CONCURRENT_SUITE(Opacity);

TEST_P(Opacity, P12_sum_is_constant_in_every_attempt)
{
    constexpr std::size_t count = 16;
    constexpr long total = count * 100;
    std::vector<Cell> cells(count);
    for (auto &cell : cells) cell.value = 100;

    const auto rounds = each(40000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(static_cast<unsigned>(me + i)), [&] {
                long seen = 0;
                for (auto &cell : cells) seen += load(cell.value);
                require(seen == total);
                auto &from = cells[random.below(count)].value;
                auto &to = cells[random.below(count)].value;
                store(from, load(from) - 1);
                store(to, load(to) + 1);
                seen = 0;
                for (auto &cell : cells) seen += load(cell.value);
                require(seen == total);
            });
        }
    });
    long sum = 0;
    for (auto &cell : cells) sum += cell.value;
    EXPECT_EQ(sum, total);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Opacity, P12_two_variables_stay_equal_between_two_loads)
{
    Cell x, y;
    const auto rounds = each(60000);
    run_threads(threads(), [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(me), [&] {
                const long a = load(x.value);
                if (me % 2) std::this_thread::yield();
                const long b = load(y.value);
                require(a == b);
                // What a program would trip over: an index or a divisor computed from an impossible pair.
                if (a == b && i % 2 == me % 2) {
                    store(x.value, a + 1);
                    store(y.value, b + 1);
                }
            });
        }
    });
    EXPECT_EQ(x.value, y.value);
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Opacity, P12_object_over_many_stripes_is_loaded_whole)
{
    struct Object {
        unsigned char bytes[203];
    };
    alignas(32) struct {
        char pad[5]; // not aligned to a stripe
        Object object;
    } shared{};
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(me), [&] {
                Object seen;
                tm_load_bytes(&shared.object, &seen, sizeof seen);
                bool same = true;
                for (unsigned char byte : seen.bytes) same = same && byte == seen.bytes[0];
                require(same);
                switch ((me + i) % 4) {
                case 0: {
                    Object next;
                    std::memset(&next, seen.bytes[0] + 1, sizeof next);
                    store(shared.object, next);
                    break;
                }
                case 1: tm_memset(&shared.object, seen.bytes[0] + 7, sizeof seen); break;
                default: break;
                }
                const auto again = load(shared.object);
                same = true;
                for (unsigned char byte : again.bytes) same = same && byte == again.bytes[0];
                require(same);
            });
        }
    });
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Opacity, P12_long_read_only_and_read_mostly_transactions)
{
    constexpr std::size_t count = 128;
    std::vector<var<long>> cells(count * 4); // a stripe each
    const auto rounds = each(8000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me + 100);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const unsigned flags = (me + i) % 3 == 0 ? TM_READ_ONLY : (me + i) % 3 == 1 ? TM_READ_MOSTLY : 0;
            atomically(how(me, flags), [&] {
                long sum = 0;
                for (std::size_t k = 0; k < count; ++k) sum += cells[k * 4];
                require(sum == 0);
                if (flags == TM_READ_ONLY || i % 4) return;
                cells[random.below(count) * 4] -= 1;
                cells[random.below(count) * 4] += 1;
                sum = 0;
                for (std::size_t k = 0; k < count; ++k) sum += cells[k * 4];
                require(sum == 0);
            });
        }
    });
    EXPECT_EQ(violations.load(), 0u);
}

TEST_P(Opacity, P12_privatized_for_loading_is_consistent_with_loads)
{
    struct alignas(32) Block {
        long values[12];
    } block{};
    Cell sum;
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            atomically(how(me), [&] {
                if (i % 3 == 0) {
                    const long before = load(sum.value);
                    tm_privatize(&block, sizeof block, TM_PRIVATIZE_LOAD);
                    long seen = 0;
                    for (long value : block.values) seen += value;
                    require(seen == before && load(sum.value) == before);
                } else if (i % 3 == 1) {
                    tm_privatize(&block, sizeof block, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
                    block.values[random.below(12)] += 2;
                    store(sum.value, load(sum.value) + 2);
                } else {
                    long &value = block.values[random.below(12)];
                    store(value, load(value) + 1);
                    store(sum.value, load(sum.value) + 1);
                }
            });
        }
    });
    long seen = 0;
    for (long value : block.values) seen += value;
    EXPECT_EQ(seen, sum.value);
    EXPECT_EQ(violations.load(), 0u);
}

} // namespace
