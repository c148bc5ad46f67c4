// SPDX-License-Identifier: MIT
// L3: counters for each label. A test has labels of its own, so its counts are exact.
#include "c_block.h"
#include "labels.hpp"

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <cstring>
#include <pthread.h>
#include <sys/wait.h>
#include <tm/stage.hpp>
#include <unistd.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class Labels : public Modes {
protected:
    Cell cell;
};
TM_MODES_SUITE(Labels);

TEST_P(Labels, L3_counts_of_one_thread)
{
    TM_SKIP_IF_SHAKEN();
    TM_WITHOUT_BIAS();
    const Watched label("counts");
    for (int i = 0; i < 10; ++i) atomically(how(0, label), [&] { store(cell.value, load(cell.value) + 1); });
    for (int i = 0; i < 5; ++i) atomically(how(0, label), [&] { load(cell.value); });
    for (int i = 0; i < 3; ++i) atomically(how(TM_READ_ONLY, label), [&] { load(cell.value); });
    EXPECT_THROW(atomically(how(0, label), [&] { cancel(1); }), error);
    unsigned attempts = 0;
    atomically(how(0, label), [&] {
        if (++attempts < 3) restart();
    });
    const tm_label_stats stats = label.now();
    EXPECT_EQ(stats.commits, 19u);
    EXPECT_EQ(stats.read_only, 9u);
    EXPECT_EQ(stats.write_back + stats.write_through, 10u);
    EXPECT_EQ(stats.write_back, GetParam() == TM_WRITE_THROUGH ? 0u : 10u); // too few for another choice
    EXPECT_EQ(stats.aborts[TM_ABORTED_ERROR], 1u);
    EXPECT_EQ(stats.aborts[TM_ABORTED_RESTART], 2u);
    EXPECT_EQ(stats.attempts.count, 19u);
    EXPECT_EQ(stats.attempts.sum, 21u);
    EXPECT_EQ(stats.attempts.max, 3u);
    EXPECT_EQ(stats.attempts.p50, 1u);
    EXPECT_EQ(stats.write_set.sum, 10u);
    EXPECT_EQ(stats.read_set.sum, 18u);
    EXPECT_EQ(stats.waits, 0u);
}

TEST_P(Labels, L3_others_are_not_counted)
{
    const Watched label("mine"), other("other");
    atomically(how(0, label), [&] { atomically(how(0, other), [&] { store(cell.value, 1L); }); }); // nested: one transaction
    tx([&] { store(cell.value, 2L); });
    EXPECT_EQ(label.now().commits, 1u);
    EXPECT_EQ(other.now().commits, 0u);
    tm_label_stats stats;
    std::memset(&stats, 1, sizeof stats);
    EXPECT_EQ(tm_label_stats_get(nullptr, &stats), ENOENT);
    EXPECT_EQ(tm_label_stats_get("nobody's", &stats), ENOENT);
    EXPECT_EQ(stats.commits + stats.duration_ns.count + stats.aborts[TM_ABORTED_ERROR], 0u);
    atomically(how(0, other), [&] { store(cell.value, 3L); });
    EXPECT_EQ(label.now().commits, 1u);
    EXPECT_EQ(other.now().commits, 1u);
}

TEST_P(Labels, L3_threads_are_summed_also_when_they_have_ended)
{
    const Watched label("threads");
    for (unsigned round = 1; round <= 2; ++round) {
        run_threads(4, [&](unsigned me) {
            for (unsigned i = 0; i < 100; ++i) atomically(how(0, label), [&] { store(cell.value, load(cell.value) + me); });
        });
        const tm_label_stats stats = label.now();
        EXPECT_EQ(stats.commits, round * 400u);
        EXPECT_EQ(stats.attempts.count, round * 400u);
        EXPECT_EQ(stats.write_set.sum, round * 400u);
        std::uint64_t aborts = 0;
        for (const std::uint64_t one : stats.aborts) aborts += one;
        EXPECT_EQ(stats.attempts.sum, round * 400u + aborts) << "all have committed in the end";
    }
}

TEST_P(Labels, L3_equal_strings_are_one_label)
{
    const Watched label("equal");
    const std::string text = "equal";
    run_threads(3, [&](unsigned) {
        for (int i = 0; i < 20; ++i) {
            const std::string copy(text.c_str()); // gone when the transaction has ended
            atomically(how(0, copy.c_str()), [&] { store(cell.value, load(cell.value) + 1); });
        }
    });
    EXPECT_EQ(label.now().commits, 60u);
    std::vector<const char *> labels(1000);
    const std::size_t count = tm_labels(labels.data(), labels.size());
    ASSERT_LE(count, labels.size());
    EXPECT_EQ(std::count_if(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(count), [&](const char *one) { return text == one; }), 1);
}

