// SPDX-License-Identifier: MIT
/**
 * @file hash_map.hpp
 * libtm::hash_map: a hash table that transactions share, in plain memory or in a pool. It grows bucket by bucket.
 *
 *     libtm::hash_map<long, long> map;         // in shared memory; all zero is empty
 *     libtm::atomically([&] { map[1] += 5; map.erase(2); });
 *
 * A table of n = 2^k buckets has segments: of the first 16 buckets, the next 16, the next 32, and so on. It grows by one more segment, and no element moves: bucket b with
 * highest bit 2^j >= 16 has the *parent* b - 2^j, and is *fresh* (null) until somebody changes it; till then its elements are in its parent's chain. INVARIANTS, which check() proves:
 *
 *  1. An element of hash h is in the chain of the bucket h mod n, or if that is fresh in that of its parent, and so on. Buckets below 16 are never fresh.
 *  2. The parent of a bucket that is not fresh is not fresh.
 *  3. No chain has two elements of one key.
 *  4. The counter is the number of elements.
 *
 * An insertion splits the chains on its way, so that it finds its bucket not fresh; each split moves the elements of one chain. So growing is a new segment of zeros, and what it costs is
 * paid by the insertions that follow, each for the bucket that it touches. There is nothing to finish before the next growth: a chain does not get longer by insertions
 * that have not split it, so all stay short, although a fresh bucket may stay so for ever. (The idea is Shalev's and Shavit's, Split-Ordered Lists, 2006.)
 *
 * The table's description (how many buckets, where the segments are) never changes: growing makes another one, and stores one pointer. So a lookup loads that pointer, the bucket, and the
 * links of the chain transactionally, all else plainly (tm/container.hpp says why that is right).
 *
 * CONFLICTS. Lookups conflict with changes of the chain they pass, and with growth. A new element goes to the end of its chain, where the search has come anyway. Changes of
 * different chains conflict if the buckets' pointers share a stripe (4 neighbours) and both write them. size() and empty() conflict with all insertions and erasures, iteration with all of those that it passes.
 */
#ifndef TM_HASH_MAP_HPP
#define TM_HASH_MAP_HPP

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <stdexcept>
#include <tm/container.hpp>
#include <tm/hash.hpp>
#include <tm/map_interface.hpp>
#include <utility>

namespace libtm {

/**
 * A map without order. Thread-safe in transactions; outside of any, operations that change it are transactions of their own, and those that read are right only while nobody changes it.
 * Any operation may restart the transaction. References and iterators are good until the end of the transaction, or until their element
 * is erased; an insertion may make the table grow, and then an iterator no longer leads to all that follow.
 *
 * `Hash` and `Equal` are called with keys, or with std::string_view where the key is a string of libtm; those of keys in the map by plain loads. Equal keys need equal hashes. In pools
 * a hash value must never change: use libtm::hash, which does not.
 *
 * 8 bytes; 192 more with the first element, 1 KiB more with the 128th; for each element 16 bytes beside key and value, and 8 to 16 of buckets. All zero memory is an empty map.
 */
template <class Key, class Mapped, class Hash = hash<Key>, class Equal = std::equal_to<>, container_allocator Allocator = heap_allocator>
class hash_map : public detail::map_interface<hash_map<Key, Mapped, Hash, Equal, Allocator>, Key, Mapped> {
    using base = detail::map_interface<hash_map, Key, Mapped>;
    using access = detail::key_access<Key>;
    struct node;
    using link = pptr<node>;
    struct table;

