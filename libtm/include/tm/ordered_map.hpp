// SPDX-License-Identifier: MIT
/**
 * @file ordered_map.hpp
 * libtm::ordered_map: a sorted map that transactions share, in plain memory or in a pool. It is a skip list (Pugh, 1990).
 *
 *     libtm::ordered_map<long, long> map;      // in shared memory; all zero is empty
 *     libtm::atomically([&] {
 *         map[1] = 2;
 *         for (auto it = map.lower_bound(1); it != map.end(); ++it) it->second += 1;
 *     });
 *
 * Why no balanced tree: rebalancing writes to nodes near the root, which every other operation has read. Here an insertion stores 1.3 links on average, next to where it inserts, and the link back;
 * an erasure likewise; and a lookup passes a node on an upper level without touching the stripe that holds its value and its lowest link, which are what changes. A lookup has about
 * a quarter more transactional loads than one in a red-black tree, for half as many stores in an update, and none far away.
 *
 * INVARIANTS, which check() proves: each level's keys ascend; what is linked in a level is linked in all below; a node's link back names the one before it in level 0 (none: the first one), and the head's
 * the last one; a node has as many levels as its link back says; the counter is the number of elements.
 *
 * CONFLICTS. Lookups conflict with changes of the nodes that they pass at the level in which they pass them: mostly neighbours. size() conflicts with all insertions and erasures, iteration with those where it passes.
 */
#ifndef TM_ORDERED_MAP_HPP
#define TM_ORDERED_MAP_HPP

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <tm/container.hpp>
#include <tm/map_interface.hpp>
#include <tm/string.hpp>
#include <utility>

namespace libtm {

/**
 * A map in the order of `Less`. Thread-safe in transactions; outside of any, operations that change it are transactions of their own, and those that read are right only while nobody
 * changes it. Any operation may restart the transaction. Iterators and references are good until the end of the transaction, or until their element is erased.
 *
 * `Less` is called with keys, or with std::string_view where the key is a string of libtm; those of keys in the map by plain loads.
 *
 * 8 bytes; 160 more with the first element, 1 KiB more with the 128th; for each element 16 bytes beside key and value, and 8 more for one in 4, twice for one in 16, and so on. All zero memory is an empty map.
 */
template <class Key, class Mapped, class Less = std::less<>, container_allocator Allocator = heap_allocator>
class ordered_map : public detail::map_interface<ordered_map<Key, Mapped, Less, Allocator>, Key, Mapped> {
    using base = detail::map_interface<ordered_map, Key, Mapped>;
    using access = detail::key_access<Key>;
    struct node;
    struct head;
    using link = pptr<node>;

    template <bool is_const> class position {
    public:
        using iterator_category = std::bidirectional_iterator_tag;
        using value_type = typename base::value_type;
        using difference_type = std::ptrdiff_t;
        using reference = std::conditional_t<is_const, const value_type &, value_type &>;
        using pointer = std::conditional_t<is_const, const value_type *, value_type *>;

        position() = default;
        template <bool is_others>
            requires(is_const && !is_others)
        position(const position<is_others> &other) // NOLINT: as a pointer
            : map_(other.map_), node_(other.node_)
        {
        }
        reference operator*() const { return node_->entry; }
        pointer operator->() const { return &node_->entry; }
        position &operator++()
        {
            node_ = node_->next.load();
            return *this;
        }
        position &operator--()
        {
            node_ = node_ ? node_->back.load() : map_->head_.load()->last.load();
            return *this;
        }
        position operator++(int)
        {
            position before = *this;
            ++*this;
            return before;
        }
        position operator--(int)
        {
            position before = *this;
            --*this;
            return before;
        }
        friend bool operator==(const position &a, const position &b) { return a.node_ == b.node_; }

    private:
        friend ordered_map;
        template <bool> friend class position;
        position(const ordered_map *in, node *at) : map_(in), node_(at) {}

        const ordered_map *map_ = nullptr;
        node *node_ = nullptr;
    };

public:
    using typename base::key_view;
    using allocator_type = Allocator;
    using key_compare = Less;
    using iterator = position<false>;
    using const_iterator = position<true>;
    using reverse_iterator = std::reverse_iterator<iterator>;
    using const_reverse_iterator = std::reverse_iterator<const_iterator>;

