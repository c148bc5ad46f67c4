// SPDX-License-Identifier: MIT
/**
 * @file dump.cpp
 * dump: bytes of the last committed state, journal included.
 */
#include "commands.hpp"
#include "copy.hpp"
#include "progress.hpp"
#include "survey.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::tmpool {

namespace {

constexpr std::size_t line_size = 16;

/** As hexdump -C: 16 bytes a line, lines that repeat the one before as one "*", the end at the end. */
std::string lines_of(const std::vector<char> &bytes, std::uint64_t offset)
{
    std::string text;
    bool is_repeated = false;
    char part[32];
    for (std::size_t at = 0; at < bytes.size(); at += line_size) {
        const std::size_t size = std::min(line_size, bytes.size() - at);
        if (at != 0 && size == line_size && std::equal(&bytes[at], &bytes[at] + size, &bytes[at - line_size])) {
            if (!is_repeated) text += "*\n";
            is_repeated = true;
            continue;
        }
        is_repeated = false;
        std::snprintf(part, sizeof part, "%012llx ", static_cast<unsigned long long>(offset + at));
        text += part;
        for (std::size_t i = 0; i < line_size; ++i) {
            if (i < size) std::snprintf(part, sizeof part, " %02x", static_cast<unsigned char>(bytes[at + i]));
            text += i < size ? part : "   ";
            if (i == line_size / 2 - 1) text += ' ';
        }
        text += "  |";
        for (std::size_t i = 0; i < size; ++i) text += bytes[at + i] >= 0x20 && bytes[at + i] < 0x7f ? bytes[at + i] : '.';
        text += "|\n";
    }
    std::snprintf(part, sizeof part, "%012llx\n", static_cast<unsigned long long>(offset + bytes.size()));
    return text + part;
}

std::string hex_of(const std::vector<char> &bytes)
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const char byte : bytes) {
        text += digits[static_cast<unsigned char>(byte) >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace

Result dump(const DumpOptions &options)
{
    /** The bytes that were asked for. */
    struct Target : persist::CopyTarget {
        persist::Part part;
        std::vector<char> bytes;
        explicit Target(persist::Part of) : part(of) {}
        void begin(const Header &) override { bytes.assign(part.size, 0); }
        void write(std::uint64_t offset, const char *from, std::size_t size) override { std::memcpy(bytes.data() + (offset - part.offset), from, size); }
    };
    const Header header = steady_survey(options.path).header();
    const std::uint64_t end = header.image_size;
    const std::uint64_t page = options.page.value_or(0);
    persist::Part part{options.page ? page * header.page_size : options.offset, 0};
    if (options.page ? page >= end / header.page_size : part.offset >= end)
        throw Failure{EINVAL, options.path, options.page ? "--page" : "--offset", 0, std::to_string(options.page ? page : part.offset),
                      "less than " + std::to_string(options.page ? end / header.page_size : end), "The image ends there: tmpool info shows its size"};
    part.size = std::min(options.page ? header.page_size : options.size.value_or(end), end - part.offset);

    Target target(part);
    Header copied;
    {
        Progress progress("reading");
        const auto show = [&](std::uint64_t done, std::uint64_t total) {
            progress.show(done, total);
            return true;
        };
        copied = persist::copy_committed(*tm_storage_system(), options.path, target, show, part);
    }
    Result result;
    if (options.json) result.document = {{"file", options.path}, {"sequence", copied.applied}, {"offset", part.offset}, {"size", part.size}, {"hex", hex_of(target.bytes)}};
    else if (options.raw) result.text.assign(target.bytes.begin(), target.bytes.end());
    else result.text = lines_of(target.bytes, part.offset);
    return result;
}

} // namespace libtm::tmpool