    template <bool is_const> class position {
    public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = typename base::value_type;
        using difference_type = std::ptrdiff_t;
        using reference = std::conditional_t<is_const, const value_type &, value_type &>;
        using pointer = std::conditional_t<is_const, const value_type *, value_type *>;

        position() = default;
        template <bool is_others>
            requires(is_const && !is_others)
        position(const position<is_others> &other) // NOLINT: as a pointer
            : table_(other.table_), node_(other.node_), bucket_(other.bucket_)
        {
        }
        reference operator*() const { return node_->entry; }
        pointer operator->() const { return &node_->entry; }
        position &operator++()
        {
            node_ = node_->next.load();
            if (!node_) seek(bucket_ + 1);
            return *this;
        }
        position operator++(int)
        {
            position before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const position &a, const position &b) { return a.node_ == b.node_; }

    private:
        friend hash_map;
        template <bool> friend class position;
        position(table *in, node *at, std::size_t bucket) : table_(in), node_(at), bucket_(bucket) {}
        /** The first element from that bucket on. */
        void seek(std::size_t bucket)
        {
            for (node_ = nullptr; !node_ && bucket < table_->buckets; ++bucket) {
                bucket_ = bucket;
                node_ = first(table_->at(bucket));
            }
        }

        table *table_ = nullptr;
        node *node_ = nullptr;
        std::size_t bucket_ = 0; ///< whose chain has the node
    };

public:
    using typename base::key_view;
    using allocator_type = Allocator;
    using iterator = position<false>;
    using const_iterator = position<true>;

    hash_map() noexcept = default;
    explicit hash_map(const Allocator &allocator) noexcept : allocator_(allocator) {}
    /** Takes the elements over in O(1). Throws std::logic_error where `other`'s blocks must not be this one's: one of them is in a pool. */
    hash_map(hash_map &&other) : allocator_(other.allocator_)
    {
        detail::in_transaction([&] {
            table *const theirs = other.table_.load();
            demand_fit(theirs);
            table_ = theirs;
            detail::put(other.table_, nullptr);
        });
    }
    hash_map &operator=(hash_map &&other)
    {
        if (this != &other)
            detail::in_transaction([&] {
                table *const theirs = other.table_.load();
                demand_fit(theirs);
                detail::put(other.table_, nullptr);
                publish(theirs);
            });
        return *this;
    }
    /** Frees everything. O(size()). */
    ~hash_map()
    {
        detail::end_of_life([&] {
            if (table_.load()) detail::in_transaction([&] { free_all(table_.load()); });
        });
    }

    /** Elements. O(1), of up to 16 loads. */
    std::size_t size() const
    {
        table *const now = table_.load();
        return now ? static_cast<std::size_t>(now->counted->counter.sum()) : 0;
    }
    bool empty() const { return size() == 0; }
    /** Buckets there are: it grows with the insertion of more elements. */
    std::size_t bucket_count() const
    {
        table *const now = table_.load();
        return now ? now->buckets : 0;
    }

    /** The element of the key, or end(). O(1): 2 loads, and one for each element of the chain. */
    iterator find(key_view key) { return look(key); }
    const_iterator find(key_view key) const { return look(key); }
    template <class A> iterator find(const basic_string<A> &key) { return look(detail::settled(key)); }
    template <class A> const_iterator find(const basic_string<A> &key) const { return find(std::string_view(detail::settled(key))); }

    iterator begin()
    {
        iterator it{table_.load(), nullptr, 0};
        if (it.table_) it.seek(0);
        return it;
    }
    iterator end() { return {}; }
    const_iterator begin() const { return const_cast<hash_map *>(this)->begin(); }
    const_iterator end() const { return {}; }

    /**
     * Insert an element whose value is built from the arguments, unless the key is there. The element, and whether it is new. O(1), and O(buckets) zeros where the table doubles.
     * An exception (of the constructors, of the allocator) leaves the elements as they were.
     */
    template <class... Args> std::pair<iterator, bool> try_emplace(key_view key, Args &&...args)
    {
        return detail::in_transaction([&]() -> std::pair<iterator, bool> {
            const std::uint64_t hash = hash_of(key);
            table *here = table_.load();
            place at = here ? search(here, hash, key) : place{};
            if (at.found) return {iterator{here, at.found, at.bucket}, false};
            here = with_room(here);
            if (const std::size_t bucket = hash & (here->buckets - 1); !at.end || bucket != at.bucket) {
                settle(here, bucket);
                at = search(here, hash, key);
            }
            node *const made = detail::create<node>(allocator_, this, 0, hash, key, std::forward<Args>(args)...);
            here->counted->counter.place() += 1;
            at.end->store(made);
            return {iterator{here, made, at.bucket}, true};
        });
    }
    /** Erase the element of the key. How many: 0 or 1. O(1). */
    std::size_t erase(key_view key)
    {
        return detail::in_transaction([&]() -> std::size_t {
            table *const here = table_.load();
            const place at = here ? search(here, hash_of(key), key) : place{};
            if (at.found) remove(here, at);
            return at.found != nullptr;
        });
    }
    /** Erase the element; the next one, for which it looks at the buckets that follow. O(1). */
    iterator erase(const_iterator which)
    {
        return detail::in_transaction([&] {
            table *const here = table_.load();
            place at{which.node_, nullptr, home_of(here, which.node_->hash)};
            iterator next{here, at.found, at.bucket};
            ++next;
            at.end = here->at(at.bucket);
            while (at.end->load() != at.found) at.end = &at.end->load()->next;
            remove(here, at);
            return next;
        });
    }
    iterator erase(iterator which) { return erase(const_iterator(which)); }
    /** Erase everything and give the memory back. O(size()). */
    void clear()
    {
        detail::in_transaction([&] { publish(nullptr); });
    }
    void swap(hash_map &other)
    {
        detail::in_transaction([&] {
            table *const mine = table_.load(), *const theirs = other.table_.load();
            demand_fit(theirs);
            other.demand_fit(mine);
            detail::put(table_, theirs);
            detail::put(other.table_, mine);
        });
    }
    friend void swap(hash_map &a, hash_map &b) { a.swap(b); }

