// SPDX-License-Identifier: MIT
// What the crash explorer finds is what is legal, neither more nor less: it is compared with brute force.
#include "toys.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <tm/faults.hpp>

namespace libtm::test {
namespace {

using crash::Event;

void expect_the_same(const crash::Recording &recording, const crash::Model &model = {})
{
    const auto legal = crash::legal_states(recording, model), all = crash::brute_force_states(recording, model);
    EXPECT_FALSE(all.empty());
    std::string difference;
    for (const std::string &state : all)
        if (!legal.contains(state)) difference += "missed: " + state + "\n";
    for (const std::string &state : legal)
        if (!all.contains(state)) difference += "not legal: " + state + "\n";
    if (difference.empty()) return;
    for (const Event &event : recording.events) difference += event.text() + "\n";
    ADD_FAILURE() << difference.substr(0, 10000);
}

void write(tm_storage *s, int file, std::size_t size, std::uint64_t offset, char value)
{
    const std::string bytes(size, value);
    write_file(s, file, bytes.data(), size, offset);
}

/** Of each state the size of the file "x", and the first byte of each of its sectors. */
std::set<std::string> states_of_x(const crash::Recording &recording)
{
    std::set<std::string> all;
    crash::explore(recording, [&](tm_storage *s, const crash::Moment &) {
        const int file = s->open(s, "x", TM_STORAGE_READ);
        std::string text = file < 0 ? "none" : "";
        if (file >= 0) {
            const auto bytes = read_file(s, file, 1 << 20, 0);
            for (std::size_t i = 0; i < bytes.size(); i += 512) text += bytes[i] == std::byte{} ? '0' : static_cast<char>(bytes[i]);
            s->close(s, file);
        }
        all.insert(text);
        return std::string{};
    });
    return all;
}

crash::Files with_x(const std::string &bytes)
{
    crash::Files files;
    files.put("x", bytes);
    return files;
}

using Texts = std::set<std::string>;

TEST(CrashModel, a_write_is_torn_at_sectors_in_any_order)
{
    crash::Disk disk(with_x(std::string(1024, 'a')));
    write(disk.storage(), open_file(disk.storage(), "x", TM_STORAGE_WRITE), 1024, 0, 'b');
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"aa", "ab", "ba", "bb"}));
    expect_the_same(disk.recording());
}

TEST(CrashModel, two_writes_to_a_sector_land_in_order)
{
    crash::Disk disk(with_x(std::string(512, 'a')));
    const int x = open_file(disk.storage(), "x", TM_STORAGE_WRITE);
    write(disk.storage(), x, 512, 0, 'b');
    write(disk.storage(), x, 512, 0, 'c');
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"a", "b", "c"}));
}

TEST(CrashModel, what_was_synced_is_there)
{
    crash::Disk disk(with_x(std::string(512, 'a')));
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    write(s, x, 512, 0, 'b');
    sync_file(s, x);
    disk.mark("synced");
    write(s, x, 512, 512, 'c');
    Texts after;
    for (const std::string &state : crash::legal_states(disk.recording()))
        if (state.starts_with("1 marks")) after.insert(state);
    EXPECT_EQ(after.size(), 3); // "b", "b0", "bc"
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"a", "b", "b0", "bc"}));
}

TEST(CrashModel, a_longer_file_may_be_so_without_its_bytes)
{
    crash::Disk disk(with_x(""));
    write(disk.storage(), open_file(disk.storage(), "x", TM_STORAGE_WRITE), 1024, 0, 'b');
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"", "00", "0b", "b0", "bb"}));
}

TEST(CrashModel, a_shorter_file_keeps_all_or_nothing_of_the_rest)
{
    crash::Disk disk(with_x(std::string(1536, 'a')));
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    s->truncate(s, x, 512);
    s->truncate(s, x, 1536);
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"aaa", "a", "a00"}));
    expect_the_same(disk.recording());
}

TEST(CrashModel, reserved_space_is_zero_or_not_there)
{
    crash::Disk disk(with_x(std::string(512, 'a')));
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    s->reserve(s, x, 0, 1024);
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"a", "a0"}));
}

TEST(CrashModel, after_a_failed_sync_nothing_is_known_for_ever)
{
    crash::Disk disk(with_x(std::string(1024, 'a')));
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    write(s, x, 1024, 0, 'b');
    disk.fail_sync(x, EIO);
    sync_file(s, x);
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"aa", "ab", "ba", "bb"}));
    EXPECT_EQ(read_file(s, x, 1, 0)[0], std::byte{'b'});
    write(s, x, 512, 0, 'c'); // but what is written again, and synced, is there
    sync_file(s, x);
    disk.mark("synced");
    expect_the_same(disk.recording());
    for (const std::string &state : states_of_x({disk.recording().before, disk.recording().events})) EXPECT_EQ(state.size(), 2);
    std::size_t last = 0;
    for (const std::string &state : crash::legal_states(disk.recording())) last += state.starts_with("1 marks");
    EXPECT_EQ(last, 2); // "ca" and "cb"
}

TEST(CrashModel, what_is_read_after_a_failed_sync_may_be_old)
{
    crash::Disk disk(with_x("a"));
    disk.after_failure(crash::Disk::AfterFailure::see_old);
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    write(s, x, 1, 0, 'b');
    disk.fail_sync(x, EIO);
    EXPECT_EQ(read_file(s, x, 1, 0)[0], std::byte{'a'});
    expect_the_same(disk.recording());
}

TEST(CrashModel, an_interrupted_sync_is_none)
{
    crash::Disk disk(with_x("a"));
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    write(s, x, 1, 0, 'b');
    disk.fail_sync(x, EINTR);
    sync_file(s, x);
    disk.mark("synced");
    expect_the_same(disk.recording());
    std::size_t last = 0;
    for (const std::string &state : crash::legal_states(disk.recording())) last += state.starts_with("1 marks");
    EXPECT_EQ(last, 1);
}

