// SPDX-License-Identifier: MIT
#include "../oom/engine.hpp"
#include "support.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
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
    if (argc > 1 && !std::strcmp(argv[1], "--oom")) return libtm::oom::engine_suite(argc - 2, argv + 2);
    return RUN_ALL_TESTS();
}
