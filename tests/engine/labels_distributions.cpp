// SPDX-License-Identifier: MIT
// L3: the distributions of each label: sizes against exactly computed percentiles, and times.
#include "labels.hpp"

#include <algorithm>
#include <chrono>

namespace {

using namespace libtm;
using namespace libtm::test;

/** The least value that `thousandths` of them do not exceed. */
std::uint64_t percentile(std::vector<std::uint64_t> values, std::size_t thousandths)
{
    std::sort(values.begin(), values.end());
    return values[(values.size() * thousandths + 999) / 1000 - 1];
}

void expect_distribution(const tm_distribution &found, const std::vector<std::uint64_t> &values)
{
    EXPECT_EQ(found.count, values.size());
    std::uint64_t sum = 0;
    for (const std::uint64_t value : values) sum += value;
    EXPECT_EQ(found.sum, sum);
    EXPECT_EQ(found.max, *std::max_element(values.begin(), values.end()));
    const std::pair<std::uint64_t, std::size_t> percentiles[] = {{found.p50, 500}, {found.p90, 900}, {found.p99, 990}, {found.p999, 999}};
    for (const auto &[value, thousandths] : percentiles) {
        const std::uint64_t right = percentile(values, thousandths);
        EXPECT_GE(value, right) << thousandths;
        EXPECT_LE(value, right < 16 ? right : right + right / 8) << thousandths;
    }
}

class LabelsDistributions : public Modes {
protected:
    const Option not_alone{"bias", "0"}, side_by_side{"turns", "off"}; // who is alone logs no reads
    Cell cell;
};
TM_MODES_SUITE(LabelsDistributions);

/** Sizes from one to thousands, as the logarithm is distributed evenly. */
std::vector<std::uint64_t> sizes(std::uint64_t count)
{
    Random random(7);
    std::vector<std::uint64_t> result;
    for (std::uint64_t i = 0; i < count; ++i) result.push_back(1 + (random.below(3000) >> random.below(12)));
    return result;
}

TEST_P(LabelsDistributions, L3_percentiles_of_write_sets)
{
    TM_SKIP_IF_SHAKEN();
    const Watched label("write sets");
    std::vector<Cell> cells(3001);
    const auto written = sizes(scaled(2000));
    run_threads(2, [&](unsigned me) {
        for (std::size_t i = me; i < written.size(); i += 2)
            atomically(how(0, label), [&] {
                for (std::uint64_t k = 0; k < written[i]; ++k) {
                    store(cells[k].value, 1L);
                    store(cells[k].value, load(cells[k].value) + 1); // the same stripe
                }
            });
    });
    expect_distribution(label.now().write_set, written);
}

TEST_P(LabelsDistributions, L3_percentiles_of_read_sets)
{
    TM_SKIP_IF_SHAKEN();
    std::vector<Cell> cells(3001);
    const auto read = sizes(scaled(2000));
    for (const unsigned flags : {0, static_cast<int>(TM_READ_ONLY), static_cast<int>(TM_READ_MOSTLY)}) { // also where the log wraps
        const std::string name = "read sets " + std::to_string(flags);
        const Watched label(name.c_str());
        for (const std::uint64_t size : read)
            atomically(how(flags, label), [&] {
                for (std::uint64_t k = 0; k < size; ++k) load(cells[k].value);
            });
        expect_distribution(label.now().read_set, read);
        expect_distribution(label.now().write_set, std::vector<std::uint64_t>(read.size(), 0));
    }
}

TEST_P(LabelsDistributions, L3_percentiles_of_attempts)
{
    TM_SKIP_IF_SHAKEN();
    const Watched label("attempts");
    std::vector<std::uint64_t> needed;
    for (std::uint64_t i = 0; i < 300; ++i) {
        needed.push_back(1 + (i % 10 == 0 ? i : i % 3));
        std::uint64_t attempts = 0;
        atomically(how(0, label), [&] {
            if (++attempts < needed.back()) restart();
        });
    }
    expect_distribution(label.now().attempts, needed);
}

TEST_P(LabelsDistributions, L3_long_transactions_are_all_timed)
{
    TM_SKIP_IF_SHAKEN();
    using std::chrono::steady_clock, std::chrono::nanoseconds;
    const Watched label("long");
    const auto begin = steady_clock::now();
    constexpr std::uint64_t count = 100, ns = 200000;
    for (std::uint64_t i = 0; i < count; ++i) {
        bool again = false;
        atomically(how(0, label), [&] {
            std::this_thread::sleep_for(nanoseconds(ns));
            if (std::exchange(again, true) == false) restart(); // all attempts are part of it
        });
    }
    const auto all = static_cast<std::uint64_t>(nanoseconds(steady_clock::now() - begin).count());
    const tm_distribution duration = label.now().duration_ns;
    EXPECT_EQ(duration.count, count);
    EXPECT_GE(duration.p50, 2 * ns);
    EXPECT_GE(duration.sum, 2 * ns * count);
    EXPECT_LE(duration.sum, all);
    EXPECT_LE(duration.p50, duration.p90);
    EXPECT_LE(duration.p90, duration.p99);
    EXPECT_LE(duration.p99, duration.p999);
    EXPECT_LE(duration.p999, duration.max);
}

TEST_P(LabelsDistributions, L3_short_transactions_are_timed_by_samples_that_stand_for_all)
{
    const Watched label("short");
    constexpr std::uint64_t count = 20000;
    for (std::uint64_t i = 0; i < count; ++i) atomically(how(0, label), [&] { store(cell.value, 1L); });
    EXPECT_EQ(label.now().commits, count);
    const std::uint64_t timed = label.now().duration_ns.count;
    EXPECT_GT(timed, count / 2);
    EXPECT_LT(timed, count * 3 / 2);
}

TEST_P(LabelsDistributions, L3_waiting_for_older_transactions)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    TM_SKIP_WITHOUT_QUIESCENCE();
    const Watched label("waits");
    std::uint64_t commits = 0;
    while (label.now().waits == 0 && commits < 50) {
        Flag began, written;
        std::thread older([&] {
            atomically([&] {
                load(cell.value);
                began.raise();
                written.await();
                std::this_thread::sleep_for(std::chrono::milliseconds(2)); // meanwhile the writer looks; if not, once more
            });
        });
        began.await();
        Cell other;
        atomically(how(0, label), [&] {
            store(other.value, 1L);
            written.raise();
        });
        ++commits;
        older.join();
    }
    const tm_label_stats stats = label.now();
    EXPECT_EQ(stats.waits, 1u);
    EXPECT_EQ(stats.quiescence_ns.count, commits);
    EXPECT_GT(stats.quiescence_ns.max, 0u);
    EXPECT_LE(stats.quiescence_ns.sum, stats.duration_ns.sum);
    atomically(how(TM_NO_QUIESCENCE, label), [&] { store(cell.value, 1L); });
    atomically(how(0, label), [&] { load(cell.value); });
    EXPECT_EQ(label.now().quiescence_ns.count, commits) << "these need not look";
}

} // namespace
