// SPDX-License-Identifier: MIT
/**
 * @file files.hpp
 * One input of the fuzzer: the two files of a pool, as they might be found, and a compact code for them.
 */
#pragma once

#include "bytes.hpp"

#include <string>
#include <vector>

namespace libtm::fuzz {

/** The files. Of the data file only the headers are free; the image is derived from `fill`, since the library takes any bytes there. */
struct Files {
    static constexpr std::uint64_t most_data = image_at + 64 * page;
    static constexpr std::uint64_t most_journal = 1 << 18;

    std::uint64_t data_size = 0; ///< may end anywhere, in a header too
    std::uint8_t fill = 0;
    bool has_journal = false;
    std::array<char, 2 * block> headers{};
    std::vector<char> journal;

    char *header(int copy) { return headers.data() + copy * block; }
    const char *header(int copy) const { return headers.data() + copy * block; }
    /** All of the data file. */
    std::vector<char> data() const;
};

/** 10 bytes (flags, fill, sizes), then headers and journal with their runs of zeros shortened. Anything decodes to something. */
Files decode(const unsigned char *bytes, std::size_t size);
std::vector<unsigned char> encode(const Files &files);

} // namespace libtm::fuzz
