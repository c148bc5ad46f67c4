// SPDX-License-Identifier: MIT
/** P1, P2, P5 to P9: every state that a crash may leave of a pool opens with the image of a commit that returned, or of the one in progress. */
#include "create.hpp"
#include "script.hpp"

#include <cerrno>

#include <gtest/gtest.h>
#include <tm/config.h>
#include <tm/faults.hpp>

using namespace libtm::testing;
using libtm::persist::Failure;
using libtm::persist::Pool;
namespace crash = libtm::crash;

namespace {

constexpr std::size_t page = 4096;

void explore_whole(const std::string &name, const Story &story, crash::Options options = {})
{
    explore(name, [&](tm_storage *files, crash::Marks &marks) { story.play(files, marks); }, story, options);
}

Step commit(std::vector<Edit> edits) { return {Step::commit, std::move(edits)}; }

Step transaction(std::vector<Edit> edits, tm_mode mode = TM_WRITE_BACK, tm_durability durability = TM_DURABILITY_DEFAULT)
{
    Step step{Step::transaction, std::move(edits)};
    step.how.mode = mode;
    step.how.durability = durability;
    return step;
}

/** Transactions that touch single bytes, words over the edge of stripes and of pages, and a page; every `durable`th one waits until it is durable. */
std::vector<Step> transactions(int count, int durable, tm_durability others = TM_DURABILITY_NONE)
{
    std::vector<Step> steps;
    for (int i = 1; i <= count; ++i) {
        const auto value = static_cast<unsigned char>(i);
        const std::size_t at = static_cast<std::size_t>(i * 37 % 4000);
        const tm_mode mode = i % 2 ? TM_WRITE_BACK : TM_WRITE_THROUGH;
        const tm_durability durability = i % durable == 0 ? TM_DURABILITY_SYNC : others;
        if (i % 5 == 3) steps.push_back(transaction({{page - 3, 6, value}, {at, 1, value}}, mode, durability));
        else if (i % 5 == 4) steps.push_back(transaction({{page / 2, page, value}}, mode, durability));
        else steps.push_back(transaction({{at, 8, value}, {at + 100, 1, value}}, mode, durability));
    }
    return steps;
}

std::vector<Step> operator+(std::vector<Step> steps, const std::vector<Step> &more)
{
    steps.insert(steps.end(), more.begin(), more.end());
    return steps;
}

/** Commits that touch two pages in turn, by lines and as a whole. */
std::vector<Step> commits(int count)
{
    std::vector<Step> steps;
    for (int i = 1; i <= count; ++i) {
        const auto value = static_cast<unsigned char>(i);
        if (i % 3 == 0) steps.push_back(commit({{0, 2 * page, value}}));
        else steps.push_back(commit({{static_cast<std::size_t>(i % 2) * page + 64 * static_cast<std::size_t>(i % 5), 8, value}, {page - 32, 64, value}}));
    }
    return steps;
}

} // namespace

TEST(CrashStates, P6_of_a_creation)
{
    explore_whole("creation", Story({page, 8 * 4096, {}}));
}

TEST(CrashStates, of_a_creation_where_files_cannot_be_without_a_name)
{
    const Story story({page, 8 * 4096, {commit({{0, 8, 1}})}});
    crash::Options options;
    options.model.rename = crash::Rename::both_names;
    explore("creation under another name", [&](tm_storage *files, crash::Marks &marks) {
        marks.disk().without_unnamed_files();
        story.play(files, marks);
    }, story, options);
}

TEST(CrashStates, P6_a_creation_that_a_crash_has_cut_off_can_be_made_again)
{
    const auto create = [](tm_storage *files) {
        crash::Disk::of(files)->without_unnamed_files();
        tm_pool_attr attr{};
        attr.storage = files;
        attr.flags = TM_POOL_NO_THREAD;
        Pool::create(pool_path, page, attr)->close();
    };
    explore("creation made again", [&](tm_storage *files, crash::Marks &marks) {
        create(files);
        marks("created");
    }, [&](tm_storage *files, const crash::Moment &moment) -> std::string {
        try {
            create(files);
            return moment.reached("created", 0) ? "the pool is gone" : "";
        } catch (const Failure &failure) {
            return failure.code == EEXIST && crash::Disk::of(files)->files().has(pool_path) ? "" : failure.message();
        }
    });
}

