// SPDX-License-Identifier: MIT
/**
 * @file auto_mode.hpp
 * The mode `auto`: write-back or write-through, chosen for each label and thread by what its last transactions have done.
 */
#pragma once

#include <cstdint>

namespace libtm::engine {

/**
 * What write-through gains is the copy at the commit, and it grows with the write set; what it loses is the restoring by a rollback, after which the orecs have new
 * words and readers may have to restart. So write-through is for large write sets that are seldom rolled back, and write-back for all else. Between the bounds stays what is.
 *
 * Used by its thread alone.
 */
class AutoMode {
public:
    /** A transaction begins. Whether it shall be write-through. */
    bool begin()
    {
        if (__builtin_expect(--left_ == 0, 0)) review();
        return write_through_;
    }
    /** A transaction that wrote `stripes` has committed, and stands for `weight`. */
    void committed(std::uint64_t stripes, std::uint64_t weight)
    {
        writers_ += weight;
        stripes_ += stripes * weight;
    }
    /** An attempt that had written was rolled back. */
    void rolled_back() { ++rolled_back_; }
    /** Of the transactions without a label, one in so many is measured. */
    static constexpr std::uint32_t sampling = 32;
    bool is_sampled() const { return left_ % sampling == 0; }

private:
    static constexpr std::uint32_t period = 512; // transactions between two reviews

    void review()
    {
        constexpr std::uint64_t fewest = 64;                  // writers to judge by
        constexpr std::uint64_t small = 8, large = 12;        // stripes of a writer
        constexpr std::uint64_t seldom = 10, often = 25;      // rolled back attempts for each 100 commits
        left_ = period;
        if (writers_ + rolled_back_ < fewest) return;
        if (stripes_ < small * writers_ || rolled_back_ * 100 > often * writers_)
            write_through_ = false;
        else if (stripes_ >= large * writers_ && rolled_back_ * 100 <= seldom * writers_)
            write_through_ = true;
        writers_ = stripes_ = rolled_back_ = 0;
    }

    std::uint64_t writers_ = 0, stripes_ = 0, rolled_back_ = 0; ///< since the last review that has judged
    std::uint32_t left_ = period;                               ///< transactions until the next
    bool write_through_ = false;
};

} // namespace libtm::engine
