// SPDX-License-Identifier: MIT
/**
 * @file heap.hpp
 * The heap in a pool: which blocks there are, in the file and now.
 *
 * From Header::heap on the image is *chunks* of 64 KiB. A chunk has blocks of one size, or a part of a block that takes one chunk or more, or nothing; every 8192nd, from the first one on, is a
 * *map* with an entry for each that follows. A chunk of blocks of one size begins with a bit for each that is allocated. Bits and entries change when a transaction commits, under the order mutex, and go
 * into its group: so the file never knows of a block that a transaction had only reserved, nor has it lost one that was freed by a transaction that came to nothing. Neither lies in
 * a block, which others may be reading while it is freed.
 *
 * What is free *now* is kept in memory, and rebuilt from entries and bits when the heap is first used: a block is *taken* from its reservation in a running transaction until it
 * is given back, by a rollback or when nobody can see it any more after the commit that frees it. Threads take from chunks of their own.
 */
#pragma once

#include "failure.hpp"
#include "image.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

namespace libtm::persist {

class Pool;

/** Of a chunk, in a map: what it has in the lowest 8 bits, else of a large block the number of its chunks. */
using ChunkEntry = std::uint64_t;
/** Nothing: 0. Blocks of a size class: its number, from 1 on. The first chunk of a large block: */
inline constexpr std::uint32_t large_kind = 255;
constexpr std::uint32_t kind_of(ChunkEntry entry) { return entry & 255; }
constexpr std::uint64_t count_of(ChunkEntry entry) { return entry >> 8; }
/** Each map is a chunk, and has so many entries, one for itself that is not used. */
inline constexpr std::uint64_t mapped_chunks = chunk_size / sizeof(ChunkEntry);

/** Blocks of one size. */
struct SizeClass {
    std::uint32_t bytes;  ///< of a block
    std::uint32_t blocks; ///< in a chunk
    std::uint32_t first;  ///< offset of the first block in it

    constexpr std::uint32_t words() const { return (blocks + 63) / 64; } ///< of bits, at the beginning of the chunk
};
/** Four steps between powers of two: a block has at most a quarter more than was asked for. */
inline constexpr std::array<SizeClass, 32> size_classes = [] {
    std::array<SizeClass, 32> classes{};
    std::uint32_t bytes = 16;
    for (SizeClass &made : classes) {
        made.bytes = bytes;
        // A bit and a block for each, and a first block where every block is aligned to 16, and one of a power of two to its size up to 4096.
        const std::uint32_t alignment = std::min(4096u, bytes & (~bytes + 1));
        for (made.blocks = static_cast<std::uint32_t>(chunk_size / bytes);; --made.blocks) {
            made.first = (made.words() * 8 + alignment - 1) / alignment * alignment;
            if (made.first + made.blocks * bytes <= chunk_size) break;
        }
        bytes += std::max(16u, std::bit_floor(bytes) / 4);
    }
    return classes;
}();
/** Bytes of the biggest block that shares a chunk. */
inline constexpr std::uint64_t most_small = 8192;
static_assert(size_classes.back().bytes == most_small);
/** Of the biggest one: it lies between two maps. */
inline constexpr std::uint64_t most_block = (mapped_chunks - 1) * chunk_size;
/** The most bytes that the bits of a chunk take. */
inline constexpr std::size_t most_bits = (chunk_size / 16 + 63) / 64 * 8;

/** By how many bytes the heap grows at least. Tests set it to less. */
inline std::uint64_t least_growth = 16 * chunk_size;

/** A block. */
struct Block {
    std::uint64_t offset = 0; ///< in the image
    std::uint64_t bytes = 0;  ///< that it has
    std::uint64_t chunk = 0;  ///< number of its first chunk
    std::uint32_t kind = 0;   ///< of that
    std::uint32_t index = 0;  ///< of one that is not large: which bit. Else: chunks
};

/**
 * Call `use(block)` for each allocated block of the heap that lies from `heap` to `size` in an image. `entry_at(i)` is the entry of chunk i, `bits_at(i)` are the bits that it
 * begins with. Returns what is wrong with it, or nothing.
 */
template <class EntryAt, class BitsAt, class Use> std::string each_block(EntryAt &&entry_at, BitsAt &&bits_at, std::uint64_t heap, std::uint64_t size, Use &&use);
/** The same of an image in memory. */
template <class Use> std::string each_block(const char *image, std::uint64_t heap, std::uint64_t size, Use &&use)
{
    const char *const base = image + heap;
    return each_block([&](std::uint64_t i) { return reinterpret_cast<const ChunkEntry *>(base + i / mapped_chunks * mapped_chunks * chunk_size)[i % mapped_chunks]; },
                      [&](std::uint64_t i) { return reinterpret_cast<const std::uint64_t *>(base + i * chunk_size); }, heap, size, use);
}

/** What there is now. Thread-safe, but for publish(), which is for the holder of the order mutex. */
class Heap {
public:
    explicit Heap(Pool &pool) : pool_(pool) {}
    Heap(const Heap &) = delete;
    Heap &operator=(const Heap &) = delete;

    /** Take a block of at least `bytes` bytes, in a transaction. Throws ENOSPC, ENOBUFS, ENOMEM and the like. */
    Block take(std::uint64_t bytes);
    /** The block at that address, which was taken. Throws EINVAL. */
    Block at(const void *address);
    /** The same, which a transaction is about to free; no other one may be. Throws EINVAL. */
    Block leave(const void *address);
    void undo_leave(const Block &block) noexcept;
    /** It is freed; but who has found it before may still look at it. */
    void gone(const Block &block) noexcept;
    /** Nobody can see it any more; or the transaction that has taken it is rolled back. */
    void give_back(const Block &block) noexcept;

