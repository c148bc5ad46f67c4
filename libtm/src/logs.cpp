// SPDX-License-Identifier: MIT
#include "logs.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace libtm::engine {

namespace {
constexpr std::size_t first_chunk = 64;       // stripes
constexpr std::size_t largest_chunk = 1 << 14; // stripes
constexpr std::size_t arena_chunk = 4096;     // bytes

template <class Chunk> void free_list(Chunk *chunk)
{
    while (chunk) {
        Chunk *const next = chunk->next;
        std::free(chunk);
        chunk = next;
    }
}
} // namespace

void *copy_of(const void *from, std::size_t bytes, std::size_t room)
{
    void *const copy = std::malloc(room);
    if (copy && bytes) std::memcpy(copy, from, bytes);
    return copy;
}

WriteLog::Chunk *WriteLog::make_chunk(std::size_t count)
{
    if (count > (PTRDIFF_MAX - sizeof(Chunk)) / sizeof(Stripe)) return nullptr;
    auto *const chunk = static_cast<Chunk *>(std::aligned_alloc(alignof(Chunk), sizeof(Chunk) + count * sizeof(Stripe)));
    if (chunk) *chunk = {nullptr, count, count, false};
    return chunk;
}

void WriteLog::enter(Chunk *chunk)
{
    current_ = chunk;
    next_ = chunk->stripes();
    end_ = next_ + chunk->count;
}

std::size_t WriteLog::size() const
{
    if (used_ <= 1) return static_cast<std::size_t>(next_ - start_);
    std::size_t count = static_cast<std::size_t>(next_ - current_->stripes());
    for (const Chunk *chunk = first_; chunk != current_; chunk = chunk->next) count += chunk->count;
    return count;
}

bool WriteLog::grow(Growth growth)
{
    if (waiting_) {
        enter_borrowed();
        return true;
    }
    if (!growth.own) return false;
    Chunk **const slot = current_ ? &current_->next : &first_;
    if (!*slot) {
        if (!growth.allocate) return false;
        *slot = make_chunk(current_ ? std::clamp(current_->capacity * 2, first_chunk, largest_chunk) : first_chunk);
        if (!*slot) return false;
    }
    enter(*slot);
    if (++used_ == 1) start_ = next_;
    return true;
}

bool WriteLog::reserve(std::size_t count)
{
    std::size_t room = current_ ? static_cast<std::size_t>(current_->stripes() + current_->count - next_) : 0;
    for (Chunk **slot = current_ ? &current_->next : &first_; room < count; slot = &(*slot)->next) {
        if (!*slot) *slot = make_chunk(std::max(count - room, first_chunk));
        if (!*slot) return false;
        room += (*slot)->count;
    }
    if (!current_ && first_) {
        enter(first_);
        start_ = next_;
        used_ = 1;
        close(); // the first write has still to ask
    }
    return true;
}

void WriteLog::free_beyond(std::size_t chunks)
{
    Chunk *last = first_;
    for (std::size_t i = 1; last && i < chunks; ++i) last = last->next;
    if (!last) return;
    free_list(last->next);
    last->next = nullptr;
}

void WriteLog::leave_chunks()
{
    if (used_ > kept_chunks) free_beyond(kept_chunks);
    enter(first_);
    used_ = 1;
}

bool WriteLog::append(std::uintptr_t addr, std::size_t size)
{
    const std::size_t gap = -addr & (alignof(Chunk) - 1);
    if (size < gap + sizeof(Chunk) + sizeof(Stripe)) return false;
    const std::size_t count = (size - gap - sizeof(Chunk)) / sizeof(Stripe);
    Chunk **last = &waiting_;
    while (*last) last = &(*last)->next;
    *last = new (reinterpret_cast<void *>(addr + gap)) Chunk{nullptr, count, count, true};
    leave_own_chunk();
    return true;
}

void WriteLog::leave_chunk()
{
    current_->count = static_cast<std::size_t>(next_ - current_->stripes());
    end_ = next_;
}

void WriteLog::enter_borrowed()
{
    Chunk *const chunk = waiting_;
    waiting_ = chunk->next;
    if (!current_) {
        anchor_.next = nullptr;
        first_ = &anchor_;
        enter(&anchor_);
        start_ = next_;
        used_ = 1;
    }
    chunk->next = current_->next;
    current_->next = chunk;
    enter(chunk);
    ++used_;
}

bool WriteLog::overlaps(std::uintptr_t addr, std::size_t size) const
{
    const auto meets = [=](const Chunk &chunk) {
        const auto begin = reinterpret_cast<std::uintptr_t>(&chunk);
        return begin < addr + size && addr < begin + sizeof(Chunk) + chunk.capacity * sizeof(Stripe);
    };
    for (const Chunk *chunk = waiting_; chunk; chunk = chunk->next)
        if (meets(*chunk)) return true;
    for (const Chunk *chunk = first_; chunk; chunk = chunk->next)
        if (chunk->borrowed && meets(*chunk)) return true;
    return false;
}

