// SPDX-License-Identifier: MIT
/** The journal beside a pool: missing, another's, damaged, or left over from another life. */
#include "inside.hpp"

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr int commits = 5;

/** A pool that was killed with so many groups in its journal; data<int>()[0] is the number of the commit. */
void make_and_kill(const std::string &path, int first = 1)
{
    and_be_killed([&] {
        pool made{path, 30000, journal_of(1 << 20, TM_POOL_NO_THREAD)};
        for (int i = first; i < first + commits; ++i) {
            made.data<int>()[0] = i;
            made.data<int>()[2000] = i;
            made.commit();
        }
        die();
    });
}

} // namespace

TEST(Journals, P8_a_crashed_pool_without_its_journal_is_refused_and_opens_when_it_is_back)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    make_and_kill(path);
    std::filesystem::rename(journal, directory / "away");
    const auto before = contents(path);
    for (const unsigned how : ways_to_open) {
        const Told told = expect_refused(path, EBADMSG, "journal", flags(how), journal);
        EXPECT_EQ(told.found, "none");
        EXPECT_FALSE(told.remedy.empty());
    }
    EXPECT_EQ(contents(path), before);
    EXPECT_FALSE(std::filesystem::exists(journal));
    std::filesystem::rename(directory / "away", journal);
    EXPECT_EQ(pool(path).data<int>()[0], commits);
}

TEST(Journals, P8_another_pools_journal_is_refused_and_left_alone)
{
    const Directory directory;
    const std::string path = directory / "pool", other = directory / "other", journal = path + "-journal";
    make_and_kill(path);
    make_and_kill(other, 100);
    const auto mine = contents(journal), foreign = contents(other + "-journal");
    fill(journal, foreign);
    for (const unsigned how : ways_to_open) expect_refused(path, EBADMSG, "journal", flags(how), journal);
    EXPECT_EQ(contents(journal), foreign);
    fill(journal, mine);
    EXPECT_EQ(pool(path).data<int>()[0], commits); // and closed
    fill(journal, foreign);
    const Told told = expect_refused(path, EEXIST, "uuid", {}, journal);
    EXPECT_FALSE(told.remedy.empty());
    EXPECT_EQ(contents(journal), foreign);
    EXPECT_EQ(pool(path, flags(TM_POOL_READ_ONLY)).data<int>()[0], commits) << "who only reads a closed pool needs no journal";
    fill(journal, std::vector<char>(10000, 'j'));
    expect_refused(path, EEXIST, "uuid", {}, journal);
}

TEST(Journals, P8_groups_of_another_pool_are_not_replayed_even_under_our_name)
{
    const Directory directory;
    const std::string path = directory / "pool", other = directory / "other", journal = path + "-journal";
    make_and_kill(path);
    make_and_kill(other, 100);
    fill(journal, contents(other + "-journal"));
    JournalHeader forged = record_at<JournalHeader>(journal, 0);
    forged.uuid = header_of(path, 0).uuid;
    forge(journal, 0, forged);
    const pool opened{path};
    EXPECT_EQ(opened.data<int>()[0], 0);
    EXPECT_EQ(opened.stat().recovered, 0u);
}

TEST(Journals, P8_a_group_that_lies_elsewhere_than_it_says_is_not_replayed)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    make_and_kill(path);
    const std::vector<GroupHeader> groups = groups_in(journal);
    ASSERT_FALSE(groups.empty());
    // The first group once more behind the last one, which it would follow.
    const auto bytes = contents(journal);
    const std::uint64_t there = groups.back().offset + groups.back().bytes;
    GroupHeader next = groups.front();
    next.sequence = groups.back().sequence + 1;
    for (const bool says_so : {false, true}) {
        const std::string copy = directory / (says_so ? "as it says" : "elsewhere");
        fill(copy, contents(path));
        fill(copy + "-journal", bytes);
        if (says_so) next.offset = there;
        next.checksum = libtm::persist::checksum_of(next, libtm::persist::seed_of(header_of(path, 0).uuid));
        std::vector<char> group(bytes.begin() + static_cast<std::ptrdiff_t>(groups.front().offset), bytes.begin() + static_cast<std::ptrdiff_t>(groups.front().offset + next.bytes));
        std::memcpy(group.data(), &next, sizeof next);
        patch(copy + "-journal", there, group);
        const pool opened{copy, flags(TM_POOL_ANYWHERE)};
        EXPECT_EQ(opened.stat().recovered, groups.size() + says_so);
    }
}

