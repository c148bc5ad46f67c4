// SPDX-License-Identifier: MIT
#include "../oom/engine.hpp"
#include "support.hpp"

#include <cstdio>
#include <cstring>

int main(int argc, char **argv)
{
    ::testing::InitGoogleTest(&argc, argv);
    // A child of a death test is a fresh process, so it has no other threads that a fork would have frozen.
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    if (const char *const wrong = tm_config_error()) {
        std::fprintf(stderr, "TM_CONF: %s\n", wrong);
        return 2;
    }
    if (argc > 1 && !std::strcmp(argv[1], "--oom")) return libtm::oom::engine_suite(argc - 2, argv + 2);
    return RUN_ALL_TESTS();
}
