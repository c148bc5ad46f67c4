// SPDX-License-Identifier: MIT
/**
 * @file content.hpp
 * The bytes of one file, shared between the many states of it that differ in a few sectors.
 */
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tm/crash.hpp>
#include <vector>

namespace libtm::crash {

inline constexpr std::size_t block_size = 4096;
inline constexpr std::size_t sectors_per_block = block_size / sector_size;

/**
 * A hash of 128 bits that is a sum over sectors, so that the hash of a state that differs from a known one in some sectors costs no more than these. A sector of
 * zeros counts 0: a hole and written zeros are the same. Two files of equal hash are taken as equal: by chance that happens once in 2^128 pairs.
 */
struct Hash {
    std::uint64_t a = 0, b = 0;
    Hash &operator+=(const Hash &o) { return a += o.a, b += o.b, *this; }
    Hash &operator-=(const Hash &o) { return a -= o.a, b -= o.b, *this; }
    bool operator==(const Hash &) const = default;
};

/** High and low half of a product, folded. */
std::uint64_t fold(std::uint64_t x, std::uint64_t y);
/** What `bytes` (sector_size of them), being sector `number`, add to the hash. */
Hash hash_sector(std::uint64_t number, const std::byte *bytes);
bool all_zero(const std::byte *bytes, std::size_t size);

/** Copying costs a pointer for each 256 KiB; writing to a copy copies 4 KiB. */
class Content {
public:
    std::uint64_t size() const { return size_; }
    std::uint64_t blocks() const { return (size_ + block_size - 1) / block_size; }
    /** Bytes read: fewer at the end. */
    std::size_t read(void *to, std::size_t size, std::uint64_t offset) const;
    /** Makes the file longer where needed. */
    void write(const void *from, std::size_t size, std::uint64_t offset);
    /** New bytes are zero. */
    void resize(std::uint64_t size);
    /** Block `number`, or nullptr: zeros. Equal pointers of two Contents are equal bytes, as long as both have them. */
    const std::byte *block(std::uint64_t number) const;
    /** Sector `number`, zeros beyond the end. */
    void sector(std::uint64_t number, std::byte *to) const;
    Hash hash() const;

private:
    struct Block {
        alignas(16) std::array<std::byte, block_size> bytes;
        Hash sum; // not yet multiplied with the block's number
        bool hashed = false;
    };
    static constexpr std::size_t blocks_per_chunk = 64;
    using Chunk = std::array<std::shared_ptr<Block>, blocks_per_chunk>;

    Block *find(std::uint64_t number) const;
    /** The block, nobody else's, to be written to. */
    Block &own(std::uint64_t number);

    std::uint64_t size_ = 0;
    std::vector<std::shared_ptr<Chunk>> chunks_; // missing ones at the end are zeros; bytes beyond size_ are zero
};

/** What Files holds. */
struct FilesData {
    std::map<std::string, std::uint64_t> names; // -> which file
    std::map<std::uint64_t, Content> contents;
    std::uint64_t next = 1; // number of the next file
};

} // namespace libtm::crash