/** The copy gets its name whole, and keeps it; what it is made from stays. */
TEST(CrashStates, M15_of_a_backup)
{
    const Story story({page, 8 * 4096, {commit({{0, 64, 1}})}});
    crash::Options options;
    options.recoveries = 0; // those of pools are explored below
    explore("backup", [&](tm_storage *files, crash::Marks &marks) {
        story.play(files, marks);
        tm_pool_attr attr{};
        attr.storage = files;
        libtm::persist::backup(pool_path, "copy", attr, {});
        marks("copied");
    }, [&](tm_storage *files, const crash::Moment &moment) -> std::string {
        tm_pool_attr attr{};
        attr.storage = files;
        attr.flags = TM_POOL_NO_THREAD;
        try {
            const auto copy = Pool::open("copy", attr);
            if (std::string_view(copy->data(), copy->size()) != story.image(1)) return "the copy has another image";
        } catch (const Failure &failure) {
            if (failure.code != ENOENT || moment.reached("copied", 0)) return failure.message();
        }
        return story.check(files, moment);
    }, options);
}

TEST(CrashStates, P1_P2_of_commits)
{
    explore_whole("commits", Story({2 * page, 8 * 4096, commits(5)}));
}

TEST(CrashStates, P9_of_commits_in_a_journal_that_is_used_again_and_again)
{
    explore_whole("small journal", Story({2 * page, 4 * 4096, commits(12)}));
}

TEST(CrashStates, of_checkpoints_between_commits)
{
    std::vector<Step> steps;
    for (Step &step : commits(5)) {
        steps.push_back(std::move(step));
        steps.push_back({Step::checkpoint});
    }
    explore_whole("checkpoints", Story({2 * page, 8 * 4096, steps}));
}

TEST(CrashStates, of_commits_that_are_bigger_than_the_journal)
{
    explore_whole("big commits", Story({8 * page, 4 * 4096, {commit({{0, 8, 1}}), commit({{0, 8 * page, 2}}), commit({{100, 8, 3}}), commit({{0, 8 * page, 4}}), {Step::abandon}, commit({{200, 8, 5}})}}));
}

TEST(CrashStates, of_a_recovery_of_groups_that_lie_behind_the_usual_end_of_the_journal)
{
    std::vector<Step> steps = {commit({{0, 8 * page, 1}})}; // makes it longer, for the small ones too
    for (unsigned char value = 2; value < 11; ++value) steps.push_back(commit({{0, 8, value}}));
    steps.push_back({Step::abandon});
    steps.push_back(commit({{8, 8, 1}}));
    explore_whole("behind the end", Story({8 * page, 4 * 4096, steps}));
}

TEST(CrashStates, of_growth)
{
    explore_whole("growth", Story({page, 8 * 4096, {commit({{0, 64, 1}}), {Step::grow, {}, 3 * page}, commit({{2 * page, 64, 2}}), {Step::grow, {}, 4 * page}, {Step::close}, commit({{3 * page, 1, 3}, {0, 1, 3}})}}));
}

TEST(CrashStates, of_closing_and_opening)
{
    explore_whole("close and open", Story({page, 8 * 4096, {commit({{0, 64, 1}}), {Step::close}, commit({{0, 64, 2}}), {Step::close}, {Step::close}, commit({{8, 64, 3}})}}));
}

TEST(CrashStates, of_a_page_that_is_changed_back_to_what_the_file_has)
{
    explore_whole("there and back", Story({page, 8 * 4096, {commit({{0, 64, 1}}), {Step::checkpoint}, commit({{0, 64, 2}}), commit({{0, 64, 1}}), commit({{64, 64, 4}})}}));
}

