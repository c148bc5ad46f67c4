// SPDX-License-Identifier: MIT
#include "heap.hpp"

#include "pool.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <tuple>

namespace libtm::persist {

namespace {

/** Which chunks the calling thread takes from. */
unsigned arena(unsigned count)
{
    static std::atomic<unsigned> next{0};
    static __thread unsigned mine __attribute__((tls_model("initial-exec")));
    if (mine == 0) mine = 1 + next.fetch_add(1, std::memory_order_relaxed);
    return mine % count;
}

std::uint32_t class_of(std::uint64_t bytes)
{
    return static_cast<std::uint32_t>(std::lower_bound(size_classes.begin(), size_classes.end(), bytes, [](const SizeClass &it, std::uint64_t wanted) { return it.bytes < wanted; }) - size_classes.begin());
}

} // namespace

ChunkEntry *Heap::entry(std::uint64_t chunk) const
{
    return reinterpret_cast<ChunkEntry *>(pool_.image_base() + offset_of(chunk / mapped_chunks * mapped_chunks)) + chunk % mapped_chunks;
}

std::uint64_t *Heap::bits(std::uint64_t chunk) const { return reinterpret_cast<std::uint64_t *>(pool_.image_base() + offset_of(chunk)); }

/** Find out what is allocated. */
void Heap::load()
{
    if (is_loaded_) return;
    const auto [begin, end] = pool_.heap_range();
    std::vector<Chunk> chunks(begin ? (end - begin) / chunk_size : 0);
    std::vector<std::vector<std::size_t>> partial(size_classes.size());
    Figures figures;
    const std::string fault = begin ? each_block(pool_.image_base(), begin, end, [&](const Block &block) {
        Chunk &chunk = chunks[block.chunk];
        ++figures.blocks;
        figures.bytes += block.bytes;
        chunk.kind = block.kind;
        if (block.kind == large_kind) {
            chunk.taken = block.index;
            for (std::uint32_t i = 1; i < block.index; ++i) chunks[block.chunk + i].kind = inner_kind;
            return;
        }
        chunk.bits.resize(size_classes[block.kind - 1].words());
        chunk.leaving.resize(chunk.bits.size());
        chunk.bits[block.index / 64] |= std::uint64_t{1} << block.index % 64;
        ++chunk.taken;
    }) : std::string();
    if (!fault.empty()) throw Failure{EBADMSG, pool_.path(), "heap", 0, fault, {}, "Restore the pool from a backup"};
    std::map<std::size_t, std::size_t> runs;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        Chunk &chunk = chunks[i];
        if (i % mapped_chunks == 0) chunk.kind = inner_kind;
        if (chunk.kind == 0) {
            auto last = runs.empty() ? runs.end() : std::prev(runs.end());
            if (last != runs.end() && last->first + last->second == i) ++last->second;
            else runs.emplace(i, 1);
        } else if (chunk.kind <= size_classes.size() && chunk.taken < size_classes[chunk.kind - 1].blocks) {
            partial[chunk.kind - 1].push_back(i);
            chunk.is_listed = true;
        }
    }
    for (std::vector<std::size_t> &each : current_) each.assign(size_classes.size(), 0);
    begin_ = begin;
    figures_ = figures;
    chunks_.swap(chunks);
    partial_.swap(partial);
    free_.swap(runs);
    is_loaded_ = true;
}

/** Of so many chunks in a row the first. */
std::size_t Heap::take_chunks(std::size_t count)
{
    const auto fits = [&](const auto &run) { return run.second >= count; };
    auto found = std::find_if(free_.begin(), free_.end(), fits);
    if (found == free_.end()) {
        for (std::vector<std::size_t> &each : partial_)
            for (std::size_t i = each.size(); i-- > 0;)
                if (const std::size_t chunk = each[i]; chunks_[chunk].taken == 0) {
                    each[i] = each.back();
                    each.pop_back();
                    free_chunks(chunk, 1);
                }
        found = std::find_if(free_.begin(), free_.end(), fits);
    }
    if (found == free_.end()) {
        // More than is needed, so that the file grows seldom; but no more than the disk has.
        const std::size_t before = chunks_.size();
        const std::uint64_t needed = more_for(count) * chunk_size, some = std::clamp<std::uint64_t>(before / 2 * chunk_size, least_growth, 1024 * chunk_size);
        std::uint64_t begin, end;
        try {
            std::tie(begin, end) = pool_.grow_heap(std::max(needed, some));
        } catch (const Failure &failure) {
            if (!is_want(failure.code) || needed >= some) throw;
            std::tie(begin, end) = pool_.grow_heap(needed);
        }
        if (!begin_) begin_ = begin; // and never again: publish() reads it without the mutex
        chunks_.resize((end - begin) / chunk_size);
        for (std::size_t i = before; i < chunks_.size();) {
            if (i % mapped_chunks == 0) chunks_[i++].kind = inner_kind;
            const std::size_t map = std::min((i / mapped_chunks + 1) * mapped_chunks, chunks_.size());
            if (i < map) free_chunks(i, map - i);
            i = map;
        }
        found = std::find_if(free_.begin(), free_.end(), fits);
    }
    const auto [first, length] = *found;
    if (length > count) free_.emplace(first + count, length - count);
    free_.erase(found);
    // What blocks may soon overwrite must not be taken for bits if the transaction is rolled back. For the file it is free either way.
    for (std::size_t i = first; i < first + count; ++i)
        if (*entry(i)) *entry(i) = 0;
    return first;
}