    /** Have buckets for so many elements. O(elements to come). */
    void reserve(std::size_t elements)
    {
        detail::in_transaction([&] {
            table *const now = table_.load();
            if (elements && (!now || now->buckets < elements)) grow(now, std::bit_ceil(std::max(elements, first_buckets)));
        });
    }
    /**
     * Have the elements of a range of pairs, of two equal keys the first, and no other. They are built aside by plain stores, and published by one: O(elements). What was there is freed,
     * O(size()). An exception leaves the map as it was.
     */
    template <std::forward_iterator It> void assign(It from, It to)
    {
        detail::in_transaction([&] {
            table *fresh = nullptr;
            try {
                long count = 0;
                for (fresh = make_table(nullptr, std::bit_ceil(std::max<std::size_t>(static_cast<std::size_t>(std::distance(from, to)), first_buckets))); from != to; ++from) {
                    const auto &[key, value] = *from;
                    count += add_plainly(fresh, detail::settled(key), value);
                }
                for (std::size_t bucket = first_buckets; bucket < fresh->buckets; ++bucket)
                    if (link *const at = fresh->at(bucket); !at->get()) *at = none(at);
                fresh->counted->counter.set_plainly(count);
            } catch (const detail::rolled_back &) {
                throw;
            } catch (...) {
                if (fresh) free_all(fresh);
                throw;
            }
            publish(fresh);
        });
    }

    /** Whether the invariants hold. O(size()). */
    bool check() const
    {
        table *const here = table_.load();
        if (!here) return true;
        long count = 0;
        for (std::size_t bucket = 0; bucket < here->buckets; ++bucket) {
            if (is_fresh(here, bucket)) continue;
            if (bucket >= first_buckets && is_fresh(here, parent_of(bucket))) return false;
            for (node *n = first(here->at(bucket)); n; n = n->next.load(), ++count) {
                if (home_of(here, n->hash) != bucket || n->hash != hash_of(access::of(n->entry.first))) return false;
                for (node *other = n->next.load(); other; other = other->next.load())
                    if (Equal{}(access::of(n->entry.first), access::of(other->entry.first))) return false;
            }
        }
        return count == here->counted->counter.sum();
    }
    /** Elements in the longest chain, for tests and the curious. O(size()). */
    std::size_t longest_chain() const
    {
        table *const here = table_.load();
        std::size_t longest = 0;
        for (std::size_t bucket = 0; here && bucket < here->buckets; ++bucket) {
            std::size_t length = 0;
            for (node *n = first(here->at(bucket)); n; n = n->next.load()) ++length;
            longest = std::max(longest, length);
        }
        return longest;
    }

private:
    static constexpr std::size_t first_buckets = 16;

    /** 32 bytes with a key and a value of 8 each: one stripe where blocks of 32 bytes are aligned to as many. */
    struct node {
        link next;
        const std::uint64_t hash;
        map_entry<Key, Mapped> entry;

        template <class... Args> explicit node(std::uint64_t of, key_view key, Args &&...args) : hash(of), entry(key, std::forward<Args>(args)...) {}
    };