    ordered_map() noexcept = default;
    explicit ordered_map(const Allocator &allocator) noexcept : allocator_(allocator) {}
    /** Takes the elements over in O(1). Throws std::logic_error where `other`'s blocks must not be this one's: one of them is in a pool. */
    ordered_map(ordered_map &&other) : allocator_(other.allocator_)
    {
        detail::in_transaction([&] {
            head *const theirs = other.head_.load();
            demand_fit(theirs);
            head_ = theirs;
            detail::put(other.head_, nullptr);
        });
    }
    ordered_map &operator=(ordered_map &&other)
    {
        if (this != &other)
            detail::in_transaction([&] {
                head *const theirs = other.head_.load();
                demand_fit(theirs);
                detail::put(other.head_, nullptr);
                publish(theirs);
            });
        return *this;
    }
    /** Frees everything. O(size()). */
    ~ordered_map() noexcept(false)
    {
        detail::end_of_life([&] {
            if (head_.load()) detail::in_transaction([&] { free_all(head_.load()); });
        });
    }

    /** Elements. O(1), of up to 16 loads. */
    std::size_t size() const
    {
        head *const now = head_.load();
        return now ? static_cast<std::size_t>(now->counter.sum()) : 0;
    }
    /** O(1); conflicts with changes at the beginning only. */
    bool empty() const { return begin() == end(); }

    /** The element of the key, or end(). O(log size()), as all searches. */
    iterator find(key_view key) { return {this, found(key)}; }
    const_iterator find(key_view key) const { return iterator{this, found(key)}; }
    /** The first element whose key is not less than `key`. */
    iterator lower_bound(key_view key) { return {this, search(key).next}; }
    const_iterator lower_bound(key_view key) const { return iterator{this, search(key).next}; }
    /** The first element whose key is greater than `key`. */
    iterator upper_bound(key_view key) { return {this, after(key)}; }
    const_iterator upper_bound(key_view key) const { return iterator{this, after(key)}; }
    std::pair<iterator, iterator> equal_range(key_view key) { return {lower_bound(key), upper_bound(key)}; }
    template <class A> iterator find(const basic_string<A> &key) { return find(std::string_view(detail::settled(key))); }
    template <class A> const_iterator find(const basic_string<A> &key) const { return find(std::string_view(detail::settled(key))); }

    iterator begin() { return {this, first()}; }
    iterator end() { return {this, nullptr}; }
    const_iterator begin() const { return iterator{this, first()}; }
    const_iterator end() const { return iterator{this, nullptr}; }
    reverse_iterator rbegin() { return reverse_iterator(end()); }
    reverse_iterator rend() { return reverse_iterator(begin()); }
    const_reverse_iterator rbegin() const { return const_reverse_iterator(end()); }
    const_reverse_iterator rend() const { return const_reverse_iterator(begin()); }

    /**
     * Insert an element whose value is built from the arguments, unless the key is there. The element, and whether it is new. O(log size()). An exception (of the constructors,
     * of the allocator) leaves the elements as they were.
     */
    template <class... Args> std::pair<iterator, bool> try_emplace(key_view key, Args &&...args)
    {
        return detail::in_transaction([&]() -> std::pair<iterator, bool> {
            head *in = head_.load();
            if (!in) {
                in = detail::create<head>(allocator_, this, 0);
                detail::put(head_, in);
            }
            const place at = search_in<false>(in, key);
            if (at.next && !Less{}(key, access::of(at.next->entry.first))) return {{this, at.next}, false};
            in->counter.prepare(allocator_, this);
            node *const made = create(random_levels(), key, std::forward<Args>(args)...);
            in->counter.add(1);
            link_in<false>(in, at, made);
            return {{this, made}, true};
        });
    }
    /** Erase the element; the next one. O(log size()). */
    iterator erase(const_iterator at)
    {
        return detail::in_transaction([&]() -> iterator {
            head *const in = head_.load();
            node *const dead = at.node_;
            const place where = search_in<false>(in, access::of(dead->entry.first));
            node *const next = dead->next.load();
            const unsigned levels = dead->back.levels();
            for (unsigned level = levels; level-- > 0;) link_of(in, where.before[level], level).store(dead->at(level).load());
            set_back(in, next, where.before[0]);
            in->counter.add(-1);
            detail::dispose(allocator_, this, dead, extra(levels));
            return {this, next};
        });
    }
    iterator erase(iterator at) { return erase(const_iterator(at)); }
    /** Erase from `at` up to `end`, which is not. */
    iterator erase(const_iterator at, const_iterator end)
    {
        return detail::in_transaction([&]() -> iterator {
            while (at != end) at = erase(at);
            return {this, at.node_};
        });
    }
    using base::erase;
    /** Erase everything and give the memory back. O(size()). */
    void clear()
    {
        detail::in_transaction([&] { publish(nullptr); });
    }
    void swap(ordered_map &other)
    {
        detail::in_transaction([&] {
            head *const mine = head_.load(), *const theirs = other.head_.load();
            demand_fit(theirs);
            other.demand_fit(mine);
            detail::put(head_, theirs);
            detail::put(other.head_, mine);
        });
    }
    friend void swap(ordered_map &a, ordered_map &b) { a.swap(b); }

