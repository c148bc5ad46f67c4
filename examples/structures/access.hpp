// SPDX-License-Identifier: MIT
/**
 * @file access.hpp
 * Access policies: how a structure of this directory touches memory that its users share.
 *
 * Every structure is a template over one of these, so the same code runs plainly (by one thread, or under a mutex) and in
 * transactions. No structure begins a transaction: the caller wraps one operation, or several that shall be one, in
 * libtm::atomically. Whoever compares libtm with something else adds a policy of the same four functions.
 *
 * A structure initialises a node by plain stores between allocating and publishing it: until then nobody else can see it. What then never changes, its key, is `const` and is read
 * plainly: whoever has loaded a link to the node sees what it was published with, and its memory is not used again before that transaction has ended.
 */
#ifndef EXAMPLES_STRUCTURES_ACCESS_HPP
#define EXAMPLES_STRUCTURES_ACCESS_HPP

#include <cstddef>
#include <cstdlib>
#include <new>
#include <tm/tm.hpp>
#include <type_traits>

namespace structures {

/** Ordinary loads and stores, malloc(3) and free(3). */
struct plain {
    template <class T> static T load(const T &object) { return object; }
    template <class T> static void store(T &object, const std::type_identity_t<T> &value) { object = value; }
    /** Aligned to 16. Throws std::bad_alloc. */
    static void *allocate(std::size_t size)
    {
        void *const block = std::malloc(size);
        if (!block) throw std::bad_alloc{};
        return block;
    }
    static void release(void *block) { std::free(block); }
};

/** Transactional loads and stores; an allocation is undone by a rollback, a release waits for the commit. */
struct transactional {
    template <class T> static T load(const T &object) { return libtm::load(object); }
    template <class Part> [[gnu::always_inline]] static auto reading(Part &&part) { return libtm::reading(part); }
    template <class T> static void store(T &object, const std::type_identity_t<T> &value) { libtm::store(object, value); }
    /** Aligned to 16. Out of memory ends the transaction; outside of one, or with TM_NULL_ON_OOM, throws std::bad_alloc. */
    static void *allocate(std::size_t size)
    {
        void *const block = tm_malloc(size);
        if (!block) throw std::bad_alloc{};
        return block;
    }
    static void release(void *block) { tm_free(block); }
};

/** A part that only loads: `part(get)`, where `get(object)` is a load. By the policy's own reading(), if it has one, as libtm has. */
template <class Access, class Part> [[gnu::always_inline]] inline auto reading(Part &&part)
{
    if constexpr (requires { Access::reading(part); }) return Access::reading(part);
    else return part([](const auto &object) { return Access::load(object); });
}

} // namespace structures

#endif
