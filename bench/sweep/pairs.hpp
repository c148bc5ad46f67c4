// SPDX-License-Identifier: MIT
/**
 * @file pairs.hpp
 * The transaction of the sweep: so many reads and writes of words of 8 bytes, of which nothing but the numbers matter.
 *
 * Two accesses go together: a word of the lower half of an array, and its twin in the upper half, which always hold the same. So a reader that saw half of somebody
 * else's transaction, or what was to be rolled back, finds out at once, and so does a look at the array afterwards. A write stores and does not load. The pairs are
 * 64-bit multiples of the golden ratio, scaled to the array: as good as random, and so cheap to compute that nothing but the accesses is measured.
 */
#ifndef BENCH_SWEEP_PAIRS_HPP
#define BENCH_SWEEP_PAIRS_HPP

#include "../workloads.hpp"
#include <algorithm>
#include <bit>

namespace bench {

/** A place in the sweep. */
struct point {
    unsigned accesses; ///< of a transaction; even
    unsigned reads;    ///< percent of the accesses
    unsigned shared;   ///< words of the array that all threads share, a power of two; 0: each has 4,096 of its own
    unsigned restarts; ///< percent of the transactions that roll themselves back once, after their last access
    unsigned again;    ///< percent of the reads, of what the transaction has written last (if it has)
};

/** See workloads.hpp. `Access::restart()` rolls back; without it there must be no restarts. */
template <class Access> class pairs {
public:
    using parameters = point;
    struct arguments {
        std::uint64_t *words;
        std::uint64_t start;
        std::uint64_t stamp;
        unsigned turn; ///< which accesses are writes is shifted by it
        bool *doomed;
    };
    static constexpr int most_threads = 16;

    explicit pairs(const point &p) : at_(p), half_((p.shared ? p.shared : own) / 2), shift_(64 - std::countr_zero(half_))
    {
        const std::size_t arrays = p.shared ? 1 : most_threads;
        const std::size_t blocks = (2 * half_ + own - 1) / own;
        memory_.resize(arrays * blocks);
        for (std::size_t i = 0; i < arrays; ++i)
            for (std::size_t pair = 0; pair < half_; ++pair) array(i)[pair] = array(i)[pair + half_] = value(pair, untouched);
    }

    arguments draw(player &who)
    {
        if (at_.restarts) who.doomed = who.below(100) < at_.restarts;
        const std::uint64_t stamp = who.next() >> (64 - stamp_bits) | 1;
        return {array(at_.shared ? 0 : static_cast<std::size_t>(who.number)), who.next(), stamp, static_cast<unsigned>(who.below(100)), &who.doomed};
    }

    /** The number of pairs written, and of pairs that were seen unequal times 2^40. */
    std::int64_t apply(arguments args)
    {
        const bool dooms = *args.doomed;
        const std::uint64_t stamp = dooms ? undone : args.stamp;
        std::uint64_t next = args.start;
        std::size_t last = 0;
        std::int64_t written = 0, torn = 0;
        unsigned write_turn = args.turn, again_turn = args.turn;
        for (unsigned i = 0; i < at_.accesses; i += 2, next += golden) {
            std::size_t pair = next >> shift_;
            if ((write_turn += 100 - at_.reads) >= 100) {
                write_turn -= 100;
                Access::store(args.words[pair], value(pair, stamp));
                Access::store(args.words[pair + half_], value(pair, stamp));
                last = pair;
                ++written;
            } else {
                if ((again_turn += at_.again) >= 100) {
                    again_turn -= 100;
                    if (written) pair = last;
                }
                torn += Access::load(args.words[pair]) != Access::load(args.words[pair + half_]);
            }
        }
        if constexpr (requires { Access::restart(); }) {
            if (dooms) {
                *args.doomed = false; // the thread's own: a rollback does not undo it
                Access::restart();
            }
        }
        return torn << 40 | written;
    }

    bool intact(std::int64_t total)
    {
        std::int64_t changed = 0;
        for (std::size_t i = 0; i < (at_.shared ? 1 : most_threads); ++i) {
            for (std::size_t pair = 0; pair < half_; ++pair) {
                const std::uint64_t word = array(i)[pair];
                const std::uint64_t stamp = word & ((std::uint64_t{1} << stamp_bits) - 1);
                if (word != array(i)[pair + half_] || word >> stamp_bits != pair || stamp == undone) return false;
                changed += stamp != untouched;
            }
        }
        const std::int64_t torn = total >> 40, written = total & ((std::int64_t{1} << 40) - 1);
        return torn == 0 && changed <= written && (changed > 0) == (written > 0);
    }

private:
    static constexpr std::size_t own = 4096;
    static constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;
    static constexpr int stamp_bits = 40;
    static constexpr std::uint64_t untouched = 0, undone = 2; // those of transactions are odd

    /** Pages of their own, so that arrays share nothing. */
    struct alignas(4096) block {
        std::uint64_t words[own];
    };

    static std::uint64_t value(std::size_t pair, std::uint64_t stamp) { return std::uint64_t{pair} << stamp_bits | stamp; }
    std::uint64_t *array(std::size_t i) { return memory_[i].words; } // where there are several, each is one block

    point at_;
    std::size_t half_;
    int shift_;
    std::vector<block> memory_;
};

} // namespace bench

#endif