TEST_P(Labels, L3_a_string_that_changes_is_another_label)
{
    const Watched first("A"), second("B");
    char text[8];
    for (int i = 0; i < 10; ++i) {
        std::strcpy(text, i % 3 ? first : second);
        atomically(how(0, text), [&] { store(cell.value, load(cell.value) + 1); });
    }
    EXPECT_EQ(first.now().commits, 6u);
    EXPECT_EQ(second.now().commits, 4u);
}

TEST_P(Labels, L3_a_conflict_is_counted_under_its_reason)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    const Watched label("conflict");
    Cell other;
    int attempts = 0;
    atomically(how(0, label), [&] {
        const long seen = load(cell.value);
        if (++attempts == 1)
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(cell.value, load(cell.value) + 1); }); }).join();
        store(other.value, seen);
    });
    const tm_label_stats stats = label.now();
    EXPECT_EQ(stats.aborts[TM_ABORTED_VALIDATION] + stats.aborts[TM_ABORTED_CHANGED], 1u);
    EXPECT_EQ(stats.attempts.max, 2u);
}

TEST_P(Labels, L3_extensions)
{
    TM_SKIP_IF_SHAKEN();
    TM_SKIP_UNLESS_INDEPENDENT();
    for (const bool rolled_back : {false, true}) {
        const Watched label(rolled_back ? "rolled back extension" : "extension");
        Cell other;
        int attempts = 0;
        atomically(how(0, label), [&] {
            load(cell.value);
            if (++attempts > 1) return;
            std::thread([&] { atomically(how(TM_NO_QUIESCENCE), [&] { store(other.value, 1L); }); }).join();
            EXPECT_EQ(load(other.value), 1); // newer than the snapshot, which is moved up
            if (rolled_back) restart();
        });
        EXPECT_GE(label.now().extensions, 1u);
    }
}

TEST_P(Labels, L3_what_was_left_is_counted_too)
{
    const Watched label("left");
    static std::jmp_buf out;
    if (setjmp(out) == 0)
        c_transaction(how(0, label), [&] {
            tm_store_i64(&cell.value, 1);
            tm_longjmp(out, 1);
        });
    EXPECT_EQ(label.now().aborts[TM_ABORTED_ABANDONED], 1u);
    std::thread([&] { c_transaction(how(0, label), [] { pthread_exit(nullptr); }); }).join();
    EXPECT_EQ(label.now().aborts[TM_ABORTED_ABANDONED], 2u);
    EXPECT_EQ(label.now().commits, 0u);
    if (setjmp(out) == 0)
        c_transaction(how(TM_IRREVOCABLE, label), [&] {
            tm_store_i64(&cell.value, 2);
            tm_longjmp(out, 1); // commits it
        });
    EXPECT_EQ(label.now().commits, 1u);
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Labels, L3_attempts_go_on_from_the_recovery_block)
{
    TM_SKIP_IF_SHAKEN();
    const Watched label("recovery");
    static int runs;
    runs = 0;
    c_transaction(
        how(0, label),
        [&] {
            tm_store_i64(&cell.value, 1);
            if (++runs < 4) tm_abort(1);
        },
        [&] { tm_restart(); });
    const tm_label_stats stats = label.now();
    EXPECT_EQ(stats.commits, 1u);
    EXPECT_EQ(stats.aborts[TM_ABORTED_ERROR], 3u);
    EXPECT_EQ(stats.attempts.max, 4u);
}

TEST_P(Labels, L3_blocks_with_stages)
{
    TM_SKIP_IF_SHAKEN();
    const Watched label("stages"), in_part("in a part");
    const attr a = how(0, label);
    tm_stages stages{};
    stages.attr = &a;
    EXPECT_EQ(staged(stages, [&](tm_stage_kind stage) {
                  if (stage == TM_STAGE_WORK) tm_store_i64(&cell.value, 5);
                  if (stage == TM_STAGE_ONCOMMIT) atomically(how(0, in_part), [&] { store(cell.value, load(cell.value) + 1); });
              }),
              0);
    EXPECT_EQ(label.now().commits, 1u);
    EXPECT_EQ(in_part.now().commits, 1u);
    EXPECT_EQ(cell.value, 6);
}

