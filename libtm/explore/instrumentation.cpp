// SPDX-License-Identifier: MIT
/**
 * @file instrumentation.cpp
 * What -fsanitize=thread calls before each access to memory, answered by the scheduler while it runs a thread, and by the plain operation otherwise.
 * The names and their arguments are those of the compilers' interface to ThreadSanitizer (tsan_interface.h of LLVM).
 */
#include "scheduler.hpp"

#include <cstdarg>
#include <cstring>
#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

using libtm::explore::Order;
using libtm::explore::scheduler;

namespace {

inline bool watched() { return scheduler && scheduler->watching(); }

/** While the explorer itself works: templates that it shares with the program may be the instrumented ones. */
struct Unwatched {
    Unwatched() { scheduler->watch(false); }
    ~Unwatched() { scheduler->watch(true); }
};

inline std::uintptr_t number(const volatile void *addr) { return reinterpret_cast<std::uintptr_t>(addr); }
inline Order order_of(int order) { return static_cast<Order>(order & 7); }

inline void plain(const volatile void *addr, std::size_t size, bool writes, const void *pc)
{
    if (!watched()) return;
    const Unwatched unwatched;
    scheduler->plain(number(addr), size, writes, pc);
}

} // namespace

#define PC __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void __tsan_ignore_thread_begin() {}
void __tsan_ignore_thread_end() {}

#define PLAIN(size)                                                                                                    \
    void __tsan_read##size(void *addr) { plain(addr, size, false, PC); }                                               \
    void __tsan_write##size(void *addr) { plain(addr, size, true, PC); }                                               \
    void __tsan_read_write##size(void *addr) { plain(addr, size, true, PC); }                                          \
    void __tsan_volatile_read##size(void *addr) { plain(addr, size, false, PC); }                                      \
    void __tsan_volatile_write##size(void *addr) { plain(addr, size, true, PC); }                                      \
    void __tsan_unaligned_read##size(void *addr) { plain(addr, size, false, PC); }                                     \
    void __tsan_unaligned_write##size(void *addr) { plain(addr, size, true, PC); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
void __tsan_read_range(void *addr, std::size_t size) { plain(addr, size, false, PC); }
void __tsan_write_range(void *addr, std::size_t size) { plain(addr, size, true, PC); }

void *__tsan_memcpy(void *to, const void *from, std::size_t size)
{
    plain(from, size, false, PC);
    plain(to, size, true, PC);
    return std::memcpy(to, from, size);
}
void *__tsan_memmove(void *to, const void *from, std::size_t size)
{
    plain(from, size, false, PC);
    plain(to, size, true, PC);
    return std::memmove(to, from, size);
}
void *__tsan_memset(void *to, int byte, std::size_t size)
{
    plain(to, size, true, PC);
    return std::memset(to, byte, size);
}

