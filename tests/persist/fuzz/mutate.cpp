// SPDX-License-Identifier: MIT
#include "mutate.hpp"

#include "oracle.hpp"

#include <algorithm>
#include <iterator>

namespace libtm::fuzz {

namespace {

constexpr std::uint64_t usual_base = 0x7ea000000000;

/** The header that counts, or would. */
char *current(Files &files)
{
    const bool second = get64(files.header(1) + header::number) > get64(files.header(0) + header::number);
    return files.header(second);
}

void seal_group(Files &files, std::uint64_t at)
{
    char *const group = files.journal.data() + at;
    const std::uint64_t bytes = get64(group + group::bytes), left = files.journal.size() - at;
    if (bytes >= group::end && bytes <= left) put32(group + group::body, crc(0, group + group::end, bytes - group::end));
    put32(group + group::sum, crc(seed_of(current(files) + header::uuid), group, group::sum));
}

/** Places of what looks like groups. */
std::vector<std::uint64_t> groups_of(const Files &files)
{
    std::vector<std::uint64_t> places;
    for (std::uint64_t at = first_group; at + group::end <= files.journal.size(); at += block)
        if (std::memcmp(files.journal.data() + at, "libtmgrp", 8) == 0) places.push_back(at);
    return places;
}

std::uint64_t one_of(const std::vector<std::uint64_t> &all, Random &random) { return all[random.below(all.size())]; }

/** A number that may hurt in place of `now`. */
std::uint64_t nasty(std::uint64_t now, const Files &files, Random &random)
{
    const std::uint64_t sizes[] = {0, 1, 8, 64, 4096, 65536, files.data_size, files.data_size - image_at, files.journal.size(), 1ull << 31, 1ull << 32, 1ull << 46, 1ull << 47,
                                   1ull << 48, 1ull << 62, 1ull << 63, ~0ull, usual_base};
    switch (random.below(7)) {
    case 0: return now + 1;
    case 1: return now - 1;
    case 2: return now ^ 1ull << random.below(64);
    case 3: return now + (random.below(17) - 8) * 4096;
    case 4: return sizes[random.below(std::size(sizes))] + (random.below(5) - 2) * (random.one_in(2) ? 1 : 4096);
    case 5: return random.next() >> random.below(64);
    default: return sizes[random.below(std::size(sizes))] - now;
    }
}

struct Field {
    int at, size;
};
constexpr Field header_fields[] = {{header::byte_order, 4}, {header::format, 4}, {header::word_size, 4},  {header::page_size, 4}, {header::base, 8},    {header::reserve, 8}, {header::image_size, 8},
                                   {header::number, 8},     {header::generation, 8}, {header::applied, 8}, {header::tail, 8},   {header::state, 4},   {header::uuid, 8},    {header::layout_version, 4},
                                   {header::layout + 56, 8}, {header::heap, 8}, {header::inherited, 8}, {header::inherited_generation, 8}, {header::end, 8},   {header::applied, 8},    {header::tail, 8},      {header::image_size, 8}};
constexpr Field group_fields[] = {{group::sequence, 8}, {group::generation, 8}, {group::offset, 8}, {group::bytes, 8}, {group::durable, 8}, {group::frames, 4}, {group::body, 4}, {group::zero, 4}};
constexpr Field frame_fields[] = {{frame::offset, 8}, {frame::bytes, 4}, {frame::zero, 4}};

template <std::size_t Count> void change_field(char *record, const Field (&fields)[Count], const Files &files, Random &random)
{
    const Field field = fields[random.below(Count)];
    if (field.size == 8) put64(record + field.at, nasty(get64(record + field.at), files, random));
    else put32(record + field.at, static_cast<std::uint32_t>(nasty(get32(record + field.at), files, random)));
}

/** Frames of a new group, for an image of that many bytes, with a heap there unless it is 0. */
std::vector<char> some_frames(std::uint64_t image_size, std::uint64_t heap, std::uint32_t &count, Random &random)
{
    std::vector<char> bytes;
    count = random.one_in(20) ? 0 : static_cast<std::uint32_t>(1 + random.below(random.one_in(8) ? 60 : 6));
    for (std::uint32_t i = 0; i < count; ++i) {
        std::uint64_t at = random.below(image_size / page) * page;
        std::uint64_t begin = random.one_in(2) ? random.below(64) * 64 : random.below(page), size = 1 + random.below(page - begin);
        if (random.one_in(2)) size = std::min<std::uint64_t>(64, size);
        if (random.one_in(12)) begin = 0, size = page;
        std::uint64_t heap_word = 0; // an entry or bits
        if (heap && random.one_in(2)) {
            const std::uint64_t chunk = random.below((image_size - heap) / 65536), place = random.one_in(2) ? heap + 8 * chunk : heap + 65536 * chunk + 8 * random.below(64);
            heap_word = place < heap + page ? (random.one_in(4) ? 255 + random.below(4) * 256 : random.below(34)) : random.one_in(2) ? random.next() : 1ull << random.below(64);
            at = place / page * page, begin = place % page, size = 8;
        }
        char head[frame::end] = {};
        put64(head + frame::offset, at + begin);
        put32(head + frame::bytes, static_cast<std::uint32_t>(size));
        bytes.insert(bytes.end(), head, head + sizeof head);
        bytes.insert(bytes.end(), size, static_cast<char>(random.next()));
        if (heap_word) put64(&bytes[bytes.size() - 8], heap_word);
        bytes.resize((bytes.size() + 7) / 8 * 8);
    }
    return bytes;
}

/** A group of its own making at `at`, valid if the numbers are the right ones. */
std::uint64_t put_group(Files &files, std::uint64_t at, std::uint64_t sequence, std::uint64_t generation, std::uint64_t durable, Random &random)
{
    std::uint32_t frames = 0;
    const std::uint64_t image_size = std::clamp<std::uint64_t>(get64(current(files) + header::image_size) / page * page, page, 1 << 20);
    std::uint64_t heap = get64(current(files) + header::heap);
    if (heap % page || heap > image_size || (image_size - heap) % 65536 || heap == image_size) heap = 0;
    const std::vector<char> body = some_frames(image_size, heap, frames, random);
    const std::uint64_t bytes = (group::end + body.size() + block - 1) / block * block;
    if (at > Files::most_journal - bytes) return at;
    if (files.journal.size() < at + bytes) files.journal.resize(at + bytes);
    char *const to = files.journal.data() + at;
    std::memset(to, 0, bytes);
    std::memcpy(to, "libtmgrp", 8);
    put64(to + group::sequence, sequence);
    put64(to + group::generation, generation);
    put64(to + group::offset, at);
    put64(to + group::bytes, bytes);
    put64(to + group::durable, durable);
    put32(to + group::frames, frames);
    std::copy(body.begin(), body.end(), to + group::end);
    seal_group(files, at);
    return at + bytes;
}

void put_journal_header(Files &files)
{
    files.has_journal = true;
    if (files.journal.size() < block) files.journal.resize(block);
    char *const at = files.journal.data();
    std::memset(at, 0, block);
    std::memcpy(at, "libtmjnl", 8);
    put32(at + journal::byte_order, 0x01020304);
    put32(at + journal::format, 1);
    std::memcpy(at + journal::uuid, current(files) + header::uuid, 16);
    seal_block(at);
}

/** Groups behind the last, where a writer might have put them, or nearly. */
void add_groups(Files &files, Random &random)
{
    const Verdict verdict = judge({files.data(), files.has_journal, files.journal});
    std::uint64_t at = verdict.groups.empty() && random.one_in(2) ? first_group : verdict.end;
    if (random.one_in(6)) at = first_group; // a writer begins anew there when the end is near
    const std::uint64_t inherited = get64(current(files) + header::inherited);
    for (std::uint64_t i = 1, count = 1 + random.below(4); i <= count; ++i) {
        const bool is_stale = random.one_in(12);
        const std::uint64_t generation = get64(current(files) + (verdict.last + i <= inherited ? header::inherited_generation : header::generation));
        at = put_group(files, at, verdict.last + i, generation - is_stale, verdict.last + (random.one_in(3) ? 0 : i - 1), random);
        if (random.one_in(10)) at = first_group;
    }
}

void change_header(Files &files, Random &random)
{
    char *at = random.one_in(4) ? files.header(static_cast<int>(random.below(2))) : current(files);
    if (random.one_in(4)) { // a header as it comes next
        char *const other = files.header(at == files.header(0));
        std::memcpy(other, at, block);
        put64(other + header::number, get64(at + header::number) + 1);
        at = other;
    }
    change_field(at, header_fields, files, random);
    if (!random.one_in(8)) seal_block(at);
}

void change_frame(Files &files, Random &random)
{
    const auto places = groups_of(files);
    if (places.empty()) return;
    const std::uint64_t begin = one_of(places, random);
    const std::uint64_t end = std::min(files.journal.size(), begin + std::min<std::uint64_t>(get64(files.journal.data() + begin + group::bytes), Files::most_journal));
    std::vector<std::uint64_t> frames;
    for (std::uint64_t at = begin + group::end; at + frame::end <= end && frames.size() < get32(files.journal.data() + begin + group::frames);) {
        frames.push_back(at);
        at += frame::end + (get32(files.journal.data() + at + frame::bytes) + 7ull) / 8 * 8;
    }
    if (frames.empty()) return;
    char *const at = files.journal.data() + one_of(frames, random);
    const std::uint64_t image_size = get64(current(files) + header::image_size);
    switch (random.below(4)) {
    case 0: put64(at + frame::offset, image_size - random.below(3) * (random.one_in(2) ? 1 : get32(at + frame::bytes))); break;
    case 1: put32(at + frame::bytes, static_cast<std::uint32_t>(page - get64(at + frame::offset) % page + random.below(3) - 1)); break;
    default: change_field(at, frame_fields, files, random);
    }
    if (!random.one_in(8)) seal_group(files, begin);
}

void change_group(Files &files, Random &random)
{
    const auto places = groups_of(files);
    if (places.empty()) return;
    const std::uint64_t at = one_of(places, random);
    char *const group = files.journal.data() + at;
    change_field(group, group_fields, files, random);
    if (random.one_in(10)) put32(group + group::body, 0); // the sum of nothing
    if (random.one_in(3)) put32(group + group::sum, crc(seed_of(current(files) + header::uuid), group, group::sum));
    else if (!random.one_in(8)) seal_group(files, at);
}

/** A group somewhere else, with or without the knowledge of it. */
void move_group(Files &files, Random &random)
{
    const auto places = groups_of(files);
    if (places.empty()) return;
    const std::uint64_t from = one_of(places, random), to = first_group + random.below(files.journal.size() / block + 2) * block;
    const std::uint64_t bytes = std::min<std::uint64_t>(get64(files.journal.data() + from + group::bytes), files.journal.size() - from);
    if (to + bytes > Files::most_journal || bytes < group::end) return;
    if (files.journal.size() < to + bytes) files.journal.resize(to + bytes);
    std::memmove(files.journal.data() + to, files.journal.data() + from, bytes);
    if (random.one_in(3)) return;
    put64(files.journal.data() + to + group::offset, to);
    seal_group(files, to);
}

void resize_files(Files &files, Random &random)
{
    const std::uint64_t step = random.one_in(2) ? block : 1 + random.below(300);
    std::uint64_t size = random.one_in(2) ? files.journal.size() : files.data_size;
    const bool is_journal = size == files.journal.size();
    size = random.one_in(8) ? random.below(size + 1) : random.one_in(2) ? size + step : size - std::min(step, size);
    if (is_journal) files.journal.resize(std::min(size, Files::most_journal));
    else files.data_size = std::min(size, Files::most_data);
}

void damage(Files &files, Random &random)
{
    const bool in_header = files.journal.empty() || random.one_in(3);
    char *const bytes = in_header ? files.headers.data() : files.journal.data();
    const std::size_t size = in_header ? files.headers.size() : files.journal.size();
    const std::size_t at = random.below(size);
    if (random.one_in(2)) bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.below(8));
    else std::memset(bytes + at / 512 * 512, 0, std::min<std::size_t>(512, size - at / 512 * 512)); // a sector that was not written
}

void seal_all(Files &files)
{
    for (int copy = 0; copy < 2; ++copy) seal_block(files.header(copy));
    if (files.journal.size() >= block) seal_block(files.journal.data());
    for (const std::uint64_t at : groups_of(files)) seal_group(files, at);
}

} // namespace

