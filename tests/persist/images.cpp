// SPDX-License-Identifier: MIT
/** Whole-image commits: what is stored anywhere is found, whatever it was before, and no more than that is journaled. */
#include "files.hpp"


using namespace libtm::testing;
using libtm::pool;

namespace {

tm_pool_stats stat_of(const pool &of) { return of.stat(); }

/** The bytes of a pool that was killed, when it is opened again. */
std::vector<char> reopened(const std::string &path)
{
    const pool opened{path, journal_of(1 << 16)};
    return {opened.data(), opened.data() + opened.size()};
}

/** A way of finding changed pages; skipped where it does not work. */
class Detected : public ::testing::TestWithParam<const char *> {
protected:
    void SetUp() override
    {
        const Directory directory;
        if (code_of([&] { EXPECT_STREQ(pool(directory / "probe", 1).stat().detection, GetParam()); }) == ENOTSUP) GTEST_SKIP() << Told().message;
    }
    Option option_{"detection", GetParam()};
};

} // namespace

TEST_P(Detected, M3_every_size_is_kept_to_its_last_byte)
{
    const Directory directory{in_memory()};
    for (const std::size_t size : {1, 4095, 4096, 4097, 65536, 100001}) {
        const std::string path = directory / std::to_string(size);
        and_be_killed([&] {
            pool made{path, size, journal_of(1 << 16)};
            DEMAND(made.size() >= size);
            for (std::size_t i = 0; i < size; ++i) {
                DEMAND(made.data()[i] == 0);
                made.data()[i] = static_cast<char>(i * 7 + 1);
            }
            made.commit();
            std::memset(made.data(), 0, size); // not committed
            die();
        });
        const auto bytes = reopened(path);
        for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], static_cast<char>(i * 7 + 1)) << size << " " << i;
    }
}

TEST_P(Detected, M10_single_bytes_at_the_edges_of_lines_and_pages)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const std::vector<std::size_t> places = {0, 1, 63, 64, 127, 128, 2048, 4031, 4032, 4095, 4096, 8191, 8192, 12288, 40000, 69632 - 1};
    and_be_killed([&] {
        pool made{path, 69632, journal_of(1 << 16)};
        for (const std::size_t place : places) {
            made.data()[place] = 'x';
            made.commit();
        }
        made.data()[64] = 'y';
        made.data()[4095] = 'y';
        made.data()[4096] = 'y';
        made.commit();
        die();
    });
    auto bytes = reopened(path);
    EXPECT_EQ(bytes[64], 'y');
    EXPECT_EQ(bytes[4095], 'y');
    EXPECT_EQ(bytes[4096], 'y');
    for (const std::size_t place : places) {
        EXPECT_NE(bytes[place], 0) << place;
        bytes[place] = 0;
    }
    EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 0), static_cast<std::ptrdiff_t>(bytes.size())) << "other bytes have changed";
}

TEST_P(Detected, M10_one_changed_line_costs_one_block_and_no_change_costs_nothing)
{
    const Directory directory;
    pool made{directory / "pool", 1 << 20, flags(TM_POOL_NO_THREAD)};
    std::memset(made.data(), 1, made.size());
    made.commit();
    tm_pool_stats before = stat_of(made);
    EXPECT_EQ(before.groups, 1u);
    EXPECT_GE(before.bytes_journaled, made.size());
    EXPECT_LT(before.bytes_journaled, made.size() + made.size() / 50);

    made.data()[500000] = 2;
    made.commit();
    tm_pool_stats now = stat_of(made);
    EXPECT_EQ(now.bytes_journaled - before.bytes_journaled, 4096u);
    EXPECT_EQ(now.groups - before.groups, 1u);
    EXPECT_EQ(now.pages - before.pages, 1u);
    EXPECT_EQ(now.commits - before.commits, 1u);
    EXPECT_EQ(now.syncs - before.syncs, 1u);
    EXPECT_EQ(now.sequence - before.sequence, 1u);

    before = now;
    made.commit();                 // nothing stored
    made.data()[500000] = 2;       // the same again
    made.data()[700000] = 3;
    made.data()[700000] = 1;       // and back again
    made.commit();
    now = stat_of(made);
    EXPECT_EQ(now.commits - before.commits, 2u);
    EXPECT_EQ(now.groups, before.groups);
    EXPECT_EQ(now.bytes_journaled, before.bytes_journaled);
    EXPECT_EQ(now.sequence, before.sequence);
    EXPECT_EQ(now.syncs, before.syncs);
    EXPECT_EQ(now.applied, 0u);

    for (int i = 0; i < 100; ++i) made.data()[i * 8192] = 9; // a hundred lines, 80 bytes each
    made.commit();
    before = now;
    now = stat_of(made);
    EXPECT_EQ(now.pages - before.pages, 100u);
    EXPECT_LE(now.bytes_journaled - before.bytes_journaled, 3u * 4096);
    made.checkpoint();
    now = stat_of(made);
    EXPECT_EQ(now.applied, now.sequence);
    EXPECT_EQ(now.journal_used, 0u);
    EXPECT_GE(now.bytes_applied, made.size());
}

