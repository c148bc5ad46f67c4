// SPDX-License-Identifier: MIT
/**
 * @file hash_map.hpp
 * The map in a pool: chains of nodes from its heap, and an array where they begin. All that a transaction changes is the new node and one pointer.
 */
#ifndef BENCH_DURABLE_HASH_MAP_HPP
#define BENCH_DURABLE_HASH_MAP_HPP

#include "stores.hpp"
#include <stdexcept>
#include <tm/persist.hpp>

namespace bench {

class hash_map {
public:
    /** Bytes of the memory of the pool. */
    static constexpr std::size_t bytes = count_of_buckets * sizeof(void *);

    /** In that memory, which is zero. */
    explicit hash_map(libtm::pool &in) : in_(in), buckets_(in.data<node *>()) {}

    /** In a transaction. */
    void insert(const map_key &key, const map_value &value)
    {
        node *&bucket = buckets_[bucket_of(key)], *const first = libtm::load(bucket);
        for (node *it = first; it; it = libtm::load(it->next))
            if (it->key == key) throw std::runtime_error("the key is there"); // keys never change, so a plain load does
        libtm::store(bucket, in_.make<node>(first, key, value));
    }
    /** The next two are for who is alone. */
    bool has(const map_key &key, const map_value &value) const
    {
        for (const node *it = buckets_[bucket_of(key)]; it; it = it->next)
            if (it->key == key) return it->value == value;
        return false;
    }
    std::uint64_t size() const
    {
        std::uint64_t nodes = 0;
        for (std::size_t bucket = 0; bucket < count_of_buckets; ++bucket)
            for (const node *it = buckets_[bucket]; it; it = it->next) ++nodes;
        return nodes;
    }

private:
    struct node {
        node *next;
        map_key key;
        map_value value;

        node(node *after, const map_key &of, const map_value &is) : next(after), key(of), value(is) {}
    };

    libtm::pool &in_;
    node **const buckets_;
};

} // namespace bench

#endif
