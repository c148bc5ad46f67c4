// SPDX-License-Identifier: MIT
/**
 * @file error.hpp
 * What goes wrong: thrown inside, turned into errno and pmemobj_errormsg() where it would leave the library.
 */
#pragma once

#include <exception>
#include <new>
#include <string>

namespace libtm::pmemobj {

struct Refused {
    int code; ///< an errno value
    std::string message;
};

/** What the pool's last call of this thread has against it; too little space of any kind is ENOMEM, and a pool in use EAGAIN, as in libpmemobj. */
Refused pool_refused();

/** Keep the message for pmemobj_errormsg(), set errno. Returns the code. */
int remember(int code, const char *message) noexcept;

/** Run `body`. Returns 0, or the code of what it has thrown, which is remembered. */
template <class Body> int guarded(Body &&body) noexcept
{
    try {
        body();
        return 0;
    } catch (const Refused &refused) {
        return remember(refused.code, refused.message.c_str());
    } catch (const std::exception &) { // std::bad_alloc, or std::system_error of a mutex
        return remember(12 /* ENOMEM */, "out of memory");
    }
}

} // namespace libtm::pmemobj
