// SPDX-License-Identifier: MIT
/**
 * @file annotate.hpp
 * What compilers, processors and tools are told. The only conditional compilation of the library stands here.
 */
#ifndef LIBTM_ANNOTATE_HPP
#define LIBTM_ANNOTATE_HPP

#include <cstdint>

#if defined(__has_feature)
#define LIBTM_HAS_FEATURE(x) __has_feature(x)
#else
#define LIBTM_HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_THREAD__) || LIBTM_HAS_FEATURE(thread_sanitizer)
extern "C" void AnnotateIgnoreWritesBegin(const char *file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char *file, int line);
#endif
#if defined(__SANITIZE_ADDRESS__) || LIBTM_HAS_FEATURE(address_sanitizer)
extern "C" void __asan_handle_no_return();
#endif

namespace libtm::engine::annotate {

/**
 * Privatized memory is written by plain stores while optimistic readers may look at it: they see the lock when they look at the orec
 * again and drop what they read. ThreadSanitizer cannot know that, so it does not record the owner's plain writes meanwhile.
 */
inline void plain_writes_begin()
{
#if defined(__SANITIZE_THREAD__) || LIBTM_HAS_FEATURE(thread_sanitizer)
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

inline void plain_writes_end()
{
#if defined(__SANITIZE_THREAD__) || LIBTM_HAS_FEATURE(thread_sanitizer)
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
}

/** Control is about to jump back to tm_begin, past frames that AddressSanitizer has marked. */
inline void before_jump()
{
#if defined(__SANITIZE_ADDRESS__) || LIBTM_HAS_FEATURE(address_sanitizer)
    __asan_handle_no_return();
#endif
}

/** Whether the build can shake: let validations fail at random (the option `shake`), as rare conflicts would. Sanitizers' builds and -Dshake=true. */
#if defined(LIBTM_SHAKE)
inline constexpr bool can_shake = true;
#else
inline constexpr bool can_shake = false;
#endif

/** True once in `one_in` times, never for 0. Each thread has a sequence of its own, the same in every run for the same `seed`. */
inline bool shake([[maybe_unused]] std::uint32_t one_in, [[maybe_unused]] std::uint64_t seed)
{
#if defined(LIBTM_SHAKE)
    static __thread std::uint64_t draws = 0;
    if (one_in == 0) return false;
    std::uint64_t z = seed * 0xD1342543DE82EF95u + ++draws * 0x9E3779B97F4A7C15u; // splitmix64 (Steele, Lea, Flood 2014)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (z ^ z >> 31) % one_in == 0;
#else
    return false;
#endif
}

/** Whether accesses are instrumented, for ThreadSanitizer or the explorer. */
#if defined(__SANITIZE_THREAD__) || LIBTM_HAS_FEATURE(thread_sanitizer)
inline constexpr bool is_instrumented = true;
#else
inline constexpr bool is_instrumented = false;
#endif

/** Whether membarrier(2) orders what the tools of this build look at. ThreadSanitizer does not know it; builds that are instrumented for others say so. */
#if defined(LIBTM_KNOWS_MEMBARRIER)
inline constexpr bool knows_membarrier = true;
#else
inline constexpr bool knows_membarrier = !is_instrumented;
#endif

/** Tell the processor that this is a spin loop. */
inline void pause()
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm("yield");
#endif
}

} // namespace libtm::engine::annotate

#endif