    /** The part that stays when the table grows: how many elements there are, and the first segment. */
    struct first_part {
        detail::counter counter;
        char padding[16] = {}; // keeps the counter's stripe apart from those of the buckets
        link buckets[first_buckets];
    };

    /** Never changes. */
    struct table {
        std::size_t buckets;
        pptr<first_part> counted;
        pptr<link> segments[1]; ///< one for each: 1 + log2(buckets / 16)

        link *at(std::size_t bucket) const
        {
            if (bucket < first_buckets) return segments[0].get() + bucket;
            const std::size_t top = std::bit_floor(bucket);
            return segments[std::bit_width(bucket) - std::bit_width(first_buckets) + 1].get() + (bucket - top);
        }
    };
    static constexpr std::size_t segments_of(std::size_t buckets) { return static_cast<std::size_t>(std::bit_width(buckets) - std::bit_width(first_buckets)) + 1; }
    static constexpr std::size_t behind(std::size_t buckets) { return (segments_of(buckets) - 1) * sizeof(pptr<link>); }
    static constexpr std::size_t parent_of(std::size_t bucket) { return bucket - std::bit_floor(bucket); }

    /** What a bucket holds that is not fresh and has no elements: its own address. */
    static node *none(link *bucket) { return reinterpret_cast<node *>(bucket); }
    static bool is_fresh(table *in, std::size_t bucket) { return bucket >= first_buckets && !in->at(bucket)->load(); }
    /** The bucket whose chain has the elements of that hash. */
    static std::size_t home_of(table *in, std::uint64_t hash)
    {
        std::size_t bucket = hash & (in->buckets - 1);
        while (is_fresh(in, bucket)) bucket = parent_of(bucket);
        return bucket;
    }
    /** The first element of a bucket, if any. */
    static node *first(link *bucket)
    {
        node *const n = bucket->load();
        return n == none(bucket) ? nullptr : n;
    }

    static std::uint64_t hash_of(key_view key)
    {
        if constexpr (requires { typename Hash::is_avalanching; }) return Hash{}(key);
        else return detail::mix(Hash{}(key));
    }

    /** The node of a key in its chain, and the link that leads to it; or null, and the link at the chain's end. */
    struct place {
        node *found = nullptr;
        link *end = nullptr;
        std::size_t bucket = 0; ///< that has the chain
    };
    static place search(table *in, std::uint64_t hash, key_view key)
    {
        place at{nullptr, nullptr, hash & (in->buckets - 1)};
        node *n;
        for (;; at.bucket = parent_of(at.bucket)) {
            at.end = in->at(at.bucket);
            n = at.end->load();
            if (n || at.bucket < first_buckets) break;
        }
        if (n == none(at.end)) return at;
        for (; n; n = at.end->load()) {
            if (n->hash == hash && Equal{}(access::of(n->entry.first), key)) {
                at.found = n;
                break;
            }
            at.end = &n->next;
        }
        return at;
    }
    void remove(table *in, const place &at)
    {
        node *const after = at.found->next.load();
        at.end->store(after || at.end != in->at(at.bucket) ? after : none(at.end));
        in->counted->counter.place() -= 1;
        detail::dispose(allocator_, this, at.found);
    }
    iterator look(key_view key) const
    {
        table *const here = table_.load();
        if (!here) return {};
        const place at = search(here, hash_of(key), key);
        if (!at.found) return {};
        return {here, at.found, at.bucket};
    }

    /** Make sure that the bucket is not fresh. */
    void settle(table *in, std::size_t bucket)
    {
        if (!is_fresh(in, bucket)) return;
        const std::size_t parent = parent_of(bucket), mask = 2 * std::bit_floor(bucket) - 1;
        settle(in, parent);
        // A link is stored only where it changes: `from` is the one that has led to n, `tails` are where the two chains go on.
        link *const heads[2] = {in->at(parent), in->at(bucket)};
        link *tails[2] = {heads[0], heads[1]}, *from = heads[0];
        for (node *n = first(from); n;) {
            const bool moves = (n->hash & mask) == bucket;
            if (tails[moves] != from) tails[moves]->store(n);
            from = tails[moves] = &n->next;
            n = from->load();
        }
        for (int i = 0; i < 2; ++i)
            if (tails[i] != from) tails[i]->store(tails[i] == heads[i] ? none(heads[i]) : nullptr);
    }

