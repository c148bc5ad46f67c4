// SPDX-License-Identifier: MIT
/**
 * @file opening.cpp
 * Opening after a crash: this program runs once more as a child, which fills a journal with commits and is killed. Its files are as it wrote them a
 * moment ago, in the page cache. It must be a program and not a fork, as the stores that are open here are not to have a twin.
 */
#include "files.hpp"
#include "measure.hpp"
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {
namespace {

constexpr std::size_t pages_each = 64;

/** Run it; the number of commits that it has made when it is killed. */
std::uint64_t crash(const settings &chosen, const std::string &name, const std::string &path)
{
    int ends[2];
    check(pipe2(ends, O_CLOEXEC), "pipe");
    const std::string crash = "--crash=" + name, at = "--at=" + path, size = "--size=" + std::to_string(chosen.size_mib),
                      journal = "--journal=" + std::to_string(chosen.crash_mib);
    const pid_t child = fork();
    check(child, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "tm-pool-bench", crash.c_str(), at.c_str(), size.c_str(), journal.c_str(), nullptr);
        _exit(127);
    }
    close(ends[1]);
    std::uint64_t commits = 0;
    const bool told = read(ends[0], &commits, sizeof commits) == sizeof commits;
    close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    if (!told) throw std::runtime_error("the program to be killed has failed");
    return commits;
}

void open_after_crash(benchmark::State &state, bench_run &run, const recoverable &which)
{
    const std::string directory = run.path("crash-" + which.name);
    std::filesystem::create_directory(directory);
    const site where{directory + "/data", run.chosen().crash_size()};
    work done(where.pages());
    for (std::uint64_t left = crash(run.chosen(), which.name, where.path); left > 0; --left) done.draw(pages_each, extent::page);
    std::unique_ptr<store> opened;
    for (auto _ : state) {
        const std::int64_t begin = now();
        opened = which.open(where);
        state.SetIterationTime(static_cast<double>(now() - begin) * 1e-9);
        state.SetItemsProcessed(1);
    }
    std::string damage = opened->difference(done);
    if (damage.empty()) damage = opened->damage(done);
    opened.reset();
    std::filesystem::remove_all(directory);
    if (!damage.empty()) throw std::runtime_error(damage);
}

} // namespace

int prepare_crash(const bench_run &run, const std::string &name, const std::string &path)
{
    const settings &chosen = run.chosen();
    for (const recoverable &r : run.known().recoverables) {
        if (r.name != name) continue;
        const site where{path, chosen.crash_size()};
        const auto target = r.create(where, chosen.crash_mib << 20);
        work what(where.pages());
        std::uint64_t commits = 0;
        for (; target->pending() < chosen.crash_mib << 20; ++commits) target->commit(what.draw(pages_each, extent::page));
        check(write(STDOUT_FILENO, &commits, sizeof commits), "write");
        for (;;) pause();
    }
    std::cerr << "no store " << name << '\n';
    return 2;
}

void add_opening(std::vector<subject> &to, bench_run &run)
{
    for (const recoverable &r : run.known().recoverables)
        to.push_back({"open", r.name, [&run, &r](benchmark::State &state) { run.guard(state, [&] { open_after_crash(state, run, r); }); }});
}

} // namespace bench
