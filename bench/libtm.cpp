// SPDX-License-Identifier: MIT
/**
 * @file libtm.cpp
 * libtm: write-back and write-through by the transaction's attributes, through libtm::atomically, and through the block of C beside it.
 */
#include "suite.hpp"
#include <tm/tm.hpp>

namespace bench {
namespace {

tally count_aborts()
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
    for (const auto &[name, count] : {std::pair{"commits", stats.commits}, {"read_only", stats.read_only}, {"serial", stats.serial}, {"extensions", stats.extensions}})
        sum.more[name] = static_cast<double>(count);
    return sum;
}

template <tm_mode Mode, unsigned Flags> constexpr tm_attr attributes{Flags, Mode, 0, TM_DURABILITY_DEFAULT, 0, nullptr, {}};

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

/** tm_begin without attributes, in the mode of the process. */
struct block_by_default : block<TM_MODE_DEFAULT> {
    template <class Body> static std::int64_t run(Body body)
    {
        tm_save std::int64_t result = 0;
        tm_begin
            result = body();
        tm_commit
        tm_end
        return result;
    }
};

/** libtm::atomically */
template <tm_mode Mode, unsigned Flags = 0> struct lambda : block<Mode, Flags> {
    template <class Body> static std::int64_t run(Body body) { return libtm::atomically(attributes<Mode, Flags>, body); }
};

} // namespace

void add_libtm(catalogue &to)
{
    add_all<lambda<TM_WRITE_BACK>>(to, "wb");
    add_all<lambda<TM_WRITE_THROUGH>>(to, "wt");
    add_structures<lambda<TM_WRITE_BACK, TM_NO_QUIESCENCE>>(to, "wb-nq");
    add_structures<lambda<TM_WRITE_THROUGH, TM_NO_QUIESCENCE>>(to, "wt-nq");
    add_reads<lambda<TM_WRITE_BACK, TM_READ_ONLY>>(to, "ro");
    add_empty<block_by_default>(to, "default");
    add_empty<block<TM_WRITE_BACK>>(to, "wb-c");
    add_structures<block<TM_WRITE_BACK>>(to, "wb-c");
}

} // namespace bench