    /** The table, grown if it must for one more element. Whether it must is asked now and then where the counter is spread. */
    table *with_room(table *now)
    {
        if (!now) return grow(nullptr, first_buckets);
        detail::counter &counter = now->counted->counter;
        const var<long> &place = counter.place_for_more(allocator_, this);
        const auto interval = static_cast<long>(counter.is_all(place) ? 1 : std::max<std::size_t>(now->buckets / 64, 1));
        const long before = place;
        if ((before + 1) % interval != 0) return now;
        if ((counter.is_all(place) ? before : counter.sum()) < static_cast<long>(now->buckets)) return now;
        return grow(now, now->buckets * 2);
    }

    table *grow(table *now, std::size_t buckets)
    {
        table *const grown = make_table(now, buckets);
        if (now) free_table(now);
        detail::put(table_, grown);
        return grown;
    }

    /** A table of so many buckets, which begins with what `before` has. */
    table *make_table(table *before, std::size_t buckets)
    {
        table *const made = static_cast<table *>(allocator_.allocate(this, sizeof(table) + behind(buckets)));
        std::size_t segments = 0;
        first_part *first = before ? before->counted.get() : nullptr;
        const auto give_back = [&](std::size_t made_before) {
            while (segments-- > std::max<std::size_t>(made_before, 1)) allocator_.deallocate(this, made->segments[segments].get(), segment_bytes(segments));
            if (!before && first) detail::dispose(allocator_, this, first);
            allocator_.deallocate(this, made, sizeof(table) + behind(buckets));
        };
        const std::size_t there = before ? segments_of(before->buckets) : 0;
        try {
            if (!first) first = detail::create<first_part>(allocator_, this, 0);
            made->buckets = buckets;
            made->counted = first;
            made->segments[0] = first->buckets;
            for (segments = 1; segments < segments_of(buckets); ++segments) {
                link *segment;
                if (segments < there) segment = before->segments[segments].get();
                else {
                    segment = static_cast<link *>(allocator_.allocate(this, segment_bytes(segments)));
                    std::memset(static_cast<void *>(segment), 0, segment_bytes(segments));
                }
                made->segments[segments] = segment;
            }
        } catch (const detail::rolled_back &) {
            throw;
        } catch (...) {
            give_back(there);
            throw;
        }
        return made;
    }
    static constexpr std::size_t segment_bytes(std::size_t segment) { return (first_buckets << (segment - 1)) * sizeof(link); }
    void free_table(table *old) { allocator_.deallocate(this, old, sizeof(table) + behind(old->buckets)); }

    /** Into a table that nobody sees. Whether the key is new. */
    template <class Value> bool add_plainly(table *to, key_view key, const Value &value)
    {
        const std::uint64_t hash = hash_of(key);
        link *end = to->at(hash & (to->buckets - 1));
        for (node *n = end->get(); n; n = end->get()) {
            if (n->hash == hash && Equal{}(access::of(n->entry.first), key)) return false;
            end = &n->next;
        }
        *end = detail::create<node>(allocator_, this, 0, hash, key, value);
        return true;
    }

    /** Be this table; free the one before. */
    void publish(table *now)
    {
        table *const old = table_.load();
        if (old == now) return;
        detail::put(table_, now);
        if (old) free_all(old);
    }
    void free_all(table *old)
    {
        for (std::size_t bucket = 0; bucket < old->buckets; ++bucket)
            for (node *n = first(old->at(bucket)); n;) {
                node *const dead = n;
                n = n->next.load();
                detail::dispose(allocator_, this, dead);
            }
        for (std::size_t i = 1; i < segments_of(old->buckets); ++i) allocator_.deallocate(this, old->segments[i].get(), segment_bytes(i));
        old->counted->counter.free(allocator_, this);
        detail::dispose(allocator_, this, old->counted.get());
        free_table(old);
    }
    void demand_fit(table *theirs)
    {
        if (!detail::fits(allocator_, this, theirs)) throw std::logic_error("libtm::hash_map: elements cannot move between a pool and other memory; copy them with assign()");
    }

    pptr<table> table_;
    [[no_unique_address]] Allocator allocator_;
};

} // namespace libtm

#endif
