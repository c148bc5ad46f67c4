// SPDX-License-Identifier: MIT
/**
 * @file skip_list.hpp
 * A sorted set as a skip list (Pugh 1990): lists above each other, each of which has about a quarter of the elements of the one below.
 *
 * How many lists a node is in follows from the hash of its key: there is no generator of random numbers to share, erase need not
 * load it, and a key that is erased and inserted again comes to the same height. Whoever chooses the keys, and knows the hash, can make
 * the list slow.
 *
 * The invariants, which check() proves: keys ascend in every list; a node is in the lowest `height(key)` lists, and in no other.
 *
 * Loads and stores: about 4 nodes for each list that is not empty, one load each (the link); insert and erase one store for each
 * list of the node, 4/3 on average, and erase as many loads and a release.
 */
#ifndef EXAMPLES_STRUCTURES_SKIP_LIST_HPP
#define EXAMPLES_STRUCTURES_SKIP_LIST_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

#include "access.hpp"

namespace structures {

template <class Access, class Key, class Less = std::less<Key>, class Hash = std::hash<Key>>
    requires std::is_trivially_copyable_v<Key>
class skip_list {
public:
    skip_list() = default;
    skip_list(const skip_list &) = delete;
    skip_list &operator=(const skip_list &) = delete;
    /** While nobody else uses it. */
    ~skip_list()
    {
        for (node *n = Access::load(head_[0]); n;) {
            node *const dead = n;
            n = Access::load(n->links()[0]);
            Access::release(dead);
        }
    }

    bool contains(const Key &key) { return holds(search(key), key); }

    /** Whether `key` is new. */
    bool insert(const Key &key)
    {
        places at;
        node *const next = search(key, &at);
        if (holds(next, key)) return false;
        const std::size_t lists = height(key);
        node *const fresh = ::new (Access::allocate(sizeof(node) + lists * sizeof(node *))) node{key};
        for (std::size_t list = 0; list < lists; ++list) {
            ::new (&fresh->links()[list]) node *(Access::load(*at[list]));
            Access::store(*at[list], fresh);
        }
        return true;
    }

    /** Whether `key` was there. */
    bool erase(const Key &key)
    {
        places at;
        node *const dead = search(key, &at);
        if (!holds(dead, key)) return false;
        const std::size_t lists = height(key);
        for (std::size_t list = 0; list < lists; ++list) Access::store(*at[list], Access::load(dead->links()[list]));
        Access::release(dead);
        return true;
    }

    /** Call `visit(key)` for every element, in order. */
    template <class Visit> void for_each(Visit &&visit)
    {
        for (node *n = Access::load(head_[0]); n; n = Access::load(n->links()[0])) visit(n->key);
    }

    /** Whether the invariants hold. */
    bool check()
    {
        std::array<std::size_t, most> expected{}, found{};
        for_each([&](const Key &key) {
            for (std::size_t list = 0; list < height(key); ++list) ++expected[list];
        });
        for (std::size_t list = 0; list < most; ++list) {
            node *before = nullptr;
            for (node *n = Access::load(head_[list]); n; before = n, n = Access::load(n->links()[list])) {
                if (list >= height(n->key) || (before && !Less{}(before->key, n->key))) return false;
                ++found[list];
            }
        }
        return found == expected;
    }

private:
    /** Enough for 4^12 elements; with more it becomes slower and stays right. */
    static constexpr std::size_t most = 12;

    /** The key; behind it the links, one for each list that the node is in. 24 bytes at least with a key of 8. */
    struct alignas(void *) node {
        const Key key;
        node **links() { return reinterpret_cast<node **>(this + 1); }
    };

    /** For each list the link that leads past a key. */
    using places = std::array<node **, most>;

    /** 1 with probability 3/4, 2 with 3/16, and so on. */
    static std::size_t height(const Key &key)
    {
        const std::uint64_t spread = std::uint64_t{Hash{}(key)} * 0x9e3779b97f4a7c15u;
        return std::min<std::size_t>(most, 1 + static_cast<std::size_t>(std::countl_zero(spread)) / 2);
    }

    /** The first node that is not less than the key, or nullptr; `at`: where it would be linked. */
    node *search(const Key &key, places *at = nullptr)
    {
        return reading<Access>([this, at, wanted = key](auto get) {
            const Less less{};
            node **links = head_;
            node *next = nullptr; // not less than the key, or the end: known from the list above
            for (std::size_t list = most; list-- > 0;) {
                node *n;
                while ((n = get(links[list])) != next && less(n->key, wanted)) links = n->links();
                next = n;
                if (at) (*at)[list] = &links[list];
            }
            return next;
        });
    }

    static bool holds(node *n, const Key &key) { return n && !Less{}(key, n->key); }

    /* The upper lists are empty at first, and seldom change. */
    alignas(64) node *head_[most] = {};
};

} // namespace structures

#endif
