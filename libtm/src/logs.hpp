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

/** How a log that is full may get more room. Buffers that were given to it come first in any case. */
struct Growth {
    bool allocate = true; ///< ask for memory
    bool own = true;      ///< use memory of its own at all: that of former transactions, too
    bool tuned = false;   ///< there are, or have been, buffers
};

/**
 * The stripes of a transaction. Chunks, so that a Stripe never moves: orecs point to it. Room is [next_, end_). The log is full when there is none:
 * because a chunk is, because there has never been one, or because it was closed to make the first write ask.
 */
class WriteLog {
public:
    bool empty() const { return next_ == start_; }
    /** Stripes. */
    std::size_t size() const;
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
        if (!first_ || !first_->count) return false;
        end_ = next_ + first_->count;
        return true;
    }
    /** Make room for one more. False: no memory, or it would need some that it may not use. */
    bool grow(Growth growth);
    /** Have room for `count` more without grow() allocating. */
    bool reserve(std::size_t count);
    /** Use [addr, addr + size) next: what is left of the present chunk stays unused. False: not room for one stripe. */
    bool append(std::uintptr_t addr, std::size_t size);
    /** Leave unused what is left of the present chunk, unless it is a buffer. */
    void leave_own_chunk()
    {
        if (current_ && !current_->borrowed) leave_chunk();
    }
    /** Whether a buffer that was given to it has bytes there. */
    bool overlaps(std::uintptr_t addr, std::size_t size) const;
    /** Forget the stripes and the buffers. */
    void take_back();
    static constexpr std::size_t most_for(std::size_t stripes) { return sizeof(Chunk) + alignof(Chunk) - 1 + stripes * sizeof(Stripe); }
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
        std::size_t count;    ///< stripes; fewer than there is room for if it was left early
        std::size_t capacity;
        bool borrowed;        ///< a buffer of the user's
        Stripe *stripes() const { return reinterpret_cast<Stripe *>(const_cast<Chunk *>(this) + 1); }
    };
    static constexpr std::size_t kept_chunks = 8; // 1 MiB
    static Chunk *make_chunk(std::size_t count);
    void enter(Chunk *chunk);
    void enter_borrowed();
    void leave_chunk();
    void leave_chunks();
    void free_beyond(std::size_t chunks);

    Stripe *next_ = nullptr;
    Stripe *end_ = nullptr;
    Stripe *start_ = nullptr; ///< of the first chunk
    Chunk *first_ = nullptr;
    Chunk *current_ = nullptr;
    std::size_t used_ = 0; ///< chunks in use
    Chunk *waiting_ = nullptr; ///< buffers that are not in use yet
    Chunk anchor_{};       ///< stands for the first chunk where only buffers are in use
};

/** A bump allocator for what lives until the end of the transaction. */
class Arena {
public:
    /** `size` bytes aligned to 16, or null: no memory, or it would need some that it may not use. */
    void *allocate(std::size_t size, Growth growth);
    /** The same, out of buffers alone. */
    void *lend(std::size_t size);
    /** Use [addr, addr + size) next: what is left of the present chunk stays unused. False: too small. */
    bool append(std::uintptr_t addr, std::size_t size);
    /** Leave unused what is left of the present chunk, unless it is a buffer. */
    void leave_own_chunk()
    {
        if (current_ && !current_->borrowed) next_ = end_;
    }
    bool overlaps(std::uintptr_t addr, std::size_t size) const;
    static constexpr std::size_t most_for(std::size_t bytes) { return sizeof(Chunk) + alignof(Chunk) - 1 + bytes; }
    bool reserve(std::size_t size);
    /** Forget the content, keep one chunk: what one large transaction needed is not the next one's business. */
    void clear();

private:
    struct alignas(16) Chunk {
        Chunk *next;
        std::size_t size;
        bool borrowed; ///< a buffer of the user's
        char *bytes() { return reinterpret_cast<char *>(this + 1); }
    };
    bool enter(std::size_t size, Growth growth);
    bool enter_borrowed(std::size_t size);
    void take_back();

    char *next_ = nullptr;
    char *end_ = nullptr;
    Chunk *first_ = nullptr;
    Chunk *current_ = nullptr;
    Chunk *waiting_ = nullptr; ///< buffers that are not in use yet
    bool has_borrowed_ = false;
};

/** A block of `room` bytes that begins with those at `from`. Null: no memory. One call site of malloc for all, so that tests can see each fail. */
[[gnu::noinline]] void *copy_of(const void *from, std::size_t bytes, std::size_t room);

/** A growing array of trivially copyable items: std::vector without exceptions, since a log reports that memory is out. */
template <class T> class List {
public:
    T *begin() { return items_; }
    T *end() { return items_ + size_; }
    const T *begin() const { return items_; }
    const T *end() const { return items_ + size_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    bool full() const { return size_ == capacity_; }
    bool borrowed() const { return borrowed_; }
    T &operator[](std::size_t i) { return items_[i]; }
    T &back() { return items_[size_ - 1]; }
    void pop_back() { --size_; }
    /** Drop what stands from `new_end` on. */
    void cut(const T *new_end) { size_ = static_cast<std::size_t>(new_end - items_); }
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
    /** Needs room: reserve(). */
    void put(const T &item) { items_[size_++] = item; }
    bool resize_zeroed(std::size_t size)
    {
        if (size > capacity_ && !grow(size)) return false;
        __builtin_memset(items_, 0, size * sizeof(T));
        size_ = size;
        return true;
    }
    /** Move into `room` for `capacity` items, which belongs to somebody else. */
    void move_into(void *room, std::size_t capacity)
    {
        if (size_) __builtin_memcpy(room, items_, size_ * sizeof(T));
        if (!borrowed_) __builtin_free(items_);
        items_ = static_cast<T *>(room);
        capacity_ = capacity;
        borrowed_ = true;
    }
    /** Forget the items; keep the memory, if it is its own. */
    void settle()
    {
        if (borrowed_) *this = List{};
        size_ = 0;
    }
    /** Give the memory back. */
    void release()
    {
        if (!borrowed_) __builtin_free(items_);
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
        void *const items = borrowed_ ? copy_of(items_, size_ * sizeof(T), capacity * sizeof(T)) : __builtin_realloc(items_, capacity * sizeof(T));
        if (!items) return false;
        items_ = static_cast<T *>(items);
        capacity_ = capacity;
        borrowed_ = false;
        return true;
    }

    T *items_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
    bool borrowed_ = false; ///< the memory is somebody else's
};

} // namespace libtm::engine
