// SPDX-License-Identifier: MIT
/** P1, P2, P7, P9: a process is killed at a random moment, again and again, and what it leaves is checked by another one. */
#include "era.hpp"

using namespace libtm::testing;

namespace {

/** In memory and on a disk in turn: what a kill leaves does not depend on it, but how long calls take does. */
const char *base_of(unsigned number)
{
    return number % 4 == 3 || ::access("/dev/shm", W_OK) != 0 ? std::getenv("TMPDIR") : "/dev/shm";
}

} // namespace

TEST(Soak, the_content_tells_what_is_lost_mixed_and_phantom)
{
    Content is(7);
    is.advance(1000);
    const auto fault_of = [&](std::size_t size, auto &&change, std::uint64_t least, std::uint64_t most) {
        std::string memory = is.memory();
        change(memory);
        Content known(7);
        known.advance(least);
        return known.fault(memory.data(), size, most);
    };
    const auto nothing = [](std::string &) {};
    EXPECT_EQ(fault_of(Content::last_size, nothing, 0, 1000), "");
    EXPECT_EQ(fault_of(Content::last_size, nothing, 1000, 1000), "");
    EXPECT_TRUE(fault_of(Content::last_size, nothing, 1001, 1002).starts_with("lost"));
    EXPECT_TRUE(fault_of(Content::last_size, nothing, 0, 999).starts_with("phantom"));
    EXPECT_TRUE(fault_of(Content::first_size, nothing, 0, 1000).starts_with("too short"));
    for (const std::size_t byte : {Content::first_byte, 3 * Content::page, Content::last_size - 1})
        EXPECT_TRUE(fault_of(Content::last_size, [&](std::string &memory) { ++memory[byte]; }, 0, 1000).starts_with("mixed")) << byte;
    Content next(7);
    next.advance(1001);
    for (const Content::Edit &edit : next.edits(1001))
        EXPECT_TRUE(fault_of(Content::last_size, [&](std::string &memory) { memory.replace(edit.offset, edit.bytes.size(), edit.bytes); }, 0, 1001).starts_with("mixed"))
            << "a step of which only the number is missing";
}

TEST(Soak, P1_P2_P7_P9_what_killed_processes_leave_is_a_state_they_committed)
{
    constexpr unsigned kills_each = 25;
    const unsigned eras = std::getenv("TM_TEST_LONG") ? 40000 : has_sanitizer ? 5 : 40;
    Random random(random_seed());
    unsigned violations = 0;
    for (unsigned number = 0; number < eras && violations == 0; ++number) {
        const Directory directory(base_of(number));
        Era era(setting_of(number, directory / "pool"));
        for (unsigned i = 0; i < kills_each && violations == 0; ++i) {
            era.begin(random());
            era.wait(random);
            const int status = era.end();
            const std::string wrong = was_killed(status) ? era.check(random) : "it ended by itself: status " + std::to_string(status) + ", " + era.failure();
            if (wrong.empty()) continue;
            ++violations;
            ADD_FAILURE() << "pool " << number << ", kill " << i << ": " << wrong;
        }
    }
    const Sums &sums = Era::sums;
    std::printf("explored: %llu kills, %llu commits, %llu steps, %llu transactions of heaps, %llu recoveries of %llu groups by the checking process, %u violations\n", sums.ends, sums.commits, sums.steps, sums.shelves,
                sums.recoveries, sums.groups, violations);
    std::string text;
    for (int i = 0; i < activities; ++i) text += (i ? ", " : "") + std::to_string(sums.at[i]) + " " + activity_names[i];
    std::printf("explored: kills by what a thread was at: %s\n", text.c_str());
    if (has_sanitizer || violations) return;
    for (const Activity activity : {opening, shelving, committing, checkpointing, trimming, growing, closing}) EXPECT_GT(sums.at[activity], 0u) << "nobody died " << activity_names[activity];
}
