// SPDX-License-Identifier: MIT
/**
 * @file ordered_map.hpp
 * libtm::ordered_map: a sorted map that transactions share, in plain memory or in a pool. It is a red-black tree with null leaves and parent links.
 *
 *     libtm::ordered_map<long, long> map;      // in shared memory; all zero is empty
 *     libtm::atomically([&] {
 *         map[1] = 2;
 *         for (auto it = map.lower_bound(1); it != map.end(); ++it) it->second += 1;
 *     });
 *
 * Why no skip list, which stores less and only nearby: with 4,096 elements it needed 24 transactional loads for a lookup where the tree needs 12, and 1.6 times the instructions in lookups and in updates, and two
 * threads were no faster with it. What a tree has against it is met by the layout: a search loads only the two child links, which have a stripe of their own, and keys plainly; so
 * neither colours nor values nor parent links, which change more often, disturb it. Nothing is stored that does not change.
 *
 * INVARIANTS, which check() proves: keys ascend in order; the root is black; a red node has no red child; every way from the root to a leaf passes the same number of black nodes; parent
 * links mirror child links; the counter is the number of elements. It follows that a node with a single child is black and the child red, on which erase() relies.
 *
 * CONFLICTS. Lookups conflict with changes of the child links that they follow: insertions and erasures next to them, and rotations. size() conflicts with all insertions and erasures, iteration with those where it passes.
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
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace libtm {

/**
 * A map in the order of `Less`. Thread-safe in transactions; outside of any, operations that change it are transactions of their own, and those that read are right only while nobody
 * changes it. Any operation may restart the transaction. Iterators and references are good until the end of the transaction, or until their element is erased.
 *
 * `Less` is called with keys, or with std::string_view where the key is a string of libtm; those of keys in the map by plain loads.
 *
 * 8 bytes; 32 more with the first element, 1 KiB more with the 128th; for each element 24 bytes beside key and value, filled up to a multiple of 32 bytes. All zero memory is an empty map.
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
            node_ = beside(node_, 1);
            return *this;
        }
        position &operator--()
        {
            node_ = node_ ? beside(node_, 0) : map_->outermost(1);
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
    ~ordered_map()
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
    /** O(1); conflicts with changes of the root only. */
    bool empty() const
    {
        head *const in = head_.load();
        return !in || !in->root.load();
    }

    /** The element of the key, or end(). O(log size()), as all searches. */
    iterator find(key_view key) { return {this, found(key)}; }
    const_iterator find(key_view key) const { return iterator{this, found(key)}; }
    /** The first element whose key is not less than `key`. */
    iterator lower_bound(key_view key) { return {this, bound(key, false)}; }
    const_iterator lower_bound(key_view key) const { return iterator{this, bound(key, false)}; }
    /** The first element whose key is greater than `key`. */
    iterator upper_bound(key_view key) { return {this, bound(key, true)}; }
    const_iterator upper_bound(key_view key) const { return iterator{this, bound(key, true)}; }
    std::pair<iterator, iterator> equal_range(key_view key) { return {lower_bound(key), upper_bound(key)}; }
    template <class A> iterator find(const basic_string<A> &key) { return find(std::string_view(detail::settled(key))); }
    template <class A> const_iterator find(const basic_string<A> &key) const { return find(std::string_view(detail::settled(key))); }

    iterator begin() { return {this, outermost(0)}; }
    iterator end() { return {this, nullptr}; }
    const_iterator begin() const { return iterator{this, outermost(0)}; }
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
            const place at = search(in, key);
            if (at.found) return {{this, at.found}, false};
            var<long> &count = in->counter.place_for_more(allocator_, this);
            node *const made = detail::create<node>(allocator_, this, extra, key, std::forward<Args>(args)...);
            count += 1;
            made->up.set_plainly(at.parent, at.parent != nullptr);
            (at.parent ? at.parent->child[at.side] : in->root).store(made);
            if (at.parent) redden(in, made, at.parent);
            return {{this, made}, true};
        });
    }
    /** Erase the element of the key. How many: 0 or 1. O(log size()). */
    std::size_t erase(key_view key)
    {
        return detail::in_transaction([&]() -> std::size_t {
            node *const n = found(key);
            if (n) remove(n);
            return n != nullptr;
        });
    }
    /** Erase the element; the next one. O(1) stores, amortized. */
    iterator erase(const_iterator at)
    {
        return detail::in_transaction([&]() -> iterator {
            node *const next = beside(at.node_, 1);
            remove(at.node_);
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
     * Have the elements of a range of pairs, of two equal keys the first, and no other. They are built aside by plain stores, and published by one: O(elements) if the keys ascend, else they are sorted
     * first. The tree is balanced. What was there is freed, O(size()). An exception leaves the map as it was.
     */
    template <std::forward_iterator It> void assign(It from, It to)
    {
        detail::in_transaction([&] {
            if (from == to) return publish(nullptr);
            std::vector<node *> nodes;
            head *fresh = nullptr;
            try {
                nodes.reserve(static_cast<std::size_t>(std::distance(from, to)));
                bool ascend = true;
                for (; from != to; ++from) {
                    const auto &[key, value] = *from;
                    nodes.push_back(make_node(detail::settled(key), value));
                    ascend = ascend && (nodes.size() == 1 || less(nodes[nodes.size() - 2], nodes.back()));
                }
                if (!ascend) sort(nodes);
                fresh = detail::create<head>(allocator_, this, 0);
            } catch (const detail::rolled_back &) {
                throw;
            } catch (...) {
                for (node *const made : nodes) detail::dispose(allocator_, this, made, extra);
                throw;
            }
            // All levels but the last are full and black, what is in the last is red.
            fresh->root = balanced(nodes.data(), nodes.size(), std::bit_floor(nodes.size() + 1) - 1, nullptr);
            fresh->counter.set_plainly(static_cast<long>(nodes.size()));
            publish(fresh);
        });
    }

    /** Whether the invariants hold. O(size()). */
    bool check() const
    {
        head *const in = head_.load();
        if (!in) return true;
        node *const root = in->root.load();
        if (root && (root->up.load() || root->up.is_red())) return false;
        if (black_height(root) < 0) return false;
        long count = 0;
        for (node *n = outermost(0), *before = nullptr; n; before = n, n = beside(n, 1), ++count)
            if (before && !less(before, n)) return false;
        return count == in->counter.sum();
    }

private:
    /** The parent and the colour, in a bit that a distance of blocks does not need. Zero: the root, black. */
    class up_link {
    public:
        node *load() const
        {
            const std::uint64_t there = libtm::load(word_) & ~std::uint64_t{1};
            return there ? reinterpret_cast<node *>(reinterpret_cast<std::uintptr_t>(this) + there) : nullptr;
        }
        bool is_red() const { return libtm::load(word_) & 1; }
        void store(node *to) { libtm::store(word_, distance(to) | (libtm::load(word_) & 1)); }
        void paint(bool red)
        {
            const std::uint64_t now = libtm::load(word_);
            if ((now & 1) != red) libtm::store(word_, now ^ 1);
        }
        void set_plainly(node *to, bool red) { word_ = distance(to) | red; }

    private:
        /** It is first in its node, so this is between two of them; never 0, that to itself. */
        std::uint64_t distance(node *to) const { return to ? reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(this) : 0; }
        std::uint64_t word_ = 0;
    };

    template <std::size_t bytes> struct gap {
        char unused[bytes] = {};
    };
    struct fields {
        up_link up;
        map_entry<Key, Mapped> entry;

        template <class... Args> explicit fields(key_view key, Args &&...args) : entry(key, std::forward<Args>(args)...) {}
    };
    static constexpr std::size_t rest = sizeof(fields) % 32;
    /** 64 bytes with a key and a value of 8 each, the end being a stripe for the child links alone. */
    struct alignas(16) node : fields, std::conditional_t<rest != 0, gap<32 - rest>, std::tuple<>> {
        using fields::fields;
        link child[2]; ///< left, right
    };
    static_assert(sizeof(node) % 32 == 16);
    static constexpr std::size_t extra = 16;

    struct head {
        detail::counter counter;
        link root;
        std::uint64_t reserved = 0;
    };

    /** The node of a key; or null and the place where it would be: a child of `parent`, or the root. */
    struct place {
        node *found;
        node *parent;
        bool side;
    };

    template <class... Args> node *make_node(key_view key, Args &&...args) { return detail::create<node>(allocator_, this, extra, key, std::forward<Args>(args)...); }
    static key_view key_of(const node *n) { return access::of(n->entry.first); }
    static bool less(const node *a, const node *b) { return Less{}(key_of(a), key_of(b)); }
    static bool is_red(node *n) { return n && n->up.is_red(); }
    static bool side(node *parent, node *n) { return parent->child[1].load() == n; }

    static place search(head *in, key_view key)
    {
        return reading([in, &key](auto get) {
            place at{nullptr, nullptr, false};
            for (node *n = in->root.load(get); n; n = n->child[at.side].load(get)) {
                const bool right = Less{}(key_of(n), key);
                if (!right && !Less{}(key, key_of(n))) {
                    at.found = n;
                    break;
                }
                at.parent = n;
                at.side = right;
            }
            return at;
        });
    }
    node *found(key_view key) const
    {
        head *const in = head_.load();
        return in ? search(in, key).found : nullptr;
    }
    /** The first element that is not less than the key, or `above`: that is greater. */
    node *bound(key_view key, bool above) const
    {
        head *const in = head_.load();
        return reading([in, above, &key](auto get) {
            node *best = nullptr;
            for (node *n = in ? in->root.load(get) : nullptr; n;) {
                const bool right = above ? !Less{}(key, key_of(n)) : Less{}(key_of(n), key);
                if (!right) best = n;
                n = n->child[right].load(get);
            }
            return best;
        });
    }

    void remove(node *n)
    {
        head *const in = head_.load();
        unlink(in, n);
        in->counter.place() -= 1;
        detail::dispose(allocator_, this, n, extra);
    }
    /** The last node on the way to one side. */
    static node *end_of(node *n, bool d)
    {
        while (node *const next = n->child[d].load()) n = next;
        return n;
    }
    node *outermost(bool d) const
    {
        head *const in = head_.load();
        node *const root = in ? in->root.load() : nullptr;
        return root ? end_of(root, d) : nullptr;
    }
    /** The node after (d = 1) or before. */
    static node *beside(node *n, bool d)
    {
        if (node *const inner = n->child[d].load()) return end_of(inner, !d);
        node *up = n->up.load();
        while (up && side(up, n) == d) {
            n = up;
            up = n->up.load();
        }
        return up;
    }

    /** Let `now` stand under `up` where `old` stood. Sets no parent link. */
    static void replace(head *in, node *up, node *old, node *now) { (up ? up->child[side(up, old)] : in->root).store(now); }
    /** Let `child` (or nothing) be the child of `parent` on that side. */
    static void adopt(node *parent, bool side, node *child)
    {
        parent->child[side].store(child);
        if (child) child->up.store(parent);
    }
    /** `top` goes down to side `d`, its child `up` from the other side takes its place. */
    static void rotate(head *in, node *top, node *up, bool d)
    {
        node *const above = top->up.load();
        adopt(top, !d, up->child[d].load());
        replace(in, above, top, up);
        up->up.store(above);
        adopt(up, d, top);
    }
    /** `top` goes down to side `d`; `up`, the inner child of its other child `mid`, takes its place, with both as children. */
    static void rotate_twice(head *in, node *top, node *mid, node *up, bool d)
    {
        node *const above = top->up.load();
        adopt(mid, d, up->child[!d].load());
        adopt(top, !d, up->child[d].load());
        replace(in, above, top, up);
        up->up.store(above);
        adopt(up, d, top);
        adopt(up, !d, mid);
    }
    /** `n` is red, its parent perhaps as well: restore the invariants. */
    static void redden(head *in, node *n, node *parent)
    {
        while (is_red(parent)) {
            node *const top = parent->up.load(); // there is one: the root is black
            const bool d = side(top, parent);
            node *const uncle = top->child[!d].load();
            if (!is_red(uncle)) {
                top->up.paint(true);
                if (side(parent, n) == d) {
                    parent->up.paint(false);
                    rotate(in, top, parent, !d);
                } else {
                    n->up.paint(false);
                    rotate_twice(in, top, parent, n, !d);
                }
                return;
            }
            parent->up.paint(false);
            uncle->up.paint(false);
            parent = top->up.load();
            if (!parent) return; // top is the root, and stays black
            top->up.paint(true);
            n = top;
        }
    }
    /** Take `n` out of the tree. */
    static void unlink(head *in, node *n)
    {
        node *const left = n->child[0].load(), *const right = n->child[1].load(), *const above = n->up.load();
        const bool red = n->up.is_red();
        node *parent = above; // of the place that becomes empty or is filled by `only`
        bool d = above && side(above, n);
        node *only = left ? left : right;
        bool lost_red = red;
        if (left && right) {
            node *const next = end_of(right, false); // it takes the place of n
            only = next->child[1].load();
            lost_red = next->up.is_red();
            if (next == right) {
                parent = next;
                d = true;
            } else {
                parent = next->up.load();
                d = false;
                adopt(parent, false, only);
                adopt(next, true, right);
            }
            adopt(next, false, left);
            replace(in, above, n, next);
            next->up.store(above);
            next->up.paint(red);
        } else {
            (above ? above->child[d] : in->root).store(only);
            if (only) only->up.store(above);
        }
        if (lost_red) return;
        if (only) only->up.paint(false); // a single child is red
        else blacken(in, parent, d);
    }
    /** On side `d` of `parent` every way has one black node too few: restore the invariants. */
    static void blacken(head *in, node *parent, bool d)
    {
        while (parent) {
            node *sibling = parent->child[!d].load();
            if (is_red(sibling)) {
                sibling->up.paint(false);
                parent->up.paint(true);
                rotate(in, parent, sibling, d);
                sibling = parent->child[!d].load();
            }
            const bool red = is_red(parent);
            node *const far = sibling->child[!d].load();
            if (is_red(far)) {
                far->up.paint(false);
                if (red) {
                    sibling->up.paint(true);
                    parent->up.paint(false);
                }
                rotate(in, parent, sibling, d);
                return;
            }
            node *const near = sibling->child[d].load();
            if (is_red(near)) {
                (red ? parent : near)->up.paint(false);
                rotate_twice(in, parent, sibling, near, d);
                return;
            }
            sibling->up.paint(true);
            if (red) {
                parent->up.paint(false);
                return;
            }
            node *const above = parent->up.load();
            d = above && side(above, parent);
            parent = above;
        }
    }

    /** The number of black nodes on every way down, or -1. */
    static int black_height(node *n)
    {
        if (!n) return 0;
        int height[2];
        for (int i = 0; i < 2; ++i) {
            node *const child = n->child[i].load();
            if (child && (child->up.load() != n || (is_red(n) && is_red(child)))) return -1;
            height[i] = black_height(child);
        }
        return height[0] < 0 || height[0] != height[1] ? -1 : height[0] + !is_red(n);
    }

    /** Of equal keys the first one stays. */
    void sort(std::vector<node *> &nodes)
    {
        std::vector<std::pair<node *, std::size_t>> numbered; // std::stable_sort with other means, which warn with clang
        numbered.reserve(nodes.size());
        for (node *const each : nodes) numbered.emplace_back(each, numbered.size());
        std::sort(numbered.begin(), numbered.end(), [](const auto &a, const auto &b) { return less(a.first, b.first) || (!less(b.first, a.first) && a.second < b.second); });
        std::vector<node *> kept, others;
        kept.reserve(nodes.size());
        others.reserve(nodes.size());
        for (const auto &[each, number] : numbered) (kept.empty() || less(kept.back(), each) ? kept : others).push_back(each);
        nodes.swap(kept);
        for (node *const each : others) detail::dispose(allocator_, this, each, extra);
    }
    /** A tree of sorted nodes that nobody sees, of which `full` fit into levels that are full, and are black. */
    static node *balanced(node **nodes, std::size_t count, std::size_t full, node *parent)
    {
        if (count == 0) return nullptr;
        const std::size_t middle = count / 2;
        node *const top = nodes[middle];
        top->up.set_plainly(parent, full == 0);
        top->child[0] = balanced(nodes, middle, full / 2, top);
        top->child[1] = balanced(nodes + middle + 1, count - middle - 1, full / 2, top);
        return top;
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
        free_tree(old->root.load());
        old->counter.free(allocator_, this);
        detail::dispose(allocator_, this, old);
    }
    void free_tree(node *n)
    {
        if (!n) return;
        free_tree(n->child[0].load());
        free_tree(n->child[1].load());
        detail::dispose(allocator_, this, n, extra);
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
