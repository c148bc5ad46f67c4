// SPDX-License-Identifier: MIT
/**
 * @file ordered_map.hpp
 * A sorted map: a red-black tree with null leaves and parent links.
 *
 * The invariants, which check() proves: keys ascend in order; the root is black; a red node has no red child; every way from
 * the root to a leaf passes the same number of black nodes; parent links mirror child links. It follows that a node
 * with a single child is black and the child red, on which erase relies.
 *
 * Nodes are relinked, never copied into each other, so a pointer to a value is good until its key is erased. Nothing is
 * stored that does not change: colours are written only where they differ, and where a fix-up ends with two rotations, the
 * links that only the first of them would set are left out.
 */
#ifndef EXAMPLES_STRUCTURES_ORDERED_MAP_HPP
#define EXAMPLES_STRUCTURES_ORDERED_MAP_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "access.hpp"

namespace structures {

/** Keys never change while they are in the map; values may, through the pointers handed out, by `Access::store`. */
template <class Access, class Key, class Value, class Less = std::less<Key>>
    requires std::is_trivially_copyable_v<Key> && std::is_trivially_copyable_v<Value>
class ordered_map {
public:
    ordered_map() = default;
    ordered_map(const ordered_map &) = delete;
    ordered_map &operator=(const ordered_map &) = delete;
    /** While nobody else uses it. */
    ~ordered_map()
    {
        node *n = first();
        while (n) {
            // In postorder: from a node on to the lowest leaf of its next sibling's subtree, else up.
            if (node *const right = get(n->child[1])) {
                n = lowest(right);
                continue;
            }
            node *const up = get(n->parent);
            if (up) put(up->child[side(up, n)], nullptr);
            Access::release(n);
            n = up;
        }
    }

    /** The value of `key`, to be used by `Access::load` and `Access::store`; nullptr if there is none. */
    Value *find(const Key &key)
    {
        node *const n = search(key).found;
        return n ? &n->value : nullptr;
    }

    /** The first key that is not less than `key`, and its value; nothing if all are less. */
    std::optional<std::pair<Key, Value *>> lower_bound(const Key &key)
    {
        return reading<Access>([this, wanted = key](auto get) {
            std::optional<std::pair<Key, Value *>> best;
            for (node *n = get(root_); n;) {
                const bool less = Less{}(n->key, wanted);
                if (!less) best.emplace(n->key, &n->value);
                n = get(n->child[less]);
            }
            return best;
        });
    }

    /** Insert unless `key` is there already. Returns its value and whether it is new. */
    std::pair<Value *, bool> insert(const Key &key, const Value &value)
    {
        const place at = search(key);
        if (at.found) return {&at.found->value, false};
        const colour paint = at.parent ? colour::red : colour::black;
        node *const fresh = ::new (Access::allocate(room)) node{key, {nullptr, nullptr}, at.parent, value, paint};
        put(at.parent ? at.parent->child[at.side] : root_, fresh);
        if (at.parent) redden(fresh, at.parent);
        return {&fresh->value, true};
    }

    /** Whether `key` was there. */
    bool erase(const Key &key)
    {
        node *const n = search(key).found;
        if (!n) return false;
        unlink(n);
        Access::release(n);
        return true;
    }

    /** Call `visit(key, value)` for every element, in order. */
    template <class Visit> void for_each(Visit &&visit)
    {
        for (node *n = first(); n; n = successor(n)) visit(n->key, get(n->value));
    }

    /** Whether the invariants hold. */
    bool check()
    {
        node *const root = get(root_);
        if (root && (get(root->parent) || is_red(root))) return false;
        if (black_height(root) < 0) return false;
        node *before = nullptr;
        for (node *n = first(); n; before = n, n = successor(n))
            if (before && !Less{}(before->key, n->key)) return false;
        return true;
    }

private:
    /** As wide as a word, which is what a transactional store likes best. */
    enum class colour : std::uint64_t { black, red };

    /** What a search reads comes first, so that recolouring a node, or storing its value, need not disturb those who pass it. */
    struct node {
        const Key key;
        node *child[2]; // left, right
        node *parent;
        Value value;
        colour paint;
    };
    /** A multiple of 64, which jemalloc aligns to 64: then no node shares a stripe with another. */
    static constexpr std::size_t room = (sizeof(node) + 63) / 64 * 64;

    template <class T> static T get(const T &object) { return Access::load(object); }
    template <class T> static void put(T &object, const std::type_identity_t<T> &value) { Access::store(object, value); }

    static bool is_red(node *n) { return n && get(n->paint) == colour::red; }
    static bool side(node *parent, node *n) { return get(parent->child[1]) == n; }

    /** The node of a key; or nullptr and the place where it would be: a child of `parent`, or the root. */
    struct place {
        node *found;
        node *parent;
        bool side;
    };

    place search(const Key &key)
    {
        return reading<Access>([this, wanted = key](auto get) {
            const Less less{};
            place at{nullptr, nullptr, false};
            for (node *n = get(root_); n; n = get(n->child[at.side])) {
                const bool right = less(n->key, wanted);
                if (!right && !less(wanted, n->key)) {
                    at.found = n;
                    break;
                }
                at.parent = n;
                at.side = right;
            }
            return at;
        });
    }

