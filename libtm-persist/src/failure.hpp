// SPDX-License-Identifier: MIT
/**
 * @file failure.hpp
 * What goes wrong: thrown inside of the library, turned into a code and tm_pool_error() where it would leave it.
 */
#pragma once

#include <cstdint>
#include <string>
#include <tm/persist.h>

namespace libtm::persist {

/** As tm_pool_failure, whose strings it keeps. Empty strings: nothing to say. */
struct Failure {
    int code = 0;
    std::string file, field;
    std::uint64_t offset = 0;
    std::string found, expected, remedy;

    /** One sentence. */
    std::string message() const;
};

/** A failed system call on a file. `fault` is an errno value. */
Failure call_failed(int fault, const std::string &file, const char *call, std::uint64_t offset = 0);

/** Whether there was too little of something: then nothing has changed. */
bool is_want(int code);

/** Keep `failure` for tm_pool_error() of this thread. Returns its code. */
int remember(const Failure &failure) noexcept;

/** Run `body`, which may throw; its failure is remembered. Returns 0 or the code. */
template <class Body> int guarded(Body &&body) noexcept
{
    try {
        body();
        return 0;
    } catch (const Failure &failure) {
        return remember(failure);
    } catch (...) { // std::bad_alloc, or std::system_error of a thread or mutex
        return remember({12 /* ENOMEM */, {}, "memory", 0, {}, {}, {}});
    }
}

} // namespace libtm::persist
