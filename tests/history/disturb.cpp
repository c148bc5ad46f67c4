// SPDX-License-Identifier: MIT
/**
 * @file disturb.cpp
 * Real threads that are held up in the middle of the engine: what -fsanitize=thread calls at each atomic access waits now and then before it makes the
 * access. So what else needs two accesses within the same nanoseconds on two processors happens on one that is busy, too. The names are those of
 * the compilers' interface to ThreadSanitizer (tsan_interface.h of LLVM), whose run time is not linked.
 */
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <sched.h>

namespace {

/** Of one thread. It changes its rate often, so that there are calm and rough stretches. */
class Disturbance {
public:
    void operator()()
    {
        if (left_-- == 0) change();
        const std::uint64_t n = next();
        if (__builtin_expect((n >> 40 & mask_) != mask_ && !again_, 1)) return;
        again_ = n >> 32 & 1; // two accesses in a row: others begin before and end after something in between
        if (n % 256 == 0) { // out of the processor for long: others finish whole transactions
            const timespec shortly{0, 1};
            nanosleep(&shortly, nullptr);
        } else if (n % 4 == 0) {
            sched_yield();
        } else {
            for (std::uint64_t i = n >> 8 & 127; i; --i) std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    }

private:
    std::uint64_t next() // xorshift64 (Marsaglia 2003)
    {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }
    void change()
    {
        static constexpr std::uint64_t masks[] = {~std::uint64_t{0}, 127, 31, 7};
        mask_ = masks[next() >> 20 & 3];
        left_ = 400;
    }

    std::uint64_t state_ = reinterpret_cast<std::uintptr_t>(this) | 1;
    std::uint64_t mask_ = 0;
    unsigned left_ = 0;
    bool again_ = false;
};
thread_local Disturbance disturb;

} // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void __tsan_read_range(void *, std::size_t) {}
void __tsan_write_range(void *, std::size_t) {}
void __tsan_ignore_thread_begin() {}
void __tsan_ignore_thread_end() {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
void AnnotateIgnoreWritesBegin(const char *, int) {}
void AnnotateIgnoreWritesEnd(const char *, int) {}
void *__tsan_memcpy(void *to, const void *from, std::size_t size) { return std::memcpy(to, from, size); }
void *__tsan_memmove(void *to, const void *from, std::size_t size) { return std::memmove(to, from, size); }
void *__tsan_memset(void *to, int byte, std::size_t size) { return std::memset(to, byte, size); }

#define PLAIN(size)                                                                                                    \
    void __tsan_read##size(void *) {}                                                                                  \
    void __tsan_write##size(void *) {}                                                                                 \
    void __tsan_read_write##size(void *) {}                                                                            \
    void __tsan_volatile_read##size(void *) {}                                                                         \
    void __tsan_volatile_write##size(void *) {}                                                                        \
    void __tsan_unaligned_read##size(void *) {}                                                                        \
    void __tsan_unaligned_write##size(void *) {}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

// Orders as given where the processor tells them apart: a store that is not sequentially consistent may wait in its buffer.
#define MODIFY(bits, type, name)                                                                                       \
    type __tsan_atomic##bits##_fetch_##name(volatile type *a, type value, int)                                         \
    {                                                                                                                  \
        disturb();                                                                                                     \
        return __atomic_fetch_##name(a, value, __ATOMIC_SEQ_CST);                                                      \
    }
#define ATOMIC(bits, type)                                                                                             \
    type __tsan_atomic##bits##_load(const volatile type *a, int)                                                       \
    {                                                                                                                  \
        disturb();                                                                                                     \
        return __atomic_load_n(a, __ATOMIC_SEQ_CST);                                                                   \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile type *a, type value, int order)                                          \
    {                                                                                                                  \
        disturb();                                                                                                     \
        if (order == __ATOMIC_SEQ_CST)                                                                                 \
            __atomic_store_n(a, value, __ATOMIC_SEQ_CST);                                                              \
        else                                                                                                           \
            __atomic_store_n(a, value, __ATOMIC_RELEASE);                                                              \
    }                                                                                                                  \
    type __tsan_atomic##bits##_exchange(volatile type *a, type value, int)                                             \
    {                                                                                                                  \
        disturb();                                                                                                     \
        return __atomic_exchange_n(a, value, __ATOMIC_SEQ_CST);                                                        \
    }                                                                                                                  \
    bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *a, type *expected, type value, int, int)         \
    {                                                                                                                  \
        disturb();                                                                                                     \
        return __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);             \
    }                                                                                                                  \
    bool __tsan_atomic##bits##_compare_exchange_weak(volatile type *a, type *expected, type value, int, int)           \
    {                                                                                                                  \
        disturb();                                                                                                     \
        return __atomic_compare_exchange_n(a, expected, value, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
    }                                                                                                                  \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *a, type expected, type value, int, int)             \
    {                                                                                                                  \
        disturb();                                                                                                     \
        __atomic_compare_exchange_n(a, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                   \
        return expected;                                                                                               \
    }                                                                                                                  \
    MODIFY(bits, type, add)                                                                                            \
    MODIFY(bits, type, sub)                                                                                            \
    MODIFY(bits, type, and)                                                                                            \
    MODIFY(bits, type, or)                                                                                             \
    MODIFY(bits, type, xor)                                                                                            \
    MODIFY(bits, type, nand)
ATOMIC(8, std::uint8_t)
ATOMIC(16, std::uint16_t)
ATOMIC(32, std::uint32_t)
ATOMIC(64, std::uint64_t)
}