    /** The first allocated block behind this address, or the first of all; null: there is none. For the holder of the order mutex. */
    char *next_allocated(const void *address);

    /** Whether it is, and not only taken. For the holder of the order mutex. */
    bool is_allocated(const Block &block) const;

    /** What is taken now. */
    struct Figures {
        std::uint64_t blocks = 0, bytes = 0;
    };
    Figures figures();

    /** Bytes in the journal of this change. */
    std::uint64_t bytes_of(const Block &block, bool is_freed, std::uint64_t content) const;
    /** Note in the image that the block is allocated, or no longer, and call `append(address, bytes)` for what has changed, of its content so many bytes, too. */
    template <class Append> void publish(const Block &block, bool is_freed, std::uint64_t content, Append &&append) const;

private:
    struct Chunk {
        std::uint32_t kind = 0;   ///< of the entry, or what it will be; inner_kind behind the first one of a large block, and of a map
        std::uint32_t taken = 0;  ///< blocks, leaving ones too; of a large one: chunks
        bool is_listed = false;   ///< in partial_, or a thread's
        bool is_leaving = false;  ///< of a large one: as `leaving`
        std::uint32_t full = 0;   ///< so many words of bits have no free block
        std::vector<std::uint64_t> bits = {};    ///< of blocks that are there, perhaps for the transaction alone that has taken them
        std::vector<std::uint64_t> leaving = {}; ///< of blocks that a transaction is about to free, or has freed while others may see them
    };
    static constexpr std::uint32_t inner_kind = 256;
    static constexpr unsigned arenas = 16;

    void load();
    Block find(const void *address) const;
    bool set_leaving(const Block &block, bool leaves) noexcept;
    ChunkEntry *entry(std::uint64_t chunk) const;
    std::uint64_t *bits(std::uint64_t chunk) const;
    std::size_t more_for(std::size_t count) const;
    std::uint64_t offset_of(std::uint64_t chunk) const { return begin_ + chunk * chunk_size; }
    std::size_t take_chunks(std::size_t count);
    void free_chunks(std::size_t first, std::size_t count);
    Block take_small(std::uint64_t bytes);
    Block take_large(std::uint64_t bytes);

    Pool &pool_;
    std::mutex mutex_;
    bool is_loaded_ = false;
    Figures figures_;
    std::uint64_t begin_ = 0; ///< in the image; 0: there is no heap yet
    std::vector<Chunk> chunks_;
    std::map<std::size_t, std::size_t> free_; ///< runs of free chunks: first, count
    std::vector<std::vector<std::size_t>> partial_; ///< of each class: chunks with room that no thread has
    std::vector<std::size_t> current_[arenas];      ///< of each class: that threads take from; 0: none, else 1 + chunk
};

template <class EntryAt, class BitsAt, class Use> std::string each_block(EntryAt &&entry_at, BitsAt &&bits_at, std::uint64_t heap, std::uint64_t size, Use &&use)
{
    const auto wrong = [](std::uint64_t chunk, const std::string &what) { return "chunk " + std::to_string(chunk) + what; };
    const std::uint64_t chunks = (size - heap) / chunk_size;
    for (std::uint64_t i = 0; i < chunks; ++i) {
        if (i % mapped_chunks == 0) continue;
        const ChunkEntry entry = entry_at(i);
        const std::uint64_t count = count_of(entry), offset = heap + i * chunk_size;
        const std::uint32_t kind = kind_of(entry);
        if (kind == large_kind) {
            if (count == 0 || count > std::min(chunks - i, mapped_chunks - i % mapped_chunks)) return wrong(i, " says that it is the first of " + std::to_string(count));
            use(Block{offset, count * chunk_size, i, kind, static_cast<std::uint32_t>(count)});
            i += count - 1;
            continue;
        }
        if (kind > size_classes.size() || count) return wrong(i, " is of kind " + std::to_string(kind) + ", with a count of " + std::to_string(count));
        if (kind == 0) continue;
        const SizeClass &size_class = size_classes[kind - 1];
        const std::uint64_t *const bits = bits_at(i);
        for (std::uint32_t at = 0; at < size_class.words() * 64; ++at) {
            if (!(bits[at / 64] >> at % 64 & 1)) continue;
            if (at >= size_class.blocks) return wrong(i, " has a block behind its last one");
            use(Block{offset + size_class.first + std::uint64_t{at} * size_class.bytes, size_class.bytes, i, kind, at});
        }
    }
    return {};
}

template <class Append> void Heap::publish(const Block &block, bool is_freed, std::uint64_t content, Append &&append) const
{
    ChunkEntry *const at = entry(block.chunk);
    if (block.kind == large_kind) {
        // What the entries of the others have been does not matter as long as the block is there.
        const std::uint64_t entries = is_freed ? block.index : 1;
        std::fill_n(at, entries, 0);
        if (!is_freed) *at = large_kind | ChunkEntry{block.index} << 8;
        append(at, entries * sizeof *at);
    } else {
        std::uint64_t *const all = bits(block.chunk), bit = std::uint64_t{1} << block.index % 64;
        std::uint64_t &word = all[block.index / 64];
        if (kind_of(*at) != block.kind) { // it was free, or had blocks of another size that are all gone
            const std::uint32_t words = size_classes[block.kind - 1].words();
            std::fill_n(all, words, 0);
            word = bit;
            *at = block.kind;
            append(at, sizeof *at);
            append(all, words * sizeof word);
        } else {
            word = is_freed ? word & ~bit : word | bit;
            append(&word, sizeof word);
        }
    }
    if (!is_freed && content) append(reinterpret_cast<const char *>(bits(block.chunk)) + (block.offset - offset_of(block.chunk)), content);
}

} // namespace libtm::persist
