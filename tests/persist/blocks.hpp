// SPDX-License-Identifier: MIT
/** @file blocks.hpp */
#pragma once

#include "heap.hpp"
#include "pool.hpp"

#include <map>
#include <stdexcept>

namespace libtm::testing {

/** The blocks that are allocated in the image of a pool, as nobody changes it: their bytes, by their offsets from the beginning of the memory. */
inline std::map<std::uint64_t, std::uint64_t> blocks_in(const persist::Pool &pool)
{
    std::map<std::uint64_t, std::uint64_t> blocks;
    const auto [begin, end] = pool.heap_range();
    const std::uint64_t data = static_cast<std::uint64_t>(pool.data() - pool.image_base());
    if (begin == 0) return blocks;
    std::uint64_t last = 0;
    const std::string damage = persist::each_block(pool.image_base(), begin, end, [&](const persist::Block &block) {
        if (block.offset < last) throw std::runtime_error("blocks overlap");
        last = block.offset + block.bytes;
        blocks.emplace(block.offset - data, block.bytes);
    });
    if (!damage.empty()) throw std::runtime_error(damage);
    return blocks;
}

} // namespace libtm::testing