TEST(Journals, P8_a_leftover_beside_a_closed_pool_is_used_again)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    make_and_kill(path);
    const auto leftover = contents(journal);
    { pool recovered{path}; }
    fill(journal, leftover); // as if its removal had not been durable
    {
        pool opened{path};
        EXPECT_EQ(opened.data<int>()[0], commits);
        EXPECT_EQ(opened.stat().recovered, 0u);
    }
    fill(journal, {}); // or one that was never written
    EXPECT_EQ(pool(path).data<int>()[0], commits);
}

TEST(Journals, P8_a_stale_tail_of_an_earlier_generation_is_not_replayed)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    { pool made{path, 30000}; }
    const auto young = contents(path);
    make_and_kill(path); // groups 1 to 5
    fill(path, young);   // somebody puts an old copy of the pool back, and forgets the journal
    and_be_killed([&] {
        pool opened{path, journal_of(1 << 20, TM_POOL_NO_THREAD)};
        DEMAND(opened.data<int>()[0] == 0);
        opened.data<int>()[0] = 77;
        opened.commit(); // group 1 again; 2 to 5 of the other life are behind it
        die();
    });
    const pool opened{path};
    EXPECT_EQ(opened.data<int>()[0], 77);
    EXPECT_EQ(opened.data<int>()[2000], 0);
    EXPECT_EQ(opened.stat().recovered, 1u);
}

TEST(Journals, P8_groups_of_the_life_before_are_behind_the_new_ones_and_not_replayed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    make_and_kill(path);
    for (int life = 0; life < 3; ++life) {
        and_be_killed([&] {
            pool opened{path, journal_of(1 << 20, TM_POOL_NO_THREAD)};
            DEMAND(opened.stat().recovered == (life ? 1u : unsigned{commits}));
            opened.data<int>()[0] = 100 + life;
            opened.commit();
            die();
        });
    }
    const pool opened{path};
    EXPECT_EQ(opened.data<int>()[0], 102);
    EXPECT_EQ(opened.data<int>()[2000], commits);
}

/** Where in a group a byte is wrong. */
class DamagedGroup : public ::testing::TestWithParam<int> {};

TEST_P(DamagedGroup, P22_P2_is_refused_if_a_later_one_says_it_was_durable_and_is_torn_if_it_is_the_last)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    make_and_kill(path);
    const auto sound = contents(path), sound_journal = contents(journal);
    const std::vector<GroupHeader> groups = groups_in(journal);
    ASSERT_EQ(groups.size(), std::size_t{commits});
    for (std::size_t i = 0; i < groups.size(); ++i) {
        ASSERT_EQ(groups[i].sequence, i + 1);
        for (const unsigned how : ways_to_open) {
            fill(path, sound);
            fill(journal, sound_journal);
            flip(journal, groups[i].offset + static_cast<std::uint64_t>(GetParam()));
            if (i + 1 == groups.size()) {
                const pool opened{path, flags(how)};
                EXPECT_EQ(opened.data<int>()[0], commits - 1);
                EXPECT_EQ(opened.data<int>()[2000], commits - 1);
            } else {
                const Told told = expect_refused(path, EBADMSG, "group " + std::to_string(i + 1), flags(how), journal);
                EXPECT_NE(told.expected.find("durable"), std::string::npos) << told.message;
                EXPECT_EQ(tm_pool_error()->offset, groups[i].offset);
                EXPECT_EQ(contents(path), sound) << "it was changed before it was refused";
            }
        }
    }
}
// magic, sequence, generation, size, number of frames, checksums, a frame, its bytes, the filling at the end
INSTANTIATE_TEST_SUITE_P(at_byte, DamagedGroup, ::testing::Values(0, 8, 16, 32, 48, 52, 60, 64, 85, 4095), ::testing::PrintToStringParamName());

TEST(Journals, P22_a_journal_that_was_cut_off)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    make_and_kill(path);
    const auto sound = contents(path), sound_journal = contents(journal);
    const std::vector<GroupHeader> groups = groups_in(journal);
    for (std::size_t left = 0; left < groups.size(); ++left) { // in the middle of a group: it can have been the last
        fill(path, sound);
        fill(journal, {sound_journal.begin(), sound_journal.begin() + static_cast<std::ptrdiff_t>(groups[left].offset + 100)});
        EXPECT_EQ(pool(path).data<int>()[0], static_cast<int>(left));
    }
    fill(path, sound);
    fill(journal, {});
    expect_refused(path, EBADMSG, "journal", {}, journal);
}
