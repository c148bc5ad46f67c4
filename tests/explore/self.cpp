// SPDX-License-Identifier: MIT
// The explorer itself: programs that are wrong, and what must be said of them. A checker counts only once it has caught something.
#include "suite.hpp"

#include <atomic>
#include <cstdio>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace libtm::test {
namespace {

Cell x;
alignas(64) std::atomic<int> a; // not in one word of 8 bytes: there loads see the last value
alignas(64) std::atomic<int> b;
long seen_a, seen_b;

Program lost_update()
{
    a = 0;
    const auto add = [] { a.store(a.load() + 1); };
    return {{add, add}, [] { check(a == 2, "an addition is lost"); }};
}
Program data_race()
{
    const auto add = [] { ++x.value; };
    return {{add, add}};
}
Program deadlock()
{
    a = b = 0;
    return {{[] {
                 while (!a) sched_yield();
                 b = 1;
             },
             [] {
                 while (!b) sched_yield();
                 a = 1;
             }}};
}
Program livelock()
{
    a = 0;
    return {{[] {
        while (!a) a = 0;
    }}};
}
Program exception()
{
    return {{[] { throw 1; }}};
}
Program freed()
{
    static long *block;
    block = static_cast<long *>(tm_malloc(sizeof(long)));
    return {{[] { tm_free(block); }, [] { *block = 1; }}};
}
/** x86-64's reordering: both may load the old value. */
Program store_buffering(std::memory_order order)
{
    a = b = 0;
    return {{[order] {
                 a.store(1, order);
                 seen_b = b.load(order);
             },
             [order] {
                 b.store(1, order);
                 seen_a = a.load(order);
             }},
            [] { check(seen_a || seen_b, "both saw the past"); }};
}
/** The same, where one pays for both. `fences`: it does. */
Program one_sided_store_buffering(bool fences)
{
    a = b = 0;
    return {{[] {
                 a.store(1, std::memory_order_relaxed);
                 seen_b = b.load(std::memory_order_relaxed);
             },
             [=] {
                 b.store(1, std::memory_order_relaxed);
                 if (fences) check(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0, "no membarrier");
                 seen_a = a.load(std::memory_order_relaxed);
             }},
            [] { check(seen_a + seen_b > 0, "both saw the past"); }};
}
Program relaxed_store_buffering() { return store_buffering(std::memory_order_relaxed); }
Program sc_store_buffering() { return store_buffering(std::memory_order_seq_cst); }
Program message_passing(std::memory_order store_order, std::memory_order load_order)
{
    a = b = 0;
    return {{[=] {
                 a.store(1, std::memory_order_relaxed);
                 b.store(1, store_order);
             },
             [=] {
                 if (b.load(load_order)) check(a.load(std::memory_order_relaxed) == 1, "the message came before its content");
             }}};
}
Program relaxed_message() { return message_passing(std::memory_order_relaxed, std::memory_order_relaxed); }
Program message_without_acquire() { return message_passing(std::memory_order_release, std::memory_order_relaxed); }
Program sound_message() { return message_passing(std::memory_order_release, std::memory_order_acquire); }

struct Case {
    const char *name;
    Program (*make)();
    bool weak;
    const char *expected; ///< the beginning of what is said; empty: all is well
};
constexpr Case cases[] = {
    {"lost update", lost_update, false, "an addition is lost"},
    {"data race", data_race, false, "data race"},
    {"deadlock", deadlock, false, "deadlock"},
    {"livelock", livelock, false, "livelock"},
    {"exception", exception, false, "an exception has left the thread"},
    {"freed", freed, false, "access to memory that has been freed"},
    {"store buffering, strong", relaxed_store_buffering, false, ""},
    {"store buffering, relaxed", relaxed_store_buffering, true, "both saw the past"},
    {"store buffering, seq_cst", sc_store_buffering, true, ""},
    {"store buffering, no membarrier", [] { return one_sided_store_buffering(false); }, true, "both saw the past"},
    {"store buffering, membarrier", [] { return one_sided_store_buffering(true); }, true, ""},
    {"message, relaxed", relaxed_message, true, "the message came before its content"},
    {"message, no acquire", message_without_acquire, true, "the message came before its content"},
    {"message, sound", sound_message, true, ""},
};

/** What is said is what was expected, and the schedule that failed fails again. */
bool holds(const Case &c)
{
    explore::Options options;
    options.name = c.name;
    options.weak_memory = c.weak;
    const explore::Report report = explore::explore(options, c.make);
    const std::string expected = c.expected;
    if (expected.empty()) return report.ok() && report.complete;
    options.replay = report.schedule;
    const explore::Report again = explore::explore(options, c.make);
    return report.failure.starts_with(expected) && again.failure == report.failure;
}

} // namespace

unsigned check_the_explorer()
{
    unsigned wrong = 0;
    for (const Case &c : cases)
        if (!holds(c)) {
            std::printf("the explorer is wrong about '%s'\n", c.name);
            ++wrong;
        }
    return wrong;
}

} // namespace libtm::test
