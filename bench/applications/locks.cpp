// SPDX-License-Identifier: MIT
/**
 * @file locks.cpp
 * What libtm is compared with: the sequential program, and one std::mutex.
 */
#include "suite.hpp"
#include <atomic>
#include <mutex>

namespace applications {
namespace {

/** Plain code by one thread; no synchronisation whatever. */
struct nothing {
    using access = structures::plain;
    using exposed = structures::plain;
    static constexpr bool concurrent = false;
    template <class Body> static auto run(const Body &body) { return body(); }
    static tm_stats count() { return {}; }
};

/** What others look at without the mutex. */
struct relaxed : structures::plain {
    template <class T> static T load(T &object) { return std::atomic_ref<T>(object).load(std::memory_order_relaxed); }
    template <class T> static void store(T &object, const std::type_identity_t<T> &value)
    {
        std::atomic_ref<T>(object).store(value, std::memory_order_relaxed);
    }
};

struct one_mutex {
    using access = structures::plain;
    using exposed = relaxed;
    static constexpr bool concurrent = true;
    template <class Body> static auto run(const Body &body)
    {
        const std::lock_guard hold(mutex);
        return body();
    }
    static tm_stats count() { return {}; }

    alignas(64) static inline std::mutex mutex;
};

} // namespace

void add_locks(bench::catalogue &to)
{
    add_all<nothing>(to, "sequential");
    add_all<one_mutex>(to, "mutex");
}

} // namespace applications
