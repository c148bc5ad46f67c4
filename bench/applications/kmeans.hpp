// SPDX-License-Identifier: MIT
/**
 * @file kmeans.hpp
 * k-means: each point goes to the nearest centre, and the new centres are the means of their points; some iterations of that.
 *
 * Finding the nearest centre is private work. Then a transaction adds the point to the sums of its centre. All is in integers (fixed
 * point), so the sums do not depend on the order and the result is exactly that of one thread.
 */
#ifndef BENCH_APPLICATIONS_KMEANS_HPP
#define BENCH_APPLICATIONS_KMEANS_HPP

#include "frame.hpp"
#include <array>

namespace applications {

struct kmeans_input {
    static constexpr std::size_t points = 16384, dimensions = 16, centres = 40;
    static constexpr int iterations = 4;

    /** Fixed point, 16 bits of fraction. */
    using point = std::array<std::int32_t, dimensions>;

    std::vector<point> at;
    std::vector<point> expected; /**< the centres in the end */
    std::vector<std::uint32_t> assigned; /**< each point's centre in the last iteration */
    std::int64_t moves = 0; /**< how often a point went to another centre than before */

    kmeans_input()
    {
        dice d(4);
        const auto spread = [&d](std::uint32_t width) { return static_cast<std::int32_t>(d.below(width << 16)); };
        std::vector<point> crowds(centres);
        for (point &crowd : crowds)
            for (std::int32_t &x : crowd) x = spread(64);
        for (std::size_t i = 0; i < points; ++i) {
            at.push_back(crowds[d.below(centres)]);
            for (std::int32_t &x : at.back()) x += spread(24);
        }
        solve();
    }

    /** The first centres. */
    std::vector<point> first() const { return {at.begin(), at.begin() + centres}; }

    static std::uint32_t nearest(const point &p, const std::vector<point> &to)
    {
        std::uint32_t best = 0;
        std::int64_t least = INT64_MAX;
        for (std::uint32_t c = 0; c < centres; ++c) {
            std::int64_t distance = 0;
            for (std::size_t i = 0; i < dimensions; ++i) {
                const std::int64_t difference = p[i] - to[c][i];
                distance += difference * difference;
            }
            if (distance < least) {
                least = distance;
                best = c;
            }
        }
        return best;
    }

private:
    /** By the definition: a centre at a time. */
    void solve()
    {
        expected = first();
        assigned.assign(points, centres);
        for (int round = 0; round < iterations; ++round) {
            for (std::size_t i = 0; i < points; ++i) {
                const std::uint32_t now = nearest(at[i], expected);
                moves += assigned[i] != now;
                assigned[i] = now;
            }
            for (std::uint32_t c = 0; c < centres; ++c)
                for (std::size_t axis = 0; axis < dimensions; ++axis) {
                    std::int64_t sum = 0, count = 0;
                    for (std::size_t i = 0; i < points; ++i)
                        if (assigned[i] == c) {
                            sum += at[i][axis];
                            ++count;
                        }
                    if (count) expected[c][axis] = static_cast<std::int32_t>(sum / count);
                }
        }
    }
};

template <class Sync> class kmeans {
public:
    using input = kmeans_input;
    static constexpr int period = 31;

    kmeans(const input &in, int threads)
        : in_(in), threads_(threads), gate_(threads), centres_(in.first()), sums_(input::centres), assigned_(input::points, input::centres)
    {
    }

    void work(int thread, client<Sync> &tx)
    {
        const slice mine(input::points, thread, threads_);
        for (int round = 0; round < input::iterations; ++round) {
            std::int64_t moved = 0;
            for (std::size_t i = mine.first; i < mine.last; ++i) {
                const std::uint32_t nearest = input::nearest(in_.at[i], centres_);
                moved += assigned_[i] != nearest;
                assigned_[i] = nearest;
                tx.run([&] { return add(in_.at[i], sums_[nearest]); });
            }
            tx.run([&] { return count(moved); });
            gate_.arrive_and_wait();
            if (thread == 0) settle();
            gate_.arrive_and_wait();
        }
    }

    /** Exactly what one thread computes. */
    bool intact() { return centres_ == in_.expected && assigned_ == in_.assigned && Access::load(moves_) == in_.moves; }

private:
    using Access = typename Sync::access;
    using point = input::point;

    struct alignas(64) sum {
        std::int64_t count = 0;
        std::int64_t axes[input::dimensions] = {};
    };

    /** It reads everything before it writes: so others find the sums held for a shorter time, and what one has not written yet is read faster. */
    std::int64_t add(const point &p, sum &to)
    {
        const std::int64_t count = Access::load(to.count) + 1;
        std::int64_t axes[input::dimensions];
        for (std::size_t i = 0; i < input::dimensions; ++i) axes[i] = Access::load(to.axes[i]) + p[i];
        Access::store(to.count, count);
        for (std::size_t i = 0; i < input::dimensions; ++i) Access::store(to.axes[i], axes[i]);
        return count;
    }

    std::int64_t count(std::int64_t moved)
    {
        const std::int64_t moves = Access::load(moves_) + moved;
        Access::store(moves_, moves);
        return moves;
    }

    /** The new centres. All others wait, so there are no transactions. */
    void settle()
    {
        for (std::size_t c = 0; c < input::centres; ++c) {
            sum &s = sums_[c];
            if (s.count)
                for (std::size_t i = 0; i < input::dimensions; ++i) centres_[c][i] = static_cast<std::int32_t>(s.axes[i] / s.count);
            s = {};
        }
    }

    const input &in_;
    int threads_;
    std::barrier<> gate_;
    std::vector<point> centres_;
    std::vector<sum> sums_;
    std::vector<std::uint32_t> assigned_;
    alignas(64) std::int64_t moves_ = 0;
};

} // namespace applications

#endif
