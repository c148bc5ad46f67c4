// SPDX-License-Identifier: MIT
/**
 * @file locks.cpp
 * What libtm is compared with: one std::mutex, and no synchronisation at all.
 */
#include "locks.hpp"
#include "suite.hpp"

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