TEST_P(Detected, M3_a_page_that_is_again_what_the_data_file_has_is_journaled_all_the_same)
{
    const Directory directory;
    const std::string path = directory / "pool";
    for (const bool checkpointed : {false, true}) {
        and_be_killed([&] {
            pool made{path, 100000, flags(TM_POOL_NO_THREAD)};
            made.data()[50000] = 1; // the file has 0
            made.commit();
            if (checkpointed) made.checkpoint();
            made.data()[50000] = 0;
            const auto before = made.stat().groups;
            made.commit();
            DEMAND(made.stat().groups == before + 1);
            die();
        });
        EXPECT_EQ(reopened(path)[50000], 0);
    }
}

TEST_P(Detected, M3_what_a_failed_life_stored_and_did_not_commit_is_gone)
{
    const Directory directory;
    const std::string path = directory / "pool";
    { pool made{path, 100000}; }
    {
        pool opened{path};
        std::memset(opened.data(), 'n', opened.size());
    }
    const pool opened{path};
    for (std::size_t i = 0; i < opened.size(); ++i) ASSERT_EQ(opened.data()[i], 0) << i;
}

INSTANTIATE_TEST_SUITE_P(, Detected, ::testing::Values("written", "copied", "pagemap", "kpageflags", "compare"), [](const auto &info) { return std::string(info.param); });

TEST(Images, M3_a_commit_bigger_than_the_journal_makes_it_longer_for_a_time)
{
    const Directory directory;
    const std::string path = directory / "pool";
    for (const unsigned how : {0u, unsigned{TM_POOL_NO_THREAD}}) {
        and_be_killed([&] {
            pool made{path, 2 << 20, journal_of(1 << 16, how)};
            const auto usual = made.stat().journal_size;
            for (int round = 1; round <= 3; ++round) {
                std::memset(made.data(), round + static_cast<int>(how), made.size());
                made.commit();
                DEMAND(made.stat().journal_size > (2 << 20));
                made.data()[0] = static_cast<char>(100 + round);
                made.commit();
                made.checkpoint();
                made.data()[1] = static_cast<char>(100 + round);
                made.commit();
                DEMAND(made.stat().journal_size == usual && std::filesystem::file_size(path + "-journal") == usual);
            }
            die();
        });
        const auto bytes = reopened(path);
        EXPECT_EQ(bytes[0], 103);
        EXPECT_EQ(bytes[1], 103);
        for (std::size_t i = 2; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], 3 + static_cast<int>(how)) << i;
    }
}

TEST(Images, M5_a_short_journal_goes_round_many_times)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    for (const unsigned how : {0u, unsigned{TM_POOL_NO_THREAD}}) {
        constexpr int commits = 300;
        and_be_killed([&] {
            pool made{path, 100000, journal_of(16384, how)};
            const auto first = made.stat().sequence;
            for (int i = 1; i <= commits; ++i) {
                // Groups of one, two and three blocks, so that the end of the ring is met at each distance.
                for (int page = 0; page < i % 3 + 1; ++page) std::memset(made.data() + 8192 + page * 4096, i, 4000);
                made.data<int>()[0] = i;
                made.commit();
            }
            const tm_pool_stats stats = made.stat();
            DEMAND(stats.sequence == first + commits && stats.commits == commits && stats.groups == commits);
            DEMAND(stats.checkpoints > 10 && stats.applied > first && stats.journal_size == 16384 + 4096);
            DEMAND(stats.bytes_journaled > 5 * stats.journal_size && stats.journal_used <= stats.journal_size);
            die();
        });
        const auto bytes = reopened(path);
        EXPECT_EQ(*reinterpret_cast<const int *>(bytes.data()), commits);
        // The last one had a block, the one before three.
        for (const auto &[page, last] : {std::pair{0, commits}, {1, commits - 1}, {2, commits - 1}})
            EXPECT_EQ(bytes[8192 + static_cast<std::size_t>(page) * 4096], static_cast<char>(last)) << page;
    }
}

TEST(Images, M2_generations_and_groups_are_counted_over_the_whole_life)
{
    const Directory directory;
    const std::string path = directory / "pool";
    std::uint64_t generation = 0;
    for (std::uint64_t life = 1; life <= 4; ++life) {
        pool opened{path, 10000};
        EXPECT_GT(opened.stat().generation, generation);
        generation = opened.stat().generation;
        EXPECT_EQ(opened.stat().sequence, 3 * (life - 1));
        for (int i = 0; i < 3; ++i) {
            opened.data<int>()[i] = static_cast<int>(life);
            opened.commit();
        }
        const tm_pool_stats stats = opened.stat();
        EXPECT_EQ(stats.sequence, 3 * life);
        EXPECT_EQ(stats.size, opened.size());
        EXPECT_EQ(stats.poisoned, 0);
        EXPECT_EQ(stats.page_size, static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE)));
        EXPECT_EQ(reinterpret_cast<std::uint64_t>(opened.data()), stats.base + stats.page_size);
    }
}