TEST(CrashStates, P7_what_is_stored_and_not_committed_is_never_there)
{
    explore_whole("scribbles", Story({page, 8 * 4096, {commit({{0, 64, 1}}), {Step::scribble, {{64, 64, 9}}}, {Step::checkpoint}, {Step::abandon}, commit({{128, 64, 2}}),
                                                 {Step::scribble, {{0, 64, 9}}}, {Step::trim}, {Step::close}, commit({{192, 64, 3}})}}));
}

TEST(CrashStates, of_a_process_that_was_killed_before_the_power_was_cut)
{
    explore_whole("kill, then crash", Story({2 * page, 8 * 4096, {commit({{0, 64, 1}}), {Step::abandon}, commit({{64, 64, 2}}), commit({{page, page, 3}}), {Step::abandon}, {Step::abandon}, commit({{0, 64, 4}})}}));
}

/** The process dies, or meets an error for good, at each of its calls in turn; then another opens the pool, and commits; then the power is cut. */
TEST(CrashStates, P1_P2_M4_of_transactions_that_are_durable_when_they_return)
{
    explore_whole("transactions", Story({2 * page, 8 * 4096, transactions(10, 1)}));
}

TEST(CrashStates, N3_N6_of_transactions_that_are_durable_later_and_in_their_order)
{
    explore_whole("transactions, each third is waited for", Story({2 * page, 8 * 4096, transactions(12, 3)}));
    explore_whole("transactions, each fourth is waited for", Story({2 * page, 8 * 4096, transactions(12, 4, TM_DURABILITY_ASYNC)}));
    explore_whole("transactions, then all are waited for", Story({2 * page, 8 * 4096, transactions(5, 100) + std::vector<Step>{{Step::wait}} + transactions(3, 100) + std::vector<Step>{{Step::checkpoint}}}));
}

TEST(CrashStates, M5_of_transactions_and_commits_of_the_whole_image_in_turn)
{
    std::vector<Step> steps;
    for (int i = 0; i < 4; ++i)
        steps = steps + transactions(i + 1, 2) + std::vector<Step>{commit({{static_cast<std::size_t>(i) * 64, 8, static_cast<unsigned char>(100 + i)}})};
    explore_whole("transactions and commits", Story({2 * page, 8 * 4096, steps}));
}

TEST(CrashStates, P7_what_is_stored_plainly_beside_transactions_is_never_there)
{
    const std::vector<Edit> garbage{{2, 60, 0xee}, {300, 200, 0xee}, {page, 128, 0xee}};
    explore_whole("scribbles and transactions", Story({2 * page, 8 * 4096, std::vector<Step>{{Step::scribble, garbage}} + transactions(4, 2) + std::vector<Step>{{Step::abandon}} + transactions(2, 1) + std::vector<Step>{{Step::scribble, garbage}} + transactions(2, 2)}));
}

TEST(CrashStates, of_transactions_that_are_bigger_than_the_journal)
{
    explore_whole("big transactions", Story({6 * page, 4 * 4096, {transaction({{0, 8, 1}}), transaction({{0, 6 * page, 2}}), transaction({{64, 8, 3}}, TM_WRITE_THROUGH, TM_DURABILITY_NONE), transaction({{page, 5 * page, 4}}, TM_WRITE_THROUGH), transaction({{8, 8, 5}})}}));
}

TEST(CrashStates, of_transactions_between_checkpoints_trims_growth_and_lives)
{
    explore_whole("transactions in all circumstances",
                  Story({2 * page, 4 * 4096, transactions(3, 2) + std::vector<Step>{{Step::checkpoint}} + transactions(3, 2) + std::vector<Step>{{Step::trim}} + transactions(2, 3) + std::vector<Step>{{Step::grow, {}, 3 * page}, transaction({{2 * page, 100, 7}}, TM_WRITE_BACK, TM_DURABILITY_NONE), {Step::close}} +
                                                 transactions(2, 2) + std::vector<Step>{{Step::abandon}} + transactions(3, 3)}));
}

