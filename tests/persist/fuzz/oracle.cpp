// SPDX-License-Identifier: MIT
#include "oracle.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::fuzz {

namespace {

constexpr std::uint64_t most_image = 1ull << 46;
constexpr std::uint64_t most_journal = 1ull << 48;
constexpr std::uint64_t most_number = 1ull << 62;

/** The block there; zeros behind the end of the file. */
std::array<char, block> block_at(const std::vector<char> &file, std::uint64_t offset)
{
    std::array<char, block> bytes{};
    if (offset < file.size()) std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), std::min<std::uint64_t>(block, file.size() - offset), bytes.begin());
    return bytes;
}

bool is_sealed(const std::array<char, block> &bytes) { return get32(&bytes[header::sum]) == crc(0, bytes.data(), header::sum); }
bool is_zero(const char *begin, const char *end) { return std::all_of(begin, end, [](char byte) { return byte == 0; }); }

/** 0, or why this copy of the header does not count. */
int fault_of(const std::array<char, block> &bytes)
{
    const char *const at = bytes.data();
    const std::uint32_t order = get32(at + header::byte_order);
    if (std::memcmp(at, "libtmpoo", 8) != 0) return EMEDIUMTYPE;
    if (order == 0x04030201) return ENOTSUP;
    if (!is_sealed(bytes) || order != 0x01020304) return EBADMSG;
    if (get32(at + header::format) != 1 || get32(at + header::word_size) != 8 || get32(at + header::page_size) != page) return ENOTSUP;
    const std::uint64_t size = get64(at + header::image_size), reserve = get64(at + header::reserve), base = get64(at + header::base), tail = get64(at + header::tail);
    const std::uint32_t state = get32(at + header::state);
    const std::uint64_t heap = get64(at + header::heap);
    const bool right = size != 0 && size % page == 0 && size <= most_image && base != 0 && base % page == 0 && base <= 2 * most_image && reserve >= size && reserve % page == 0 &&
                       reserve <= most_image && (state == 1 || state == 2) && tail >= first_group && tail % block == 0 && tail <= most_journal &&
                       get64(at + header::number) < most_number && get64(at + header::generation) < most_number && get64(at + header::applied) < most_number &&
                       get64(at + header::inherited) < most_number && (get64(at + header::inherited) ? get64(at + header::inherited_generation) < get64(at + header::generation) : get64(at + header::inherited_generation) == 0) &&
                       (heap == 0 || (heap >= 2 * page && heap % page == 0 && heap <= size && (size - heap) % 65536 == 0)) && std::memchr(at + header::layout, 0, 64) && is_zero(at + header::end, at + header::sum);
    return right ? 0 : EBADMSG;
}

enum class Owner { ours, nobody, another };

Owner owner_of(const std::vector<char> &file, const char *uuid)
{
    const auto bytes = block_at(file, 0);
    const bool is_named = std::memcmp(bytes.data(), "libtmjnl", 8) == 0;
    if (is_named && is_sealed(bytes))
        return std::memcmp(&bytes[journal::uuid], uuid, 16) == 0 && get32(&bytes[journal::byte_order]) == 0x01020304 && get32(&bytes[journal::format]) == 1 ? Owner::ours : Owner::another;
    return is_named || is_zero(bytes.data(), bytes.data() + 8) ? Owner::nobody : Owner::another;
}

/** The journal of one pool. */
struct Reader {
    const std::vector<char> &file;
    std::uint32_t seed;
    std::uint64_t generation, inherited, inherited_generation, image_size;

    /** The valid group header at `offset`, of whatever generation, or null. */
    const char *any_at(std::uint64_t offset) const
    {
        if (offset > file.size() || file.size() - offset < group::end) return nullptr;
        const char *const at = file.data() + offset;
        const std::uint64_t bytes = get64(at + group::bytes);
        const bool valid = std::memcmp(at, "libtmgrp", 8) == 0 && get32(at + group::sum) == crc(seed, at, group::sum) && get32(at + group::zero) == 0 &&
                           get64(at + group::offset) == offset && bytes >= block && bytes % block == 0 && bytes <= most_journal;
        return valid ? at : nullptr;
    }
    /** The one that counts with that sequence, if it is there. */
    const char *group_at(std::uint64_t offset, std::uint64_t sequence) const
    {
        const char *const at = any_at(offset);
        return at && get64(at + group::sequence) == sequence && get64(at + group::generation) == (sequence <= inherited ? inherited_generation : generation) ? at : nullptr;
    }
    /** Whether there is what no crash can have left: groups of a later generation, or that say that more than the `last` one was durable, or such a header. */
    bool has_witness(std::uint64_t last) const
    {
        if (last < inherited) return true;
        for (std::uint64_t offset = first_group; offset < file.size(); offset += block) {
            const char *const at = any_at(offset);
            if (!at || get64(at + group::generation) < generation) continue;
            if (get64(at + group::generation) > generation || (get64(at + group::durable) > last && get64(at + group::sequence) > last)) return true;
        }
        return false;
    }
    bool has_body(const char *at) const
    {
        const std::uint64_t left = file.size() - static_cast<std::uint64_t>(at - file.data()), bytes = get64(at + group::bytes);
        return bytes <= left && get32(at + group::body) == crc(0, at + group::end, bytes - group::end);
    }
    /** Put its frames into the image; false if they are nonsense. */
    bool apply(const char *at, std::vector<char> &image) const
    {
        const char *const end = at + get64(at + group::bytes);
        const char *next = at + group::end;
        for (std::uint32_t i = get32(at + group::frames); i > 0; --i) {
            if (end - next < frame::end) return false;
            const std::uint64_t offset = get64(next + frame::offset), bytes = get32(next + frame::bytes), padded = (bytes + 7) / 8 * 8;
            if (bytes == 0 || bytes > page || offset >= image_size || offset / page != (offset + bytes - 1) / page) return false;
            if (get32(next + frame::zero) != 0 || padded > static_cast<std::uint64_t>(end - next - frame::end)) return false;
            std::memcpy(image.data() + offset, next + frame::end, bytes);
            next += frame::end + padded;
        }
        return end - next < static_cast<std::ptrdiff_t>(block);
    }
};

