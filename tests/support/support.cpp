// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <cstdio>

int main(int argc, char **argv)
{
    ::testing::InitGoogleTest(&argc, argv);
    // A child of a death test is a fresh process, so it has no other threads that a fork would have frozen.
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    if (const char *const wrong = tm_config_error()) {
        std::fprintf(stderr, "TM_CONF: %s\n", wrong);
        return 2;
    }
    return RUN_ALL_TESTS();
}
