// SPDX-License-Identifier: MIT
/**
 * @file libtm.hpp
 * libtm as a synchronisation (see suite.hpp): write-back and write-through by the transaction's attributes, in the block of C and in libtm::atomically.
 */
#ifndef BENCH_LIBTM_HPP
#define BENCH_LIBTM_HPP

#include "driver.hpp"
#include <structures/access.hpp>
#include <tm/tm.hpp>

namespace bench {

inline tally count_aborts()
{
    tm_stats stats;
    tm_stats_get(&stats);
    tally sum;
    for (int reason = 1; reason < TM_ABORT_REASONS; ++reason) {
        const auto aborts = static_cast<double>(stats.aborts[reason]);
        sum.aborts += aborts;
        sum.more[std::string("aborts_") + tm_abort_reason_name(static_cast<tm_abort_reason>(reason))] = aborts;
    }
    sum.waits = static_cast<double>(stats.waits);
    for (const auto &[name, count] :
         {std::pair{"commits", stats.commits}, {"read_only", stats.read_only}, {"commits_alone", stats.alone}, {"serial", stats.serial}, {"extensions", stats.extensions}})
        sum.more[name] = static_cast<double>(count);
    return sum;
}

template <tm_mode Mode, unsigned Flags> inline constexpr tm_attr attributes{Flags, Mode, 0, TM_DURABILITY_DEFAULT, 0, nullptr, {}};

/** tm_begin ... tm_commit */
template <tm_mode Mode, unsigned Flags = 0> struct block {
    using access = structures::transactional;
    static constexpr bool concurrent = true;
    template <class Body> static std::int64_t run(Body body)
    {
        tm_save std::int64_t result = 0;
        tm_begin_with((&attributes<Mode, Flags>))
            result = body();
        tm_commit
        tm_end
        return result;
    }
    static tally count() { return count_aborts(); }
};

/** libtm::atomically */
template <tm_mode Mode, unsigned Flags = 0> struct lambda : block<Mode, Flags> {
    template <class Body> static std::int64_t run(Body body) { return libtm::atomically(attributes<Mode, Flags>, body); }
};

} // namespace bench

#endif