Verdict refused(Verdict verdict, int code, const char *why)
{
    verdict.code = verdict.writer_code = code;
    verdict.why = why;
    verdict.image.clear();
    return verdict;
}

} // namespace

std::optional<std::map<std::uint64_t, std::uint64_t>> blocks_of(const std::vector<char> &image, std::uint64_t heap)
{
    constexpr std::uint64_t chunk = 65536;
    static constexpr std::uint64_t sizes[] = {16,  32,  48,  64,  80,  96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,
                                              640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192};
    std::map<std::uint64_t, std::uint64_t> blocks;
    const std::uint64_t chunks = (image.size() - heap) / chunk;
    for (std::uint64_t i = 1; i < chunks; ++i) { // too few for a second map
        const std::uint64_t entry = get64(&image[heap + 8 * i]), kind = entry % 256, count = entry / 256, at = heap + i * chunk;
        if (kind == 255) {
            if (count == 0 || count > chunks - i) return std::nullopt;
            blocks[at] = count * chunk;
            i += count - 1;
            continue;
        }
        if (entry > std::size(sizes)) return std::nullopt;
        if (entry == 0) continue;
        const std::uint64_t size = sizes[entry - 1];
        std::uint64_t alignment = 16;
        while (alignment < 4096 && size % (alignment * 2) == 0) alignment *= 2;
        const auto first = [&](std::uint64_t number) { return ((number + 63) / 64 * 8 + alignment - 1) / alignment * alignment; };
        std::uint64_t number = 0;
        while (first(number + 1) + (number + 1) * size <= chunk) ++number;
        for (std::uint64_t bit = 0; bit < (number + 63) / 64 * 64; ++bit) {
            if (!(get64(&image[at + bit / 64 * 8]) >> bit % 64 & 1)) continue;
            if (bit >= number) return std::nullopt;
            blocks[at + first(number) + bit * size] = size;
        }
    }
    return blocks;
}

Verdict judge(const Found &found)
{
    Verdict verdict;
    const std::array<char, block> copies[2] = {block_at(found.data, 0), block_at(found.data, block)};
    const int faults[2] = {fault_of(copies[0]), fault_of(copies[1])};
    if (faults[0] && faults[1]) return refused(verdict, faults[1] == ENOTSUP ? ENOTSUP : faults[0], "no valid header");
    if (!faults[0] && !faults[1]) verdict.copy = get64(&copies[1][header::number]) > get64(&copies[0][header::number]);
    else verdict.copy = faults[0] ? 1 : 0;
    const char *const at = copies[verdict.copy].data();
    verdict.base = get64(at + header::base);
    verdict.reserve = get64(at + header::reserve);
    verdict.image_size = get64(at + header::image_size);
    verdict.heap = get64(at + header::heap);
    verdict.last = get64(at + header::applied);
    verdict.end = get64(at + header::tail);
    for (const int field : {header::number, header::generation, header::applied}) verdict.near_end |= get64(at + field) > most_number - (1ull << 40);
    verdict.is_open = get32(at + header::state) == 2;
    if (found.data.size() < image_at || found.data.size() - image_at < verdict.image_size) {
        // A reader looks for the journal first; which of two reasons it tells does not matter, both are EBADMSG.
        return refused(verdict, EBADMSG, "the data file is too short");
    }
    verdict.image.assign(found.data.begin() + image_at, found.data.begin() + static_cast<std::ptrdiff_t>(image_at + verdict.image_size));
    const Owner owner = found.has_journal ? owner_of(found.journal, at + header::uuid) : Owner::nobody;
    const Reader reader{found.journal, seed_of(at + header::uuid), get64(at + header::generation), get64(at + header::inherited), get64(at + header::inherited_generation), verdict.image_size};
    if (!verdict.is_open) {
        // The other copy may have been the newer one, and not closed.
        if ((faults[0] || faults[1]) && owner == Owner::ours && reader.has_witness(verdict.last)) return refused(verdict, EBADMSG, "closed, but a later header is missing");
        if (owner == Owner::another) verdict.writer_code = EEXIST, verdict.why = "the journal is another's";
        return verdict;
    }
    if (owner != Owner::ours) return refused(verdict, EBADMSG, "no journal");

    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (const std::uint64_t offset : {verdict.end, first_group}) {
            const char *const next = reader.group_at(offset, verdict.last + 1);
            if (!next || !reader.has_body(next)) continue;
            if (!reader.apply(next, verdict.image)) return refused(verdict, EBADMSG, "frames that are nonsense");
            verdict.groups.push_back(offset);
            ++verdict.last;
            verdict.end = offset + get64(next + group::bytes);
            goes_on = true;
            break;
        }
    }
    if (reader.has_witness(verdict.last)) return refused(verdict, EBADMSG, "a durable group is missing, or a later header");
    return verdict;
}

} // namespace libtm::fuzz
