// SPDX-License-Identifier: MIT
/** @file heap.cpp: libtm's heap (src/heap.hpp) in the explorer's build. */
#include "heap.hpp"

#include "../src/heap.hpp"

#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <vector>

namespace libtm::explore::heap {

namespace {

struct Block {
    std::size_t offset, size;
    bool freed;
};
constexpr std::size_t arena_size = std::size_t{1} << 22; // of one schedule

alignas(4096) char arena[arena_size];
std::size_t used = 0;
std::vector<Block> blocks;
std::vector<void *> foreign; // blocks of malloc(3) that tm_free has freed; given back after the schedule
Listener listener{};

Block *find(const void *addr)
{
    const auto at = static_cast<std::size_t>(static_cast<const char *>(addr) - arena);
    if (at >= used) return nullptr;
    for (Block &block : blocks)
        if (at >= block.offset && at < block.offset + block.size) return &block;
    return nullptr;
}

void wrong(const char *what)
{
    if (listener.wrong) listener.wrong(what);
}

} // namespace

void listen(const Listener &l) { listener = l; }

void reset()
{
    for (void *const block : foreign) std::free(block);
    foreign.clear();
    blocks.clear();
    used = 0;
}

std::size_t live_blocks()
{
    std::size_t count = 0;
    for (const Block &block : blocks) count += !block.freed;
    return count;
}

std::string name_of(std::uintptr_t addr)
{
    const Block *const block = find(reinterpret_cast<const void *>(addr));
    if (!block) return {};
    return "block " + std::to_string(block - blocks.data()) + "+" + std::to_string(addr - reinterpret_cast<std::uintptr_t>(arena) - block->offset);
}

} // namespace libtm::explore::heap

namespace libtm::engine::heap {

using namespace libtm::explore::heap;

const char *const name = "explore";

void *allocate(std::size_t size, std::size_t alignment)
{
    if (alignment < 32) alignment = 32; // a stripe of its own
    const std::size_t offset = (used + alignment - 1) & ~(alignment - 1);
    if (size > arena_size || offset + size > arena_size) return nullptr;
    used = offset + size;
    blocks.push_back({offset, size, false});
    std::memset(arena + offset, 0xa5, size);
    if (listener.made) listener.made(reinterpret_cast<std::uintptr_t>(arena + offset), size);
    return arena + offset;
}

void *allocate_zeroed(std::size_t size)
{
    void *const block = allocate(size, least_alignment);
    if (block) std::memset(block, 0, size);
    return block;
}

void release(void *pointer)
{
    const std::size_t at = static_cast<std::size_t>(static_cast<char *>(pointer) - arena);
    if (at >= arena_size) {
        foreign.push_back(pointer);
        if (listener.freed) listener.freed(reinterpret_cast<std::uintptr_t>(pointer), malloc_usable_size(pointer));
        return;
    }
    Block *const block = find(pointer);
    if (!block || block->offset != at) return wrong("tm_free of an address that is not a block");
    if (block->freed) return wrong("a block is freed twice");
    block->freed = true;
    if (listener.freed) listener.freed(reinterpret_cast<std::uintptr_t>(pointer), block->size);
}

std::size_t usable_size(void *pointer)
{
    const Block *const block = find(pointer);
    return block ? block->size : malloc_usable_size(pointer);
}

} // namespace libtm::engine::heap
