// SPDX-License-Identifier: MIT
/**
 * @file locks.hpp
 * One std::mutex as a synchronisation (see suite.hpp).
 */
#ifndef BENCH_LOCKS_HPP
#define BENCH_LOCKS_HPP

#include "driver.hpp"
#include <mutex>
#include <structures/access.hpp>

namespace bench {

/** Plain code. Its malloc must not be optimised away together with its free. */
struct ordinary : structures::plain {
    static void *allocate(std::size_t size)
    {
        void *block = plain::allocate(size);
        benchmark::DoNotOptimize(block);
        return block;
    }
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

} // namespace bench

#endif
