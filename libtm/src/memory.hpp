// SPDX-License-Identifier: MIT
/**
 * @file memory.hpp
 * Shared memory is accessed by atomics only. Loads acquire and stores release: see (2) and (7) in doc/memory-model.md.
 */
#pragma once

#include <cstdint>
#include <cstring>
#include <tm/context.h>

namespace libtm::engine::memory {

template <class Word> inline Word load(std::uintptr_t addr)
{
    typedef Word Aliasing __attribute__((may_alias));
    return __atomic_load_n(reinterpret_cast<const Aliasing *>(addr), __ATOMIC_ACQUIRE); // (2)
}

template <class Word> inline void store(std::uintptr_t addr, Word value)
{
    typedef Word Aliasing __attribute__((may_alias));
    __atomic_store_n(reinterpret_cast<Aliasing *>(addr), value, __ATOMIC_RELEASE); // (7)
}

/** Visit [addr, addr + size) in the widest aligned pieces: visit(piece address, std::integral_constant-like Word{}). */
template <class Visit> inline void in_words(std::uintptr_t addr, std::size_t size, Visit visit)
{
    const std::uintptr_t end = addr + size;
    while (addr != end) {
        if (addr % 8 == 0 && end - addr >= 8) {
            visit(addr, std::uint64_t{});
            addr += 8;
        } else if (addr % 4 == 0 && end - addr >= 4) {
            visit(addr, std::uint32_t{});
            addr += 4;
        } else if (addr % 2 == 0 && end - addr >= 2) {
            visit(addr, std::uint16_t{});
            addr += 2;
        } else {
            visit(addr, std::uint8_t{});
            addr += 1;
        }
    }
}

/** Shared memory to a private buffer. */
inline void read(std::uintptr_t addr, void *buf, std::size_t size)
{
    in_words(addr, size, [&](std::uintptr_t at, auto word) {
        word = load<decltype(word)>(at);
        std::memcpy(static_cast<char *>(buf) + (at - addr), &word, sizeof word);
    });
}

/** A private buffer to shared memory. */
inline void write(std::uintptr_t addr, const void *buf, std::size_t size)
{
    in_words(addr, size, [&](std::uintptr_t at, auto word) {
        std::memcpy(&word, static_cast<const char *>(buf) + (at - addr), sizeof word);
        store(at, word);
    });
}

} // namespace libtm::engine::memory
