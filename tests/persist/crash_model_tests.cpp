// SPDX-License-Identifier: MIT
// What the crash explorer finds is what is legal, neither more nor less: it is compared with brute force.
#include "compare.hpp"

#include <algorithm>
#include <cerrno>
#include <random>

namespace libtm::test {
namespace {

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
    sync_file(s, x);
    write(s, x, 1, 0, 'c');
    disk.fail_sync(x, EIO);
    EXPECT_EQ(read_file(s, x, 1, 0)[0], std::byte{'b'});
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

TEST(CrashModel, a_choice_has_prefixes_single_ones_pairs_writes_and_files)
{
    crash::Files files;
    files.put("x", std::string(20 * 512, 'a'));
    files.put("y", std::string(20 * 512, 'a'));
    crash::Disk disk(files);
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE), y = open_file(s, "y", TM_STORAGE_WRITE);
    write(s, x, 10 * 512, 0, 'b');
    write(s, y, 20 * 512, 0, 'b');
    write(s, x, 10 * 512, 10 * 512, 'b');
    crash::Options options;
    options.bounds = {100, 10000, 0};
    Texts seen;
    const auto report = crash::explore(disk.recording(), [&](tm_storage *t, const crash::Moment &) {
        std::string text;
        for (const char *const path : {"x", "y"}) {
            const auto bytes = read_file(t, open_file(t, path, TM_STORAGE_READ), 20 * 512, 0);
            for (std::size_t i = 0; i < bytes.size(); i += 512) text += static_cast<char>(bytes[i]);
        }
        seen.insert(text);
        return std::string{};
    }, options);
    EXPECT_EQ(report.exhausted, 0);
    const std::string a20(20, 'a'), b20(20, 'b'), a10(10, 'a'), b10(10, 'b');
    for (std::size_t n = 0; n <= 10; ++n) EXPECT_TRUE(seen.contains(std::string(n, 'b') + std::string(20 - n, 'a') + a20)) << n;
    for (std::size_t n = 0; n <= 20; ++n) EXPECT_TRUE(seen.contains(b10 + a10 + std::string(n, 'b') + std::string(20 - n, 'a'))) << n;
    for (std::size_t n = 0; n <= 10; ++n) EXPECT_TRUE(seen.contains(b10 + std::string(n, 'b') + std::string(10 - n, 'a') + b20)) << n;
    for (std::size_t i = 0; i < 40; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            std::string lost(40, 'b'), kept(40, 'a');
            lost[i] = lost[j] = 'a';
            kept[i] = kept[j] = 'b';
            EXPECT_TRUE(seen.contains(lost) && seen.contains(kept)) << i << ' ' << j;
        }
    for (const std::string &whole : {b10 + a10 + a20, a10 + b10 + a20, a20 + b20, a10 + b10 + b20, b10 + a10 + b20, b20 + a20}) EXPECT_TRUE(seen.contains(whole));
}

TEST(CrashModel, equal_sectors_at_different_places_are_different_states)
{
    crash::Disk disk(with_x(std::string(3 * 4096, 'a')));
    tm_storage *const s = disk.storage();
    const int x = open_file(s, "x", TM_STORAGE_WRITE);
    for (const unsigned sector : {0, 1, 8, 16}) write(s, x, 512, 512 * sector, 'b');
    expect_the_same(disk.recording());
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
        for (unsigned i = 0, n = 4 + pick(9); i < n; ++i) step();
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
        switch (pick(13)) {
        case 0:
        case 1:
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
        case 2:
        case 11:
        case 12:
            if (pick(4) == 0) disk_.mark("m");
            else if (pick(2)) s_->sync_directory(s_, name());
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
    for (std::uint64_t seed = 1; seed <= 600 && !HasFailure(); ++seed) {
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
    EXPECT_GT(compared, 450);
}

} // namespace
} // namespace libtm::test
