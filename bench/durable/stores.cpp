// SPDX-License-Identifier: MIT
#include "stores.hpp"
#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace bench {
namespace {

/** The n-th of a sequence of random numbers, none of which comes twice (SplitMix64). */
std::uint64_t random_number(std::uint64_t n)
{
    n *= 0x9e3779b97f4a7c15;
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
    n = (n ^ n >> 27) * 0x94d049bb133111eb;
    return n ^ n >> 31;
}

/** The n-th key of a thread. */
map_key key_of(unsigned thread, std::uint64_t n)
{
    const std::uint64_t at = 2 * (n * most_threads + thread);
    return {random_number(at), random_number(at + 1)};
}

map_value value_of(const map_key &key)
{
    std::array<std::uint64_t, (sizeof(map_value) + 7) / 8> words;
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = key[i % 2] + i;
    map_value value;
    std::memcpy(value.data(), words.data(), value.size());
    return value;
}

} // namespace

counters::counters()
{
    for (unsigned i = 0; i < most_threads; ++i) of_[i].random = random_number(i);
}

void counters::transaction(unsigned thread, unsigned changes)
{
    account &mine = of_[thread];
    std::array<std::uint32_t, 8> which;
    for (std::uint32_t &i : std::span(which).first(changes)) {
        mine.random = mine.random * 6364136223846793005u + 1442695040888963407u;
        i = static_cast<std::uint32_t>(mine.random >> 33) % count_of_counters;
    }
    if ((mine.random >> 40) % 256 == 0) which[changes - 1] = which[0]; // chance alone is too rare for a short run to tell who loses one of two additions
    add(thread, std::span(which).first(changes));
    mine.added += changes;
}

void counters::check()
{
    std::uint64_t added = 0;
    for (const account &each : of_) added += each.added;
    if (const std::uint64_t found = sum(); found != added) throw std::runtime_error("the counters add up to " + std::to_string(found) + ", not to " + std::to_string(added));
}

void map::transaction(unsigned thread, unsigned)
{
    account &mine = of_[thread];
    const map_key key = key_of(thread, mine.inserted);
    insert(thread, key, value_of(key));
    ++mine.inserted;
}

std::uint64_t map::inserted() const
{
    std::uint64_t all = 0;
    for (const account &each : of_) all += each.inserted;
    return all;
}

void map::check()
{
    if (const std::uint64_t found = size(); found != inserted()) throw std::runtime_error("the map has " + std::to_string(found) + " entries, not " + std::to_string(inserted()));
    for (unsigned thread = 0; thread < most_threads; ++thread) {
        const std::uint64_t count = of_[thread].inserted;
        for (std::uint64_t n = 0; n < count; n += std::max<std::uint64_t>(count / 100, 1)) {
            const map_key key = key_of(thread, n);
            if (!has(key, value_of(key))) throw std::runtime_error("entry " + std::to_string(n) + " of thread " + std::to_string(thread) + " is not in the map as it was inserted");
        }
        const map_key next = key_of(thread, count);
        if (has(next, value_of(next))) throw std::runtime_error("the map has an entry that was not inserted");
    }
}

} // namespace bench
