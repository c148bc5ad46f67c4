// SPDX-License-Identifier: MIT
/**
 * @file annotate.hpp
 * What compilers, processors and tools are told. The only conditional compilation of the library stands here.
 */
#ifndef LIBTM_ANNOTATE_HPP
#define LIBTM_ANNOTATE_HPP

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