#define ATOMIC(bits, type)                                                                                             \
    type __tsan_atomic##bits##_load(const volatile type *a, int order)                                                 \
    {                                                                                                                  \
        if (!watched()) return __atomic_load_n(a, __ATOMIC_SEQ_CST);                                                   \
        const Unwatched unwatched;                                                                                     \
        return static_cast<type>(scheduler->load(number(a), bits / 8, order_of(order), PC));                           \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile type *a, type value, int order)                                          \
    {                                                                                                                  \
        if (!watched()) return __atomic_store_n(a, value, __ATOMIC_SEQ_CST);                                           \
        const Unwatched unwatched;                                                                                     \
        scheduler->store(number(a), bits / 8, order_of(order), value, PC);                                             \
    }                                                                                                                  \
    type __tsan_atomic##bits##_exchange(volatile type *a, type value, int order)                                       \
    {                                                                                                                  \
        if (!watched()) return __atomic_exchange_n(a, value, __ATOMIC_SEQ_CST);                                        \
        const Unwatched unwatched;                                                                                     \
        return static_cast<type>(scheduler->modify(number(a), bits / 8, order_of(order), [=](std::uint64_t) { return value; }, PC)); \
    }                                                                                                                  \
    bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *a, type *expected, type value, int order, int)   \
    {                                                                                                                  \
        if (!watched()) return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        const Unwatched unwatched;                                                                                     \
        std::uint64_t seen = *expected;                                                                                \
        const bool done = scheduler->compare_exchange(number(a), bits / 8, order_of(order), seen, value, PC);          \
        *expected = static_cast<type>(seen);                                                                           \
        return done;                                                                                                   \
    }                                                                                                                  \
    bool __tsan_atomic##bits##_compare_exchange_weak(volatile type *a, type *expected, type value, int order, int)     \
    {                                                                                                                  \
        if (!watched()) return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        const Unwatched unwatched;                                                                                     \
        std::uint64_t seen = *expected;                                                                                \
        const bool done = scheduler->compare_exchange(number(a), bits / 8, order_of(order), seen, value, PC);          \
        *expected = static_cast<type>(seen);                                                                           \
        return done;                                                                                                   \
    }                                                                                                                  \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *a, type expected, type value, int order, int)       \
    {                                                                                                                  \
        if (!watched()) {                                                                                              \
            __atomic_compare_exchange_n(a, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
            return expected;                                                                                           \
        }                                                                                                              \
        const Unwatched unwatched;                                                                                     \
        std::uint64_t seen = expected;                                                                                 \
        scheduler->compare_exchange(number(a), bits / 8, order_of(order), seen, value, PC);                            \
        return static_cast<type>(seen);                                                                                \
    }

#define MODIFY(bits, type, name, expression)                                                                           \
    type __tsan_atomic##bits##_fetch_##name(volatile type *a, type value, int order)                                   \
    {                                                                                                                  \
        if (!watched()) return __atomic_fetch_##name(a, value, __ATOMIC_SEQ_CST);                                      \
        const Unwatched unwatched;                                                                                     \
        const auto change = [=](std::uint64_t old) { return static_cast<std::uint64_t>(static_cast<type>(expression)); }; \
        return static_cast<type>(scheduler->modify(number(a), bits / 8, order_of(order), change, PC));                 \
    }

#define ALL(bits, type)                                                                                                \
    ATOMIC(bits, type)                                                                                                 \
    MODIFY(bits, type, add, old + value)                                                                               \
    MODIFY(bits, type, sub, old - value)                                                                               \
    MODIFY(bits, type, and, old &value)                                                                                \
    MODIFY(bits, type, or, old | value)                                                                                \
    MODIFY(bits, type, xor, old ^ value)                                                                               \
    MODIFY(bits, type, nand, ~(old & value))

ALL(8, std::uint8_t)
ALL(16, std::uint16_t)
ALL(32, std::uint32_t)
ALL(64, std::uint64_t)

void __tsan_atomic_thread_fence(int order)
{
    if (!watched()) return __atomic_thread_fence(__ATOMIC_SEQ_CST);
    const Unwatched unwatched;
    scheduler->fence(order_of(order));
}
void __tsan_atomic_signal_fence(int) {}

void AnnotateIgnoreWritesBegin(const char *, int)
{
    if (watched()) scheduler->ignore_writes(true);
}
void AnnotateIgnoreWritesEnd(const char *, int)
{
    if (watched()) scheduler->ignore_writes(false);
}

/** In place of the C library's: membarrier(2) is a full fence in every thread. */
long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long argument[6];
    for (long &one : argument) one = va_arg(list, long);
    va_end(list);
    if (number == SYS_membarrier) { // all threads are fibers of one
        if (!watched()) return 0;
        const Unwatched unwatched;
        scheduler->fence_all();
        return 0;
    }
    using Call = long (*)(long, ...);
    static const auto call = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "syscall"));
    return call(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

/** In place of the C library's: who yields waits for others. */
int sched_yield()
{
    if (!watched()) return static_cast<int>(syscall(SYS_sched_yield));
    const Unwatched unwatched;
    scheduler->yield(PC);
    return 0;
}
}