TEST(LabelsOfAll, L3_labels_in_the_order_in_which_they_came)
{
    const std::size_t before = tm_labels(nullptr, 0);
    const char *const first = "first", *const second = "second";
    for (const char *label : {first, second, first}) atomically(make_attr(TM_MODE_DEFAULT, 0, label), [] {});
    std::vector<const char *> labels(before + 2);
    ASSERT_EQ(tm_labels(labels.data(), before + 1), before + 2);
    EXPECT_STREQ(labels[before], first);
    EXPECT_EQ(labels[before + 1], nullptr) << "beyond the capacity";
    ASSERT_EQ(tm_labels(labels.data(), before + 2), before + 2);
    EXPECT_STREQ(labels[before + 1], second);
    EXPECT_NE(labels[before], first) << "a copy, which stays";
}

/** In a child, so that the labels of other tests still have room. */
template <class Body> int in_child(Body body)
{
    const pid_t child = fork();
    if (child == 0) {
        body();
        _exit(::testing::Test::HasFailure());
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(LabelsOfAll, L3_more_labels_than_a_thread_has_room_for)
{
    EXPECT_EQ(in_child([] {
                  constexpr std::size_t count = 100;
                  constexpr std::uint64_t rounds = 3;
                  std::vector<std::string> labels;
                  for (std::size_t i = 0; i < count; ++i) labels.push_back("many " + std::to_string(i));
                  for (std::uint64_t round = 0; round < rounds; ++round)
                      for (const std::string &label : labels) atomically(make_attr(TM_MODE_DEFAULT, 0, label.c_str()), [] {});
                  std::uint64_t apart = 0;
                  for (const std::string &label : labels) {
                      const std::uint64_t commits = of(label).commits;
                      EXPECT_TRUE(commits == 0 || commits == rounds) << label;
                      apart += commits;
                  }
                  EXPECT_LE(apart, rounds * TM_LABELS_OF_A_THREAD);
                  EXPECT_EQ(apart + of(TM_LABEL_OTHERS).commits, rounds * count);
              }),
              0);
}

TEST(LabelsOfAll, L3_a_text_that_changes_is_another_label)
{
    EXPECT_EQ(in_child([] {
                  const auto run = [](const char *label) { atomically(make_attr(TM_MODE_DEFAULT, 0, label), [] {}); };
                  std::vector<std::string> labels;
                  for (int i = 0; i <= TM_LABELS_OF_A_THREAD; ++i) labels.push_back("text " + std::to_string(i));
                  for (const std::string &label : labels) run(label.c_str());
                  std::string buffer = labels.front();
                  for (const std::string &content : {labels.front(), labels.back(), labels[1], labels.back(), labels.front()}) {
                      const std::uint64_t before = of(content).commits, others = of(TM_LABEL_OTHERS).commits;
                      buffer.assign(content); // as long, or shorter: at the same address
                      run(buffer.c_str());
                      const bool apart = before != 0;
                      EXPECT_EQ(of(content).commits, apart ? before + 1 : 0) << content;
                      EXPECT_EQ(of(TM_LABEL_OTHERS).commits, apart ? others : others + 1) << content;
                  }
              }),
              0);
}

TEST(LabelsOfAll, L3_a_fork_keeps_the_counts)
{
    const Watched label("fork");
    const attr a = make_attr(TM_MODE_DEFAULT, 0, label);
    for (int i = 0; i < 5; ++i) atomically(a, [] {});
    EXPECT_EQ(in_child([&] {
                  EXPECT_EQ(label.now().commits, 5u);
                  for (int i = 0; i < 5; ++i) atomically(a, [] {});
                  EXPECT_EQ(label.now().commits, 10u);
              }),
              0);
    EXPECT_EQ(label.now().commits, 5u);
}

TEST(LabelsOfAll, L3_counters_are_read_while_they_are_written)
{
    const Watched label("running");
    Cell cell;
    std::atomic<bool> done{false};
    std::thread reader([&] {
        std::uint64_t last = 0;
        while (!done) {
            const std::uint64_t now = label.now().attempts.count;
            EXPECT_GE(now, last);
            last = now;
        }
    });
    const std::uint64_t rounds = scaled(20000);
    run_threads(2, [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const std::string other = "beside " + std::to_string(i % 10 + me);
            atomically(make_attr(TM_MODE_DEFAULT, 0, i % 2 ? label : other.c_str()), [&] { store(cell.value, load(cell.value) + 1); });
        }
    });
    done = true;
    reader.join();
    EXPECT_EQ(label.now().commits, rounds / 2 * 2);
    EXPECT_EQ(cell.value, static_cast<long>(rounds * 2));
}

} // namespace