    static node *lowest(node *n)
    {
        while (node *const left = get(n->child[0])) n = left;
        return n;
    }
    node *first()
    {
        node *const root = get(root_);
        return root ? lowest(root) : nullptr;
    }
    static node *successor(node *n)
    {
        if (node *const right = get(n->child[1])) return lowest(right);
        node *up = get(n->parent);
        while (up && side(up, n)) {
            n = up;
            up = get(up->parent);
        }
        return up;
    }

    /** Black nodes on every way from `n` to a leaf; -1 if they differ, or another local invariant is broken. */
    static int black_height(node *n)
    {
        if (!n) return 0;
        int height[2];
        for (int i = 0; i < 2; ++i) {
            node *const child = get(n->child[i]);
            if (child && get(child->parent) != n) return -1;
            if (is_red(n) && is_red(child)) return -1;
            height[i] = black_height(child);
        }
        return height[0] < 0 || height[0] != height[1] ? -1 : height[0] + !is_red(n);
    }

    /** Let `now` stand under `up` where `old` stood. Sets no parent link. */
    void replace(node *up, node *old, node *now) { put(up ? up->child[side(up, old)] : root_, now); }

    /** Let `child` (or nothing) be the child of `parent` on that side. */
    static void adopt(node *parent, bool side, node *child)
    {
        put(parent->child[side], child);
        if (child) put(child->parent, parent);
    }

    /** `top` goes down to side `d`, its child `up` from the other side takes its place. */
    void rotate(node *top, node *up, bool d)
    {
        node *const above = get(top->parent);
        adopt(top, !d, get(up->child[d]));
        replace(above, top, up);
        put(up->parent, above);
        adopt(up, d, top);
    }

    /** `top` goes down to side `d`; `up`, the inner child of its other child `mid`, takes its place, with both as children. */
    void rotate_twice(node *top, node *mid, node *up, bool d)
    {
        node *const above = get(top->parent);
        adopt(mid, d, get(up->child[!d]));
        adopt(top, !d, get(up->child[d]));
        replace(above, top, up);
        put(up->parent, above);
        adopt(up, d, top);
        adopt(up, !d, mid);
    }

    /** `n` is red, its parent perhaps as well: restore the invariants. */
    void redden(node *n, node *parent)
    {
        while (is_red(parent)) {
            node *const top = get(parent->parent); // there is one: the root is black
            const bool d = side(top, parent);
            node *const uncle = get(top->child[!d]);
            if (!is_red(uncle)) {
                put(top->paint, colour::red);
                if (side(parent, n) == d) {
                    put(parent->paint, colour::black);
                    rotate(top, parent, !d);
                } else {
                    put(n->paint, colour::black);
                    rotate_twice(top, parent, n, !d);
                }
                return;
            }
            put(parent->paint, colour::black);
            put(uncle->paint, colour::black);
            parent = get(top->parent);
            if (!parent) return; // top is the root, and stays black
            put(top->paint, colour::red);
            n = top;
        }
    }

    /** Take `n` out of the tree. */
    void unlink(node *n)
    {
        node *const left = get(n->child[0]);
        node *const right = get(n->child[1]);
        node *const above = get(n->parent);
        const colour paint = get(n->paint);
        node *parent = above; // of the place that becomes empty or is filled by `only`
        bool d = above && side(above, n);
        node *only = left ? left : right;
        colour lost = paint;
        if (left && right) {
            node *const next = lowest(right); // it takes the place of n
            only = get(next->child[1]);
            lost = get(next->paint);
            if (next == right) {
                parent = next;
                d = true;
            } else {
                parent = get(next->parent);
                d = false;
                adopt(parent, false, only);
                adopt(next, true, right);
            }
            adopt(next, false, left);
            replace(above, n, next);
            put(next->parent, above);
            if (lost != paint) put(next->paint, paint);
        } else {
            put(above ? above->child[d] : root_, only);
            if (only) put(only->parent, above);
        }
        if (lost == colour::red) return;
        if (only)
            put(only->paint, colour::black); // a single child is red
        else
            blacken(parent, d);
    }

    /** On side `d` of `parent` every way has one black node too few: restore the invariants. */
    void blacken(node *parent, bool d)
    {
        while (parent) {
            node *sibling = get(parent->child[!d]);
            if (is_red(sibling)) {
                put(sibling->paint, colour::black);
                put(parent->paint, colour::red);
                rotate(parent, sibling, d);
                sibling = get(parent->child[!d]);
            }
            const bool red = is_red(parent);
            node *const far = get(sibling->child[!d]);
            if (is_red(far)) {
                put(far->paint, colour::black);
                if (red) {
                    put(sibling->paint, colour::red);
                    put(parent->paint, colour::black);
                }
                rotate(parent, sibling, d);
                return;
            }
            node *const near = get(sibling->child[d]);
            if (is_red(near)) {
                put(red ? parent->paint : near->paint, colour::black);
                rotate_twice(parent, sibling, near, d);
                return;
            }
            put(sibling->paint, colour::red);
            if (red) {
                put(parent->paint, colour::black);
                return;
            }
            node *const above = get(parent->parent);
            d = above && side(above, parent);
            parent = above;
        }
    }

    node *root_ = nullptr;
};

} // namespace structures

#endif
