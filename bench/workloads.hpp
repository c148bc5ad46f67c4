// SPDX-License-Identifier: MIT
/**
 * @file workloads.hpp
 * What is measured: one operation each, over an access policy as in examples/structures/access.hpp.
 *
 * A workload has
 * - `parameters`, and a constructor from them that fills it, by one thread and outside of any transaction;
 * - `draw(player &)`: choose the arguments of the next operation, outside of the transaction;
 * - `apply(arguments)`: the operation, to be run under some synchronisation. It may run more than once;
 * - `intact(total)`: whether the data are as they must be, given the sum of everything that apply() returned;
 * - `writes(arguments)`, for locks that readers share: whether apply() may store;
 * - `places(arguments)`, for sharded locks, where a lock for each part of the data is enough: the numbers of the parts that apply() touches.
 *
 * The random choices depend on the thread's number alone, so all synchronisations get the same work.
 */
#ifndef BENCH_WORKLOADS_HPP
#define BENCH_WORKLOADS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/** A thread's own random numbers (xorshift64*) and its memory of what it did. */
struct player {
    std::uint64_t state;
    int number; ///< of the thread, from 0
    bool inserted = false;
    bool doomed = false; ///< the operation is still to be rolled back

    explicit player(int thread) : state(0x9e3779b97f4a7c15u * static_cast<std::uint64_t>(thread + 1)), number(thread) {}

    std::uint64_t next()
    {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545f4914f6cdd1du;
    }
    /** Uniform in [0, limit), for limits far below 2^32. */
    std::size_t below(std::size_t limit) { return ((next() >> 32) * limit) >> 32; }
};

/** A transaction of nothing. */
template <class Access> struct empty {
    struct parameters {};
    struct arguments {};

    explicit empty(parameters) {}
    arguments draw(player &) { return {}; }
    std::int64_t apply(arguments) { return 0; }
    bool intact(std::int64_t total) { return total == 0; }
};

enum class touch { read, write, modify };
enum class order { scattered, random, sequential };

/**
 * `count` words of 8 bytes of an array: read, written, or read and written.
 *
 * Scattered words are 64-bit multiples of the golden ratio, scaled to the array: as good as random, never the same stripe twice
 * in a transaction of up to 512 words, and so cheap to compute that nothing but the accesses is measured. Random words come from a
 * generator whose steps wait for each other, as the accesses of programs often do; what an access costs beside hides in that
 * time. Sequential words are neighbours, four of which share a stripe.
 */
template <class Access, touch Touch, order Order> class words {
public:
    struct parameters {
        std::size_t array; /**< a power of two */
        std::size_t count;
    };
    struct arguments {
        std::uint64_t start;
        std::size_t count;
    };

    explicit words(parameters p) : words_(p.array), count_(p.count), shift_(64 - __builtin_ctzll(p.array)) {}

    arguments draw(player &who) { return {who.next(), count_}; }

    std::int64_t apply(arguments args)
    {
        if constexpr (requires { Access::is_for_reading; }) return Access::reading([this, args](auto load) { return this->touch_all(args, load); });
        return touch_all(args, [](const std::uint64_t &word) { return Access::load(word); });
    }

    bool intact(std::int64_t total)
    {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < words_.size(); ++i) {
            if (Touch == touch::write && words_[i] && words_[i] >> shift_ != i) return false;
            sum += words_[i];
        }
        return Touch == touch::write || sum == static_cast<std::uint64_t>(Touch == touch::modify ? total : 0);
    }

private:
    template <class Load> [[gnu::always_inline]] std::int64_t touch_all(arguments args, Load load)
    {
        std::uint64_t at = args.start;
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < args.count; ++i) {
            std::uint64_t &word = words_[at >> shift_];
            if constexpr (Touch == touch::read) sum += load(word);
            if constexpr (Touch == touch::write) Access::store(word, at);
            if constexpr (Touch == touch::modify) Access::store(word, load(word) + 1);
            if constexpr (Order == order::scattered) at += 0x9e3779b97f4a7c15u;
            if constexpr (Order == order::sequential) at += std::uint64_t{1} << shift_;
            if constexpr (Order == order::random) { // xorshift64
                at ^= at << 13;
                at ^= at >> 7;
                at ^= at << 17;
            }
        }
        return Touch == touch::modify ? static_cast<std::int64_t>(args.count) : static_cast<std::int64_t>(sum);
    }

    std::vector<std::uint64_t> words_;
    std::size_t count_;
    int shift_;
};

/** Move money between two random accounts. */
template <class Access> class bank {
public:
    struct parameters {
        std::size_t accounts;
    };
    struct arguments {
        std::uint32_t from, to;
        std::int64_t amount;
    };

    explicit bank(parameters p) : accounts_(p.accounts, opening) {}

    arguments draw(player &who)
    {
        const auto from = static_cast<std::uint32_t>(who.below(accounts_.size()));
        const auto to = static_cast<std::uint32_t>(who.below(accounts_.size()));
        return {from, to, 1 + static_cast<std::int64_t>(who.state & 7)};
    }

    std::int64_t apply(arguments args)
    {
        std::int64_t &from = accounts_[args.from];
        std::int64_t &to = accounts_[args.to];
        Access::store(from, Access::load(from) - args.amount);
        Access::store(to, Access::load(to) + args.amount);
        return 0;
    }
    bool writes(arguments) { return true; }
    std::array<std::size_t, 2> places(arguments args) { return {args.from, args.to}; }

    bool intact(std::int64_t)
    {
        std::int64_t sum = 0;
        for (const std::int64_t account : accounts_) sum += account;
        return sum == opening * static_cast<std::int64_t>(accounts_.size());
    }

private:
    static constexpr std::int64_t opening = 1000;
    std::vector<std::int64_t> accounts_;
};

/** Add 1 to some random counters of a vector. */
template <class Access> class counters {
public:
    struct parameters {
        std::size_t counters;
    };
    static constexpr std::size_t touched = 4;
    using arguments = std::array<std::uint32_t, touched>;

    explicit counters(parameters p) : counters_(p.counters) {}

    arguments draw(player &who)
    {
        arguments chosen;
        for (auto &counter : chosen) counter = static_cast<std::uint32_t>(who.below(counters_.size()));
        return chosen;
    }

    std::int64_t apply(arguments args)
    {
        for (const auto counter : args) Access::store(counters_[counter], Access::load(counters_[counter]) + 1);
        return touched;
    }
    bool writes(arguments) { return true; }
    std::array<std::size_t, touched> places(arguments args) { return {args[0], args[1], args[2], args[3]}; }

    bool intact(std::int64_t total)
    {
        std::int64_t sum = 0;
        for (const std::int64_t counter : counters_) sum += counter;
        return sum == total;
    }

private:
    std::vector<std::int64_t> counters_;
};

/** Allocate a block and free it. */
template <class Access> struct allocation {
    struct parameters {
        std::size_t bytes;
    };
    using arguments = parameters;

    explicit allocation(parameters p) : bytes(p.bytes) {}
    arguments draw(player &) { return {bytes}; }
    std::int64_t apply(arguments args)
    {
        void *const block = Access::allocate(args.bytes);
        Access::release(block);
        return block != nullptr;
    }
    bool writes(arguments) { return true; }
    bool intact(std::int64_t total) { return total > 0; }

    std::size_t bytes;
};

} // namespace bench

#endif
