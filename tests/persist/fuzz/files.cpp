// SPDX-License-Identifier: MIT
#include "files.hpp"

#include <algorithm>

namespace libtm::fuzz {

namespace {

/** Reads what encode() wrote, and zeros behind its end. */
class Input {
public:
    Input(const unsigned char *bytes, std::size_t size) : at_(bytes), end_(bytes + size) {}
    bool empty() const { return at_ == end_; }
    unsigned char byte() { return empty() ? 0 : *at_++; }
    std::uint32_t word()
    {
        std::uint32_t value = 0;
        for (int i = 0; i < 4; ++i) value |= std::uint32_t{byte()} << 8 * i;
        return value;
    }
    /** 7 bits a byte, the lowest first. */
    std::size_t count()
    {
        std::size_t value = 0;
        for (int shift = 0; shift < 28; shift += 7) {
            const unsigned char part = byte();
            value |= std::size_t{part & 127u} << shift;
            if (part < 128) break;
        }
        return value;
    }

private:
    const unsigned char *at_, *end_;
};

void add_count(std::vector<unsigned char> &to, std::size_t value)
{
    for (; value >= 128; value >>= 7) to.push_back(static_cast<unsigned char>(value | 128));
    to.push_back(static_cast<unsigned char>(value));
}

void add_word(std::vector<unsigned char> &to, std::uint32_t value)
{
    for (int i = 0; i < 4; ++i) to.push_back(static_cast<unsigned char>(value >> 8 * i));
}

} // namespace

std::vector<char> Files::data() const
{
    std::vector<char> bytes(data_size);
    std::copy_n(headers.begin(), std::min<std::size_t>(headers.size(), bytes.size()), bytes.begin());
    for (std::uint64_t at = image_at; at < data_size; at += page)
        std::memset(bytes.data() + at, static_cast<int>((fill + (at - image_at) / page * 7) & 0xff), std::min(page, data_size - at));
    return bytes;
}

Files decode(const unsigned char *bytes, std::size_t size)
{
    Input input(bytes, size);
    Files files;
    files.has_journal = input.byte() & 1;
    files.fill = input.byte();
    files.data_size = std::min<std::uint64_t>(input.word(), Files::most_data);
    files.journal.resize(std::min<std::uint64_t>(input.word(), Files::most_journal));
    std::size_t at = 0;
    const std::size_t all = files.headers.size() + files.journal.size();
    while (!input.empty() && at < all) {
        at += input.count();
        for (std::size_t literals = input.count(); literals > 0 && at < all; --literals, ++at) {
            char &to = at < files.headers.size() ? files.headers[at] : files.journal[at - files.headers.size()];
            to = static_cast<char>(input.byte());
        }
    }
    return files;
}

std::vector<unsigned char> encode(const Files &files)
{
    constexpr std::size_t worth_a_run = 6;
    std::vector<unsigned char> code{static_cast<unsigned char>(files.has_journal), files.fill};
    add_word(code, static_cast<std::uint32_t>(files.data_size));
    add_word(code, static_cast<std::uint32_t>(files.journal.size()));
    std::vector<char> all(files.headers.begin(), files.headers.end());
    all.insert(all.end(), files.journal.begin(), files.journal.end());
    for (std::size_t at = 0; at < all.size();) {
        const auto not_zero = [](char byte) { return byte != 0; };
        const std::size_t begin = static_cast<std::size_t>(std::find_if(all.begin() + static_cast<std::ptrdiff_t>(at), all.end(), not_zero) - all.begin());
        if (begin == all.size()) break;
        std::size_t end = begin, zeros = 0;
        for (std::size_t i = begin; i < all.size() && zeros < worth_a_run; ++i) {
            zeros = all[i] ? 0 : zeros + 1;
            if (all[i]) end = i + 1;
        }
        add_count(code, begin - at);
        add_count(code, end - begin);
        code.insert(code.end(), all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(end));
        at = end;
    }
    return code;
}

} // namespace libtm::fuzz