TEST(CrashModel, a_name_is_there_or_not_until_its_directory_is_synced)
{
    crash::Disk disk;
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_CREATE);
    write(s, x, 512, 0, 'b');
    sync_file(s, x);
    EXPECT_EQ(states_of_x(disk.recording()), (Texts{"none", "", "0", "b"}));
    s->sync_directory(s, "elsewhere/x");
    disk.mark("elsewhere");
    s->sync_directory(s, "y");
    disk.mark("here");
    const auto legal = crash::legal_states(disk.recording());
    const auto count = [&](const char *marks) { return std::count_if(legal.begin(), legal.end(), [&](const auto &l) { return l.starts_with(marks); }); };
    EXPECT_EQ(count("1 marks"), 2);
    EXPECT_EQ(count("2 marks"), 1);
    expect_the_same(disk.recording());
}

TEST(CrashModel, a_rename_leaves_one_name_both_or_none)
{
    crash::Disk disk(with_x("a"));
    tm_storage *const s = disk.storage();
    s->rename(s, "x", "y");
    for (const auto &[rename, states] : {std::pair{crash::Rename::atomic, 2u}, {crash::Rename::both_names, 3u}, {crash::Rename::torn, 4u}}) {
        crash::Model model;
        model.rename = rename;
        EXPECT_EQ(crash::legal_states(disk.recording(), model).size(), states);
        expect_the_same(disk.recording(), model);
    }
}

TEST(CrashModel, names_change_in_order_where_the_directory_says_so)
{
    crash::Disk disk;
    tm_storage *const s = disk.storage();
    for (const char *const path : {"a", "b", "c"}) s->close(s, open_file(s, path, TM_STORAGE_CREATE));
    crash::Model model;
    EXPECT_EQ(crash::legal_states(disk.recording(), model).size(), 8);
    model.names_in_order = true;
    EXPECT_EQ(crash::legal_states(disk.recording(), model).size(), 4);
    expect_the_same(disk.recording(), model);
}

TEST(CrashModel, brute_force_agrees_on_commits_of_one_and_two_pages)
{
    for (const unsigned pages : {1, 2})
        for (const Bug bug : {Bug::none, Bug::no_sync_after_apply}) {
            const auto compare = [&](auto toy) {
                toy.pages = pages;
                toy.commits = 2;
                toy.bug = bug;
                toy.page = pages == 1 && bug == Bug::none ? 4096 : 1024;
                expect_the_same(toy.record());
            };
            compare(Redo());
            compare(Undo());
            compare(Append());
            compare(Versions());
        }
}

/** Anything that a program may do to three files, on little space, with few things pending. */
class RandomTrace {
public:
    explicit RandomTrace(std::uint64_t seed) : numbers_(seed), disk_(files()), s_(disk_.storage()) {}
    crash::Recording make()
    {
        for (unsigned i = 0, n = 4 + pick(8); i < n; ++i) step();
        return disk_.recording();
    }

private:
    static crash::Files files()
    {
        crash::Files files;
        files.put("a", std::string(1300, 'a'));
        files.put("d/b", std::string(600, 'b'));
        return files;
    }
    unsigned pick(unsigned n) { return static_cast<unsigned>(numbers_() % n); }
    const char *name() { return std::array{"a", "d/b", "c", "d/c"}[pick(4)]; }
    void step()
    {
        const int file = s_->open(s_, name(), TM_STORAGE_WRITE);
        switch (pick(12)) {
        case 0:
        case 1:
        case 2:
            if (file >= 0) write(s_, file, 1 + pick(900), pick(1500), static_cast<char>('A' + pick(26)));
            break;
        case 3:
            if (file >= 0) s_->truncate(s_, file, pick(2000));
            break;
        case 4:
            if (file >= 0) s_->reserve(s_, file, pick(1000), 1 + pick(1000));
            break;
        case 5:
        case 6:
            if (file >= 0) sync_file(s_, file);
            break;
        case 7:
            if (file >= 0) disk_.fail_sync(file, pick(4) ? EIO : EINTR);
            break;
        case 8: s_->remove(s_, name()); break;
        case 9: s_->rename(s_, name(), name()); break;
        case 10:
            if (const int made = pick(2) ? s_->create_unnamed(s_, "c") : s_->open(s_, name(), TM_STORAGE_CREATE); made >= 0) {
                write(s_, made, 1 + pick(600), 0, 'n');
                if (pick(2)) sync_file(s_, made);
                s_->name(s_, made, name());
                s_->close(s_, made);
            }
            break;
        case 11:
            if (pick(3) == 0) disk_.mark("m");
            else if (pick(4)) s_->sync_directory(s_, name());
            else disk_.fail_sync_directory(name(), EIO);
            break;
        }
        if (file >= 0) s_->close(s_, file);
    }

    std::mt19937_64 numbers_;
    crash::Disk disk_;
    tm_storage *s_;
};

TEST(CrashModel, brute_force_agrees_on_random_traces)
{
    unsigned compared = 0;
    for (std::uint64_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
        const crash::Recording recording = RandomTrace(seed).make();
        crash::Model model;
        model.rename = static_cast<crash::Rename>(seed % 3);
        model.names_in_order = seed % 2;
        model.size_step = seed % 5 == 0 ? 0 : 512;
        SCOPED_TRACE(seed);
        try {
            expect_the_same(recording, model);
            ++compared;
        } catch (const std::length_error &) {
        }
    }
    EXPECT_GT(compared, 300);
}

} // namespace
} // namespace libtm::test