/** By how many chunks the heap must grow to have so many free ones in a row, between two maps. */
std::size_t Heap::more_for(std::size_t count) const
{
    const std::size_t end = chunks_.size();
    std::size_t begin = end;
    if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == end) begin = free_.rbegin()->first;
    if (begin % mapped_chunks == 0) ++begin;
    if (begin / mapped_chunks != (begin + count - 1) / mapped_chunks) begin = (begin / mapped_chunks + 1) * mapped_chunks + 1;
    return begin + count - end;
}

void Heap::free_chunks(std::size_t first, std::size_t count)
{
    for (std::size_t i = first; i < first + count; ++i) chunks_[i] = Chunk();
    auto next = free_.lower_bound(first);
    if (next != free_.end() && next->first == first + count) {
        count += next->second;
        next = free_.erase(next);
    }
    if (next != free_.begin()) {
        const auto before = std::prev(next);
        if (before->first + before->second == first) {
            before->second += count;
            return;
        }
    }
    free_.emplace(first, count);
}

Block Heap::take_large(std::uint64_t bytes)
{
    const std::size_t count = static_cast<std::size_t>(rounded_up(bytes, chunk_size) / chunk_size), first = take_chunks(count);
    chunks_[first].kind = large_kind;
    chunks_[first].taken = static_cast<std::uint32_t>(count);
    for (std::size_t i = 1; i < count; ++i) chunks_[first + i].kind = inner_kind;
    return {offset_of(first), count * chunk_size, first, large_kind, static_cast<std::uint32_t>(count)};
}

Block Heap::take(std::uint64_t bytes)
{
    if (bytes > most_block) throw Failure{ENOBUFS, pool_.path(), "size", 0, std::to_string(bytes) + " bytes", "at most " + std::to_string(most_block), "Have a pool with more memory, or several blocks"};
    const std::lock_guard lock(mutex_);
    load();
    const Block taken = bytes > most_small ? take_large(bytes) : take_small(bytes);
    ++figures_.blocks;
    figures_.bytes += taken.bytes;
    return taken;
}

Heap::Figures Heap::figures()
{
    const std::lock_guard lock(mutex_);
    return figures_;
}

Block Heap::take_small(std::uint64_t bytes)
{
    const std::uint32_t number = class_of(bytes);
    const SizeClass &size_class = size_classes[number];
    std::size_t &mine = current_[arena(arenas)][number];
    if (mine == 0 || chunks_[mine - 1].taken == size_class.blocks) {
        std::vector<std::size_t> &others = partial_[number];
        std::size_t chosen;
        if (!others.empty()) {
            chosen = others.back();
            others.pop_back();
        } else {
            std::vector<std::uint64_t> bits(size_class.words()), leaving(size_class.words());
            chosen = take_chunks(1);
            chunks_[chosen].kind = number + 1;
            chunks_[chosen].bits.swap(bits);
            chunks_[chosen].leaving.swap(leaving);
        }
        chunks_[chosen].is_listed = true;
        if (mine) chunks_[mine - 1].is_listed = false; // it is full; whoever gives back a block of it lists it
        mine = chosen + 1;
    }
    Chunk &chunk = chunks_[mine - 1];
    const auto used = [&] { return chunk.bits[chunk.full] | chunk.leaving[chunk.full]; };
    while (used() == ~std::uint64_t{0}) ++chunk.full;
    const std::uint32_t index = chunk.full * 64 + static_cast<std::uint32_t>(std::countr_one(used()));
    chunk.bits[index / 64] |= std::uint64_t{1} << index % 64;
    ++chunk.taken;
    return {offset_of(mine - 1) + size_class.first + std::uint64_t{index} * size_class.bytes, size_class.bytes, mine - 1, number + 1, index};
}

/** Returns what it was. */
bool Heap::set_leaving(const Block &block, bool leaves) noexcept
{
    Chunk &chunk = chunks_[block.chunk];
    if (block.kind == large_kind) return std::exchange(chunk.is_leaving, leaves);
    std::uint64_t &word = chunk.leaving[block.index / 64];
    const std::uint64_t bit = std::uint64_t{1} << block.index % 64, before = word & bit;
    word = leaves ? word | bit : word & ~bit;
    return before;
}

void Heap::gone(const Block &block) noexcept
{
    const std::lock_guard lock(mutex_);
    Chunk &chunk = chunks_[block.chunk];
    if (block.kind == large_kind) chunk.kind = inner_kind; // no block begins there any more
    else chunk.bits[block.index / 64] &= ~(std::uint64_t{1} << block.index % 64);
}