TEST(CrashStates, P3_P4_of_a_pool_opened_after_each_call_has_failed)
{
    const Story first({2 * page, 4 * 4096, {commit({{0, 64, 1}}), {Step::checkpoint}, commit({{page, page, 2}}), commit({{64, 64, 3}}), {Step::grow, {}, 4 * page}, commit({{0, 4 * page, 4}})}});
    std::uint64_t calls = 0;
    {
        crash::Disk disk;
        crash::Marks marks(disk);
        crash::Faults count(disk.storage());
        first.play(count.storage(), marks);
        calls = count.calls();
    }
    crash::Options options;
    options.recoveries = is_long() ? 2 : 1;
    options.bounds = {64, 8, 16};
    options.recovery_bounds = {16, 4, 8};
    options.most_states = is_long() ? 0 : is_quick() ? 50 : 400;
    for (const crash::Disk::AfterFailure seen : {crash::Disk::AfterFailure::see_new, crash::Disk::AfterFailure::see_old})
        for (const auto kind : {crash::Fault::error, crash::Fault::done_then_error})
            for (std::uint64_t at = 0; at < calls; ++at)
                explore("failure at call " + std::to_string(at), [&](tm_storage *files, crash::Marks &marks) {
                    marks.disk().after_failure(seen);
                    crash::Faults faults(files, at, {kind, EIO, kind == crash::Fault::error});
                    first.fail_and_recover(faults.storage(), marks);
                }, first, options);
}

TEST(CrashStates, P4_of_a_journal_that_a_failed_open_was_to_make_longer)
{
    const auto with_journal = [](tm_storage *files, std::uint64_t blocks) {
        tm_pool_attr attr{};
        attr.journal = blocks * 4096;
        attr.storage = files;
        attr.flags = TM_POOL_NO_THREAD;
        return attr;
    };
    const auto commit = [](Pool &pool, char value, crash::Marks &marks) {
        pool.data()[0] = value;
        marks("begins", static_cast<std::uint64_t>(value));
        pool.commit();
        marks("returned", static_cast<std::uint64_t>(value));
    };
    bool has_failed = true;
    const auto live = [&](std::uint64_t failing, crash::Disk::AfterFailure seen, tm_storage *files, crash::Marks &marks) {
        marks.disk().after_failure(seen);
        {
            const auto pool = Pool::create(pool_path, page, with_journal(files, 4));
            marks("created");
            commit(*pool, 1, marks);
        }
        crash::Faults faults(files, failing, {crash::Fault::error, EIO, true});
        has_failed = false;
        try {
            Pool::open(pool_path, with_journal(faults.storage(), 12));
        } catch (const Failure &) {
            has_failed = true;
        }
        const auto pool = Pool::open(pool_path, with_journal(files, 12));
        for (char value = 2; value < 9; ++value) commit(*pool, value, marks); // beyond what was the end
    };
    const auto check = [&](tm_storage *files, const crash::Moment &moment) -> std::string {
        try {
            const auto pool = Pool::open(pool_path, with_journal(files, 12));
            const auto value = static_cast<std::uint64_t>(pool->data()[0]);
            if (value < moment.last("returned") || value > moment.last("begins")) return "it has the value of commit " + std::to_string(value);
        } catch (const Failure &failure) {
            if (failure.code != ENOENT || moment.reached("created", 0)) return failure.message();
        }
        return {};
    };
    crash::Options options;
    options.recoveries = 0;
    options.bounds = {64, 8, 16};
    options.most_states = is_long() ? 0 : is_quick() ? 50 : 400;
    for (const crash::Disk::AfterFailure seen : {crash::Disk::AfterFailure::see_new, crash::Disk::AfterFailure::see_old})
        for (std::uint64_t at = 0, in_a_row = 0; in_a_row < 10; ++at) { // some failures do not matter
            explore("failure at call " + std::to_string(at), [&](tm_storage *files, crash::Marks &marks) { live(at, seen, files, marks); }, check, options);
            in_a_row = has_failed ? 0 : in_a_row + 1;
        }
}

int main(int argc, char **argv)
{
    ::testing::InitGoogleTest(&argc, argv);
    const int result = RUN_ALL_TESTS();
    report_sums();
    return result;
}
