// SPDX-License-Identifier: MIT
/**
 * @file logs.hpp
 * The write log and the arena: memory of a transaction that grows without moving what is in it, and is kept for the next.
 */
#pragma once

#include "orec.hpp"

namespace libtm::engine {

/**
 * One written stripe, in either mode. A bit of `mask` says that the byte at this offset has been written:
 *
 *     write-back      data holds the new byte, memory the old one
 *     write-through   data holds the old byte, memory the new one
 *
 * So a commit copies the masked bytes of write-back stripes to memory, a rollback those of write-through stripes, and no other byte is
 * ever touched. Exchanging the masked bytes turns one into the other.
 *
 * The stripes whose addresses share an orec form a list; the orec names its head.
 */
struct alignas(64) Stripe {
    Word old_word;       ///< the orec's word before it was locked (of the head)
    std::uintptr_t base; ///< address of the stripe
    Stripe *next;        ///< next stripe of this orec
    std::uint32_t mask;  ///< bytes written
    std::uint32_t flags;
    alignas(8) std::byte data[stripe_size];

    static constexpr std::uint32_t through = 1;     ///< write-through
    static constexpr std::uint32_t head = 2;        ///< the orec names this one
    static constexpr std::uint32_t touched = 4;     ///< memory was changed without undo (TM_PRIVATIZE_NOUNDO, an action)
    static constexpr std::uint32_t released = 8; ///< of a freed block: a commit counts it as written
    static constexpr std::uint32_t freed_shift = 8; ///< 4 bits from here on: a block that starts in this 8-byte granule was freed

    void take(Word word, std::uintptr_t address, std::uint32_t initial_flags)
    {
        old_word = word;
        base = address;
        next = nullptr;
        mask = 0;
        flags = initial_flags;
    }
    bool is_through() const { return (flags & through) != 0; }
};
static_assert(sizeof(Stripe) == 64);

/**
 * The stripes of a transaction. Chunks, so that a Stripe never moves: orecs point to it. Room is [next_, end_). The log is full when there is none:
 * because a chunk is, because there has never been one, or because it was closed to make the first write ask.
 */
class WriteLog {
public:
    bool empty() const { return next_ == start_; }
    bool full() const { return next_ == end_; }
    /** Needs !full(). */
    Stripe *add() { return next_++; }
    /** The one that add() would give. */
    Stripe *next() { return next_; }
    /** Take back the last add(). */
    void drop() { --next_; }
    /** While empty: be full. */
    void close() { end_ = next_; }
    /** While empty: have the room of the first chunk again. False: there is none. */
    bool open()
    {
        if (!first_) return false;
        end_ = next_ + first_->count;
        return true;
    }
    /** Make room for one more. False: no memory, or it would need a new chunk and may not. */
    bool grow(bool may_allocate);
    /** Have room for `count` more without grow() allocating. */
    bool reserve(std::size_t count);
    /** Forget the stripes; keep the memory, but for what only a very large transaction needs. */
    void clear()
    {
        if (__builtin_expect(used_ > 1, 0)) leave_chunks();
        next_ = start_;
        if (first_) end_ = start_ + first_->count;
    }

    template <class Visit> void for_each(Visit visit) const
    {
        const Chunk *chunk = first_;
        for (std::size_t left = used_; left; --left, chunk = chunk->next) {
            Stripe *const stop = left == 1 ? next_ : chunk->stripes() + chunk->count;
            for (Stripe *stripe = chunk->stripes(); stripe != stop; ++stripe) visit(*stripe);
        }
    }

private:
    struct alignas(64) Chunk {
        Chunk *next;
        std::size_t count;
        Stripe *stripes() const { return reinterpret_cast<Stripe *>(const_cast<Chunk *>(this) + 1); }
    };
    static constexpr std::size_t kept_chunks = 8; // 1 MiB
    static Chunk *make_chunk(std::size_t count);
    void enter(Chunk *chunk);
    void leave_chunks();

    Stripe *next_ = nullptr;
    Stripe *end_ = nullptr;
    Stripe *start_ = nullptr; ///< of the first chunk
    Chunk *first_ = nullptr;
    Chunk *current_ = nullptr;
    std::size_t used_ = 0; ///< chunks in use
};

/** A bump allocator for what lives until the end of the transaction. */
class Arena {
public:
    /** `size` bytes aligned to 16, or null: no memory, or it would need a new chunk and may not. */
    void *allocate(std::size_t size, bool may_allocate);
    bool reserve(std::size_t size);
    /** Forget the content, keep one chunk: what one large transaction needed is not the next one's business. */
    void clear();

private:
    struct alignas(16) Chunk {
        Chunk *next;
        std::size_t size;
        char *bytes() { return reinterpret_cast<char *>(this + 1); }
    };
    bool enter(std::size_t size, bool may_allocate);

    char *next_ = nullptr;
    char *end_ = nullptr;
    Chunk *first_ = nullptr;
    Chunk *current_ = nullptr;
};

/** A growing array of trivially copyable items: std::vector without exceptions, since a log reports that memory is out. */
template <class T> class List {
public:
    T *begin() { return items_; }
    T *end() { return items_ + size_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T &operator[](std::size_t i) { return items_[i]; }
    T &back() { return items_[size_ - 1]; }
    void pop_back() { --size_; }
    void clear() { size_ = 0; }
    bool reserve(std::size_t more, bool may_allocate = true)
    {
        if (size_ + more <= capacity_) return true;
        return may_allocate && grow(size_ + more);
    }
    bool push(const T &item, bool may_allocate = true)
    {
        if (!reserve(1, may_allocate)) return false;
        items_[size_++] = item;
        return true;
    }
    bool resize_zeroed(std::size_t size)
    {
        if (size > capacity_ && !grow(size)) return false;
        __builtin_memset(items_, 0, size * sizeof(T));
        size_ = size;
        return true;
    }
    /** Give the memory back. */
    void release()
    {
        __builtin_free(items_);
        *this = List{};
    }
    void swap(List &other)
    {
        List old = *this;
        *this = other;
        other = old;
    }

private:
    bool grow(std::size_t needed)
    {
        std::size_t capacity = capacity_ ? capacity_ * 2 : 16;
        while (capacity < needed) capacity *= 2;
        void *const items = __builtin_realloc(items_, capacity * sizeof(T));
        if (!items) return false;
        items_ = static_cast<T *>(items);
        capacity_ = capacity;
        return true;
    }

    T *items_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace libtm::engine
