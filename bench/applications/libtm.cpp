// SPDX-License-Identifier: MIT
/**
 * @file libtm.cpp
 * libtm through libtm::atomically: write-back and write-through by the transaction's attributes, and the mode of the process.
 */
#include "suite.hpp"
#include <tm/tm.hpp>

namespace applications {
namespace {

template <tm_mode Mode> struct transactions {
    using access = structures::transactional;
    using exposed = structures::transactional;
    static constexpr bool concurrent = true;
    static constexpr tm_attr attributes{0, Mode, 0, TM_DURABILITY_DEFAULT, 0, nullptr, {}};

    template <class Body> static auto run(const Body &body) { return libtm::atomically(attributes, body); }
    static tm_stats count()
    {
        tm_stats stats;
        tm_stats_get(&stats);
        return stats;
    }
};

} // namespace

void add_libtm(bench::catalogue &to)
{
    add_all<transactions<TM_WRITE_BACK>>(to, "wb");
    add_all<transactions<TM_WRITE_THROUGH>>(to, "wt");
    add_all<transactions<TM_MODE_DEFAULT>>(to, "default");
}

} // namespace applications
