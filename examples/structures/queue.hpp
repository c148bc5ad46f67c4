// SPDX-License-Identifier: MIT
/**
 * @file queue.hpp
 * A first-in first-out queue without a bound.
 *
 * The first node is a dummy, whose value has been taken (or never was), so that push touches only the end and pop only
 * the front: they conflict with each other only while the queue is empty. Loads and stores: push one and two; pop three
 * and one, and a release.
 */
#ifndef EXAMPLES_STRUCTURES_QUEUE_HPP
#define EXAMPLES_STRUCTURES_QUEUE_HPP

#include <optional>
#include <type_traits>

#include "access.hpp"

namespace structures {

template <class Access, class Value>
    requires std::is_trivially_copyable_v<Value> && std::is_default_constructible_v<Value>
class queue {
public:
    queue() : front_(create(Value{})), back_(front_) {}
    queue(const queue &) = delete;
    queue &operator=(const queue &) = delete;
    /** While nobody else uses it. */
    ~queue()
    {
        for (node *n = Access::load(front_); n;) {
            node *const dead = n;
            n = Access::load(n->next);
            Access::release(dead);
        }
    }

    void push(const Value &value)
    {
        node *const fresh = create(value);
        Access::store(Access::load(back_)->next, fresh);
        Access::store(back_, fresh);
    }

    /** The oldest value, taken out; nothing if the queue is empty. */
    std::optional<Value> pop()
    {
        node *const dummy = Access::load(front_);
        node *const first = Access::load(dummy->next);
        if (!first) return std::nullopt;
        const Value value = Access::load(first->value);
        Access::store(front_, first);
        Access::release(dummy);
        return value;
    }

    bool empty() { return !Access::load(Access::load(front_)->next); }

    /** Call `visit(value)` for every element, the oldest first. */
    template <class Visit> void for_each(Visit &&visit)
    {
        for (node *n = Access::load(Access::load(front_)->next); n; n = Access::load(n->next)) visit(Access::load(n->value));
    }

private:
    /** 16 bytes with a value of 8: always inside of one 32-byte stripe. */
    struct node {
        Value value;
        node *next;
    };

    static node *create(const Value &value) { return ::new (Access::allocate(sizeof(node))) node{value, nullptr}; }

    /* A cache line each: the two ends are used by different threads. */
    alignas(64) node *front_;
    alignas(64) node *back_;
};

} // namespace structures

#endif
