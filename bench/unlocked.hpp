// SPDX-License-Identifier: MIT
/**
 * @file unlocked.hpp
 * The synchronisation of structures that bring their own.
 */
#ifndef BENCH_UNLOCKED_HPP
#define BENCH_UNLOCKED_HPP

#include "driver.hpp"

namespace bench {

struct unlocked {
    static constexpr bool concurrent = true;
    template <class Body> static std::int64_t run(Body body) { return body(); }
    static tally count() { return {}; }
};

} // namespace bench

#endif
