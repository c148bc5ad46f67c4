// SPDX-License-Identifier: MIT
#include "content.hpp"

#include <algorithm>
#include <cstring>

namespace libtm::crash {
namespace {

constexpr std::uint64_t odd1 = 0x9e3779b97f4a7c15, odd2 = 0xd1b54a32d192ed03, odd3 = 0x8cb92ba72f3d8dd7, odd4 = 0xa0761d6478bd642f;

Hash hash_in_block(std::size_t index, const std::byte *bytes)
{
    if (all_zero(bytes, sector_size)) return {};
    Hash h{(index + 1) * odd1, (index + 1) * odd2};
    for (std::size_t at = 0; at < sector_size; at += 16) {
        std::uint64_t x, y;
        std::memcpy(&x, bytes + at, 8);
        std::memcpy(&y, bytes + at + 8, 8);
        h.a = fold(h.a ^ x ^ odd3, y ^ odd1) + at;
        h.b = fold(h.b ^ x ^ odd4, y ^ odd2) + at;
    }
    return h;
}

/** Where in the file a block is: a factor, so that sectors of one block add up before. */
Hash at_block(std::uint64_t number, const Hash &h)
{
    return {h.a * (fold(number ^ odd3, odd1) | 1), h.b * (fold(number ^ odd4, odd2) | 1)};
}

} // namespace

std::uint64_t fold(std::uint64_t x, std::uint64_t y)
{
    __extension__ typedef unsigned __int128 wide;
    const wide product = static_cast<wide>(x) * y;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

Hash hash_sector(std::uint64_t number, const std::byte *bytes)
{
    return at_block(number / sectors_per_block, hash_in_block(number % sectors_per_block, bytes));
}

bool all_zero(const std::byte *bytes, std::size_t size)
{
    return size == 0 || (bytes[0] == std::byte{} && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

Content::Block *Content::find(std::uint64_t number) const
{
    const std::size_t chunk = number / blocks_per_chunk;
    return chunk < chunks_.size() && chunks_[chunk] ? (*chunks_[chunk])[number % blocks_per_chunk].get() : nullptr;
}

const std::byte *Content::block(std::uint64_t number) const
{
    const Block *const block = find(number);
    return block ? block->bytes.data() : nullptr;
}

Content::Block &Content::own(std::uint64_t number)
{
    const std::size_t index = number / blocks_per_chunk;
    if (index >= chunks_.size()) chunks_.resize(index + 1);
    std::shared_ptr<Chunk> &chunk = chunks_[index];
    if (!chunk) chunk = std::make_shared<Chunk>();
    if (chunk.use_count() > 1) chunk = std::make_shared<Chunk>(*chunk);
    std::shared_ptr<Block> &block = (*chunk)[number % blocks_per_chunk];
    if (!block) {
        block = std::make_shared<Block>();
        block->bytes.fill(std::byte{});
    } else if (block.use_count() > 1) {
        block = std::make_shared<Block>(*block);
    }
    block->hashed = false;
    return *block;
}

std::size_t Content::read(void *to, std::size_t size, std::uint64_t offset) const
{
    if (offset >= size_) return 0;
    size = std::min<std::uint64_t>(size, size_ - offset);
    for (std::size_t done = 0; done < size;) {
        const std::uint64_t at = offset + done;
        const std::size_t within = at % block_size, part = std::min(block_size - within, size - done);
        if (const Block *const block = find(at / block_size))
            std::memcpy(static_cast<std::byte *>(to) + done, block->bytes.data() + within, part);
        else
            std::memset(static_cast<std::byte *>(to) + done, 0, part);
        done += part;
    }
    return size;
}

void Content::write(const void *from, std::size_t size, std::uint64_t offset)
{
    size_ = std::max(size_, offset + size);
    for (std::size_t done = 0; done < size;) {
        const std::uint64_t at = offset + done;
        const std::size_t within = at % block_size, part = std::min(block_size - within, size - done);
        const std::byte *const bytes = static_cast<const std::byte *>(from) + done;
        if (find(at / block_size) || !all_zero(bytes, part)) std::memcpy(own(at / block_size).bytes.data() + within, bytes, part);
        done += part;
    }
}

void Content::resize(std::uint64_t size)
{
    if (size < size_) {
        const std::uint64_t keep = (size + block_size - 1) / block_size, chunk = (keep + blocks_per_chunk - 1) / blocks_per_chunk;
        if (chunk < chunks_.size()) chunks_.resize(chunk);
        for (std::uint64_t b = keep; b < chunks_.size() * blocks_per_chunk; ++b) {
            if (!find(b)) continue;
            own(b); // so that the chunk is ours
            (*chunks_[b / blocks_per_chunk])[b % blocks_per_chunk].reset();
        }
        const std::size_t within = size % block_size;
        if (const Block *const last = within ? find(size / block_size) : nullptr; last && !all_zero(last->bytes.data() + within, block_size - within))
            std::memset(own(size / block_size).bytes.data() + within, 0, block_size - within);
    }
    size_ = size;
}

void Content::sector(std::uint64_t number, std::byte *to) const
{
    if (const Block *const block = find(number / sectors_per_block))
        std::memcpy(to, block->bytes.data() + number % sectors_per_block * sector_size, sector_size);
    else
        std::memset(to, 0, sector_size);
}

Hash Content::hash() const
{
    Hash all;
    for (std::size_t c = 0; c < chunks_.size(); ++c) {
        if (!chunks_[c]) continue;
        for (std::size_t i = 0; i < blocks_per_chunk; ++i) {
            Block *const block = (*chunks_[c])[i].get();
            if (!block) continue;
            if (!block->hashed) {
                block->sum = {};
                for (std::size_t s = 0; s < sectors_per_block; ++s) block->sum += hash_in_block(s, block->bytes.data() + s * sector_size);
                block->hashed = true;
            }
            all += at_block(c * blocks_per_chunk + i, block->sum);
        }
    }
    return all;
}

} // namespace libtm::crash
