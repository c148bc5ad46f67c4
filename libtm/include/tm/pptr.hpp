// SPDX-License-Identifier: MIT
/**
 * @file pptr.hpp
 * libtm::pptr<T>: a pointer that is a distance, for structures in memory that may be mapped at another address the next time.
 *
 *     struct node { libtm::var<long> value; libtm::pptr<node> next; };
 *     first->next.store(second);             // in a transaction
 *     node *const n = first->next.load();
 */
#ifndef TM_PPTR_HPP
#define TM_PPTR_HPP

#include <cstddef>
#include <cstdint>
#include <tm/tm.hpp>
#include <type_traits>

namespace libtm {

/**
 * A pointer to an object of the same pool (or of plain memory, from there), as a distance from itself: it stays right wherever the pool is mapped. 8 bytes; zeroed memory is a null
 * pointer. Copies are made by members, since a copied distance is another place: memcpy() of one is wrong, and so is libtm::load of one. Where transactions
 * share it, use load() and store().
 */
template <class T> class pptr {
public:
    using element_type = T;

    constexpr pptr(std::nullptr_t = nullptr) noexcept {}
    pptr(T *object) noexcept : distance_(to(object)) {}
    pptr(const pptr &other) noexcept : distance_(to(other.get())) {}
    pptr &operator=(const pptr &other) noexcept { return *this = other.get(); }
    pptr &operator=(T *object) noexcept
    {
        distance_ = to(object);
        return *this;
    }

    /** The object, or nullptr; a plain access. */
    T *get() const noexcept { return from(distance_); }
    /** The same in a transaction. May restart it. */
    T *load() const { return from(libtm::load(distance_)); }
    /** The same in libtm::reading(), with what that gives. */
    template <class Get> T *load(const Get &get) const { return from(get(distance_)); }
    /** Point to the object, in a transaction. May restart it. */
    void store(T *object) { libtm::store(distance_, to(object)); }

    std::add_lvalue_reference_t<T> operator*() const noexcept { return *get(); }
    T *operator->() const noexcept { return get(); }
    explicit operator bool() const noexcept { return distance_ != 0; }
    friend bool operator==(const pptr &a, const pptr &b) noexcept { return a.get() == b.get(); }
    friend bool operator==(const pptr &a, const T *b) noexcept { return a.get() == b; }

private:
    /** What distances are from: the pointer's second byte, where no object can begin but a byte of the pointer itself. So 0 is null, and who follows a chain of pointers waits for one addition at each. */
    std::uintptr_t origin() const noexcept { return reinterpret_cast<std::uintptr_t>(this) + 1; }
    std::uintptr_t to(const T *object) const noexcept { return object ? reinterpret_cast<std::uintptr_t>(object) - origin() : 0; }
    T *from(std::uintptr_t distance) const noexcept { return distance ? reinterpret_cast<T *>(origin() + distance) : nullptr; }

    std::uintptr_t distance_ = 0;
};

} // namespace libtm

#endif
