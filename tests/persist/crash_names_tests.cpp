// SPDX-License-Identifier: MIT
// Which names a crash may leave.
#include "compare.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::test {
namespace {

TEST(CrashNames, a_name_is_there_or_not_until_its_directory_is_synced)
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

TEST(CrashNames, a_rename_leaves_one_name_both_or_none)
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

TEST(CrashNames, a_name_that_rests_on_another_change_of_it_proves_it)
{
    crash::Disk disk(with_x("a"));
    tm_storage *const s = disk.storage();
    s->rename(s, "x", "d/x"); // durable when both directories are
    s->remove(s, "d/x");
    disk.mark("before");
    s->sync_directory(s, "d/x");
    disk.mark("after");
    expect_the_same(disk.recording());
    const auto legal = crash::legal_states(disk.recording());
    EXPECT_EQ(std::count_if(legal.begin(), legal.end(), [](const auto &l) { return l.starts_with("1 marks"); }), 3);
    EXPECT_TRUE(legal.contains("2 marks: no files"));
}

TEST(CrashNames, a_rename_between_directories_is_durable_when_both_are)
{
    crash::Disk disk(with_x("a"));
    tm_storage *const s = disk.storage();
    s->rename(s, "x", "d/x");
    s->sync_directory(s, "x");
    disk.mark("one");
    s->sync_directory(s, "d/x");
    disk.mark("both");
    expect_the_same(disk.recording());
    const auto legal = crash::legal_states(disk.recording());
    EXPECT_EQ(std::count_if(legal.begin(), legal.end(), [](const auto &l) { return l.starts_with("1 marks"); }), 2);
    EXPECT_EQ(std::count_if(legal.begin(), legal.end(), [](const auto &l) { return l.starts_with("2 marks"); }), 1);
}

TEST(CrashNames, a_sync_of_one_directory_leaves_the_order_in_the_other)
{
    crash::Disk disk;
    tm_storage *const s = disk.storage();
    for (const char *const path : {"x", "d/x", "d/y"}) s->close(s, open_file(s, path, TM_STORAGE_CREATE));
    s->rename(s, "d/x", "d/z");
    s->remove(s, "d/z");
    s->sync_directory(s, "x");
    disk.mark("synced");
    expect_the_same(disk.recording());
    const auto legal = crash::legal_states(disk.recording());
    EXPECT_EQ(std::count_if(legal.begin(), legal.end(), [](const auto &l) { return l.starts_with("1 marks"); }), 2 * 3); // d/y or not, and d/x, d/z or none
}

TEST(CrashNames, after_a_failed_sync_of_a_directory_its_names_are_unknown_for_ever)
{
    crash::Disk disk;
    tm_storage *const s = disk.storage();
    s->close(s, open_file(s, "x", TM_STORAGE_CREATE));
    disk.fail_sync_directory("x", EIO);
    s->close(s, open_file(s, "y", TM_STORAGE_CREATE));
    s->sync_directory(s, "x");
    disk.mark("synced");
    expect_the_same(disk.recording());
    const auto legal = crash::legal_states(disk.recording());
    EXPECT_EQ(std::count_if(legal.begin(), legal.end(), [](const auto &l) { return l.starts_with("1 marks"); }), 2);
}

TEST(CrashNames, two_names_of_a_file_are_not_two_equal_files)
{
    crash::Files files;
    files.put("a", "same");
    files.put("b", "same");
    crash::Disk disk(files);
    tm_storage *const s = disk.storage();
    s->remove(s, "b");
    s->name(s, open_file(s, "a", TM_STORAGE_READ), "b");
    EXPECT_EQ(crash::legal_states(disk.recording()).size(), 3); // two files, one, one with two names
    expect_the_same(disk.recording());
}

TEST(CrashNames, names_change_in_order_where_the_directory_says_so)
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

} // namespace
} // namespace libtm::test
