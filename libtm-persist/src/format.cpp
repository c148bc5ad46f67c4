// SPDX-License-Identifier: MIT
#include "format.hpp"

#include "checksum.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <sys/stat.h>
#include <unistd.h>

namespace libtm::persist {

namespace {

constexpr std::size_t checksum_offset = block_size - sizeof(std::uint32_t);

std::uint32_t checksum_of_block(const std::array<char, block_size> &block) { return checksum(0, block.data(), checksum_offset); }

bool is_sealed(const std::array<char, block_size> &block)
{
    std::uint32_t recorded;
    std::memcpy(&recorded, block.data() + checksum_offset, sizeof recorded);
    return recorded == checksum_of_block(block);
}

template <class Record> Record record_of(const std::array<char, block_size> &block)
{
    Record record;
    std::memcpy(&record, block.data(), sizeof record);
    return record;
}

std::array<char, block_size> block_at(const File &file, std::uint64_t offset)
{
    std::array<char, block_size> block{};
    file.read_some(block.data(), block.size(), offset);
    return block;
}

std::string name_of(int copy) { return "header " + std::to_string(copy); }

Failure unsupported(const std::string &path, int copy, const char *field, std::size_t offset, const std::string &found, const std::string &expected, const char *remedy)
{
    return {ENOTSUP, path, name_of(copy) + ": " + field, copy * block_size + offset, found, expected, remedy};
}

Failure damaged(const std::string &path, int copy, const char *field, std::size_t offset, const std::string &found, const std::string &expected)
{
    return {EBADMSG, path, name_of(copy) + ": " + field, copy * block_size + offset, found, expected, "Restore the pool from a backup"};
}

} // namespace

template <class Record> std::array<char, block_size> sealed(const Record &record)
{
    std::array<char, block_size> block{};
    std::memcpy(block.data(), &record, sizeof record);
    const std::uint32_t sum = checksum_of_block(block);
    std::memcpy(block.data() + checksum_offset, &sum, sizeof sum);
    return block;
}
template std::array<char, block_size> sealed(const Header &);
template std::array<char, block_size> sealed(const JournalHeader &);

std::uint32_t seed_of(const Uuid &uuid)
{
    const std::uint32_t version = format_version;
    return checksum(checksum(0, uuid.data(), uuid.size()), &version, sizeof version);
}

std::optional<Failure> header_fault(const std::array<char, block_size> &block, const std::string &path, int copy)
{
    const Header header = record_of<Header>(block);
    if (std::memcmp(header.magic, Header::expected_magic, sizeof header.magic) != 0)
        return Failure{EMEDIUMTYPE, path, name_of(copy) + ": magic", copy * block_size, "other bytes", "\"libtmpoo\"", "This is not a pool of libtm, or its beginning is lost"};
    // A foreign byte order is told before a checksum that cannot be right in it.
    if (header.byte_order == __builtin_bswap32(byte_order_mark))
        return unsupported(path, copy, "byte order", offsetof(Header, byte_order), "the other one", "that of this machine", "Open the pool on a machine of the kind that made it");
    if (!is_sealed(block)) {
        std::uint32_t recorded;
        std::memcpy(&recorded, block.data() + checksum_offset, sizeof recorded);
        return damaged(path, copy, "checksum", checksum_offset, to_hex(recorded), to_hex(checksum_of_block(block)));
    }
    if (header.byte_order != byte_order_mark) return damaged(path, copy, "byte order", offsetof(Header, byte_order), to_hex(header.byte_order), to_hex(byte_order_mark));
    if (header.format != format_version)
        return unsupported(path, copy, "format", offsetof(Header, format), std::to_string(header.format), std::to_string(format_version), "Use the version of libtm that made the pool");
    if (header.word_size != sizeof(void *))
        return unsupported(path, copy, "word size", offsetof(Header, word_size), std::to_string(header.word_size), std::to_string(sizeof(void *)), "Open the pool on a machine of the kind that made it");
    const std::uint64_t page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    if (header.page_size != page)
        return unsupported(path, copy, "page size", offsetof(Header, page_size), std::to_string(header.page_size), std::to_string(page), "Open the pool on a machine of the kind that made it");
    if (header.image_size == 0 || header.image_size % page || header.image_size > most_image)
        return damaged(path, copy, "image size", offsetof(Header, image_size), std::to_string(header.image_size), "a multiple of " + std::to_string(page));
    if (header.base == 0 || header.base % page || header.base > most_image * 2) return damaged(path, copy, "base", offsetof(Header, base), to_hex(header.base), "the address of a page");
    if (header.reserve < header.image_size || header.reserve % page || header.reserve > most_image)
        return damaged(path, copy, "reserve", offsetof(Header, reserve), std::to_string(header.reserve), "at least the image size");
    if (header.state != Header::closed && header.state != Header::open)
        return damaged(path, copy, "state", offsetof(Header, state), std::to_string(header.state), "1 or 2");
    if (header.tail < groups_offset || header.tail % block_size || header.tail > most_journal)
        return damaged(path, copy, "tail", offsetof(Header, tail), std::to_string(header.tail), "a multiple of 4096");
    const auto demand_small = [&](const char *field, std::size_t offset, std::uint64_t number) -> std::optional<Failure> {
        if (number < most_number) return std::nullopt;
        return damaged(path, copy, field, offset, std::to_string(number), "a number below 2^62");
    };
    if (auto fault = demand_small("number", offsetof(Header, number), header.number)) return fault;
    if (auto fault = demand_small("generation", offsetof(Header, generation), header.generation)) return fault;
    if (auto fault = demand_small("applied", offsetof(Header, applied), header.applied)) return fault;
    if (auto fault = demand_small("inherited", offsetof(Header, inherited), header.inherited)) return fault;
    if (header.inherited ? header.inherited_generation >= header.generation : header.inherited_generation != 0)
        return damaged(path, copy, "inherited generation", offsetof(Header, inherited_generation), std::to_string(header.inherited_generation),
                       header.inherited ? "less than the generation" : "0");
    if (std::memchr(header.layout, 0, sizeof header.layout) == nullptr) return damaged(path, copy, "layout", offsetof(Header, layout), "no end", "a string");
    if (header.heap && (header.heap % page || header.heap < 2 * page || header.heap > header.image_size || (header.image_size - header.heap) % chunk_size))
        return damaged(path, copy, "heap", offsetof(Header, heap), std::to_string(header.heap), "0, or a multiple of " + std::to_string(page) + " that is whole chunks before the end of the image");
    // What a later format puts there must not be lost when the header is written again.
    const auto rest = block.begin() + sizeof header, other = std::find_if(rest, block.begin() + checksum_offset, [](char byte) { return byte != 0; });
    if (other != block.begin() + checksum_offset)
        return damaged(path, copy, "rest", static_cast<std::size_t>(other - block.begin()), to_hex(static_cast<unsigned char>(*other)), "zeros");
    return std::nullopt;
}

ReadHeader read_header(const File &data)
{
    std::array<std::optional<Failure>, 2> faults;
    std::optional<ReadHeader> best;
    for (int copy = 0; copy < 2; ++copy) {
        const auto block = block_at(data, copy * block_size);
        faults[copy] = header_fault(block, data.path(), copy);
        const Header header = record_of<Header>(block);
        if (!faults[copy] && (!best || header.number > best->header.number)) best = ReadHeader{header, copy, false};
    }
    if (best) {
        // The other one is the one before, or was torn while it was written; it cannot say that this file is of another kind.
        best->is_alone = faults[0] || faults[1];
        return *best;
    }
    // A file that is no pool says so in both; one of another kind in either.
    throw faults[0]->code == ENOTSUP || faults[1]->code != ENOTSUP ? *faults[0] : *faults[1];
}

void write_in_place(const File &data, const ReadHeader &current)
{
    const auto block = sealed(current.header);
    data.write(block.data(), block.size(), current.copy * block_size);
    data.sync();
}

void write_header(const File &data, ReadHeader &current)
{
    ReadHeader next = current;
    ++next.header.number;
    next.copy = 1 - current.copy;
    write_in_place(data, next);
    next.is_alone = false;
    current = next;
}

void settle_header(const File &data, ReadHeader &current)
{
    write_in_place(data, current);
    write_header(data, current);
}

Owner owner_of(const File &journal, const Uuid &uuid)
{
    const auto block = block_at(journal, 0);
    const JournalHeader header = record_of<JournalHeader>(block);
    const bool is_named = std::memcmp(header.magic, JournalHeader::expected_magic, sizeof header.magic) == 0;
    if (is_sealed(block) && is_named) return header.uuid == uuid && header.byte_order == byte_order_mark && header.format == format_version ? Owner::ours : Owner::another;
    // The blocks are written as zeros before the header is, which may be torn.
    static constexpr char nothing[sizeof header.magic] = {};
    return is_named || std::memcmp(header.magic, nothing, sizeof nothing) == 0 ? Owner::unfinished : Owner::another;
}

std::string journal_path(const std::string &path) { return path + "-journal"; }

std::string temporary_name(const std::string &path) { return path + "-new"; }

void demand_plain(const File &file)
{
    const tm_storage_info info = file.info();
    if (!S_ISREG(info.mode))
        throw Failure{EMEDIUMTYPE, file.path(), "kind", 0, S_ISDIR(info.mode) ? "a directory" : "a special file", "a regular file", "A pool lies in a regular file"};
    if (info.links == 2) { // a crash may have come between the two halves of giving it its name
        const File other = File::open_if_there(file.storage(), temporary_name(file.path()), TM_STORAGE_READ);
        if (other && other.info().inode == info.inode && other.info().device == info.device) return;
    }
    if (info.links > 1)
        throw Failure{EMEDIUMTYPE, file.path(), "names", 0, std::to_string(info.links) + " names (hard links)", "one", "The journal goes by the name: remove the other names"};
}

std::uint32_t checksum_of(const GroupHeader &group, std::uint32_t seed) { return checksum(seed, &group, offsetof(GroupHeader, checksum)); }

bool is_valid(const GroupHeader &group, std::uint32_t seed)
{
    return std::memcmp(group.magic, GroupHeader::expected_magic, sizeof group.magic) == 0 && group.checksum == checksum_of(group, seed) && group.zero == 0 &&
           group.bytes >= block_size && group.bytes % block_size == 0 && group.bytes <= most_journal;
}

std::string to_text(const Uuid &uuid)
{
    char text[40];
    const unsigned char *u = uuid.data();
    std::snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
                  u[10], u[11], u[12], u[13], u[14], u[15]);
    return text;
}

std::string to_hex(std::uint64_t number)
{
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(number));
    return text;
}

} // namespace libtm::persist