Files compose(Random &random)
{
    Files files;
    files.fill = static_cast<std::uint8_t>(random.next());
    const bool has_heap = random.one_in(8);
    const std::uint64_t before_heap = 2 + random.below(3), pages = has_heap ? before_heap + 16 * (2 + random.below(3)) : 1 + random.below(random.one_in(6) ? 24 : 5);
    files.data_size = image_at + pages * page + (random.one_in(10) ? random.below(2 * page) : 0);
    char *const first = files.header(0);
    std::memcpy(first, "libtmpoo", 8);
    put32(first + header::byte_order, 0x01020304);
    put32(first + header::format, 1);
    put32(first + header::word_size, 8);
    put32(first + header::page_size, page);
    put64(first + header::uuid, random.below(3));
    put64(first + header::base, usual_base);
    put64(first + header::reserve, pages * page + random.below(8) * page);
    put64(first + header::image_size, pages * page);
    put64(first + header::number, 1 + random.below(4));
    put64(first + header::generation, random.below(4));
    put64(first + header::applied, random.below(4));
    put64(first + header::tail, first_group + random.below(4) * block);
    if (random.one_in(3)) {
        put64(first + header::inherited, 1 + random.below(6));
        put64(first + header::inherited_generation, random.below(4));
    }
    put32(first + header::state, random.one_in(6) ? 1 : 2);
    std::memcpy(first + header::layout, "fuzz", 4);
    if (has_heap) {
        put64(first + header::heap, before_heap * page);
        if (random.one_in(2)) files.fill = 0;
    }
    seal_block(first);
    if (!random.one_in(4)) {
        std::memcpy(files.header(1), first, block);
        put64(files.header(1) + header::number, get64(first + header::number) + 1);
        if (random.one_in(2)) put64(files.header(1) + header::generation, get64(first + header::generation) + 1);
        seal_block(files.header(1));
    }
    files.journal.resize((1 + random.below(8)) * block);
    put_journal_header(files);
    for (std::uint64_t i = random.below(4); i > 0; --i) add_groups(files, random);
    return files;
}

