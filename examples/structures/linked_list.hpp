// SPDX-License-Identifier: MIT
/**
 * @file linked_list.hpp
 * A sorted set as a singly linked list: the structure in which transactions read much and write little.
 *
 * Loads and stores: one load per node passed (the link); insert one store; erase one store and a release.
 */
#ifndef EXAMPLES_STRUCTURES_LINKED_LIST_HPP
#define EXAMPLES_STRUCTURES_LINKED_LIST_HPP

#include <functional>
#include <type_traits>
#include <utility>

#include "access.hpp"

namespace structures {

template <class Access, class Key, class Less = std::less<Key>>
    requires std::is_trivially_copyable_v<Key>
class linked_list {
public:
    linked_list() = default;
    linked_list(const linked_list &) = delete;
    linked_list &operator=(const linked_list &) = delete;
    /** While nobody else uses it. */
    ~linked_list()
    {
        for (node *n = Access::load(head_); n;) {
            node *const dead = n;
            n = Access::load(n->next);
            Access::release(dead);
        }
    }

    bool contains(const Key &key) { return search(key).found; }

    /** Whether `key` is new. */
    bool insert(const Key &key)
    {
        const place at = search(key);
        if (at.found) return false;
        Access::store(*at.link, ::new (Access::allocate(sizeof(node))) node{key, at.next});
        return true;
    }

    /** Whether `key` was there. */
    bool erase(const Key &key)
    {
        const place at = search(key);
        if (!at.found) return false;
        Access::store(*at.link, Access::load(at.next->next));
        Access::release(at.next);
        return true;
    }

    /** Call `visit(key)` for every element, in order. */
    template <class Visit> void for_each(Visit &&visit)
    {
        for (node *n = Access::load(head_); n; n = Access::load(n->next)) visit(n->key);
    }

private:
    /** 16 bytes with a key of 8: always inside of one 32-byte stripe. */
    struct node {
        const Key key;
        node *next;
    };

    /** The first node that is not less than a key, the link to it, and whether it is equal. */
    struct place {
        node **link;
        node *next;
        bool found;
    };

    place search(const Key &key)
    {
        return reading<Access>([this, wanted = key](auto get) -> place {
            const Less less{};
            node **link = &head_;
            for (;;) {
                node *const n = get(*link);
                if (!n) return {link, nullptr, false};
                if (!less(n->key, wanted)) return {link, n, !less(wanted, n->key)};
                link = &n->next;
            }
        });
    }

    node *head_ = nullptr;
};

} // namespace structures

#endif
