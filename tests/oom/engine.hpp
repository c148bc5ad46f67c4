// SPDX-License-Identifier: MIT
/**
 * @file engine.hpp
 * The engine's own tests with failing allocations: engine_tests --oom. They do not expect errors, so their expectations do not count; what counts is
 * that none crashes, hangs, or makes a sanitizer report.
 */
#pragma once

namespace libtm::oom {

/** `argc` and `argv` are those behind --oom: [--long] [--replay TEST PLAN]. The exit status. After InitGoogleTest. */
int engine_suite(int argc, char **argv);

} // namespace libtm::oom
