// SPDX-License-Identifier: MIT
/**
 * @file mutate.hpp
 * Changes of inputs that get past the checksums: fields of headers, groups and frames, places and lengths, whole groups, and files that do not belong
 * together. What was changed is mostly given the right checksum again.
 */
#pragma once

#include "files.hpp"

#include <functional>

namespace libtm::fuzz {

/** A sequence of numbers that is the same everywhere. */
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 0x1234567) {}
    std::uint64_t next()
    {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        return z ^ z >> 31;
    }
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

private:
    std::uint64_t state_;
};

/** Two files that are a pool: closed, or with some groups in any place of the ring. */
Files compose(Random &random);
/** One change, seldom two. */
void mutate(Files &files, Random &random);
/** Parts of two. */
Files mix(const Files &one, const Files &other, Random &random);
/** Changes some of so many bytes at `bytes` in place. */
using Scramble = std::function<void(char *bytes, std::size_t size)>;
/** Let `scramble` change a header, or a group, and give it the right checksums. */
void mutate_raw(Files &files, Random &random, const Scramble &scramble);

} // namespace libtm::fuzz
