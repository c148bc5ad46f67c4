// SPDX-License-Identifier: MIT
/**
 * @file config.hpp
 * The one table of options. Documented in tm/config.h.
 */
#pragma once

#include <atomic>
#include <cstdint>
#include <tm/config.h>

namespace libtm::engine {

enum class Contention : std::uint32_t { suicide, delay, backoff, timestamp };

/** How a transaction runs: from its attributes and the options. */
struct alignas(8) Manner {
    std::uint32_t flags; ///< of its tm_attr
    bool write_through;  ///< mode of the stripes that loads and stores make
    bool quiesces;       ///< writers wait for older transactions
    std::uint8_t begins_with; ///< of the bits below: what a begin has to do besides
    bool has_attr;       ///< Context::attr counts: it asks for more than flags and a mode

    static constexpr std::uint8_t birth = 1;     ///< the policy timestamp is on
    static constexpr std::uint8_t automatic = 2; ///< the mode is `auto`: write_through is chosen at the begin
};

/** The options' values. Read by running transactions, hence atomic; relaxed, since each stands for itself. */
struct Config {
    using Value = std::atomic<std::uint32_t>;
    Value mode{TM_WRITE_BACK};
    Value contention{static_cast<std::uint32_t>(Contention::backoff)};
    Value max_retries{100};
    Value spin{300};
    Value wait{1000};
    Value quiescence{1};
    Value bias{1024};
    Value turns{1};
    Value orecs{20};
    Value clock_bits{60};
    Value detection{0}; ///< libtm-persist's; the engine has no use for it
    Value verbose{0};
    Value shake{0}; ///< with shake_seed, last in the table: only in a build that can shake
    Value shake_seed{1};

    /** What a transaction without attributes begins with: derived from the options, one word to load. */
    std::atomic<Manner> manner{Manner{0, false, true, 0, false}};

    /** Read TM_CONF, once; freeze what the first transaction fixes. Called before the first context is made. */
    void start();

private:
    std::atomic<bool> started_{false};
    friend int set_option(const char *, const char *);
};
extern constinit Config config;

inline std::uint32_t get(const Config::Value &value) { return value.load(std::memory_order_relaxed); }

} // namespace libtm::engine
