// SPDX-License-Identifier: MIT
/**
 * @file string.hpp
 * libtm::string: bytes of any length that transactions share.
 *
 *     libtm::string name;                      // in shared memory
 *     libtm::atomically([&] { name.append("x"); return name.str(); });
 *
 * 24 bytes, all zero when empty. Up to 16 bytes lie in the string itself, longer ones in a block of their size, which is used again for what fits into it.
 * Reading takes one transactional load and one for each 32 bytes; changes conflict with readers of the bytes that they touch, and of the size. Any operation may restart the transaction.
 */
#ifndef TM_STRING_HPP
#define TM_STRING_HPP

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tm/container.hpp>
#include <tm/hash.hpp>
#include <utility>

namespace libtm {

/**
 * A string in transactions. Thread-safe in them; each operation that changes it is a transaction of its own outside of any. Constructing one is plain stores, so do it before
 * others can see it. What runs out of memory leaves the string as it was, or ends the transaction: that is the allocator's to say.
 */
template <container_allocator Allocator = heap_allocator> class basic_string {
public:
    using value_type = char;
    using size_type = std::size_t;

    basic_string() noexcept : shape_{}, room_{} {}
    explicit basic_string(const Allocator &allocator) noexcept : shape_{}, room_{}, allocator_(allocator) {}
    explicit basic_string(std::string_view text, const Allocator &allocator = {}) : shape_{}, room_{}, allocator_(allocator)
    {
        in_place(text.size(), [&](char *to) { std::memcpy(to, text.data(), text.size()); });
    }
    basic_string(const basic_string &other) : shape_{}, room_{}, allocator_(other.allocator_) { copy_in_place(other); }
    /** Takes the block over where it fits, else copies. `other` is empty then. */
    basic_string(basic_string &&other) : shape_{}, room_{}, allocator_(other.allocator_)
    {
        detail::in_transaction([&] {
            const shape theirs = load(other.shape_);
            char *const block = theirs.capacity ? other.room_.block.load() : nullptr;
            if (!block || !detail::fits(allocator_, this, block)) {
                copy_in_place(other);
                return other.clear();
            }
            shape_ = theirs;
            room_.block = block;
            detail::put(other.shape_, {});
        });
    }
    ~basic_string()
    {
        detail::end_of_life([&] { free_block(load(shape_)); });
    }

    basic_string &operator=(const basic_string &other)
    {
        if (this != &other) assign(other.str());
        return *this;
    }
    basic_string &operator=(basic_string &&other)
    {
        if (this != &other)
            detail::in_transaction([&] {
                const shape theirs = load(other.shape_);
                char *const block = theirs.capacity ? other.room_.block.load() : nullptr;
                if (!block || !detail::fits(allocator_, this, block)) {
                    assign(other.str());
                    return other.clear();
                }
                free_block(load(shape_));
                detail::put(shape_, theirs);
                detail::put(room_.block, block);
                detail::put(other.shape_, {});
            });
        return *this;
    }
    basic_string &operator=(std::string_view text) { return assign(text); }

    /** Bytes. O(1). */
    std::size_t size() const { return load(shape_).size; }
    bool empty() const { return size() == 0; }
    /** Bytes that it may have without another allocation. */
    std::size_t capacity() const { return capacity_of(load(shape_)); }
    /** A copy of all of it. */
    std::string str() const { return substr(0); }
    explicit operator std::string() const { return str(); }
    /** A copy of up to `count` bytes from `from` on. Throws std::out_of_range behind the end. */
    std::string substr(std::size_t from, std::size_t count = std::string::npos) const
    {
        const shape now = load(shape_);
        if (from > now.size) throw std::out_of_range("libtm::string::substr");
        std::string copy(std::min<std::size_t>(count, now.size - from), '\0');
        if (!copy.empty()) tm_load_bytes(bytes(now) + from, copy.data(), copy.size());
        return copy;
    }
    /** A byte; `at` throws std::out_of_range. */
    char operator[](std::size_t i) const { return load(bytes(load(shape_))[i]); }
    char at(std::size_t i) const
    {
        const shape now = load(shape_);
        if (i >= now.size) throw std::out_of_range("libtm::string::at");
        return load(bytes(now)[i]);
    }
    char front() const { return (*this)[0]; }
    char back() const { return (*this)[size() - 1]; }
    /** Change a byte that is there; throws std::out_of_range. */
    void set(std::size_t i, char byte)
    {
        detail::in_transaction([&] {
            const shape now = load(shape_);
            if (i >= now.size) throw std::out_of_range("libtm::string::set");
            detail::put(bytes(now)[i], byte);
        });
    }

    /** Be `text`. O(bytes). Throws std::length_error from 4 GiB on, as does all that makes it longer. */
    basic_string &assign(std::string_view text)
    {
        detail::in_transaction([&] {
            const shape now = load(shape_);
            if (text.size() <= capacity_of(now)) {
                write(bytes(now), text);
                set_size(now, text.size());
                return;
            }
            replace(now, text.size(), text.size(), [&](char *to) { std::memcpy(to, text.data(), text.size()); });
        });
        return *this;
    }
    /** Be longer by `text`. O(bytes of it), amortized. */
    basic_string &append(std::string_view text)
    {
        detail::in_transaction([&] {
            const shape now = load(shape_);
            const std::size_t size = now.size + text.size();
            if (size <= capacity_of(now)) {
                write(bytes(now) + now.size, text);
                set_size(now, size);
                return;
            }
            replace(now, size, std::max(size, 2 * capacity_of(now)), [&](char *to) {
                tm_load_bytes(bytes(now), to, now.size);
                std::memcpy(to + now.size, text.data(), text.size());
            });
        });
        return *this;
    }
    basic_string &operator+=(std::string_view text) { return append(text); }
    basic_string &operator+=(char byte) { return append({&byte, 1}); }
    void push_back(char byte) { append({&byte, 1}); }
    /** Keep the first `size` bytes, or add zeros. */
    void resize(std::size_t size, char fill = '\0')
    {
        detail::in_transaction([&] {
            const shape now = load(shape_);
            if (size > now.size) append(std::string(size - now.size, fill));
            else set_size(now, size);
        });
    }
    /** Have room for so many bytes. */
    void reserve(std::size_t capacity)
    {
        detail::in_transaction([&] {
            const shape now = load(shape_);
            if (capacity > capacity_of(now)) replace(now, now.size, capacity, [&](char *to) { tm_load_bytes(bytes(now), to, now.size); });
        });
    }
    /** Be empty; the block stays. */
    void clear()
    {
        detail::in_transaction([&] { set_size(load(shape_), 0); });
    }
    void swap(basic_string &other)
    {
        detail::in_transaction([&] {
            basic_string mine(std::move(*this));
            *this = std::move(other);
            other = std::move(mine);
        });
    }
    friend void swap(basic_string &a, basic_string &b) { a.swap(b); }

    /** As std::string_view::compare. Stops where they differ. */
    int compare(std::string_view other) const
    {
        const shape now = load(shape_);
        const std::size_t common = std::min<std::size_t>(now.size, other.size());
        char part[256];
        for (std::size_t done = 0; done < common; done += sizeof part) {
            const std::size_t size = std::min(sizeof part, common - done);
            tm_load_bytes(bytes(now) + done, part, size);
            if (const int order = std::memcmp(part, other.data() + done, size)) return order;
        }
        return now.size < other.size() ? -1 : now.size > other.size();
    }
    friend bool operator==(const basic_string &a, std::string_view b) { return a.size() == b.size() && a.compare(b) == 0; }
    friend std::strong_ordering operator<=>(const basic_string &a, std::string_view b) { return a.compare(b) <=> 0; }
    friend bool operator==(const basic_string &a, const basic_string &b) { return a == b.str(); }
    friend std::strong_ordering operator<=>(const basic_string &a, const basic_string &b) { return a <=> std::string_view(b.str()); }
    bool starts_with(std::string_view text) const { return size() >= text.size() && substr(0, text.size()) == text; }

    /** What it holds, plainly: for strings that never change (keys of maps), or that nobody else can see. Not for what this transaction has changed. */
    std::string_view plain() const noexcept { return {shape_.capacity ? room_.block.get() : room_.bytes, shape_.size}; }

private:
    /** One word, so that one load tells both. */
    struct alignas(8) shape {
        std::uint32_t size;
        std::uint32_t capacity; ///< of the block; 0: there is none
    };
    static constexpr std::size_t inside = 16;
    union room {
        char bytes[inside];
        pptr<char> block;
        constexpr room() noexcept : bytes{} {}
    };

    static std::size_t capacity_of(shape now) { return now.capacity ? now.capacity : inside; }
    char *bytes(shape now) const { return now.capacity ? room_.block.load() : const_cast<char *>(room_.bytes); }
    static std::uint32_t checked(std::size_t size)
    {
        if (size > std::numeric_limits<std::uint32_t>::max() - 16) throw std::length_error("libtm::string: 4 GiB or more");
        return static_cast<std::uint32_t>(size);
    }
    void set_size(shape now, std::size_t size)
    {
        if (now.size != size) detail::put(shape_, {static_cast<std::uint32_t>(size), now.capacity});
    }
    static void write(char *to, std::string_view text)
    {
        if (text.empty()) return;
        if (detail::is_local(to)) std::memcpy(to, text.data(), text.size());
        else tm_store_bytes(to, text.data(), text.size());
    }

    /** Construct the content: plain stores. */
    template <class Fill> void in_place(std::size_t size, Fill &&fill)
    {
        if (size <= inside) {
            fill(room_.bytes);
            shape_ = {static_cast<std::uint32_t>(size), 0};
            return;
        }
        const std::uint32_t capacity = rounded(size);
        room_.block = fresh(capacity);
        fill(room_.block.get());
        shape_ = {static_cast<std::uint32_t>(size), capacity};
    }
    void copy_in_place(const basic_string &other)
    {
        const shape theirs = load(other.shape_);
        in_place(theirs.size, [&](char *to) { tm_load_bytes(other.bytes(theirs), to, theirs.size); });
    }
    static std::uint32_t rounded(std::size_t size) { return (checked(size) + 15) / 16 * 16; }
    char *fresh(std::uint32_t capacity) { return static_cast<char *>(allocator_.allocate(this, capacity)); }

    /** Have another block, with what `fill` puts there. */
    template <class Fill> void replace(shape now, std::size_t size, std::size_t capacity, Fill &&fill)
    {
        checked(size);
        const std::uint32_t room = rounded(std::min<std::size_t>(capacity, std::numeric_limits<std::uint32_t>::max() - 16));
        char *const block = fresh(room);
        fill(block);
        free_block(now);
        detail::put(shape_, {static_cast<std::uint32_t>(size), room});
        detail::put(room_.block, block);
    }
    void free_block(shape now)
    {
        if (now.capacity) allocator_.deallocate(this, room_.block.load(), now.capacity);
    }

    shape shape_;
    room room_;
    [[no_unique_address]] Allocator allocator_;
};

/** A string in plain memory. In pools: libtm::pooled::string (tm/pooled.hpp). */
using string = basic_string<>;

namespace detail {

template <class Allocator> struct key_access<basic_string<Allocator>> {
    using view = std::string_view;
    static view of(const basic_string<Allocator> &key) noexcept { return key.plain(); }
};

} // namespace detail

/** Of the bytes. A map calls it with string_views. */
template <class Allocator> struct hash<basic_string<Allocator>> : hash<std::string_view> {
    using hash<std::string_view>::operator();
    std::uint64_t operator()(const basic_string<Allocator> &string) const { return (*this)(std::string_view(string.str())); }
};

} // namespace libtm

#endif
