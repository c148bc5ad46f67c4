// SPDX-License-Identifier: MIT
/**
 * @file format.hpp
 * The bytes of the two files, as doc/format.md describes them, and what makes them valid. Numbers are in the byte order of the machine, which is recorded.
 */
#pragma once

#include "file.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

namespace libtm::persist {

using Uuid = std::array<unsigned char, 16>;

inline constexpr std::uint64_t block_size = 4096;      ///< of a header, and what groups are rounded up to
inline constexpr std::uint64_t image_offset = 65536;   ///< of the image in the data file: a multiple of every page size of Linux
inline constexpr std::uint64_t groups_offset = 4096;   ///< of the first group in the journal
inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint32_t byte_order_mark = 0x01020304;
inline constexpr std::uint64_t most_image = 1ull << 46; ///< bytes: half of what a process can address
inline constexpr std::uint64_t most_journal = 1ull << 48; ///< bytes: a group of all of the image and more, and no sum of two overflows
inline constexpr std::uint64_t most_number = 1ull << 62;  ///< of headers, generations and groups: none is reached by counting, and Image::State has no more bits

/** The data file's header; two copies, the valid one with the greater `number` counts. */
struct Header {
    static constexpr char expected_magic[8] = {'l', 'i', 'b', 't', 'm', 'p', 'o', 'o'};
    enum State : std::uint32_t { closed = 1, open = 2 };

    char magic[8];
    std::uint32_t byte_order;
    std::uint32_t format;
    std::uint32_t word_size; ///< bytes of a pointer
    std::uint32_t page_size;
    Uuid uuid;
    std::uint64_t base;       ///< address of the image
    std::uint64_t reserve;    ///< bytes of address space from `base` on
    std::uint64_t image_size; ///< bytes, a multiple of page_size
    std::uint64_t number;     ///< of this header: 1, 2, ...
    std::uint64_t generation; ///< grows by a random step whenever the pool is opened to be written; groups are bound to it
    std::uint64_t applied;    ///< the last group that the data file contains
    std::uint64_t tail;       ///< where in the journal the next one is, unless at groups_offset
    std::uint32_t state;      ///< closed: the journal is not needed
    std::uint32_t layout_version;
    char layout[TM_POOL_LAYOUT_SIZE];
    std::uint64_t heap; ///< where in the image the heap begins, a multiple of page_size; 0: there is none
    std::uint64_t inherited; ///< groups up to this one, all of them durable, are those of an open before; 0: none
    std::uint64_t inherited_generation; ///< and theirs

    /** Of the group with that sequence. */
    std::uint64_t generation_of(std::uint64_t sequence) const { return sequence <= inherited ? inherited_generation : generation; }
    std::uint64_t heap_size() const { return heap ? image_size - heap : 0; }
    /** Bytes that are the user's, before the heap. */
    std::uint64_t memory_size() const { return image_size - heap_size() - page_size; }
};
static_assert(sizeof(Header) == 192);

/** The heap is of chunks of so many bytes. */
inline constexpr std::uint64_t chunk_size = 64 << 10;

/** The journal's first block. */
struct JournalHeader {
    static constexpr char expected_magic[8] = {'l', 'i', 'b', 't', 'm', 'j', 'n', 'l'};

    char magic[8];
    std::uint32_t byte_order;
    std::uint32_t format;
    Uuid uuid; ///< of the pool
};
static_assert(sizeof(JournalHeader) == 32);

/** What a commit appends to the journal: this, then frames, then zeros up to a whole block. */
struct GroupHeader {
    static constexpr char expected_magic[8] = {'l', 'i', 'b', 't', 'm', 'g', 'r', 'p'};

    char magic[8];
    std::uint64_t sequence;   ///< 1, 2, ... over the whole life of the pool
    std::uint64_t generation; ///< of the header when it was written
    std::uint64_t offset;     ///< its own, in the journal
    std::uint64_t bytes;      ///< of the group, all included: a multiple of block_size
    std::uint64_t durable;    ///< the last group known to be durable when this one was written
    std::uint32_t frames;
    std::uint32_t body;     ///< checksum of all that follows this header
    std::uint32_t zero;
    std::uint32_t checksum; ///< of the 60 bytes before, bound to the pool
};
static_assert(sizeof(GroupHeader) == 64);

/** One change: followed by `bytes` bytes and zeros up to a multiple of 8. Lies in one page of the image. */
struct Frame {
    std::uint64_t offset; ///< in the image
    std::uint32_t bytes;
    std::uint32_t zero;
};
static_assert(sizeof(Frame) == 16);

inline constexpr std::uint64_t rounded_up(std::uint64_t value, std::uint64_t unit) { return (value + unit - 1) / unit * unit; }
/** Bytes of a frame in the journal. */
inline constexpr std::uint64_t frame_bytes(std::uint64_t bytes) { return sizeof(Frame) + rounded_up(bytes, 8); }

/** What binds the checksums of a pool's groups to it: its identity and the format. */
std::uint32_t seed_of(const Uuid &uuid);

/** A header's block with its checksum in the last 4 bytes. */
template <class Record> std::array<char, block_size> sealed(const Record &record);
extern template std::array<char, block_size> sealed(const Header &);
extern template std::array<char, block_size> sealed(const JournalHeader &);

/** The data file's current header and which of the two copies it is. Throws Failure if neither is valid, or it is of another kind (ENOTSUP, EMEDIUMTYPE). */
struct ReadHeader {
    Header header;
    int copy;
    bool is_alone = false; ///< the other copy is not valid: torn, never written, or damaged. Then it may have been the newer one
};
ReadHeader read_header(const File &data);
/** Why one copy is not valid, or nothing: its checksum and its fields. */
std::optional<Failure> header_fault(const std::array<char, block_size> &block, const std::string &path, int copy);
/** Write the next header, to the other copy, and sync. Advances `number` and `copy`. */
void write_header(const File &data, ReadHeader &current);
/** Write it once more where it is, and sync. */
void write_in_place(const File &data, const ReadHeader &current);
/**
 * Make both copies say on the disk what was read. A sync that failed in an earlier life may have left the one that was read in the page cache alone, or a
 * later one on the disk alone, where nobody sees it until a crash. So each is written once more and synced, the one that counts first. Who writes another header right after
 * needs write_in_place() alone: that goes to the other copy.
 */
void settle_header(const File &data, ReadHeader &current);

/** Whose a journal is. `unfinished`: it was being made when a crash came, or is empty. */
enum class Owner { ours, unfinished, another };
Owner owner_of(const File &journal, const Uuid &uuid);

/** Where the journal of the pool `path` is. */
std::string journal_path(const std::string &path);
/** What a pool is called while it is made, where files cannot be without a name. */
std::string temporary_name(const std::string &path);
/** That it is a regular file with one name, none yet, or its own and the temporary one. Throws EMEDIUMTYPE. */
void demand_plain(const File &file);

/** Whether a group's header is valid as such. */
bool is_valid(const GroupHeader &group, std::uint32_t seed);
std::uint32_t checksum_of(const GroupHeader &group, std::uint32_t seed);

std::string to_text(const Uuid &uuid);
std::string to_hex(std::uint64_t number);

} // namespace libtm::persist
