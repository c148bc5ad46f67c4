// SPDX-License-Identifier: MIT
/**
 * @file design.hpp
 * Which places of the sweep are measured, and with what.
 *
 * The middle is 32 accesses, half of them reads, nothing shared, no restarts. Quick: the planes size x reads and size x restarts, and each other axis through the middle. Full: the products of what
 * matters together. Restarts and reads of own writes are a matter of each thread alone, so one thread shows them best.
 */
#ifndef BENCH_SWEEP_DESIGN_HPP
#define BENCH_SWEEP_DESIGN_HPP

#include "pairs.hpp"
#include <sstream>
#include <string>

namespace bench {

enum class design { quick, full };

/** What runs the transactions: a block of C in either mode, libtm::atomically in either mode, a mutex. */
enum class runner { block, lambda, mutex };

inline constexpr unsigned sizes[] = {2, 8, 32, 128, 512};
inline constexpr unsigned read_shares[] = {0, 50, 90, 99};
inline constexpr unsigned restart_shares[] = {0, 1, 10, 50};
inline constexpr unsigned again_shares[] = {0, 25, 50, 100};
inline constexpr unsigned shared_words[] = {0, 65536, 4096, 1024, 256};

/** `n32-r50-apart-a0-w0`; in the place of `apart`: `of4096`, the array that all share. */
inline std::string name_of(const point &p)
{
    std::ostringstream name;
    name << 'n' << p.accesses << "-r" << p.reads;
    if (p.shared)
        name << "-of" << p.shared;
    else
        name << "-apart";
    name << "-a" << p.restarts << "-w" << p.again;
    return name.str();
}

/** Of the quick form. */
inline bool in_quick(const point &p, runner by, int threads)
{
    if (by == runner::lambda || threads > 2) return false;
    const bool half = p.reads == 50, plain = p.restarts == 0 && p.again == 0;
    if (by == runner::mutex && !(half && plain)) return false;
    if (p.shared) {
        const bool hot = p.shared != 1024 && (p.accesses == 32 || (by == runner::block && (p.accesses == 8 || p.accesses == 128)));
        return hot && half && plain && threads == 2;
    }
    if (plain) return true;
    if (threads != 1 || !half) return false;
    return p.again == 0 || (p.restarts == 0 && p.accesses == 32 && p.again != 25);
}

/** Of the full form. */
inline bool in_full(const point &p, runner by, int threads)
{
    const bool half = p.reads == 50, plain = p.restarts == 0 && p.again == 0, between = p.shared == 4096 || p.shared == 256;
    if (p.shared && threads == 1) return false; // with whom?
    if (p.again) return by == runner::block && half && p.restarts == 0 && !p.shared && threads <= 2;
    if (by == runner::lambda) return half && !p.shared && threads == 1;
    if (between) return by == runner::block && plain && threads == 2;
    if (by == runner::mutex || threads > 2) return plain && (half || p.reads == 90);
    return true;
}

inline bool is_in(design which, const point &p, runner by, int threads) { return which == design::quick ? in_quick(p, by, threads) : in_full(p, by, threads); }

} // namespace bench

#endif