void Heap::give_back(const Block &block) noexcept
{
    const std::lock_guard lock(mutex_);
    --figures_.blocks;
    figures_.bytes -= block.bytes;
    // No memory to list what is free: then it is not used again before the next open.
    try {
        if (block.kind == large_kind) return free_chunks(block.chunk, block.index);
        Chunk &chunk = chunks_[block.chunk];
        chunk.bits[block.index / 64] &= ~(std::uint64_t{1} << block.index % 64);
        set_leaving(block, false);
        chunk.full = std::min(chunk.full, block.index / 64);
        --chunk.taken;
        if (chunk.is_listed) return; // a thread takes from it, or will
        if (chunk.taken == 0) return free_chunks(block.chunk, 1);
        partial_[chunk.kind - 1].push_back(block.chunk);
        chunk.is_listed = true;
    } catch (const std::bad_alloc &) {
    }
}

Block Heap::leave(const void *address)
{
    pool_.demand_usable();
    const std::lock_guard lock(mutex_);
    load();
    const Block block = find(address);
    if (set_leaving(block, true)) throw Failure{EINVAL, pool_.path(), "block", 0, "one that this transaction has freed before", "an allocated one", {}};
    return block;
}

void Heap::undo_leave(const Block &block) noexcept
{
    const std::lock_guard lock(mutex_);
    set_leaving(block, false);
}

Block Heap::at(const void *address)
{
    pool_.demand_usable();
    const std::lock_guard lock(mutex_);
    load();
    return find(address);
}

Block Heap::find(const void *address) const
{
    const auto offset = static_cast<std::uint64_t>(static_cast<const char *>(address) - pool_.image_base());
    const auto wrong = [&] { return Failure{EINVAL, pool_.path(), "block", 0, to_hex(reinterpret_cast<std::uint64_t>(address)), "the address of an allocated block of this pool", {}}; };
    if (begin_ == 0 || offset < begin_ || offset >= begin_ + chunks_.size() * chunk_size) throw wrong();
    const std::size_t number = (offset - begin_) / chunk_size;
    const Chunk &chunk = chunks_[number];
    const std::uint64_t inside = offset - offset_of(number);
    if (chunk.kind == large_kind) {
        if (inside != 0) throw wrong();
        return {offset, chunk.taken * chunk_size, number, large_kind, chunk.taken};
    }
    if (chunk.kind == 0 || chunk.kind > size_classes.size()) throw wrong();
    const SizeClass &size_class = size_classes[chunk.kind - 1];
    const std::uint64_t index = (inside - size_class.first) / size_class.bytes;
    if (inside < size_class.first || (inside - size_class.first) % size_class.bytes || index >= size_class.blocks || !(chunk.bits[index / 64] >> index % 64 & 1)) throw wrong();
    return {offset, size_class.bytes, number, chunk.kind, static_cast<std::uint32_t>(index)};
}

bool Heap::is_allocated(const Block &block) const
{
    if (kind_of(*entry(block.chunk)) != block.kind) return false;
    return block.kind == large_kind || (bits(block.chunk)[block.index / 64] >> block.index % 64 & 1);
}

char *Heap::next_allocated(const void *address)
{
    const std::lock_guard lock(mutex_); // nobody takes a chunk meanwhile
    load();
    const auto [begin, end] = pool_.heap_range();
    if (!begin) return nullptr;
    char *const base = pool_.image_base();
    const std::uint64_t after = address ? static_cast<std::uint64_t>(static_cast<const char *>(address) - base) : begin;
    for (std::uint64_t i = after < begin ? 0 : (after - begin) / chunk_size; i < (end - begin) / chunk_size; ++i) {
        if (i % mapped_chunks == 0) continue;
        const ChunkEntry now = *entry(i);
        if (kind_of(now) == large_kind) {
            if (offset_of(i) > after) return base + offset_of(i);
            i += count_of(now) - 1;
        } else if (kind_of(now) != 0) {
            const SizeClass &size_class = size_classes[kind_of(now) - 1];
            const std::uint64_t first = offset_of(i) + size_class.first;
            std::uint64_t index = after < first ? 0 : (after - first) / size_class.bytes + 1;
            for (; index < size_class.blocks; ++index)
                if (bits(i)[index / 64] >> index % 64 & 1) return base + first + index * size_class.bytes;
        }
    }
    return nullptr;
}

std::uint64_t Heap::bytes_of(const Block &block, bool is_freed, std::uint64_t content) const
{
    // Of an entry, and of all bits of a chunk, which lie in one page; or of the entries of a large block.
    std::uint64_t bytes = block.kind == large_kind ? pool_.bytes_of_frames(entry(block.chunk), (is_freed ? block.index : 1) * sizeof(ChunkEntry))
                                                   : frame_bytes(sizeof(ChunkEntry)) + frame_bytes(size_classes[block.kind - 1].words() * 8);
    if (!is_freed && content) bytes += pool_.bytes_of_frames(pool_.image_base() + block.offset, content);
    return bytes;
}

} // namespace libtm::persist
