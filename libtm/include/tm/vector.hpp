// SPDX-License-Identifier: MIT
/**
 * @file vector.hpp
 * libtm::vector: a growing array that transactions share, in plain memory or in a pool.
 *
 *     libtm::vector<long> numbers;             // in shared memory; all zero is empty
 *     libtm::atomically([&] { numbers.push_back(3); numbers[0] += 1; });
 *
 * Elements that are trivially copyable lie in a row, each a libtm::var. All others (strings, containers, structures with variables) have a block each, to which a pointer lies in the row: so an
 * element never moves, and need not be movable, and who holds a reference may keep it while the vector grows.
 *
 * CONFLICTS. Access by index conflicts with changes of this element (and of its neighbours in 32 bytes), and with growth; with a change of the size only where it looks at it: at(), end(), back(), size(), all
 * that changes the size. So two transactions that push_back() always conflict: a queue does better.
 */
#ifndef TM_VECTOR_HPP
#define TM_VECTOR_HPP

#include <algorithm>
#include <compare>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <tm/container.hpp>
#include <utility>

namespace libtm {

/**
 * An array. Thread-safe in transactions; outside of any, operations that change it are transactions of their own, and those that read are right only while nobody changes it. Any operation may
 * restart the transaction. Iterators are good until the end of the transaction, or until the vector grows, as those of std::vector.
 *
 * 16 bytes, and a block of 16 more bytes than its capacity needs. All zero memory is an empty vector.
 */
template <class T, container_allocator Allocator = heap_allocator> class vector {
    static constexpr bool in_row = std::is_trivially_copyable_v<T>;
    /** What lies in the row. */
    using slot = std::conditional_t<in_row, element<T>, pptr<T>>;

    template <bool is_const> class position {
    public:
        using iterator_category = std::random_access_iterator_tag;
        using value_type = element<T>;
        using difference_type = std::ptrdiff_t;
        using reference = std::conditional_t<is_const, const value_type &, value_type &>;
        using pointer = std::conditional_t<is_const, const value_type *, value_type *>;

        position() = default;
        template <bool is_others>
            requires(is_const && !is_others)
        position(const position<is_others> &other) // NOLINT: as a pointer
            : slot_(other.slot_)
        {
        }
        reference operator*() const { return of(*slot_); }
        pointer operator->() const { return &of(*slot_); }
        reference operator[](difference_type i) const { return of(slot_[i]); }
        position &operator++() { return *this += 1; }
        position &operator--() { return *this -= 1; }
        position operator++(int) { return std::exchange(*this, *this + 1); }
        position operator--(int) { return std::exchange(*this, *this - 1); }
        position &operator+=(difference_type by)
        {
            slot_ += by;
            return *this;
        }
        position &operator-=(difference_type by) { return *this += -by; }
        friend position operator+(position a, difference_type by) { return a += by; }
        friend position operator+(difference_type by, position a) { return a += by; }
        friend position operator-(position a, difference_type by) { return a -= by; }
        friend difference_type operator-(const position &a, const position &b) { return a.slot_ - b.slot_; }
        friend bool operator==(const position &, const position &) = default;
        friend auto operator<=>(const position &a, const position &b) { return a.slot_ <=> b.slot_; }

    private:
        friend vector;
        template <bool> friend class position;
        explicit position(slot *at) : slot_(at) {}
        slot *slot_ = nullptr;
    };

public:
    using value_type = element<T>;
    using reference = value_type &;
    using const_reference = const value_type &;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    using allocator_type = Allocator;
    using iterator = position<false>;
    using const_iterator = position<true>;
    using reverse_iterator = std::reverse_iterator<iterator>;
    using const_reverse_iterator = std::reverse_iterator<const_iterator>;

    vector() noexcept = default;
    explicit vector(const Allocator &allocator) noexcept : allocator_(allocator) {}
    vector(std::initializer_list<T> values, const Allocator &allocator = {}) : allocator_(allocator) { assign(values.begin(), values.end()); }
    /** Takes the elements over in O(1). Throws std::logic_error where `other`'s blocks must not be this one's: one of them is in a pool. */
    vector(vector &&other) : allocator_(other.allocator_)
    {
        detail::in_transaction([&] {
            row *const theirs = other.row_.load();
            demand_fit(theirs);
            row_ = theirs;
            size_ = load(other.size_);
            detail::put(other.row_, nullptr);
            detail::put(other.size_, 0);
        });
    }
    vector &operator=(vector &&other)
    {
        if (this != &other)
            detail::in_transaction([&] {
                row *const theirs = other.row_.load();
                demand_fit(theirs);
                const std::size_t size = other.size();
                detail::put(other.row_, nullptr);
                detail::put(other.size_, 0);
                publish(theirs, size);
            });
        return *this;
    }
    /** Frees everything. O(size()), but O(1) for trivially copyable elements. */
    ~vector()
    {
        detail::end_of_life([&] {
            if (row_.load()) detail::in_transaction([&] { free_all(row_.load(), size()); });
        });
    }

    /** Elements. O(1). */
    std::size_t size() const { return load(size_); }
    bool empty() const { return size() == 0; }
    /** Elements that there is room for. */
    std::size_t capacity() const
    {
        row *const now = row_.load();
        return now ? now->capacity : 0;
    }

    /** An element that is there; O(1), of one load. */
    reference operator[](std::size_t i) { return of(row_.load()->slots()[i]); }
    const_reference operator[](std::size_t i) const { return of(row_.load()->slots()[i]); }
    /** The same; throws std::out_of_range if it is not. */
    reference at(std::size_t i)
    {
        demand(i < size());
        return (*this)[i];
    }
    const_reference at(std::size_t i) const
    {
        demand(i < size());
        return (*this)[i];
    }
    reference front() { return (*this)[0]; }
    const_reference front() const { return (*this)[0]; }
    reference back() { return (*this)[size() - 1]; }
    const_reference back() const { return (*this)[size() - 1]; }

    iterator begin() { return iterator(slots()); }
    iterator end() { return iterator(slots() + size()); }
    const_iterator begin() const { return const_iterator(slots()); }
    const_iterator end() const { return const_iterator(slots() + size()); }
    reverse_iterator rbegin() { return reverse_iterator(end()); }
    reverse_iterator rend() { return reverse_iterator(begin()); }
    const_reverse_iterator rbegin() const { return const_reverse_iterator(end()); }
    const_reverse_iterator rend() const { return const_reverse_iterator(begin()); }

    /** Add an element, built from the arguments. O(1), amortized. An exception leaves the vector as it was. */
    template <class... Args> reference emplace_back(Args &&...args)
    {
        return detail::in_transaction([&]() -> reference {
            const std::size_t before = size();
            const auto value = build(std::forward<Args>(args)...); // first: an argument may be an element
            try_or_drop(value, [&] { make_room(before + 1); });
            slot &at = slots()[before];
            fill(at, value);
            detail::put(size_, before + 1);
            return of(at);
        });
    }
    void push_back(const T &value)
        requires in_row
    {
        emplace_back(value);
    }
    void push_back(T &&value)
        requires(!in_row)
    {
        emplace_back(std::move(value));
    }
    /** Take the last element away; there must be one. O(1). */
    void pop_back()
    {
        detail::in_transaction([&] {
            const std::size_t last = size() - 1;
            drop(slots()[last]);
            detail::put(size_, last);
        });
    }
    /** Insert an element, built from the arguments, before `at`. O(elements behind). */
    template <class... Args> iterator emplace(const_iterator at, Args &&...args)
    {
        return detail::in_transaction([&] {
            const std::size_t before = size(), place = static_cast<std::size_t>(at - begin());
            const auto value = build(std::forward<Args>(args)...);
            try_or_drop(value, [&] { make_room(before + 1); });
            slot *const all = slots();
            for (std::size_t i = before; i > place; --i) copy(all[i], all[i - 1]);
            fill(all[place], value);
            detail::put(size_, before + 1);
            return iterator(all + place);
        });
    }
    iterator insert(const_iterator at, const T &value)
        requires in_row
    {
        return emplace(at, value);
    }
    iterator insert(const_iterator at, T &&value)
        requires(!in_row)
    {
        return emplace(at, std::move(value));
    }
    /** Erase an element, or those from `from` up to `to`, which is not. What follows them. O(elements behind). */
    iterator erase(const_iterator at) { return erase(at, at + 1); }
    iterator erase(const_iterator from, const_iterator to)
    {
        return detail::in_transaction([&] {
            const std::size_t before = size(), place = static_cast<std::size_t>(from - begin()), count = static_cast<std::size_t>(to - from);
            slot *const all = slots();
            for (std::size_t i = place; i < place + count; ++i) drop(all[i]);
            if (count) {
                for (std::size_t i = place + count; i < before; ++i) copy(all[i - count], all[i]);
                detail::put(size_, before - count);
            }
            return iterator(all + place);
        });
    }
    /** Have so many elements: the first ones, and new ones built from the arguments. O(elements that come or go). */
    template <class... Args> void resize(std::size_t wanted, const Args &...args)
    {
        detail::in_transaction([&] {
            const std::size_t before = size();
            if (wanted > before) make_room(wanted);
            slot *const all = slots();
            for (std::size_t i = wanted; i < before; ++i) drop(all[i]);
            std::size_t i = before;
            try {
                for (; i < wanted; ++i) fill(all[i], build(args...));
            } catch (const detail::rolled_back &) {
                throw;
            } catch (...) {
                while (i-- > before) drop(all[i]);
                throw;
            }
            if (wanted != before) detail::put(size_, wanted);
        });
    }
    /** Have room for so many elements. O(size()). */
    void reserve(std::size_t elements)
    {
        detail::in_transaction([&] {
            if (elements > capacity()) move_to(elements);
        });
    }
    /** Erase everything and give the memory back. O(size()). */
    void clear()
    {
        detail::in_transaction([&] { publish(nullptr, 0); });
    }
    /** Have the elements of a range and no other. They are built aside by plain stores and published by one: O(elements). An exception leaves the vector as it was. */
    template <std::forward_iterator It> void assign(It from, It to)
    {
        detail::in_transaction([&] {
            const auto count = static_cast<std::size_t>(std::distance(from, to));
            fill_aside(count, [&](slot &at) { put_plainly(at, build(*from++)); });
        });
    }
    void assign(std::initializer_list<T> values) { assign(values.begin(), values.end()); }
    /** Have so many elements, each built from `value`. As above. */
    template <class Value = T> void assign(std::size_t count, const Value &value)
    {
        detail::in_transaction([&] {
            fill_aside(count, [&](slot &at) { put_plainly(at, build(value)); });
        });
    }
    void swap(vector &other)
    {
        detail::in_transaction([&] {
            row *const mine = row_.load(), *const theirs = other.row_.load();
            const std::size_t my_size = size(), their_size = other.size();
            demand_fit(theirs);
            other.demand_fit(mine);
            detail::put(row_, theirs);
            detail::put(size_, their_size);
            detail::put(other.row_, mine);
            detail::put(other.size_, my_size);
        });
    }
    friend void swap(vector &a, vector &b) { a.swap(b); }

private:
    struct alignas(16) row {
        std::size_t capacity; ///< never changes
        slot *slots() { return reinterpret_cast<slot *>(this + 1); }
    };
    static_assert(alignof(slot) <= 16, "blocks are aligned to 16");

    static reference of(slot &at)
    {
        if constexpr (in_row) return at;
        else return *at.load();
    }
    static const_reference of(const slot &at) { return of(const_cast<slot &>(at)); }
    slot *slots() const
    {
        row *const now = row_.load();
        return now ? now->slots() : nullptr;
    }

    /** What a slot is to hold: the value, or a new element in a block of its own. */
    template <class... Args> auto build(Args &&...args)
    {
        if constexpr (!in_row) return detail::create<T>(allocator_, this, 0, std::forward<Args>(args)...);
        else if constexpr (std::is_constructible_v<T, Args...>) return static_cast<T>(T(std::forward<Args>(args)...));
        else return T{std::forward<Args>(args)...};
    }
    template <class Value> static void fill(slot &at, const Value &value)
    {
        if constexpr (in_row) at.set(value);
        else at.store(value);
    }
    template <class Value> static void put_plainly(slot &at, const Value &value) { ::new (static_cast<void *>(&at)) slot(value); }
    static void copy(slot &to, slot &from)
    {
        if constexpr (in_row) to.set(from.get());
        else to.store(from.load());
    }
    void drop(slot &at)
    {
        if constexpr (!in_row) detail::dispose(allocator_, this, at.load());
    }
    /** Do something that may throw while nobody has the element yet. */
    template <class Value, class Try> void try_or_drop(const Value &value, Try &&attempt)
    {
        try {
            attempt();
        } catch (const detail::rolled_back &) {
            throw;
        } catch (...) {
            if constexpr (!in_row) detail::dispose(allocator_, this, value);
            throw;
        }
    }

    static std::size_t bytes(std::size_t capacity)
    {
        if (capacity > (std::numeric_limits<std::ptrdiff_t>::max() - sizeof(row)) / sizeof(slot)) throw std::length_error("libtm::vector: too many elements");
        return sizeof(row) + capacity * sizeof(slot);
    }
    row *make_row(std::size_t capacity) { return ::new (allocator_.allocate(this, bytes(capacity))) row{capacity}; }
    void free_row(row *old) { allocator_.deallocate(this, old, bytes(old->capacity)); }
    void make_room(std::size_t wanted)
    {
        const std::size_t there = capacity();
        if (wanted > there) move_to(std::max({wanted, 2 * there, 64 / sizeof(slot)}));
    }
    /** Into a row of that capacity. */
    void move_to(std::size_t capacity)
    {
        row *const now = row_.load(), *const fresh = make_row(capacity);
        const std::size_t count = now ? size() : 0;
        for (std::size_t i = 0; i < count; ++i) {
            if constexpr (in_row) put_plainly(fresh->slots()[i], now->slots()[i].get());
            else put_plainly(fresh->slots()[i], now->slots()[i].load());
        }
        detail::put(row_, fresh);
        if (now) free_row(now);
    }
    /** A new row of `count` elements, each of which next(slot) makes. */
    template <class Next> void fill_aside(std::size_t count, Next &&next)
    {
        row *const fresh = count ? make_row(count) : nullptr;
        std::size_t done = 0;
        try {
            for (; done < count; ++done) next(fresh->slots()[done]);
        } catch (const detail::rolled_back &) {
            throw;
        } catch (...) {
            free_all(fresh, done);
            throw;
        }
        publish(fresh, count);
    }
    /** Be this row; free the one before. */
    void publish(row *now, std::size_t count)
    {
        row *const old = row_.load();
        const std::size_t before = size();
        detail::put(row_, now);
        detail::put(size_, count);
        if (old) free_all(old, before);
    }
    void free_all(row *old, std::size_t count)
    {
        if constexpr (!in_row)
            for (std::size_t i = 0; i < count; ++i) drop(old->slots()[i]);
        free_row(old);
    }
    static void demand(bool is_there)
    {
        if (!is_there) throw std::out_of_range("libtm::vector: no such element");
    }
    void demand_fit(row *theirs)
    {
        if (!detail::fits(allocator_, this, theirs)) throw std::logic_error("libtm::vector: elements cannot move between a pool and other memory; copy them with assign()");
    }

    pptr<row> row_;
    std::size_t size_ = 0;
    [[no_unique_address]] Allocator allocator_;
};

} // namespace libtm

#endif
