// SPDX-License-Identifier: MIT
#pragma once

#include "support.hpp"

#include <cstdio>
#include <pthread.h>
#include <unistd.h>

namespace libtm::test {

/** What the tests of mended defects share. */
class RegressionModes : public Modes {
protected:
    static inline Cell cell;
    void SetUp() override { cell.value = 0; }

    /** Runs `body` in a thread of its own and waits for its end, however it comes; cancels it once `cancel` is raised. */
    template <class Body> static void in_thread(Body body, const Flag *cancel = nullptr, const pthread_attr_t *settings = nullptr)
    {
        pthread_t thread;
        ASSERT_EQ(pthread_create(
                      &thread, settings,
                      [](void *b) -> void * {
                          (*static_cast<Body *>(b))();
                          return nullptr;
                      },
                      &body),
                  0);
        if (cancel) {
            cancel->await();
            pthread_cancel(thread);
        }
        pthread_join(thread, nullptr);
    }
};

/** Calls the function from a frame so large that what the caller calls next is surely above it on the stack. */
template <class Function> __attribute__((noinline)) void deep_down(Function function)
{
    char frame[65536];
    __asm__ volatile("" ::"r"(frame) : "memory"); // used as a whole: it is not made smaller
    function();
    __asm__ volatile("" ::"r"(frame) : "memory");
}

/** Memory of the process, in KiB. */
inline long resident()
{
    long size = 0, pages = 0;
    if (std::FILE *const file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%ld %ld", &size, &pages) != 2) pages = 0;
        std::fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}
inline bool sanitized()
{
    return under_tsan() || under_asan();
}

} // namespace libtm::test
