// SPDX-License-Identifier: MIT
#include "../oom/engine.hpp"
#include "support.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>
#include <unistd.h>

namespace {

/** Says which test hangs, when the runner has waited long enough. */
void say_where(int signal)
{
    if (const auto *const test = ::testing::UnitTest::GetInstance()->current_test_info()) {
        char line[256];
        const int length = std::snprintf(line, sizeof line, "ERROR: ended in %s.%s\n", test->test_suite_name(), test->name());
        [[maybe_unused]] const auto written = write(STDERR_FILENO, line, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof line - 1));
    }
    std::signal(signal, SIG_DFL);
    raise(signal);
}

/** Where the clock is short each test begins soon after it has overflowed: so a test of few transactions that counts attempts does not depend on those before it. */
class YoungClock : public ::testing::EmptyTestEventListener {
    void OnTestStart(const ::testing::TestInfo &) override
    {
        if (!libtm::test::short_clock()) return;
        const libtm::test::Option nobody_has_the_bias("bias", "0"), nobody_takes_turns("turns", "off"); // commits that are alone do not move it
        std::thread(overflow).join(); // so that the test's thread is as it was
    }
    static void overflow()
    {
        static long value;
        constexpr int most = 5000;
        const auto overflows = [] {
            tm_stats stats;
            tm_stats_get(&stats);
            return stats.aborts[TM_ABORTED_CLOCK];
        };
        const auto before = overflows();
        for (int i = 0; i < most && overflows() == before; ++i) libtm::atomically([] { libtm::store(value, libtm::load(value) + 1); });
        libtm::atomically([] { libtm::load(value); }); // moves the clock up to the last version: who meets one above it validates, and may be shaken
    }
};

} // namespace

int main(int argc, char **argv)
{
    ::testing::InitGoogleTest(&argc, argv);
    // A child of a death test is a fresh process, so it has no other threads that a fork would have frozen.
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    if (const char *const wrong = tm_config_error()) {
        std::fprintf(stderr, "TM_CONF: %s\n", wrong);
        return 2;
    }
    std::signal(SIGTERM, say_where);
    ::testing::UnitTest::GetInstance()->listeners().Append(new YoungClock);
    if (argc > 1 && !std::strcmp(argv[1], "--oom")) return libtm::oom::engine_suite(argc - 2, argv + 2);
    return RUN_ALL_TESTS();
}
