// SPDX-License-Identifier: MIT
/**
 * @file content.hpp
 * Memory that tells from which moment it is: step n changes bytes that depend on n alone, so whoever knows n knows every byte. Whatever is lost, mixed
 * of two moments, or never was, differs from that.
 */
#pragma once

#include "files.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace libtm::testing {

/** What the steps do to a pool with this seed. */
class Content {
public:
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t first_size = 16 * page, last_size = 40 * page;
    static constexpr std::size_t first_byte = 64; ///< before it is the number of the last step

    struct Edit {
        std::size_t offset;
        std::string bytes;
    };

    explicit Content(std::uint64_t seed) : seed_(seed), bytes_(last_size, '\0') {}

    /** Bytes that the memory must have for step `number`: it grows by a page now and then. */
    static std::size_t needed(std::uint64_t number) { return std::min(last_size, first_size + page * (number / 20)); }

    /** What step `number` stores, besides its number. */
    std::vector<Edit> edits(std::uint64_t number) const
    {
        Random random(seed_ ^ number * 0x9e3779b97f4a7c15u);
        const std::size_t size = needed(number), kind = random.below(100);
        std::vector<Edit> edits;
        if (kind < 70) {
            for (std::size_t i = 0, count = 1 + random.below(3); i < count; ++i) edits.push_back({first_byte + random.below(size - first_byte - 200), std::string(1 + random.below(200), '\0')});
        } else if (kind < 99) {
            const std::size_t pages = kind < 95 ? 1 : 3;
            edits.push_back({page * (1 + random.below(size / page - pages)), std::string(pages * page, '\0')});
        } else { // more than a small journal holds
            edits.push_back({first_byte, std::string(size - first_byte, '\0')});
        }
        for (Edit &edit : edits)
            for (char &byte : edit.bytes) byte = static_cast<char>(random() >> 56);
        return edits;
    }

    /** Go on to step `number`. */
    void advance(std::uint64_t number)
    {
        for (; number_ < number; ++number_)
            for (const Edit &edit : edits(number_ + 1)) std::copy(edit.bytes.begin(), edit.bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(edit.offset));
    }
    std::uint64_t number() const { return number_; }
    /** All of it, as it is in a pool. */
    std::string memory() const
    {
        std::string memory = bytes_;
        std::memcpy(memory.data(), &number_, sizeof number_);
        return memory;
    }

    /** What of the memory is not that of the step it says it is of, or nothing; advances to that step. It must not be before this one, nor behind `most`. */
    std::string fault(const char *memory, std::size_t size, std::uint64_t most)
    {
        std::uint64_t number;
        std::memcpy(&number, memory, sizeof number);
        if (number < number_) return "lost: it is of step " + std::to_string(number) + ", and step " + std::to_string(number_) + " was acknowledged";
        if (number > most) return "phantom: it is of step " + std::to_string(number) + ", and none behind " + std::to_string(most) + " was begun";
        if (size < needed(number)) return "too short: " + std::to_string(size) + " bytes at step " + std::to_string(number);
        advance(number);
        for (std::size_t i = first_byte; i < size; ++i)
            if (memory[i] != (i < last_size ? bytes_[i] : '\0')) return "mixed: byte " + std::to_string(i) + " is not of step " + std::to_string(number);
        return {};
    }

private:
    std::uint64_t seed_;
    std::uint64_t number_ = 0;
    std::string bytes_;
};

} // namespace libtm::testing
