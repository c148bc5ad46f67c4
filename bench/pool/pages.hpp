// SPDX-License-Identifier: MIT
/**
 * @file pages.hpp
 * The work that every store does: commits, each of some pages drawn at random, and what the pages hold afterwards.
 */
#ifndef BENCH_POOL_PAGES_HPP
#define BENCH_POOL_PAGES_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace bench {

inline constexpr std::size_t page_size = 4096;

/** What of a page a commit changes: every byte, or its first 8. */
enum class extent : std::uint8_t { page, word };

/** The first word says which page it is and which change it saw last; the others follow from the last change of the whole page. */
struct content {
    static constexpr std::size_t words = page_size / sizeof(std::uint64_t);

    static std::uint64_t first(std::uint32_t page, std::uint32_t version) { return std::uint64_t{page} << 32 | version; }
    static std::uint64_t other(std::uint32_t page, std::uint32_t version, std::size_t i)
    {
        // Two versions of a page differ in every word, so in every line of it.
        return first(page, version) * 0x9e3779b97f4a7c15 + i * 0xd1b54a32d192ed03;
    }
};

struct change {
    std::uint32_t page;
    std::uint32_t version;
    extent what;

    /** To the bytes of the page; of a whole page the old ones do not matter. */
    void apply(char *bytes) const
    {
        auto *const words = reinterpret_cast<std::uint64_t *>(bytes);
        if (what == extent::page)
            for (std::size_t i = 1; i < content::words; ++i) words[i] = content::other(page, version, i);
        words[0] = content::first(page, version);
    }
};

/** Draws the changes, the same sequence for every store, and knows what they amount to. Pages are zero at first. */
class work {
public:
    explicit work(std::size_t pages) : expected_(pages), drawn_(pages) {}

    std::size_t pages() const { return expected_.size(); }

    /** The next commit: `count` different pages. Valid until the next call. */
    std::span<const change> draw(std::size_t count, extent what)
    {
        changes_.clear();
        ++turn_;
        while (changes_.size() < count) {
            const auto page = static_cast<std::uint32_t>(random() % pages());
            if (drawn_[page] == turn_) continue;
            drawn_[page] = turn_;
            changes_.push_back({page, turn_, what});
            expected_[page].first = turn_;
            if (what == extent::page) expected_[page].others = turn_;
        }
        return changes_;
    }

    bool intact(std::size_t page, const char *bytes) const
    {
        const auto number = static_cast<std::uint32_t>(page);
        const state &now = expected_[page];
        bool same = word(bytes, 0) == (now.first ? content::first(number, now.first) : 0);
        for (std::size_t i = 1; i < content::words; ++i)
            same &= word(bytes, i) == (now.others ? content::other(number, now.others, i) : 0);
        return same;
    }

private:
    struct state {
        std::uint32_t first = 0;  /**< the turn that changed the first word last; 0: none */
        std::uint32_t others = 0; /**< and the rest */
    };

    static std::uint64_t word(const char *bytes, std::size_t i)
    {
        std::uint64_t value;
        std::memcpy(&value, bytes + i * sizeof value, sizeof value);
        return value;
    }

    /** splitmix64 */
    std::uint64_t random()
    {
        std::uint64_t z = seed_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    std::vector<state> expected_;
    std::vector<std::uint32_t> drawn_;
    std::vector<change> changes_;
    std::uint32_t turn_ = 0;
    std::uint64_t seed_ = 1;
};

} // namespace bench

#endif
