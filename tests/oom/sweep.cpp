// SPDX-License-Identifier: MIT
#include "sweep.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace libtm::oom {

namespace {

/** What the child printed. */
std::string content(int file)
{
    std::string text(static_cast<std::size_t>(lseek(file, 0, SEEK_END)), ' ');
    if (pread(file, text.data(), text.size(), 0) < 0) text.clear();
    constexpr std::size_t most = 6000;
    if (text.size() > most) text = text.substr(0, most / 2) + "\n...\n" + text.substr(text.size() - most / 2);
    return text;
}

[[noreturn]] void be_child(const Program &program, const Plan &plan, unsigned seconds, int output)
{
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    alarm(seconds);
    arm(plan);
    const int status = program.run();
    std::fflush(nullptr);
    std::exit(status);
}

/** Empty: nothing is wrong. */
std::string judge(int status, const Program &program, int output)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "it hangs";
    if (WIFSIGNALED(status)) return std::string("it crashes: ") + strsignal(WTERMSIG(status));
    if (shared->violations) return "wrong result";
    const int code = WEXITSTATUS(status);
    if (code == all_right || code == not_as_expected || code == could_not_go_on) return {};
    if (program.excuse && shared->refused && program.excuse(content(output))) return {};
    return "exit status " + std::to_string(code);
}

} // namespace

bool Sweep::run(const Program &program, const Plan &plan, bool shown)
{
    const int output = memfd_create("output", 0);
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) be_child(program, plan, limits_.seconds, output);
    int status = 0;
    waitpid(child, &status, 0);
    ++runs_;
    const std::string fault = judge(status, program, output);
    if (WIFEXITED(status)) {
        early_ += WEXITSTATUS(status) == could_not_go_on;
        unexpected_ += WEXITSTATUS(status) == not_as_expected;
    }
    hangs_ = fault == "it hangs";
    if (!fault.empty()) ++violations_;
    if (!fault.empty() || shown) {
        std::printf("%s\n%s%s %s: %s\n", content(output).c_str(), shown ? "" : "replay with: --replay ", program.name.c_str(), plan.text().c_str(),
                    fault.empty() ? "nothing is wrong" : fault.c_str());
        std::fflush(stdout);
    }
    close(output);
    return fault.empty();
}

bool Sweep::replay(const Program &program, const Plan &plan) { return run(program, plan, true); }

/** After the run that has counted. */
std::vector<Plan> Sweep::plans() const
{
    using When = Plan::When;
    std::vector<Plan> result;
    const auto add = [&](std::uint64_t n, std::uintptr_t site) {
        result.push_back({When::once, n, site});
        result.push_back({When::for_ever, n, site});
    };
    const std::uint64_t seen = shared->seen;
    for (std::uint64_t n = 1; n <= std::min(seen, limits_.most); ++n) add(n, Plan::any);
    for (const std::uint64_t n : {2u, 3u, 5u, 7u})
        if (limits_.most && n <= seen) result.push_back({When::every, n, Plan::any});
    if (seen <= limits_.most) return result;
    std::uint64_t random = 88172645463325252u; // xorshift64
    for (const Site &site : shared->sites) {
        const std::uint64_t calls = site.seen;
        std::set<std::uint64_t> chosen;
        for (std::uint64_t n = 1; n <= std::min(calls, limits_.each); ++n) chosen.insert(n);
        for (std::uint64_t i = 0; i < limits_.random && calls > limits_.each; ++i) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            chosen.insert(limits_.each + 1 + random % (calls - limits_.each));
        }
        for (const std::uint64_t n : chosen) add(n, site.offset);
    }
    return result;
}

void Sweep::over(const Program &program)
{
    constexpr std::uint64_t enough = 5; // reports of one program
    if (!run(program, {}, false)) return;
    const std::uint64_t before = violations_;
    for (const Plan &plan : plans()) {
        run(program, plan, false);
        if (violations_ - before >= enough || hangs_) break;
    }
}

} // namespace libtm::oom