    /**
     * Have the elements of a range of pairs, of two equal keys the first, and no other. They are built aside by plain stores, and published by one: O(elements) and perfectly balanced if the
     * keys ascend, else O(elements * log elements). What was there is freed, O(size()). An exception leaves the map as it was.
     */
    template <std::forward_iterator It> void assign(It from, It to)
    {
        detail::in_transaction([&] {
            head *fresh = nullptr;
            try {
                if (from != to) fresh = detail::create<head>(allocator_, this, 0);
                place end{};
                long count = 0;
                for (; from != to; ++from) {
                    const auto &[key, value] = *from;
                    count += add_plainly(fresh, end, static_cast<std::size_t>(count) + 1, detail::settled(key), value);
                }
                if (fresh) fresh->counter.set_plainly(count);
            } catch (const detail::rolled_back &) {
                throw;
            } catch (...) {
                if (fresh) free_all(fresh);
                throw;
            }
            publish(fresh);
        });
    }

    /** Whether the invariants hold. O(size() * log size()). */
    bool check() const
    {
        head *const in = head_.load();
        if (!in) return true;
        long count = 0;
        node *before = nullptr;
        const unsigned levels = in->levels;
        node *expected[most_levels] = {}; // the next one in each level
        for (unsigned level = 0; level < most_levels; ++level) {
            expected[level] = in->next[level].load();
            if (level >= levels && expected[level]) return false;
        }
        for (node *n = in->next[0].load(); n; before = n, n = n->next.load(), ++count) {
            const unsigned has = n->back.levels();
            if (n->back.load() != before || has < 1 || has > levels) return false;
            if (before && !Less{}(access::of(before->entry.first), access::of(n->entry.first))) return false;
            for (unsigned level = 0; level < levels; ++level) {
                if ((expected[level] == n) != (level < has)) return false;
                if (level < has) expected[level] = n->at(level).load();
            }
        }
        return in->last.load() == before && count == in->counter.sum();
    }

private:
    static constexpr unsigned most_levels = 15;

    /** The node before, and how many levels its own node has, in the 4 bits that a distance of blocks does not need. */
    class back_link {
    public:
        back_link(node *to, unsigned levels) noexcept : word_(distance(to) | levels) {}
        unsigned levels() const { return static_cast<unsigned>(libtm::load(word_) & 15); }
        node *load() const
        {
            const std::uint64_t there = libtm::load(word_) & ~std::uint64_t{15};
            return there ? reinterpret_cast<node *>(reinterpret_cast<std::uintptr_t>(this) + there) : nullptr;
        }
        void store(node *to) { libtm::store(word_, distance(to) | levels()); }
        void set_plainly(node *to) { word_ = distance(to) | (word_ & 15); }

    private:
        /** It is first in its node, so between two of them; never 0, that to itself. */
        std::uint64_t distance(node *to) const { return to ? reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(this) : 0; }
        std::uint64_t word_;
    };

    /** 32 bytes with a key and a value of 8 each and one level; the links of upper levels follow. */
    struct alignas(8) node {
        back_link back;
        link next;
        map_entry<Key, Mapped> entry;

        template <class... Args> explicit node(unsigned levels, key_view key, Args &&...args) : back(nullptr, levels), entry(key, std::forward<Args>(args)...)
        {
            for (unsigned level = 1; level < levels; ++level) ::new (static_cast<void *>(&at(level))) link;
        }
        /** Its link in a level that it has. */
        link &at(unsigned level) { return level ? reinterpret_cast<link *>(this + 1)[level - 1] : next; }
    };

    struct head {
        detail::counter counter;
        link last;
        var<unsigned> levels; ///< that nodes have
        link next[most_levels];
    };

    /** Where a key is or would be: the last node before it in each level (null: the head), and the first that is not less. */
    struct place {
        node *before[most_levels];
        node *next;
    };

