// SPDX-License-Identifier: MIT
#include "watch.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <pthread.h>
#include <unistd.h>
#include <vector>

namespace libtm::persist {

namespace {

constexpr std::size_t most_watched = 64; ///< pools whose SIGBUS is explained; there may be more pools

/** What the signal handler reads, while others may come and go. */
struct Range {
    std::atomic<std::uint64_t> base{0}, size{0};
    char message[512];
};
Range ranges[most_watched];

std::mutex mutex; // of `all` and of the slots
std::vector<Watched *> all;

void on_bus_error(int signal, siginfo_t *info, void *)
{
    const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
    for (Range &range : ranges) {
        const std::uint64_t base = range.base.load(std::memory_order_acquire);
        if (base == 0 || at < base || at - base >= range.size.load(std::memory_order_relaxed)) continue;
        [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, range.message, std::strlen(range.message));
        break;
    }
    // The fault comes again, without us.
    struct sigaction fallback{};
    fallback.sa_handler = SIG_DFL;
    ::sigaction(signal, &fallback, nullptr);
}

/** Explain a SIGBUS, unless the program has plans of its own for it. */
void handle_bus_errors()
{
    struct sigaction now{};
    if (::sigaction(SIGBUS, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
    struct sigaction ours{};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(SIGBUS, &ours, nullptr);
}

} // namespace

void Watched::in_child()
{
    for (Watched *const pool : all) {
        pool->is_ours_ = false;
        for (File *const file : pool->files_) {
            if (!file || !*file) continue;
            // A storage of another kind may not bear to be called here; the system's handles are descriptors.
            if (&file->storage() == tm_storage_system()) ::close(file->handle());
            file->disown();
        }
    }
    mutex.unlock();
}

Watched::Watched(std::uint64_t base, std::uint64_t size, const std::string &path) : slot_(most_watched)
{
    const std::lock_guard lock(mutex);
    if (all.empty()) handle_bus_errors();
    static const int registered = ::pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, in_child);
    if (registered != 0) throw std::bad_alloc();
    all.push_back(this);
    for (std::size_t i = 0; i < most_watched; ++i) {
        if (ranges[i].base.load(std::memory_order_relaxed)) continue;
        slot_ = i;
        std::snprintf(ranges[i].message, sizeof ranges[i].message,
                      "libtm: %.300s: somebody has made the file shorter, or its medium cannot be read: memory of the pool is lost, its last committed state is untouched by us\n",
                      path.c_str());
        ranges[i].size.store(size, std::memory_order_relaxed);
        ranges[i].base.store(base, std::memory_order_release);
        break;
    }
}

Watched::~Watched()
{
    const std::lock_guard lock(mutex);
    std::erase(all, this);
    if (slot_ < most_watched) ranges[slot_].base.store(0, std::memory_order_relaxed);
}

void Watched::add(File &file)
{
    const std::lock_guard lock(mutex);
    files_[files_[0] ? 1 : 0] = &file;
}

void Watched::set_size(std::uint64_t size)
{
    if (slot_ < most_watched) ranges[slot_].size.store(size, std::memory_order_relaxed);
}

} // namespace libtm::persist