void mutate(Files &files, Random &random)
{
    switch (random.below(16)) {
    case 0: case 1: case 2: return change_header(files, random);
    case 3: case 4: case 5: return change_frame(files, random);
    case 6: case 7: case 8: return change_group(files, random);
    case 9: return add_groups(files, random);
    case 10: return move_group(files, random);
    case 11: return resize_files(files, random);
    case 12: return damage(files, random);
    case 13:
        if (random.one_in(2)) files.has_journal = !files.has_journal;
        else put_journal_header(files);
        return;
    case 14: return seal_all(files);
    default:
        mutate_raw(files, random, [&](char *bytes, std::size_t size) { put64(bytes + random.below(size - 7), random.next() >> random.below(64)); });
    }
}

Files mix(const Files &one, const Files &other, Random &random)
{
    Files files = one;
    switch (random.below(4)) {
    case 0:
        files.journal = other.journal;
        files.has_journal = other.has_journal;
        break;
    case 1: std::copy_n(other.header(0), block, files.header(static_cast<int>(random.below(2)))); break;
    case 2: std::copy_n(other.header(1), block, files.header(static_cast<int>(random.below(2)))); break;
    default: // groups of both
        for (std::uint64_t at = first_group; at + block <= std::min(one.journal.size(), other.journal.size()); at += block)
            if (random.one_in(2)) std::copy_n(other.journal.begin() + static_cast<std::ptrdiff_t>(at), block, files.journal.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (random.one_in(3)) { // one's identity for all of it
        for (int copy = 0; copy < 2; ++copy) std::copy_n(one.header(0) + header::uuid, 16, files.header(copy) + header::uuid);
        seal_all(files);
    }
    return files;
}

void mutate_raw(Files &files, Random &random, const Scramble &scramble)
{
    const auto places = groups_of(files);
    if (places.empty() || random.one_in(3)) {
        char *const at = current(files);
        scramble(at, header::end);
        return seal_block(at);
    }
    const std::uint64_t at = one_of(places, random);
    scramble(files.journal.data() + at, std::min<std::uint64_t>(files.journal.size() - at, group::end + 4 * frame::end));
    seal_group(files, at);
}

} // namespace libtm::fuzz
