// SPDX-License-Identifier: MIT
/**
 * @file histogram.hpp
 * Log-linear histograms, as HdrHistogram's: 8 buckets for each power of two. A value is known to within 1/8 of itself, and exactly below 16.
 */
#pragma once

#include "stats.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace libtm::engine {

namespace buckets {

inline constexpr unsigned exact = 16; // values below have a bucket each

constexpr unsigned of(std::uint64_t value)
{
    if (value < exact) return static_cast<unsigned>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 4;
    return shift * 8 + static_cast<unsigned>(value >> shift);
}

/** The greatest value of a bucket. */
constexpr std::uint64_t last_of(unsigned bucket)
{
    if (bucket < exact) return bucket;
    const unsigned shift = bucket / 8 - 1;
    return ((std::uint64_t{bucket} % 8 + 9) << shift) - 1;
}

} // namespace buckets

/** Values below 2^`bits`; greater ones are counted as 2^`bits` - 1, but for the maximum. Written by one thread, read by anybody. */
template <unsigned bits> class Histogram {
public:
    /** One value that stands for `weight`. By the owner only. */
    void add(std::uint64_t value, std::uint64_t weight = 1)
    {
        counts_[buckets::of(std::min(value, (std::uint64_t{1} << bits) - 1))].add(weight);
        sum_.add(value * weight);
        max_.raise_to(value);
    }

    static constexpr std::size_t size = (bits - 2) * 8;
    std::uint64_t count(std::size_t bucket) const { return counts_[bucket].get(); }
    std::uint64_t sum() const { return sum_.get(); }
    std::uint64_t max() const { return max_.get(); }

private:
    std::array<Counter, size> counts_;
    Counter sum_, max_;
};
static_assert(buckets::of((std::uint64_t{1} << 20) - 1) == Histogram<20>::size - 1);
static_assert(buckets::last_of(Histogram<20>::size - 1) == (std::uint64_t{1} << 20) - 1);

/** Histograms of the same kind, of several threads, as one. */
template <unsigned bits> class Summed {
public:
    void add(const Histogram<bits> &other)
    {
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.count(i);
        sum_ += other.sum();
        max_ = std::max(max_, other.max());
    }

    tm_distribution result() const
    {
        std::uint64_t count = 0;
        for (const std::uint64_t one : counts_) count += one;
        return {count, sum_, at(count, 500), at(count, 900), at(count, 990), at(count, 999), max_};
    }

private:
    /** What so many thousandths of the values do not exceed. */
    std::uint64_t at(std::uint64_t count, std::uint64_t thousandths) const
    {
        const std::uint64_t rank = count / 1000 * thousandths + (count % 1000 * thousandths + 999) / 1000;
        std::uint64_t passed = 0;
        for (unsigned i = 0; i < counts_.size(); ++i) {
            passed += counts_[i];
            if (passed >= rank && passed) return std::min(buckets::last_of(i), max_);
        }
        return max_;
    }

    std::array<std::uint64_t, Histogram<bits>::size> counts_{};
    std::uint64_t sum_ = 0, max_ = 0;
};

} // namespace libtm::engine
