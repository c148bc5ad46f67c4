// SPDX-License-Identifier: MIT
/**
 * @file var.hpp
 * Shared variables that cannot be accessed in any other way: libtm::var<T> and libtm::array<T, N>.
 *
 *     struct account { libtm::var<long> balance; };
 *     libtm::atomically([&] { a.balance -= 5; b.balance += 5; });
 */
#ifndef TM_VAR_HPP
#define TM_VAR_HPP

#include <cstddef>
#include <tm/tm.hpp>

namespace libtm {

/**
 * A T that is loaded and stored transactionally. T must be trivially copyable. Has the size and alignment of T, so it can replace
 * a T in a structure. Constructing one is a plain store: do so before others can see it.
 */
template <class T>
    requires std::is_trivially_copyable_v<T>
class var {
public:
    var() noexcept : value_{} {}
    var(const T &value) noexcept : value_(value) {} // NOLINT: as a T is
    var(const var &other) : value_(other.get()) {}

    T get() const { return load(value_); }
    /** The same in libtm::reading(), with what that gives. */
    template <class Get> T get(const Get &get) const { return get(value_); }
    void set(const T &value) { store(value_, value); }
    operator T() const { return get(); } // NOLINT: as a T is
    T operator->() const
        requires std::is_pointer_v<T>
    {
        return get();
    }

    var &operator=(const T &value)
    {
        set(value);
        return *this;
    }
    var &operator=(const var &other)
    {
        set(other.get());
        return *this;
    }
    template <class U> var &operator+=(const U &by) { return *this = static_cast<T>(get() + by); }
    template <class U> var &operator-=(const U &by) { return *this = static_cast<T>(get() - by); }
    var &operator++() { return *this += 1; }
    var &operator--() { return *this -= 1; }
    T operator++(int)
    {
        const T before = get();
        *this = static_cast<T>(before + 1);
        return before;
    }
    T operator--(int)
    {
        const T before = get();
        *this = static_cast<T>(before - 1);
        return before;
    }

    /** The variable itself, for privatization and for the C interface. */
    T *address() noexcept { return &value_; }

private:
    T value_;
};

/** N variables in a row. */
template <class T, std::size_t N> class array {
public:
    static constexpr std::size_t size() noexcept { return N; }
    var<T> &operator[](std::size_t i) noexcept { return items_[i]; }
    const var<T> &operator[](std::size_t i) const noexcept { return items_[i]; }
    var<T> *begin() noexcept { return items_; }
    var<T> *end() noexcept { return items_ + N; }
    const var<T> *begin() const noexcept { return items_; }
    const var<T> *end() const noexcept { return items_ + N; }
    /** Bounds-checked: throws std::out_of_range, which leaves the transaction as any exception does. */
    var<T> &at(std::size_t i)
    {
        if (i >= N) throw std::out_of_range("libtm::array::at");
        return items_[i];
    }

private:
    var<T> items_[N];
};

} // namespace libtm

#endif