    static std::size_t extra(unsigned levels) { return (levels - 1) * sizeof(link); }
    static link &link_of(head *in, node *at, unsigned level) { return at ? at->at(level) : in->next[level]; }
    template <bool plainly> static node *follow(const link &from)
    {
        if constexpr (plainly) return from.get();
        else return from.load();
    }
    static void set_back(head *in, node *of, node *to)
    {
        if (of) of->back.store(to);
        else in->last.store(to);
    }

    template <class... Args> node *create(unsigned levels, key_view key, Args &&...args)
    {
        return detail::create<node>(allocator_, this, extra(levels), levels, key, std::forward<Args>(args)...);
    }

    template <bool plainly> static place search_in(head *in, key_view key)
    {
        place at{};
        node *stop = nullptr; // is known not to be less
        for (unsigned level = plainly ? *in->levels.address() : in->levels.get(); level-- > 0;) {
            node *before = level + 1 < most_levels ? at.before[level + 1] : nullptr, *n;
            while ((n = follow<plainly>(link_of(in, before, level))) != stop && n && Less{}(access::of(n->entry.first), key)) before = n;
            at.before[level] = before;
            at.next = stop = n;
        }
        return at;
    }
    place search(key_view key) const
    {
        head *const in = head_.load();
        return in ? search_in<false>(in, key) : place{};
    }
    node *found(key_view key) const
    {
        node *const n = search(key).next;
        return n && !Less{}(key, access::of(n->entry.first)) ? n : nullptr;
    }
    node *after(key_view key) const
    {
        node *const n = search(key).next;
        return n && !Less{}(key, access::of(n->entry.first)) ? n->next.load() : n;
    }
    node *first() const
    {
        head *const in = head_.load();
        return in ? in->next[0].load() : nullptr;
    }

    /** One of four has a second level, one of four of those a third, ... Each thread draws its own numbers (xorshift). */
    static unsigned random_levels()
    {
        static thread_local std::uint64_t state = 0;
        if (!state) state = (std::uint64_t{detail::thread_number()} << 32) * 0x9e3779b97f4a7c15u | 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return std::min(1 + static_cast<unsigned>(std::countr_zero(state >> 8 | std::uint64_t{1} << 40)) / 2, most_levels);
    }

    template <bool plainly> static void link_in(head *in, const place &at, node *made)
    {
        const unsigned levels = made->back.levels();
        made->back.set_plainly(at.before[0]);
        for (unsigned level = 0; level < levels; ++level) {
            link &from = link_of(in, at.before[level], level);
            made->at(level) = follow<plainly>(from);
            if constexpr (plainly) from = made;
            else from.store(made);
        }
        if constexpr (plainly) {
            if (at.next) at.next->back.set_plainly(made);
            else in->last = made;
            unsigned &there = *in->levels.address();
            there = std::max(there, levels);
        } else {
            set_back(in, at.next, made);
            if (in->levels < levels) in->levels = levels;
        }
    }

    /** Into a map that nobody sees, as the element of that number. `end` is the place behind all. Whether the key is new. */
    template <class Value> bool add_plainly(head *in, place &end, std::size_t number, key_view key, const Value &value)
    {
        const bool is_last = !end.before[0] || Less{}(access::of(end.before[0]->entry.first), key);
        place at = end;
        if (!is_last) {
            at = search_in<true>(in, key);
            if (!Less{}(key, access::of(at.next->entry.first))) return false;
        }
        const unsigned levels = std::min(1 + static_cast<unsigned>(std::countr_zero(number)) / 2, most_levels);
        node *const made = create(levels, key, value);
        link_in<true>(in, at, made);
        for (unsigned level = 0; level < levels; ++level)
            if (!made->at(level).get()) end.before[level] = made;
        return true;
    }

    void publish(head *now)
    {
        head *const old = head_.load();
        if (old == now) return;
        detail::put(head_, now);
        if (old) free_all(old);
    }
    void free_all(head *old)
    {
        for (node *n = old->next[0].load(); n;) {
            node *const dead = n;
            n = n->next.load();
            detail::dispose(allocator_, this, dead, extra(dead->back.levels()));
        }
        old->counter.free(allocator_, this);
        detail::dispose(allocator_, this, old);
    }
    void demand_fit(head *theirs)
    {
        if (!detail::fits(allocator_, this, theirs)) throw std::logic_error("libtm::ordered_map: elements cannot move between a pool and other memory; copy them with assign()");
    }

    pptr<head> head_;
    [[no_unique_address]] Allocator allocator_;
};

} // namespace libtm

#endif
