// SPDX-License-Identifier: MIT
// B7: the mode `auto` chooses for each label and thread, by write sets and rollbacks. What is chosen is seen in memory before the commit.
#include "support.hpp"

#include <algorithm>

namespace {

using namespace libtm;
using namespace libtm::test;

constexpr std::size_t large = 40; // cells
constexpr int enough = 3000;      // transactions, for a choice

/** What transactions of one kind do. */
struct Load {
    std::size_t writes = large;
    int restarts = 0; ///< of 100 transactions, so many restart once when they have written
};

class AutoMode : public ::testing::Test {
protected:
    /** Run `count` transactions; whether the last was write-through. */
    template <class Attr> bool run(Attr a, const Load &load, int count = enough)
    {
        bool through = false;
        for (int i = 0; i < count; ++i) {
            bool again = false;
            atomically(a, [&] {
                for (std::size_t k = 0; k < load.writes; ++k) store(cells_[k].value, ++last_);
                through = in_memory(load.writes);
                if (i * 7 % 100 < load.restarts && !std::exchange(again, true)) restart();
            });
            EXPECT_TRUE(in_memory(load.writes));
        }
        return through;
    }
    static attr automatic(const char *label = nullptr) { return make_attr(TM_MODE_AUTO, 0, label); }

private:
    bool in_memory(std::size_t writes) const { return __atomic_load_n(&cells_[writes - 1].value, __ATOMIC_RELAXED) == last_; }

