// SPDX-License-Identifier: MIT
/**
 * @file shelf.hpp
 * What the tests of crashes, faults and kills do with the heap of a pool: slots in the memory of the user name blocks, each filled with a value of its own. After anything that may
 * happen the slots are as some transaction has left them, and the blocks that are allocated are those that they name.
 */
#pragma once

#include "files.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <tm/persist.hpp>
#include <tm/publish.h>
#include <vector>

namespace libtm::testing {

/** Transactions `done` so far: what each does depends on its number and on what it finds. */
struct Shelf {
    struct Slot {
        std::uint64_t offset; ///< of the block from the beginning of the memory; 0: none
        std::uint64_t size, fill;
    };
    static constexpr std::size_t slots_there = 10;
    std::uint64_t done;
    Slot slots[slots_there];
};

/** The same without a pool: sizes and values of the slots. */
using Books = std::array<std::pair<std::uint64_t, std::uint64_t>, Shelf::slots_there>;

/** Up to three blocks come or go: `put(slot, size, fill)` and `drop(slot)` do it, `has(slot)` says whether there is one. */
template <class Has, class Put, class Drop> void rearrange(std::uint64_t number, Has &&has, Put &&put, Drop &&drop)
{
    Random random(number * 977);
    for (std::size_t i = 1 + random.below(3); i-- > 0;) {
        const std::size_t slot = random.below(Shelf::slots_there);
        const std::size_t kind = random.below(16), size = kind == 0 ? 70000 + random.below(3) * 60000 : kind < 4 ? 3000 + random.below(6000) : 1 + random.below(200);
        if (has(slot)) drop(slot);
        else put(slot, size, number % 255 + 1);
    }
}

/** What the slots have after so many transactions. */
inline Books books_after(std::uint64_t done)
{
    Books books{};
    for (std::uint64_t number = 1; number <= done; ++number)
        rearrange(
            number, [&](std::size_t i) { return books[i].first != 0; }, [&](std::size_t i, std::uint64_t size, std::uint64_t fill) { books[i] = {size, fill}; }, [&](std::size_t i) { books[i] = {}; });
    return books;
}

/** Throws what the pool has said last. */
inline void demand_told(bool works)
{
    if (!works) throw pool_error{};
}

/** The next transaction, in the running one. `number` is its number. Throws pool_error where the pool refuses. */
inline void rearrange(tm_pool *pool, Shelf &shelf, std::uint64_t number)
{
    char *const data = static_cast<char *>(tm_pool_data(pool));
    libtm::store(shelf.done, number);
    rearrange(
        number, [&](std::size_t i) { return libtm::load(shelf.slots[i].offset) != 0; },
        [&](std::size_t i, std::uint64_t size, std::uint64_t fill) {
            char *const block = static_cast<char *>(tm_pool_malloc(pool, size));
            demand_told(block);
            if (number % 2) std::memset(block, static_cast<int>(fill), size);
            else tm_memset(block, static_cast<int>(fill), size);
            libtm::store(shelf.slots[i], {static_cast<std::uint64_t>(block - data), size, fill});
        },
        [&](std::size_t i) {
            demand_told(tm_pool_free(pool, data + libtm::load(shelf.slots[i].offset)) == 0);
            libtm::store(shelf.slots[i], {});
        });
}

/**
 * The same by plain code (tm/publish.h), which keeps transactions off meanwhile; other plain code is the caller's to keep away. `number` 0: the next one. Returns the number, which it has told to
 * `begins` before. `in_vain`: all is undone. Throws pool_error where the pool refuses.
 */
template <class Begins> std::uint64_t rearrange_plainly(tm_pool *pool, Shelf &shelf, std::uint64_t number, bool in_vain, Begins &&begins)
{
    char *const data = static_cast<char *>(tm_pool_data(pool));
    tm_holder *const holder = tm_hold_begin();
    tm_hold(holder, &shelf, sizeof shelf);
    const Shelf before = shelf;
    if (!number) number = shelf.done + 1;
    begins(number);
    std::vector<tm_pool_change> changes{{TM_POOL_STORED, &shelf, sizeof shelf}};
    const auto give_up = [&] { // after tm_pool_error() has been looked at
        shelf = before;
        for (const tm_pool_change &change : changes)
            if (change.kind == TM_POOL_ALLOCATED) tm_pool_cancel(pool, change.address);
        tm_hold_end(holder);
    };
    try {
        shelf.done = number;
        rearrange(
            number, [&](std::size_t i) { return shelf.slots[i].offset != 0; },
            [&](std::size_t i, std::uint64_t size, std::uint64_t fill) {
                char *const block = static_cast<char *>(tm_pool_reserve(pool, size));
                demand_told(block);
                std::memset(block, static_cast<int>(fill), size);
                changes.push_back({TM_POOL_ALLOCATED, block, size});
                shelf.slots[i] = {static_cast<std::uint64_t>(block - data), size, fill};
            },
            [&](std::size_t i) {
                char *const block = data + shelf.slots[i].offset;
                const bool was_new = std::erase_if(changes, [&](const tm_pool_change &change) { return change.kind == TM_POOL_ALLOCATED && change.address == block; });
                if (was_new) demand_told(tm_pool_cancel(pool, block) == 0);
                else changes.push_back({TM_POOL_FREED, block, 0});
                shelf.slots[i] = {};
            });
    } catch (const pool_error &) {
        give_up();
        throw;
    }
    if (in_vain) {
        give_up();
        return number;
    }
    const int fault = tm_pool_publish(pool, changes.data(), changes.size(), holder);
    if (!fault) return number;
    const pool_error why;
    if (fault != EIO) give_up();
    throw why;
}

inline std::uint64_t rearrange_plainly(tm_pool *pool, Shelf &shelf, std::uint64_t number = 0, bool in_vain = false)
{
    return rearrange_plainly(pool, shelf, number, in_vain, [](std::uint64_t) {});
}

/** Allocated blocks: their bytes, by their offsets from the beginning of the memory. */
using Blocks = std::map<std::uint64_t, std::uint64_t>;

/** What is wrong with a shelf in the memory at `data`, where these blocks are allocated and nobody changes anything, or nothing. */
inline std::string wrong_with(const char *data, const Shelf &shelf, Blocks blocks)
{
    blocks.erase(static_cast<std::uint64_t>(reinterpret_cast<const char *>(&shelf) - data)); // it may be a block, too
    const Books books = books_after(shelf.done);
    for (std::size_t i = 0; i < Shelf::slots_there; ++i) {
        const Shelf::Slot &slot = shelf.slots[i];
        const std::string name = "slot " + std::to_string(i) + " after transaction " + std::to_string(shelf.done);
        if (slot.size != books[i].first || slot.fill != books[i].second) return name + " has another block";
        if (slot.offset == 0) continue;
        const auto block = blocks.find(slot.offset);
        if (block == blocks.end() || block->second < slot.size) return name + " names a block that is not allocated";
        blocks.erase(block);
        for (std::uint64_t at = 0; at < slot.size; ++at)
            if (static_cast<unsigned char>(data[slot.offset + at]) != slot.fill) return name + " has other bytes in its block";
    }
    return blocks.empty() ? "" : std::to_string(blocks.size()) + " blocks are allocated that nothing names";
}

} // namespace libtm::testing
