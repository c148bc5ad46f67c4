// SPDX-License-Identifier: MIT
/**
 * @file locks.cpp
 * What libtm is compared with: one std::mutex, one std::shared_mutex, a lock for each part of the data, and no synchronisation at all.
 */
#include "locks.hpp"
#include "suite.hpp"
#include <algorithm>
#include <shared_mutex>

namespace bench {
namespace {

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

/** Operations that only read go on together. */
struct reader_lock {
    using access = ordinary;
    static constexpr bool concurrent = true;
    template <class Workload, class Arguments, class Body> static std::int64_t run(Workload &workload, const Arguments &args, Body body)
    {
        if (workload.writes(args)) {
            const std::lock_guard hold(mutex);
            return body();
        }
        const std::shared_lock hold(mutex);
        return body();
    }
    static tally count() { return {}; }

    alignas(64) static inline std::shared_mutex mutex;
};

/** A lock for each part of the data, of which every 1,024th has the same; taken in ascending order, so that nobody waits in a circle. */
struct sharded_locks {
    using access = ordinary;
    static constexpr bool concurrent = true;
    template <class Workload, class Arguments, class Body> static std::int64_t run(Workload &workload, const Arguments &args, Body body)
    {
        const held hold(workload.places(args));
        return body();
    }
    static tally count() { return {}; }

private:
    struct alignas(64) shard : std::mutex {};
    static constexpr std::size_t locks = 1024;
    static inline shard table[locks];

    template <std::size_t Most> class held {
    public:
        explicit held(std::array<std::size_t, Most> places) : places_(places)
        {
            for (auto &place : places_) place %= locks;
            std::ranges::sort(places_);
            for (std::size_t i = 0; i < Most; ++i)
                if (is_first(i)) table[places_[i]].lock();
        }
        ~held()
        {
            for (std::size_t i = Most; i-- > 0;)
                if (is_first(i)) table[places_[i]].unlock();
        }
        held(const held &) = delete;
        held &operator=(const held &) = delete;

    private:
        bool is_first(std::size_t i) const { return i == 0 || places_[i] != places_[i - 1]; }

        std::array<std::size_t, Most> places_;
    };
};

} // namespace

void add_locks(catalogue &to)
{
    add_all<one_mutex>(to, "mutex");
    add_reads<nothing>(to, "none");
    add_writes<nothing>(to, "none");
    add_structures<nothing>(to, "none");
    add_structures<reader_lock>(to, "shared");
    add_shardable<sharded_locks>(to, "sharded");
    to.peers.push_back("shared: one std::shared_mutex, which lookups share");
    to.peers.push_back("sharded: 1,024 std::mutex, for accounts, counters and buckets, in ascending order");
    to.add<nothing_shared, allocation<ordinary>>("malloc-free", "plain", {64});
}

} // namespace bench
