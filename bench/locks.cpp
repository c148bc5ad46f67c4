// SPDX-License-Identifier: MIT
/**
 * @file locks.cpp
 * What libtm is compared with: one std::mutex, and no synchronisation at all.
 */
#include "suite.hpp"
#include <mutex>

namespace bench {
namespace {

/** Plain code. Its malloc must not be optimised away together with its free. */
struct ordinary : structures::plain {
    static void *allocate(std::size_t size)
    {
        void *block = plain::allocate(size);
        benchmark::DoNotOptimize(block);
        return block;
    }
};

struct nothing {
    using access = ordinary;
    static constexpr bool concurrent = false;
    template <class Body> static std::int64_t run(Body body)
    {
        const std::int64_t result = body();
        benchmark::ClobberMemory();
        return result;
    }
    static tally count() { return {}; }
};

/** Where nothing is shared: malloc and free. */
struct nothing_shared : nothing {
    static constexpr bool concurrent = true;
};

struct one_mutex {
    using access = ordinary;
    static constexpr bool concurrent = true;
    template <class Body> static std::int64_t run(Body body)
    {
        const std::lock_guard hold(mutex);
        return body();
    }
    static tally count() { return {}; }

    alignas(64) static inline std::mutex mutex;
};

} // namespace

void add_locks(catalogue &to)
{
    add_all<one_mutex>(to, "mutex");
    add_reads<nothing>(to, "none");
    add_writes<nothing>(to, "none");
    add_structures<nothing>(to, "none");
    to.add<nothing_shared, allocation<ordinary>>("malloc-free", "plain", {64});
}

} // namespace bench
