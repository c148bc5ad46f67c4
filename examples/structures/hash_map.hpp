// SPDX-License-Identifier: MIT
/**
 * @file hash_map.hpp
 * A chained hash map with a fixed number of buckets.
 *
 * Loads and stores: find one load for the bucket and one per node (the link); insert one store; erase one store and a
 * release. A new node goes to the end of its chain, to which the search for the key has come anyway, so that it disturbs
 * only those who look for the end. There is no count of the elements: every insertion would conflict with every other.
 */
#ifndef EXAMPLES_STRUCTURES_HASH_MAP_HPP
#define EXAMPLES_STRUCTURES_HASH_MAP_HPP

#include <bit>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "access.hpp"

namespace structures {

/** Keys never change while they are in the map; values may, through the pointers handed out, by `Access::store`. */
template <class Access, class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
    requires std::is_trivially_copyable_v<Key> && std::is_trivially_copyable_v<Value>
class hash_map {
public:
    /** `buckets` is rounded up to a power of two. Construct and destroy it while nobody else uses it. */
    explicit hash_map(std::size_t buckets)
        : mask_(std::bit_ceil(buckets ? buckets : 1) - 1), buckets_(std::make_unique<node *[]>(mask_ + 1))
    {
    }
    hash_map(const hash_map &) = delete;
    hash_map &operator=(const hash_map &) = delete;
    ~hash_map()
    {
        for (std::size_t i = 0; i <= mask_; ++i)
            for (node *n = Access::load(buckets_[i]); n;) {
                node *const dead = n;
                n = Access::load(n->next);
                Access::release(dead);
            }
    }

    /** The value of `key`, to be used by `Access::load` and `Access::store`; nullptr if there is none. */
    Value *find(const Key &key)
    {
        node *const n = search(key).second;
        return n ? &n->value : nullptr;
    }

    /** Insert unless `key` is there already. Returns its value and whether it is new. */
    std::pair<Value *, bool> insert(const Key &key, const Value &value)
    {
        const auto [link, found] = search(key);
        if (found) return {&found->value, false};
        node *const fresh = ::new (Access::allocate(sizeof(node))) node{key, value, nullptr};
        Access::store(*link, fresh);
        return {&fresh->value, true};
    }

    /** Whether `key` was there. */
    bool erase(const Key &key)
    {
        const auto [link, found] = search(key);
        if (!found) return false;
        Access::store(*link, Access::load(found->next));
        Access::release(found);
        return true;
    }

    /** In which of the chains, counted from 0, a key is. Whoever holds a lock for each group of them may use the map from several threads. */
    std::size_t bucket(const Key &key) const { return mix(Hash{}(key)) & mask_; }

    /** Call `visit(key, value)` for every element, in no order. */
    template <class Visit> void for_each(Visit &&visit)
    {
        for (std::size_t i = 0; i <= mask_; ++i)
            for (node *n = Access::load(buckets_[i]); n; n = Access::load(n->next))
                visit(n->key, Access::load(n->value));
    }

private:
    /** 24 bytes with a key and a value of 8 each: inside of one 32-byte stripe wherever the block is aligned to 32. */
    struct node {
        const Key key;
        Value value;
        node *next;
    };

    /** The node of `key` and the link that points to it; or nullptr and the link at the end of the chain. */
    std::pair<node **, node *> search(const Key &key)
    {
        node **link = &buckets_[bucket(key)];
        node *n = Access::load(*link);
        while (n && !Equal{}(n->key, key)) {
            link = &n->next;
            n = Access::load(*link);
        }
        return {link, n};
    }

    /** std::hash of an integer is often the integer: spread its bits (Fibonacci hashing, high half folded into the low one). */
    static std::size_t mix(std::size_t hash)
    {
        hash *= 0x9e3779b97f4a7c15u;
        return hash ^ hash >> 32;
    }

    std::size_t mask_;
    std::unique_ptr<node *[]> buckets_;
};

} // namespace structures

#endif
