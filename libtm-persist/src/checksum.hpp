// SPDX-License-Identifier: MIT
/**
 * @file checksum.hpp
 * CRC-32C (Castagnoli), by Intel's ISA-L, which takes what the processor has for it.
 */
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <isa-l/crc.h>

namespace libtm::persist {

/** The checksum of what `before` is the checksum of, followed by `size` more bytes; 0 is that of nothing. */
inline std::uint32_t checksum(std::uint32_t before, const void *bytes, std::size_t size)
{
    auto *from = static_cast<unsigned char *>(const_cast<void *>(bytes)); // only read
    constexpr std::size_t most = 1 << 30;                                 // the library's sizes are int
    std::uint32_t state = ~before;
    while (size) {
        const std::size_t step = std::min(size, most);
        state = crc32_iscsi(from, static_cast<int>(step), state);
        from += step;
        size -= step;
    }
    return ~state;
}

} // namespace libtm::persist