    const Option not_alone_{"bias", "0"}, side_by_side_{"turns", "off"}; // who is alone stores in place in any mode
    std::vector<Cell> cells_ = std::vector<Cell>(large);
    long last_ = 0;
};

TEST_F(AutoMode, B7_large_write_sets_without_rollbacks_are_written_through)
{
    TM_SKIP_IF_SHAKEN();
    EXPECT_TRUE(run(automatic("large"), {}));
    EXPECT_TRUE(run(automatic(), {}));
    tm_label_stats stats;
    ASSERT_EQ(tm_label_stats_get("large", &stats), 0);
    EXPECT_EQ(stats.commits, static_cast<std::uint64_t>(enough));
    EXPECT_GT(stats.write_through, static_cast<std::uint64_t>(enough) / 2);
}

TEST_F(AutoMode, B7_what_is_often_rolled_back_is_written_back)
{
    EXPECT_FALSE(run(automatic("often"), {large, 50}));
    EXPECT_FALSE(run(automatic(), {large, 50}));
}

TEST_F(AutoMode, B7_small_write_sets_are_written_back)
{
    EXPECT_FALSE(run(automatic("small"), {2, 0}));
    EXPECT_FALSE(run(automatic(), {2, 0}));
}

TEST_F(AutoMode, B7_another_load_brings_another_mode)
{
    TM_SKIP_IF_SHAKEN();
    for (const char *label : {static_cast<const char *>(nullptr), "changing"})
        for (int round = 0; round < 2; ++round) {
            EXPECT_TRUE(run(automatic(label), {}));
            EXPECT_FALSE(run(automatic(label), {large, 50}));
            EXPECT_TRUE(run(automatic(label), {}));
            EXPECT_FALSE(run(automatic(label), {1, 0}));
        }
}

TEST_F(AutoMode, B7_between_the_bounds_the_mode_stays)
{
    TM_SKIP_IF_SHAKEN();
    const Load between{large, 16}, size_between{10, 0};
    EXPECT_FALSE(run(automatic("staying"), {large, 50}));
    EXPECT_FALSE(run(automatic("staying"), between));
    EXPECT_TRUE(run(automatic("staying"), {}));
    EXPECT_TRUE(run(automatic("staying"), between));
    EXPECT_TRUE(run(automatic("staying"), size_between));
    EXPECT_FALSE(run(automatic("staying"), {1, 0}));
    EXPECT_FALSE(run(automatic("staying"), size_between));
}

TEST_F(AutoMode, B7_labels_choose_for_themselves)
{
    TM_SKIP_IF_SHAKEN();
    bool through = false, back = true, none = true;
    for (int i = 0; i < enough; ++i) {
        through = run(automatic("through"), {}, 1);
        back = !run(automatic("back"), {2, 0}, 1);
        none = run(automatic(), {}, 1);
    }
    EXPECT_TRUE(through);
    EXPECT_TRUE(back);
    EXPECT_TRUE(none);
}

TEST_F(AutoMode, B7_threads_choose_for_themselves)
{
    TM_SKIP_IF_SHAKEN();
    Flag chosen;
    std::thread other([&] {
        std::vector<Cell> cells(2);
        for (int i = 0; i < enough; ++i) atomically(automatic("threads"), [&] { store(cells[0].value, 1L); });
        chosen.await();
        atomically(automatic("threads"), [&] {
            store(cells[1].value, 1L);
            EXPECT_EQ(__atomic_load_n(&cells[1].value, __ATOMIC_RELAXED), 0) << "not yet";
        });
    });
    EXPECT_TRUE(run(automatic("threads"), {}));
    chosen.raise();
    other.join();
}

TEST_F(AutoMode, B7_as_the_option_of_the_process)
{
    TM_SKIP_IF_SHAKEN();
    const Option mode("mode", "auto");
    EXPECT_EQ(option("mode"), "auto");
    const attr by_default = make_attr(TM_MODE_DEFAULT), labelled = make_attr(TM_MODE_DEFAULT, 0, "option");
    EXPECT_TRUE(run(by_default, {}));
    EXPECT_TRUE(run(labelled, {}));
    EXPECT_FALSE(run(make_attr(TM_WRITE_BACK), {}, 2)) << "the transaction's own wish counts";
    EXPECT_FALSE(run(make_attr(TM_WRITE_BACK, 0, "option"), {}, 2));
    EXPECT_FALSE(run(labelled, {2, 0}));
    EXPECT_TRUE(run(make_attr(TM_WRITE_THROUGH, 0, "option"), {2, 0}, 2));
    EXPECT_TRUE(run(by_default, {}, 2)) << "not changed by the others";
}

TEST_F(AutoMode, B7_without_attributes)
{
    TM_SKIP_IF_SHAKEN();
    const Option mode("mode", "auto");
    std::vector<Cell> cells(large);
    bool through = false;
    for (int i = 1; i <= enough; ++i)
        atomically([&] {
            for (auto &cell : cells) store(cell.value, static_cast<long>(i));
            through = __atomic_load_n(&cells[0].value, __ATOMIC_RELAXED) == i;
        });
    EXPECT_TRUE(through);
}

/** Transfers between accounts: the sum stays while all three modes run, and the automatic ones change. */
class AutoModes : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(, AutoModes, ::testing::Values(2u, 8u), [](const auto &info) { return std::to_string(info.param); });

TEST_P(AutoModes, B7_transactions_of_changing_modes_are_isolated)
{
    constexpr std::size_t accounts = 256;
    std::vector<Cell> cells(accounts);
    const std::uint64_t rounds = scaled(24000) / GetParam() + 1;
    std::atomic<std::uint64_t> wrong{0};
    run_threads(GetParam(), [&](unsigned me) {
        Random random(me);
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const bool busy = i / 1500 % 2; // then small and often rolled back
            const std::size_t moves = busy ? 1 + random.below(3) : 24;
            const tm_mode mode = random.below(8) == 0 ? TM_WRITE_THROUGH : random.below(8) == 0 ? TM_WRITE_BACK : TM_MODE_AUTO;
            const bool restarts = busy && random.below(2);
            const std::size_t first = random.below(accounts);
            bool again = false;
            atomically(make_attr(mode, 0, random.below(2) ? "moves" : nullptr), [&] {
                for (std::size_t k = 0; k < moves; ++k) {
                    auto &from = cells[(first + k * 5) % accounts].value, &to = cells[(first + k * 7 + 1) % accounts].value;
                    store(from, load(from) - 1);
                    store(to, load(to) + 1);
                }
                if (restarts && !std::exchange(again, true)) restart();
            });
            if (i % 64) continue;
            const long sum = atomically(make_attr(TM_MODE_AUTO, TM_READ_ONLY), [&] {
                long all = 0;
                for (auto &cell : cells) all += load(cell.value);
                return all;
            });
            wrong += sum != 0;
        }
    });
    EXPECT_EQ(wrong.load(), 0u);
    long sum = 0;
    for (const auto &cell : cells) sum += cell.value;
    EXPECT_EQ(sum, 0);
}

} // namespace
