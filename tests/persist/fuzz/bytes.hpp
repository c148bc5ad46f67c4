// SPDX-License-Identifier: MIT
/**
 * @file bytes.hpp
 * The format of the two files once more, from doc/format.md alone: what the fuzzer writes and what its oracle reads owes nothing to the library's
 * own structs and checksums, so that a mistake there is not repeated here.
 */
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace libtm::fuzz {

inline constexpr std::uint64_t page = 4096;
inline constexpr std::uint64_t block = 4096;
inline constexpr std::uint64_t image_at = 65536;
inline constexpr std::uint64_t first_group = 4096;

/** Where fields are. */
namespace header {
inline constexpr int magic = 0, byte_order = 8, format = 12, word_size = 16, page_size = 20, uuid = 24, base = 40, reserve = 48, image_size = 56, number = 64, generation = 72,
                     applied = 80, tail = 88, state = 96, layout_version = 100, layout = 104, heap = 168, inherited = 176, inherited_generation = 184, end = 192, sum = 4092;
}
namespace journal {
inline constexpr int magic = 0, byte_order = 8, format = 12, uuid = 16, end = 32, sum = 4092;
}
namespace group {
inline constexpr int magic = 0, sequence = 8, generation = 16, offset = 24, bytes = 32, durable = 40, frames = 48, body = 52, zero = 56, sum = 60, end = 64;
}
namespace frame {
inline constexpr int offset = 0, bytes = 8, zero = 12, end = 16;
}

template <class Number> Number get(const char *at)
{
    Number number;
    std::memcpy(&number, at, sizeof number);
    return number;
}
inline std::uint64_t get64(const char *at) { return get<std::uint64_t>(at); }
inline std::uint32_t get32(const char *at) { return get<std::uint32_t>(at); }
inline void put64(char *at, std::uint64_t number) { std::memcpy(at, &number, sizeof number); }
inline void put32(char *at, std::uint32_t number) { std::memcpy(at, &number, sizeof number); }

/** CRC-32C as in RFC 3720, eight bytes at a time: it is most of what an input costs. */
inline std::uint32_t crc(std::uint32_t before, const char *bytes, std::size_t size)
{
    static const auto tables = [] {
        std::array<std::array<std::uint32_t, 256>, 8> all{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t value = i;
            for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0x82f63b78u : value >> 1;
            all[0][i] = value;
        }
        for (std::size_t later = 1; later < 8; ++later)
            for (std::size_t i = 0; i < 256; ++i) all[later][i] = all[later - 1][i] >> 8 ^ all[0][all[later - 1][i] & 0xff];
        return all;
    }();
    std::uint32_t state = ~before;
    for (; size >= 8; bytes += 8, size -= 8) {
        const std::uint32_t one = state ^ get32(bytes), two = get32(bytes + 4);
        state = tables[7][one & 0xff] ^ tables[6][one >> 8 & 0xff] ^ tables[5][one >> 16 & 0xff] ^ tables[4][one >> 24] ^ tables[3][two & 0xff] ^ tables[2][two >> 8 & 0xff] ^
                tables[1][two >> 16 & 0xff] ^ tables[0][two >> 24];
    }
    for (std::size_t i = 0; i < size; ++i) state = state >> 8 ^ tables[0][(state ^ static_cast<unsigned char>(bytes[i])) & 0xff];
    return ~state;
}

/** What the checksums of a pool's groups begin with. */
inline std::uint32_t seed_of(const char *uuid)
{
    const char format_1[4] = {1, 0, 0, 0};
    return crc(crc(0, uuid, 16), format_1, 4);
}

inline void seal_block(char *at) { put32(at + header::sum, crc(0, at, header::sum)); }

} // namespace libtm::fuzz
