// SPDX-License-Identifier: MIT
/** What an Inspector asserts. */
#include "inspector_data.hpp"

#include <algorithm>

namespace libtm::testing {

using persist::block_size;
using persist::Header;
using persist::image_offset;

namespace {

constexpr std::uint64_t line = 64;

std::string number(std::uint64_t of) { return std::to_string(of); }

} // namespace

void Inspector::Data::before_change(const Handle &handle, const char *call)
{
    ++changes;
    if (handle.is_dead) violated("P3: a " + std::string(call) + " of " + handle.book->path() + " after a write or sync of this pool has failed");
}

void Inspector::Data::before_write(const Book &book, std::uint64_t offset, const std::vector<char> &bytes)
{
    if (is_journal(book.path())) return groups_change(book, offset, offset + bytes.size(), bytes.data());
    if (!book.is_named) return;
    image_changes(book, offset, bytes);
    for (const int copy : {0, 1}) {
        const std::uint64_t at = static_cast<std::uint64_t>(copy) * block_size, begin = std::max(at, offset), end = std::min(at + block_size, offset + bytes.size());
        if (begin >= end) continue;
        // A write that was short goes on in the middle.
        std::vector<char> block(block_size);
        if (at < book.bytes().size()) std::memcpy(block.data(), book.bytes().data() + at, std::min<std::uint64_t>(block_size, book.bytes().size() - at));
        std::memcpy(block.data() + (begin - at), bytes.data() + (begin - offset), end - begin);
        header_changes(book, copy, block);
    }
}

void Inspector::Data::image_changes(const Book &data, std::uint64_t offset, const std::vector<char> &bytes)
{
    if (offset + bytes.size() <= image_offset) return;
    const std::optional<Header> header = data.certain_header();
    const std::shared_ptr<Book> journal = named(data.path() + "-journal");
    if (header && journal) groups.read(*journal, *header);
    for (std::uint64_t at = std::max(offset, image_offset) / line * line; at < offset + bytes.size(); at += line) {
        char before[line] = {}, after[line];
        if (at < data.bytes().size()) std::memcpy(before, data.bytes().data() + at, std::min<std::uint64_t>(line, data.bytes().size() - at));
        std::memcpy(after, before, line);
        const std::uint64_t begin = std::max(at, offset), end = std::min(at + line, offset + bytes.size());
        std::memcpy(after + (begin - at), bytes.data() + (begin - offset), end - begin);
        if (std::memcmp(before, after, line) == 0) continue;
        ++looks.lines;
        if (!header || !journal || !groups.hold(at - image_offset, before, after, header->applied))
            return violated("P5: byte " + number(at - image_offset) + " of the image of " + data.path() + " is written, and no durable group behind number " +
                            (header ? number(header->applied) : "?") + " holds it");
    }
}

void Inspector::Data::header_changes(const Book &data, int copy, const std::vector<char> &block)
{
    ++looks.headers;
    const std::vector<HeaderCopy> there = data.headers();
    const std::uint64_t at = static_cast<std::uint64_t>(copy) * block_size;
    const bool same = data.is_durable(at, block_size) && std::equal(block.begin(), block.end(), data.bytes().begin() + static_cast<std::ptrdiff_t>(at));
    const bool other = std::any_of(there.begin(), there.end(), [&](const HeaderCopy &it) { return it.copy != copy && it.is_durable; });
    const bool mine = std::any_of(there.begin(), there.end(), [&](const HeaderCopy &it) { return it.copy == copy && it.is_durable; });
    if (mine && !same && !other) violated("the only durable header of " + data.path() + " is overwritten");

    const std::optional<Header> certain = data.certain_header();
    std::array<char, block_size> next_block;
    std::copy_n(block.begin(), block_size, next_block.begin());
    if (persist::header_fault(next_block, {}, copy)) return violated("a header of " + data.path() + " is written that is not valid");
    Header next;
    std::memcpy(&next, block.data(), sizeof next);
    if (!certain) return;
    if (next.applied > certain->applied && !data.is_durable(image_offset, next.image_size))
        violated("a header of " + data.path() + " counts group " + number(next.applied) + " before the image is durable");
    const std::shared_ptr<Book> journal = named(data.path() + "-journal");
    if (journal && certain->state == Header::open && (next.state == Header::closed || next.generation != certain->generation || next.inherited != certain->inherited)) {
        groups.read(*journal, *certain);
        for (const Groups::Group &group : groups.all())
            if (group.is_durable && group.header.sequence > next.applied && (next.state == Header::closed || group.header.generation != next.generation_of(group.header.sequence)))
                violated("a header of " + data.path() + " gives up group " + number(group.header.sequence));
    }
    if (next.state == Header::open && (certain->state == Header::closed || next.generation != certain->generation) &&
        !(journal && journal->has_durable_name && journal->is_synced() && journal->is_durable(0, block_size)))
        violated("a header of " + data.path() + " says that it is open before the journal and its name are durable");
}

/** Of a journal, where `bytes` comes from `offset` on, or nothing (nullptr) is left. */
void Inspector::Data::groups_change(const Book &journal, std::uint64_t offset, std::uint64_t end, const char *bytes)
{
    const std::shared_ptr<Book> data = named(journal.pool);
    const std::optional<Header> header = data ? data->certain_header() : std::nullopt;
    if (!header || header->state != Header::open) return;
    groups.read(journal, *header);
    for (const Groups::Group &group : groups.all()) {
        const std::uint64_t begin = std::max(offset, group.header.offset), stop = std::min(end, group.header.offset + group.header.bytes);
        if (begin >= stop || (bytes && std::memcmp(journal.bytes().data() + begin, bytes + (begin - offset), stop - begin) == 0)) continue;
        ++looks.groups;
        if (group.header.sequence > header->applied)
            violated("group " + number(group.header.sequence) + " of " + journal.path() + " is destroyed, and the durable header counts only up to " + number(header->applied));
    }
}

void Inspector::Data::before_truncate(const Book &book, std::uint64_t size)
{
    if (is_journal(book.path())) return groups_change(book, size, UINT64_MAX, nullptr);
    const std::optional<Header> header = book.is_named ? book.certain_header() : std::nullopt;
    if (header && size < image_offset + header->image_size) violated(book.path() + " is cut off within its image");
}

void Inspector::Data::before_naming(const Book &book, const std::string &path)
{
    if (is_journal(path)) return;
    ++looks.names;
    if (!book.is_durable(0, book.bytes().size())) violated("P6: " + path + " gets its name before all of it is durable");
}

void Inspector::Data::before_removal(const std::string &path)
{
    if (!is_journal(path)) return;
    ++looks.names;
    const std::string pool = path.substr(0, path.size() - std::string("-journal").size());
    for (const auto *files : {&names, &ghosts}) {
        const auto data = files->find(pool);
        if (data == files->end()) continue;
        const std::optional<Header> certain = data->second->certain_header();
        for (const HeaderCopy &copy : data->second->headers()) {
            const bool may_count = !certain || copy.header.number >= certain->number || !copy.is_durable;
            if (may_count && copy.header.state == Header::open) return violated(path + " is removed, and " + pool + " may still need it");
        }
    }
}

} // namespace libtm::testing