void WriteLog::take_back()
{
    waiting_ = nullptr;
    for (Chunk **slot = &first_; *slot;) {
        if ((*slot)->borrowed || *slot == &anchor_) {
            *slot = (*slot)->next;
        } else {
            (*slot)->count = (*slot)->capacity;
            slot = &(*slot)->next;
        }
    }
    free_beyond(kept_chunks);
    current_ = nullptr;
    used_ = 0;
    next_ = end_ = start_ = nullptr;
    if (!first_) return;
    enter(first_);
    start_ = next_;
    used_ = 1;
}

bool Arena::enter_borrowed(std::size_t size)
{
    while (waiting_) {
        Chunk *const chunk = waiting_;
        waiting_ = chunk->next;
        Chunk **const slot = current_ ? &current_->next : &first_;
        chunk->next = *slot;
        *slot = current_ = chunk;
        next_ = chunk->bytes();
        end_ = next_ + chunk->size;
        if (chunk->size >= size) return true;
    }
    return false;
}

bool Arena::enter(std::size_t size, Growth growth)
{
    if (enter_borrowed(size)) return true;
    if (!growth.own) return false;
    for (;;) {
        Chunk **const slot = current_ ? &current_->next : &first_;
        if (!*slot) {
            if (!growth.allocate) return false;
            const std::size_t bytes = std::max(size, arena_chunk);
            auto *const chunk = static_cast<Chunk *>(std::malloc(sizeof(Chunk) + bytes));
            if (!chunk) return false;
            *chunk = {nullptr, bytes, false};
            *slot = chunk;
        }
        current_ = *slot;
        next_ = current_->bytes();
        end_ = next_ + current_->size;
        if (current_->size >= size) return true;
    }
}

void *Arena::allocate(std::size_t size, Growth growth)
{
    if (size > PTRDIFF_MAX) return nullptr;
    size = (size + 15) & ~std::size_t{15};
    if (static_cast<std::size_t>(end_ - next_) < size && !enter(size, growth)) return nullptr;
    char *const result = next_;
    next_ += size;
    return result;
}

void *Arena::lend(std::size_t size)
{
    size = (size + 15) & ~std::size_t{15};
    const bool here = current_ && current_->borrowed && static_cast<std::size_t>(end_ - next_) >= size;
    if (!here && !enter_borrowed(size)) return nullptr;
    char *const result = next_;
    next_ += size;
    return result;
}

bool Arena::append(std::uintptr_t addr, std::size_t size)
{
    constexpr std::size_t least = 64;
    const std::size_t gap = -addr & (alignof(Chunk) - 1);
    if (size < gap + sizeof(Chunk) + least) return false;
    Chunk **last = &waiting_;
    while (*last) last = &(*last)->next;
    *last = new (reinterpret_cast<void *>(addr + gap)) Chunk{nullptr, size - gap - sizeof(Chunk), true};
    has_borrowed_ = true;
    leave_own_chunk();
    return true;
}

bool Arena::overlaps(std::uintptr_t addr, std::size_t size) const
{
    const auto meets = [=](const Chunk &chunk) {
        const auto begin = reinterpret_cast<std::uintptr_t>(&chunk);
        return begin < addr + size && addr < begin + sizeof(Chunk) + chunk.size;
    };
    for (const Chunk *chunk = waiting_; chunk; chunk = chunk->next)
        if (meets(*chunk)) return true;
    for (const Chunk *chunk = first_; chunk; chunk = chunk->next)
        if (chunk->borrowed && meets(*chunk)) return true;
    return false;
}

void Arena::take_back()
{
    waiting_ = nullptr;
    has_borrowed_ = false;
    for (Chunk **slot = &first_; *slot;)
        if ((*slot)->borrowed)
            *slot = (*slot)->next;
        else
            slot = &(*slot)->next;
}

bool Arena::reserve(std::size_t size)
{
    if (static_cast<std::size_t>(end_ - next_) >= size) return true;
    Chunk **slot = current_ ? &current_->next : &first_;
    while (*slot && (*slot)->size < size) slot = &(*slot)->next;
    if (*slot) return true;
    auto *const chunk = static_cast<Chunk *>(std::malloc(sizeof(Chunk) + std::max(size, arena_chunk)));
    if (!chunk) return false;
    *chunk = {nullptr, std::max(size, arena_chunk), false};
    *slot = chunk;
    return true;
}

void Arena::clear()
{
    if (has_borrowed_) take_back();
    if (first_) {
        free_list(first_->next);
        first_->next = nullptr;
    }
    current_ = nullptr;
    next_ = end_ = nullptr;
}

} // namespace libtm::engine
