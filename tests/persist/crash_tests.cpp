// SPDX-License-Identifier: MIT
// The crash explorer on protocols that are known to be right or wrong: it counts only once it has caught what is wrong.
#include "toys.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <tm/faults.hpp>

namespace libtm::test {
namespace {

struct Case {
    const char *name;
    std::unique_ptr<Toy> (*make)();
    Bug bug;
    unsigned pages;
    const char *what; // the failure told; nullptr: right
    unsigned recoveries;
};

template <typename T> std::unique_ptr<Toy> make() { return std::make_unique<T>(); }

const Case cases[] = {
    {"redo_is_right", make<Redo>, Bug::none, 1, nullptr, 0},
    {"redo_of_two_pages_is_right", make<Redo>, Bug::none, 2, nullptr, 0},
    {"undo_is_right", make<Undo>, Bug::none, 1, nullptr, 0},
    {"append_is_right", make<Append>, Bug::none, 1, nullptr, 0},
    {"versions_are_right", make<Versions>, Bug::none, 2, nullptr, 0},
    {"data_written_before_the_journal_is_synced", make<Redo>, Bug::no_sync_before_apply, 1, "a mixed state", 0},
    {"journal_written_again_before_the_data_is_synced", make<Redo>, Bug::no_sync_after_apply, 1, "a mixed state", 0},
    {"journal_without_a_checksum", make<Redo>, Bug::no_checksum, 1, "a mixed state", 0},
    {"journal_with_a_checksum_of_its_header", make<Redo>, Bug::checksum_of_the_header_only, 1, "a mixed state", 0},
    {"two_pages_in_place", make<Redo>, Bug::in_place, 2, "a mixed state", 0},
    {"a_page_taken_as_atomic", make<Redo>, Bug::atomic_page, 1, "a mixed state", 0},
    {"the_size_taken_as_commit", make<Append>, Bug::size_is_the_commit, 1, "a mixed state", 0},
    {"a_name_not_synced", make<Versions>, Bug::no_directory_sync, 1, "a mixed state", 0},
    {"a_name_given_before_the_bytes_are_there", make<Versions>, Bug::rename_before_sync, 1, "a mixed state", 0},
    {"a_removal_taken_as_durable", make<Undo>, Bug::remove_is_the_commit, 1, "commit 1 is lost: the state is 0", 0},
    {"a_recovery_that_forgets_to_sync", make<Redo>, Bug::recovery_forgets_to_sync, 1, "a mixed state", 1},
    {"the_recovery_of_a_recovery_forgets_to_sync", make<Redo>, Bug::second_recovery_forgets_to_sync, 1, "a mixed state", 2},
};

class Crash : public testing::TestWithParam<Case> {
protected:
    static std::unique_ptr<Toy> toy()
    {
        auto t = GetParam().make();
        t->bug = GetParam().bug;
        t->pages = GetParam().pages;
        return t;
    }
};

TEST_P(Crash, tells_right_from_wrong)
{
    crash::Options options;
    options.bounds.exhaustive = 1 << 10;
    options.recover_one_in = 4;
    const crash::Report report = toy()->explore(options);
    EXPECT_GT(report.opened, 1);
    if (!GetParam().what) {
        EXPECT_TRUE(report.ok()) << report.text();
        return;
    }
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.failures[0].what, GetParam().what) << report.text();
}

TEST_P(Crash, a_failure_needs_as_many_crashes_as_it_must)
{
    if (!GetParam().what) return;
    crash::Options options;
    options.recoveries = GetParam().recoveries;
    const crash::Report report = toy()->explore(options);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(std::count(report.failures[0].state.begin(), report.failures[0].state.end(), '/'), GetParam().recoveries);
    if (options.recoveries == 0) return;
    --options.recoveries;
    EXPECT_TRUE(toy()->explore(options).ok());
}

TEST_P(Crash, a_failure_is_replayed)
{
    if (!GetParam().what) return;
    crash::Options options;
    options.again_one_in = 1;
    const crash::Report report = toy()->explore(options);
    ASSERT_FALSE(report.ok());
    options.replay = report.failures[0].state;
    const crash::Report again = toy()->explore(options);
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.opened, GetParam().recoveries + 1);
    EXPECT_EQ(again.failures[0].what, report.failures[0].what);
    EXPECT_EQ(again.failures[0].trace, report.failures[0].trace);
    EXPECT_NE(again.text().find("** crash"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Protocols, Crash, testing::ValuesIn(cases), [](const auto &info) { return info.param.name; });

TEST(CrashExplorer, a_hundred_thousand_different_states_are_opened)
{
    Redo toy;
    toy.pages = 2;
    crash::Options options;
    options.bounds.exhaustive = 1 << 17;
    options.recover_one_in = 16;
    options.most_states = 100'000;
    const crash::Report report = toy.explore(options);
    EXPECT_TRUE(report.ok()) << report.text();
    EXPECT_EQ(report.opened, 100'000);
    EXPECT_TRUE(report.stopped);
}

TEST(CrashExplorer, a_choice_is_made_where_there_are_too_many_states)
{
    Redo toy;
    toy.pages = 40;
    crash::Options options;
    options.recoveries = 0;
    const crash::Report right = toy.explore(options);
    EXPECT_TRUE(right.ok()) << right.text();
    EXPECT_LT(right.exhausted, right.points);
    EXPECT_GT(right.legal, 1e90);
    EXPECT_LT(right.visited, 5000 * right.points);
    for (const Bug bug : {Bug::no_sync_before_apply, Bug::no_sync_after_apply, Bug::no_checksum, Bug::in_place}) {
        toy.bug = bug;
        EXPECT_FALSE(toy.explore(options).ok()) << static_cast<int>(bug);
    }
}

TEST(CrashExplorer, a_failure_is_reduced_to_what_is_needed)
{
    Redo toy;
    toy.pages = 40;
    toy.bug = Bug::in_place;
    crash::Options options;
    options.seed = 7;
    options.bounds = {0, 0, 64}; // at random alone: about half of all is lost
    const crash::Report report = toy.explore(options);
    ASSERT_FALSE(report.ok());
    const std::string &trace = report.failures[0].trace;
    std::size_t lost = 0;
    for (std::size_t at = trace.find("LOST"); at != trace.npos; at = trace.find("LOST", at + 1)) ++lost;
    EXPECT_LE(lost, 2) << trace;
}

TEST(CrashExplorer, parts_share_the_states)
{
    Redo toy;
    crash::Options options;
    options.recoveries = 0;
    const std::uint64_t all = toy.explore(options).opened;
    std::uint64_t sum = 0;
    options.parts = 3;
    for (options.part = 0; options.part < options.parts; ++options.part) {
        const std::uint64_t some = toy.explore(options).opened;
        EXPECT_GT(some, all / 6);
        sum += some;
    }
    EXPECT_EQ(sum, all);
}

TEST(CrashExplorer, an_exception_is_a_failure)
{
    const crash::Report report = crash::explore([](tm_storage *s, crash::Marks &) { s->close(s, open_file(s, "x", TM_STORAGE_CREATE)); },
                                                [](tm_storage *s, const crash::Moment &) {
                                                    s->close(s, open_file(s, "x", TM_STORAGE_READ));
                                                    return std::string{};
                                                });
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.failures[0].what, "exception: open failed: 2");
}

TEST(CrashExplorer, each_failure_is_told_once_up_to_a_number)
{
    Redo toy;
    toy.bug = Bug::atomic_page;
    crash::Options options;
    options.most_failures = 1000000;
    const crash::Report report = toy.explore(options);
    EXPECT_EQ(report.failures.size(), 3 * 254u);
    options.most_failures = 5;
    EXPECT_EQ(toy.explore(options).failures.size(), 5);
}

TEST(CrashExplorer, what_is_to_be_interrupted_may_differ_from_the_check)
{
    Redo toy;
    toy.bug = Bug::recovery_forgets_to_sync;
    unsigned recovered = 0;
    crash::Options options;
    options.recover = [&](tm_storage *) { ++recovered; }; // without a write: nothing to interrupt
    EXPECT_TRUE(toy.explore(options).ok());
    EXPECT_GT(recovered, 0);
    options.recover = [&](tm_storage *s) {
        const int file = s->open(s, "journal", TM_STORAGE_READ);
        if (file < 0) return;
        s->close(s, file);
        toy.recover(s);
    };
    EXPECT_FALSE(toy.explore(options).ok());
}

TEST(CrashExplorer, a_sync_that_is_tried_again_after_a_failure_is_caught)
{
    for (const bool again : {false, true}) {
        Redo toy;
        toy.bug = again ? Bug::sync_again_after_failure : Bug::none;
        bool caught = false;
        for (std::uint64_t k = 0;; ++k) {
            crash::Disk disk;
            crash::Marks marks(disk);
            crash::Faults faults(disk.storage(), k, {crash::Fault::error, EIO});
            try {
                toy.run(faults.storage(), marks);
            } catch (const std::runtime_error &) {
            }
            if (!faults.applied()) break;
            const crash::Report report =
                crash::explore(disk.recording(), [&](tm_storage *s, const crash::Moment &moment) { return toy.check(s, moment); });
            caught |= !report.ok();
            EXPECT_TRUE(again || report.ok()) << faults.names()[k] << '\n' << report.text();
        }
        EXPECT_EQ(caught, again);
    }
}

} // namespace
} // namespace libtm::test
