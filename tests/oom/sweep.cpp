// SPDX-License-Identifier: MIT
#include "sweep.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
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

namespace {

/** The calls of the allocators in the machine code: the addresses behind them; the jumps (from the end of a function), by callee. */
struct Code {
    std::map<std::uintptr_t, Call> calls;
    std::map<Call, unsigned> jumps;
};

const std::map<std::string, Call> callees = {
    {"malloc", Call::malloc},
    {"calloc", Call::calloc},
    {"realloc", Call::realloc},
    {"aligned_alloc", Call::aligned_alloc},
    {"posix_memalign", Call::posix_memalign},
    {"_ZnwmSt11align_val_tRKSt9nothrow_t", Call::operator_new},
    {"mmap", Call::mmap},
    {"mmap64", Call::mmap},
    {"pthread_key_create", Call::key_create},
    {"pthread_setspecific", Call::set_specific},
    {"__cxa_atexit", Call::at_exit},
};

/** The callee that a line of objdump names: "<malloc@plt>", "<malloc@GLIBC_2.2.5>". */
const Call *callee_of(const std::string &line)
{
    const std::size_t open = line.find('<'), close = line.find_first_of("@>", open);
    if (open == line.npos || close == line.npos || line[close] != '@') return nullptr;
    const auto found = callees.find(line.substr(open + 1, close - open - 1));
    return found == callees.end() ? nullptr : &found->second;
}

Code read_code()
{
    Code code;
    std::FILE *const pipe = popen((std::string("objdump -d --no-show-raw-insn -j .text '") + library_path() + "'").c_str(), "r");
    if (!pipe) return code;
    char line[1024];
    const Call *pending = nullptr; // the line before was its call
    while (std::fgets(line, sizeof line, pipe)) {
        char *rest;
        const unsigned long address = std::strtoul(line, &rest, 16);
        if (*rest != ':' || rest == line) continue;
        if (pending) code.calls[address] = *pending;
        pending = nullptr;
        const std::string text = rest;
        const Call *const call = callee_of(text);
        if (!call) continue;
        if (text.find("call") != text.npos || text.find("\tbl") != text.npos)
            pending = call;
        else if (text.find("\tjmp") != text.npos || text.find("\tb\t") != text.npos)
            ++code.jumps[*call];
    }
    pclose(pipe);
    return code;
}

} // namespace

unsigned report_sites(bool all_shall_fail)
{
    const Code code = read_code();
    std::map<std::uintptr_t, const Site *> met;
    for (const Site &site : shared->sites)
        if (site.offset) met[site.offset] = &site;

    unsigned wrong = 0;
    std::map<Call, unsigned> behind_jumps;
    for (const auto &[offset, site] : met) {
        if (!code.calls.contains(offset)) ++behind_jumps[site->call];
        if (!site->failed && all_shall_fail) ++wrong;
        std::printf("  %6lx %-19s called %8lu times, failed %6lu%s\n", static_cast<unsigned long>(offset), name_of(site->call),
                    static_cast<unsigned long>(site->all_seen), static_cast<unsigned long>(site->failed), site->failed ? "" : "  NEVER FAILED");
    }
    if (all_shall_fail && code.calls.empty()) {
        std::printf("  objdump shows no calls in %s\n", library_path());
        ++wrong;
    }
    for (const auto &[offset, call] : code.calls)
        if (all_shall_fail && !met.contains(offset)) {
            std::printf("  %6lx %-19s NEVER CALLED\n", static_cast<unsigned long>(offset), name_of(call));
            ++wrong;
        }
    for (const auto &[call, count] : code.jumps)
        if (all_shall_fail && !behind_jumps.contains(call)) {
            std::printf("  %u jumps to %s NEVER MET\n", count, name_of(call));
            ++wrong;
        }
    std::printf("%zu call sites (%zu calls in the machine code of libtm.so), ", met.size(), code.calls.size());
    return wrong;
}

} // namespace libtm::oom
