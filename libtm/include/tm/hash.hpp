// SPDX-License-Identifier: MIT
/**
 * @file hash.hpp
 * libtm::hash<T>: hash values that are the same in every run and every version, for tables that survive (std::hash promises neither).
 *
 * The functions are part of the format of pools with a hash_map in them, so they never change:
 *
 *     mix(x): x ^= x >> 32, x *= 0xd6e8feb86659fd93, twice, then x ^= x >> 32         modulo 2^64
 *     integers and enumerations:    mix(the value, signed ones extended, as 64 bits)
 *     n bytes:                      h = mix(n); for each 8 bytes as a word of the machine's order, the last ones filled up by zeros: h = mix(h ^ word)
 *     strings: their bytes. Other trivially copyable types whose bytes tell the value (no padding, no floating point): their bytes
 */
#ifndef TM_HASH_HPP
#define TM_HASH_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace libtm {

namespace detail {

/** As above. */
constexpr std::uint64_t mix(std::uint64_t x)
{
    constexpr std::uint64_t factor = 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * factor;
    x = (x ^ x >> 32) * factor;
    return x ^ x >> 32;
}

/** As above. */
inline std::uint64_t hash_bytes(const void *bytes, std::size_t size)
{
    const char *at = static_cast<const char *>(bytes);
    std::uint64_t hash = mix(size), word;
    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        std::memcpy(&word, at, sizeof word);
        hash = mix(hash ^ word);
    }
    if (size == 0) return hash;
    word = 0;
    std::memcpy(&word, at, size);
    return mix(hash ^ word);
}

} // namespace detail

/** The hash value of a T. `is_avalanching` says that every bit of the value depends on all of the key; a map mixes the values of other functions. */
template <class T> struct hash {
    static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>, "no hash of this type: write one, or specialize libtm::hash");
    using is_avalanching = void;
    std::uint64_t operator()(const T &value) const noexcept
    {
        if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) return detail::mix(static_cast<std::uint64_t>(value));
        else return detail::hash_bytes(&value, sizeof value);
    }
};

/** Of strings. */
template <> struct hash<std::string_view> {
    using is_avalanching = void;
    using is_transparent = void;
    std::uint64_t operator()(std::string_view string) const noexcept { return detail::hash_bytes(string.data(), string.size()); }
};

} // namespace libtm

#endif
