// SPDX-License-Identifier: MIT
/**
 * @file sets.hpp
 * Sets of numbers, and the workload over them.
 *
 * A set has a constructor from the number of its elements, contains(), insert() and erase(), which return whether the key is, was not and
 * was there, for_each() and check(), both by one thread. Most are structures of examples/structures over an access policy; others are those of other libraries.
 */
#ifndef BENCH_SETS_HPP
#define BENCH_SETS_HPP

#include "workloads.hpp"
#include <structures/hash_map.hpp>
#include <structures/linked_list.hpp>
#include <structures/ordered_map.hpp>
#include <structures/skip_list.hpp>

namespace bench {

using key = std::uint64_t;

/** With as many buckets as elements. */
template <class Access> class hash_set {
public:
    explicit hash_set(std::size_t elements) : map_(elements) {}
    bool contains(key k) { return map_.find(k) != nullptr; }
    bool insert(key k) { return map_.insert(k, k).second; }
    bool erase(key k) { return map_.erase(k); }
    template <class Visit> void for_each(Visit visit)
    {
        map_.for_each([&](key k, key) { visit(k); });
    }
    bool check() { return true; }
    std::size_t bucket(key k) const { return map_.bucket(k); }

private:
    structures::hash_map<Access, key, key> map_;
};

template <class Access> class tree_set {
public:
    explicit tree_set(std::size_t) {}
    bool contains(key k) { return map_.find(k) != nullptr; }
    bool insert(key k) { return map_.insert(k, k).second; }
    bool erase(key k) { return map_.erase(k); }
    template <class Visit> void for_each(Visit visit)
    {
        map_.for_each([&](key k, key) { visit(k); });
    }
    bool check() { return map_.check(); }

private:
    structures::ordered_map<Access, key, key> map_;
};

template <class Access> class list_set : public structures::linked_list<Access, key> {
public:
    explicit list_set(std::size_t) {}
    bool check() { return true; }
};

template <class Access> class skip_set : public structures::skip_list<Access, key> {
public:
    explicit skip_set(std::size_t) {}
};

/**
 * Look up, insert and erase random keys out of twice as many as the set has elements; a thread's updates insert and erase in
 * turn, so half of them find nothing to do and the size stays about the same.
 */
template <class Set> class set {
public:
    struct parameters {
        std::size_t elements;
        unsigned update_percent;
    };
    enum class verb : std::uint32_t { contains, insert, erase };
    struct arguments {
        bench::key key;
        verb what;
    };

    explicit set(parameters p) : set_(p.elements), range_(2 * p.elements), elements_(p.elements), updates_(p.update_percent)
    {
        player filler(-2);
        for (std::size_t inserted = 0; inserted < p.elements;) inserted += set_.insert(filler.below(range_));
    }

    arguments draw(player &who)
    {
        const bench::key k = who.below(range_);
        if ((who.state & 1023) * 100 >= updates_ * 1024u) return {k, verb::contains};
        who.inserted = !who.inserted;
        return {k, who.inserted ? verb::insert : verb::erase};
    }

    /** Sums up to the growth of the set in the low half, and the keys found in the high one. */
    std::int64_t apply(arguments args)
    {
        switch (args.what) {
        case verb::insert: return set_.insert(args.key);
        case verb::erase: return -std::int64_t{set_.erase(args.key)};
        default: return std::int64_t{set_.contains(args.key)} << 32;
        }
    }

    bool writes(arguments args) { return args.what != verb::contains; }
    std::array<std::size_t, 1> places(arguments args)
        requires requires(Set &set) { set.bucket(bench::key{}); }
    {
        return {set_.bucket(args.key)};
    }

    bool intact(std::int64_t total)
    {
        const auto growth = static_cast<std::int32_t>(total);
        std::int64_t size = 0;
        set_.for_each([&](bench::key) { ++size; });
        return size == static_cast<std::int64_t>(elements_) + growth && set_.check();
    }

private:
    Set set_;
    std::size_t range_;
    std::size_t elements_;
    unsigned updates_;
};

} // namespace bench

#endif
