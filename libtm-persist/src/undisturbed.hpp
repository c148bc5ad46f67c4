// SPDX-License-Identifier: MIT
/** @file undisturbed.hpp */
#pragma once

#include <cerrno>
#include <pthread.h>

namespace libtm::persist {

/** For who waits or uses files: these are points of cancellation, at which nothing here can be left, and errno is the program's. */
class Undisturbed {
public:
    Undisturbed() : errno_(errno) { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state_); }
    ~Undisturbed()
    {
        pthread_setcancelstate(state_, nullptr);
        errno = errno_;
    }
    Undisturbed(const Undisturbed &) = delete;
    Undisturbed &operator=(const Undisturbed &) = delete;

private:
    int errno_, state_ = PTHREAD_CANCEL_ENABLE;
};

} // namespace libtm::persist
