// SPDX-License-Identifier: MIT
/** The journal beside a pool: missing, another's, damaged, or left over from another life. */
#include "inside.hpp"
#include "replay.hpp"

using namespace libtm::testing;
using libtm::pool;
namespace persist = libtm::persist;

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

/** Memory that was used before is what the library gets. */
void leave_letters_behind()
{
    std::vector<std::vector<char>> blocks;
    for (std::size_t size = 16; size < (4u << 20); size += size / 4) blocks.emplace_back(size, 'j');
    char stack[256 << 10];
    std::memset(stack, 'j', sizeof stack);
    asm volatile("" : : "r"(stack) : "memory");
}

} // namespace

TEST(Journals, P31_what_is_not_said_to_be_something_is_zero_in_both_files)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
    and_be_killed([&] {
        leave_letters_behind();
        tm_pool_attr how = journal_of(1 << 20, TM_POOL_NO_THREAD);
        how.layout = "L";
        pool made{path, 30000, how};
        for (int i = 1; i < 40; ++i) {
            leave_letters_behind();
            made.data()[i * 500] = 1;
            made.set_root("r", made.data());
            made.commit();
            if (i == 20) made.checkpoint();
        }
        die();
    });
    auto bytes = contents(path);
    const Header header = header_of(path, current_copy(path));
    const auto is_said = [&](std::uint64_t offset, std::uint64_t size) { std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, 0); };
    for (int copy = 0; copy < 2; ++copy) {
        const std::uint64_t at = copy * persist::block_size;
        is_said(at, offsetof(Header, layout) + 2);
        is_said(at + persist::block_size - 4, 4);
    }
    is_said(persist::image_offset + 64, 2);                       // the name of the root
    is_said(persist::image_offset + 64 + TM_POOL_ROOT_NAME_SIZE, 8); // and where it is
    for (int i = 1; i < 40; ++i) is_said(persist::image_offset + header.page_size + i * 500, 1);
    EXPECT_EQ(std::find_if(bytes.begin(), bytes.end(), [](char byte) { return byte != 0; }) - bytes.begin(), static_cast<std::ptrdiff_t>(bytes.size()));

    const std::vector<GroupHeader> groups = groups_in(journal);
    ASSERT_GT(groups.size(), 30u);
    bytes = contents(journal);
    is_said(0, sizeof(JournalHeader));
    is_said(persist::block_size - 4, 4);
    for (const GroupHeader &group : groups) {
        std::uint64_t at = group.offset + sizeof group;
        for (std::uint32_t i = 0; i < group.frames; ++i) {
            persist::Frame frame;
            std::memcpy(&frame, bytes.data() + at, sizeof frame);
            EXPECT_EQ(frame.zero, 0u);
            for (std::uint64_t byte = 0; byte < frame.bytes; ++byte) EXPECT_NE(bytes[at + sizeof frame + byte], 'j');
            is_said(at, sizeof frame + frame.bytes);
            at += persist::frame_bytes(frame.bytes);
        }
        EXPECT_EQ(group.zero, 0u);
        is_said(group.offset, sizeof group);
    }
    EXPECT_EQ(std::find_if(bytes.begin(), bytes.end(), [](char byte) { return byte != 0; }) - bytes.begin(), static_cast<std::ptrdiff_t>(bytes.size()));
}

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

TEST(Journals, P2_more_frames_than_are_composed_at_once)
{
    struct Few {
        std::size_t before = persist::most_composed;
        Few() { persist::most_composed = 1000; }
        ~Few() { persist::most_composed = before; }
    } const few;
    const Directory directory;
    const std::string path = directory / "pool";
    constexpr std::size_t ints = 16 * 1024;
    {
        pool made{path, ints * sizeof(int), journal_of(1 << 20, TM_POOL_NO_THREAD)};
        for (int i = 1; i <= 3; ++i)
            libtm::atomically([&] {
                for (std::size_t at = 0; at < ints; at += 200) libtm::store(made.data<int>()[at], i * static_cast<int>(at));
            });
    }
    const pool opened{path};
    for (std::size_t at = 0; at < ints; at += 200) EXPECT_EQ(opened.data<int>()[at], 3 * static_cast<int>(at));
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
            // The first goes on with what is there, if it can, and then the second applies it, since there are groups of two opens in the ring.
            const bool goes_on = std::strcmp(opened.stat().detection, "written") == 0;
            const int recovered[] = {commits, goes_on ? commits + 1 : 1, 1};
            DEMAND(static_cast<int>(opened.stat().recovered) == recovered[life]);
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
