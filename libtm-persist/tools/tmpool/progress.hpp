// SPDX-License-Identifier: MIT
/**
 * @file progress.hpp
 * What is shown on a terminal while a command takes its time.
 */
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace libtm::tmpool {

/** From a second on, one line on standard error if that is a terminal: what is done, and how much of it. Gone in the end. */
class Progress {
public:
    /** `what`: a static string. */
    explicit Progress(const char *what);
    ~Progress();
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;
    void show(std::uint64_t done, std::uint64_t total)
    {
        total_.store(total, std::memory_order_relaxed);
        done_.store(done, std::memory_order_relaxed);
    }

private:
    void run();

    const char *what_;
    std::atomic<std::uint64_t> done_{0}, total_{0};
    std::mutex mutex_;
    std::condition_variable ended_;
    bool has_ended_ = false;
    std::thread shower_;
};

} // namespace libtm::tmpool
