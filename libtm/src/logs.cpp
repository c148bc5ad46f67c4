// SPDX-License-Identifier: MIT
#include "logs.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

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

WriteLog::Chunk *WriteLog::make_chunk(std::size_t count)
{
    if (count > (PTRDIFF_MAX - sizeof(Chunk)) / sizeof(Stripe)) return nullptr;
    auto *const chunk = static_cast<Chunk *>(std::aligned_alloc(alignof(Chunk), sizeof(Chunk) + count * sizeof(Stripe)));
    if (chunk) *chunk = {nullptr, count};
    return chunk;
}

void WriteLog::enter(Chunk *chunk)
{
    current_ = chunk;
    next_ = chunk->stripes();
    end_ = next_ + chunk->count;
}

bool WriteLog::grow(bool may_allocate)
{
    Chunk **const slot = current_ ? &current_->next : &first_;
    if (!*slot) {
        if (!may_allocate) return false;
        *slot = make_chunk(current_ ? std::min(current_->count * 2, largest_chunk) : first_chunk);
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

void WriteLog::leave_chunks()
{
    if (used_ > kept_chunks) {
        Chunk *last = first_;
        for (std::size_t i = 1; i < kept_chunks; ++i) last = last->next;
        free_list(last->next);
        last->next = nullptr;
    }
    enter(first_);
    used_ = 1;
}

bool Arena::enter(std::size_t size, bool may_allocate)
{
    for (;;) {
        Chunk **const slot = current_ ? &current_->next : &first_;
        if (!*slot) {
            if (!may_allocate) return false;
            const std::size_t bytes = std::max(size, arena_chunk);
            auto *const chunk = static_cast<Chunk *>(std::malloc(sizeof(Chunk) + bytes));
            if (!chunk) return false;
            *chunk = {nullptr, bytes};
            *slot = chunk;
        }
        current_ = *slot;
        next_ = current_->bytes();
        end_ = next_ + current_->size;
        if (current_->size >= size) return true;
    }
}

void *Arena::allocate(std::size_t size, bool may_allocate)
{
    if (size > PTRDIFF_MAX) return nullptr;
    size = (size + 15) & ~std::size_t{15};
    if (static_cast<std::size_t>(end_ - next_) < size && !enter(size, may_allocate)) return nullptr;
    char *const result = next_;
    next_ += size;
    return result;
}

bool Arena::reserve(std::size_t size)
{
    if (static_cast<std::size_t>(end_ - next_) >= size) return true;
    Chunk **slot = current_ ? &current_->next : &first_;
    while (*slot && (*slot)->size < size) slot = &(*slot)->next;
    if (*slot) return true;
    auto *const chunk = static_cast<Chunk *>(std::malloc(sizeof(Chunk) + std::max(size, arena_chunk)));
    if (!chunk) return false;
    *chunk = {nullptr, std::max(size, arena_chunk)};
    *slot = chunk;
    return true;
}

void Arena::clear()
{
    if (first_) {
        free_list(first_->next);
        first_->next = nullptr;
    }
    current_ = nullptr;
    next_ = end_ = nullptr;
}

} // namespace libtm::engine
