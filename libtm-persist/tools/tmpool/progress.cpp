// SPDX-License-Identifier: MIT
#include "progress.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <unistd.h>

namespace libtm::tmpool {

Progress::Progress(const char *what) : what_(what)
{
    if (::isatty(STDERR_FILENO)) shower_ = std::thread([this] { run(); });
}

Progress::~Progress()
{
    if (!shower_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        has_ended_ = true;
    }
    ended_.notify_all();
    shower_.join();
}

void Progress::run()
{
    using namespace std::chrono_literals;
    const auto begin = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    if (ended_.wait_for(lock, 1s, [&] { return has_ended_; })) return;
    do {
        const std::uint64_t total = total_.load(std::memory_order_relaxed);
        const std::uint64_t done = std::min(done_.load(std::memory_order_relaxed), total);
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
        if (total) std::fprintf(stderr, "\r\033[K%s: %d %%, %lld s", what_, static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total)), static_cast<long long>(seconds));
        else std::fprintf(stderr, "\r\033[K%s: %lld s", what_, static_cast<long long>(seconds));
    } while (!ended_.wait_for(lock, 200ms, [&] { return has_ended_; }));
    std::fputs("\r\033[K", stderr);
}

} // namespace libtm::tmpool
