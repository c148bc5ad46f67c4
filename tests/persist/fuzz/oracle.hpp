// SPDX-License-Identifier: MIT
/**
 * @file oracle.hpp
 * What two files mean: a reader written from doc/format.md, simple and slow, that never writes. The library must agree with it.
 */
#pragma once

#include "bytes.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace libtm::fuzz {

/** Files as they are: of the journal nothing if there is none. */
struct Found {
    std::vector<char> data;
    bool has_journal = false;
    std::vector<char> journal;
};

struct Verdict {
    int code = 0;              ///< 0: it is a pool. Else what a reader is refused with
    int writer_code = 0;       ///< the same of a writer, who also needs the journal's name
    const char *why = "";      ///< it is refused
    std::vector<char> image;   ///< the last committed
    int copy = -1;             ///< of the header that counts
    bool is_open = false;
    bool near_end = false;     ///< a number that is counted up is about to reach its limit
    std::vector<std::uint64_t> groups; ///< places in the journal, in their order
    std::uint64_t last = 0;            ///< sequence
    std::uint64_t end = 0;             ///< of the last group
    std::uint64_t base = 0, reserve = 0, image_size = 0, heap = 0;
};

/** The allocated blocks of an image with a heap: their bytes by their offsets. Nothing: the heap is damaged. */
std::optional<std::map<std::uint64_t, std::uint64_t>> blocks_of(const std::vector<char> &image, std::uint64_t heap);

Verdict judge(const Found &found);

} // namespace libtm::fuzz
