// SPDX-License-Identifier: MIT
#include "engine.hpp"

#include "support.hpp"
#include "sweep.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <execinfo.h>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

namespace libtm::oom {

namespace {

/** At once: what a test has left behind when it failed is not looked for. */
[[noreturn]] void leave(Status status)
{
    std::fflush(nullptr);
    syscall(SYS_exit_group, status);
    std::abort();
}

/** A thread of a test that does not expect an error ends the process by it, or by a std::thread which the error finds running. Anything else is the engine's fault. */
[[noreturn]] void end_by_error()
{
    if (refused() && !std::current_exception() && std::uncaught_exceptions()) leave(could_not_go_on);
    if (const std::exception_ptr current = std::current_exception()) {
        try {
            std::rethrow_exception(current);
        } catch (const error &e) {
            const bool expected = e.kind() == TM_ERROR_MEMORY || e.kind() == TM_ERROR_LOG_FULL; // of a reservation that was not granted
            if (expected && refused()) leave(could_not_go_on);
        } catch (const std::bad_alloc &) { // libtm::make
            if (refused()) leave(could_not_go_on);
        } catch (...) {
        }
    }
    std::abort();
}

/**
 * A test that does not look whether its block is null: the fault lies in its own code, and not in libtm. (ThreadSanitizer's handler stands in between and
 * hides where it lies; the other builds tell.)
 */
void end_by_fault(int signal)
{
    constexpr int fault = 2; // frames: this function, the return of the signal, the code at fault
    void *frames[8];
    Dl_info at;
    const bool known = backtrace(frames, 8) > fault && dladdr(frames[fault], &at) && at.dli_fname;
    if (refused() && known && !std::strstr(at.dli_fname, "libtm.so")) leave(could_not_go_on);
    std::signal(signal, SIG_DFL); // again, when the handler returns
}

int run_test(const std::string &name)
{
    const Patience irrevocable; // transactions wait for memory
    std::set_terminate(end_by_error);
    void *frame;
    backtrace(&frame, 1); // loads what it needs, which a handler must not
    std::signal(SIGSEGV, end_by_fault);
    test::on_hopeless_wait = [] {
        if (refused()) leave(could_not_go_on);
    };
    ::testing::GTEST_FLAG(filter) = name;
    if (RUN_ALL_TESTS() == 0) return all_right;
    leave(not_as_expected);
}

/** A sanitizer's word for the same as end_by_fault(). */
bool follows_null(const std::string &output)
{
    const std::size_t report = output.find("runtime error: "), line = output.rfind('\n', report);
    return report != output.npos && line != output.npos && output.compare(line + 1, 16, "../tests/engine/") == 0 && output.find("null pointer", report) != output.npos;
}

/** Tests of large numbers, which take long, those that start the program anew, and a mode that is one of the two others. */
bool is_left_out(const std::string &name)
{
    for (const char *const part : {"/automatic", "a_million", "by_the_megabyte", "ten_thousand", "P19_exit_in_a_transaction"})
        if (name.find(part) != name.npos) return true;
    return false;
}

/** FNV-1a */
std::uint32_t hash(const std::string &name)
{
    std::uint32_t result = 2166136261u;
    for (const char c : name) result = (result ^ static_cast<unsigned char>(c)) * 16777619u;
    return result;
}

std::vector<Program> programs()
{
    std::vector<Program> result;
    const auto &all = *::testing::UnitTest::GetInstance();
    for (int i = 0; i < all.total_test_suite_count(); ++i) {
        const auto &suite = *all.GetTestSuite(i);
        for (int j = 0; j < suite.total_test_count(); ++j) {
            const std::string name = std::string(suite.name()) + "." + suite.GetTestInfo(j)->name();
            if (!is_left_out(name)) result.push_back({name, [name] { return run_test(name); }, follows_null});
        }
    }
    return result;
}

} // namespace

int engine_suite(int argc, char **argv)
{
    setenv("TM_TEST_SCALE", "0.002", 0);
    if (!install()) return std::fprintf(stderr, "libtm.so has not been found\n"), 2;
    if (argc == 3 && !std::strcmp(argv[0], "--replay")) {
        Plan plan;
        return Plan::parse(argv[2], plan) && Sweep({0, 0, 0, 600}).replay({argv[1], [=] { return run_test(argv[1]); }, follows_null}, plan) ? 0 : 1;
    }
    const bool is_long = std::getenv("TM_TEST_LONG") || (argc == 1 && !std::strcmp(argv[0], "--long"));
    const bool slow = test::under_asan() || test::under_tsan();
    Sweep sweep(is_long ? Limits{40, 4, 4, 60} : Limits{0, 1, 0, slow ? 60u : 20u});
    const auto all = programs();
    for (const Program &test : all)
        if (!slow || is_long || hash(test.name) % 4 == 0) // a sample, which stays the same when there are more tests
            sweep.over(test);
    report_sites(false);
    std::printf("explored: %lu faults injected in %lu runs of %zu tests (%lu with failed expectations, %lu ended by an error that they did not expect), %lu violations\n",
                static_cast<unsigned long>(shared->all_refused), static_cast<unsigned long>(sweep.runs()), all.size(),
                static_cast<unsigned long>(sweep.unexpected()), static_cast<unsigned long>(sweep.ended_early()),
                static_cast<unsigned long>(sweep.violations()));
    return sweep.violations() ? 1 : 0;
}

} // namespace libtm::oom
