// SPDX-License-Identifier: MIT
// Journals that are large in one way each: what grows faster than the files shows here, and not in the small inputs.
#include "mutate.hpp"
#include "property.hpp"

namespace libtm::fuzz {

namespace {

struct Shape {
    const char *name;
    std::uint64_t image_pages, groups, frames, bytes; ///< of the image; in each group; of each frame
};
constexpr Shape shapes[] = {
    {"many small groups", 8, 3000, 1, 8},
    {"one group of many small frames", 8, 1, 500'000, 1},
    {"groups of many small frames", 1024, 40, 10'000, 1},
    {"a frame in each page", 2048, 1, 2048, 64},
    {"whole pages", 1024, 4, 1024, page},
};

/** A pool that was not closed, with a journal of that shape. */
Found files_of(const Shape &shape)
{
    Random random(7);
    Files small;
    do small = compose(random);
    while (judge({small.data(), false, {}}).copy != 0 || get64(small.header(0) + header::applied) == 0);
    char *const first = small.header(0);
    const std::uint64_t size = shape.image_pages * page;
    put64(first + header::image_size, size);
    put64(first + header::reserve, size);
    put64(first + header::tail, first_group);
    put32(first + header::state, 2);
    seal_block(first);
    std::memset(small.header(1), 0, block);
    Found found{std::vector<char>(image_at + size), true, std::vector<char>(small.journal.begin(), small.journal.begin() + block)};
    std::memcpy(found.data.data(), first, block);

    const std::uint64_t padded = frame::end + (shape.bytes + 7) / 8 * 8, group_size = (group::end + shape.frames * padded + block - 1) / block * block;
    const std::uint64_t first_sequence = get64(first + header::applied) + 1;
    for (std::uint64_t i = 0; i < shape.groups; ++i) {
        const std::uint64_t at = found.journal.size();
        found.journal.resize(at + group_size);
        char *const to = found.journal.data() + at;
        std::memcpy(to, "libtmgrp", 8);
        put64(to + group::sequence, first_sequence + i);
        put64(to + group::generation, get64(first + header::generation));
        put64(to + group::offset, at);
        put64(to + group::bytes, group_size);
        put32(to + group::frames, static_cast<std::uint32_t>(shape.frames));
        char *next = to + group::end;
        for (std::uint64_t j = 0; j < shape.frames; ++j, next += padded) {
            const std::uint64_t in_page = shape.bytes == page ? 0 : random.below(page - shape.bytes);
            put64(next + frame::offset, (j + i) % shape.image_pages * page + in_page);
            put32(next + frame::bytes, static_cast<std::uint32_t>(shape.bytes));
            std::memset(next + frame::end, static_cast<int>(i + j) & 0xff, shape.bytes);
        }
        put32(to + group::body, crc(0, to + group::end, group_size - group::end));
        put32(to + group::sum, crc(seed_of(first + header::uuid), to, group::sum));
    }
    return found;
}

} // namespace

std::vector<std::pair<std::string, std::string>> try_large(Totals &totals)
{
    std::vector<std::pair<std::string, std::string>> wrong;
    for (const Shape &shape : shapes) {
        const std::string what = try_files(files_of(shape), totals);
        if (!what.empty()) wrong.emplace_back(shape.name, what);
    }
    return wrong;
}

} // namespace libtm::fuzz
