// SPDX-License-Identifier: MIT
/**
 * @file queue.hpp
 * libtm::queue: first in, first out, without a bound, for transactions, in plain memory or in a pool.
 *
 *     libtm::queue<long> jobs;                 // in shared memory; all zero is empty
 *     libtm::atomically([&] { jobs.push(1); });
 *     std::optional<long> job = libtm::atomically([&] { return jobs.pop(); });
 *
 * The first node is a dummy: its element has been taken, or never was. So push() touches only the end and pop() only the front, which lie in cache lines of their own.
 *
 * CONFLICTS. push() conflicts with push(), pop() with pop(); the two with each other only while there is at most one element. front() and empty() conflict with pop(), and with push() while it is empty.
 */
#ifndef TM_QUEUE_HPP
#define TM_QUEUE_HPP

#include <cstddef>
#include <iterator>
#include <new>
#include <optional>
#include <stdexcept>
#include <tm/container.hpp>
#include <utility>

namespace libtm {

/**
 * A queue. Thread-safe in transactions; outside of any, operations that change it are transactions of their own, and those that read are right only while nobody changes it. Any operation
 * may restart the transaction. Iterators and references are good until the end of the transaction, or until their element is taken.
 *
 * 72 bytes; for each element 8 bytes beside it. All zero memory is an empty queue.
 */
template <class T, container_allocator Allocator = heap_allocator> class queue {
    struct node;

    template <bool is_const> class position {
    public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = element<T>;
        using difference_type = std::ptrdiff_t;
        using reference = std::conditional_t<is_const, const value_type &, value_type &>;
        using pointer = std::conditional_t<is_const, const value_type *, value_type *>;

        position() = default;
        template <bool is_others>
            requires(is_const && !is_others)
        position(const position<is_others> &other) // NOLINT: as a pointer
            : node_(other.node_)
        {
        }
        reference operator*() const { return node_->value; }
        pointer operator->() const { return &node_->value; }
        position &operator++()
        {
            node_ = node_->next.load();
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
        friend queue;
        template <bool> friend class position;
        explicit position(node *at) : node_(at) {}
        node *node_ = nullptr;
    };

public:
    using value_type = element<T>;
    using reference = value_type &;
    using const_reference = const value_type &;
    using size_type = std::size_t;
    using allocator_type = Allocator;
    using iterator = position<false>;
    using const_iterator = position<true>;

    queue() noexcept = default;
    explicit queue(const Allocator &allocator) noexcept : allocator_(allocator) {}
    /** Takes the elements over in O(1). Throws std::logic_error where `other`'s blocks must not be this one's: one of them is in a pool. */
    queue(queue &&other) : allocator_(other.allocator_)
    {
        detail::in_transaction([&] {
            demand_fit(other.front_.load());
            front_ = other.front_.load();
            back_ = other.back_.load();
            detail::put(other.front_, nullptr);
            detail::put(other.back_, nullptr);
        });
    }
    queue &operator=(queue &&other)
    {
        if (this != &other)
            detail::in_transaction([&] {
                node *const front = other.front_.load(), *const back = other.back_.load();
                demand_fit(front);
                detail::put(other.front_, nullptr);
                detail::put(other.back_, nullptr);
                publish(front, back);
            });
        return *this;
    }
    /** Frees everything. O(elements). */
    ~queue()
    {
        detail::end_of_life([&] {
            if (front_.load()) detail::in_transaction([&] { free_all(front_.load()); });
        });
    }

    bool empty() const { return !first(); }
    /** The oldest element; throws std::out_of_range if there is none. O(1). */
    reference front() { return there(first())->value; }
    const_reference front() const { return there(first())->value; }
    iterator begin() { return iterator(first()); }
    iterator end() { return {}; }
    const_iterator begin() const { return const_iterator(first()); }
    const_iterator end() const { return {}; }

    /** Add an element, built from the arguments. O(1). An exception leaves the queue as it was. */
    template <class... Args> reference emplace(Args &&...args)
    {
        return detail::in_transaction([&]() -> reference {
            node *const last = with_dummy();
            node *const made = create(std::forward<Args>(args)...);
            last->next.store(made);
            detail::put(back_, made);
            return made->value;
        });
    }
    void push(const T &value)
        requires std::is_trivially_copyable_v<T>
    {
        emplace(value);
    }
    void push(T &&value)
        requires(!std::is_trivially_copyable_v<T>)
    {
        emplace(std::move(value));
    }
    /** The oldest element, taken out (moved, where it is not trivially copyable); nothing if there is none. O(1). */
    std::optional<T> pop()
    {
        return detail::in_transaction([&]() -> std::optional<T> {
            node *const taken = first();
            if (!taken) return std::nullopt;
            std::optional<T> value(detail::take<T>(taken->value));
            leave_behind(taken);
            return value;
        });
    }
    /** Drop the oldest element. Whether there was one. O(1). */
    bool drop()
    {
        return detail::in_transaction([&] {
            node *const taken = first();
            if (taken) leave_behind(taken);
            return taken != nullptr;
        });
    }
    /** Drop everything and give the memory back. O(elements). */
    void clear()
    {
        detail::in_transaction([&] { publish(nullptr, nullptr); });
    }
    /** Have the elements of a range and no other. They are built aside by plain stores and published at once: O(elements). An exception leaves the queue as it was. */
    template <std::forward_iterator It> void assign(It from, It to)
    {
        detail::in_transaction([&] {
            node *front = nullptr, *back = nullptr;
            try {
                if (from != to) front = back = dummy();
                for (; from != to; ++from) {
                    node *const made = create(*from);
                    back->next = made;
                    back = made;
                }
            } catch (const detail::rolled_back &) {
                throw;
            } catch (...) {
                if (front) free_all(front);
                throw;
            }
            publish(front, back);
        });
    }
    void swap(queue &other)
    {
        detail::in_transaction([&] {
            node *const front = front_.load(), *const back = back_.load();
            node *const their_front = other.front_.load(), *const their_back = other.back_.load();
            demand_fit(their_front);
            other.demand_fit(front);
            detail::put(front_, their_front);
            detail::put(back_, their_back);
            detail::put(other.front_, front);
            detail::put(other.back_, back);
        });
    }
    friend void swap(queue &a, queue &b) { a.swap(b); }

private:
    /** 16 bytes with an element of 8. The element of the dummy is not alive. */
    struct node {
        pptr<node> next;
        union {
            element<T> value;
        };

        node() {} // NOLINT: without an element
        ~node() {}
    };

    node *first() const
    {
        node *const taken = front_.load();
        return taken ? taken->next.load() : nullptr;
    }
    static node *there(node *at)
    {
        if (!at) throw std::out_of_range("libtm::queue: it is empty");
        return at;
    }
    node *dummy() { return detail::create<node>(allocator_, this, 0); }
    template <class... Args> node *create(Args &&...args)
    {
        node *const made = dummy();
        void *const at = &made->value;
        try {
            if constexpr (std::is_constructible_v<element<T>, Args...>) ::new (at) element<T>(std::forward<Args>(args)...);
            else if constexpr (std::is_constructible_v<T, Args...>) ::new (at) element<T>(T(std::forward<Args>(args)...));
            else ::new (at) element<T>(T{std::forward<Args>(args)...});
        } catch (const detail::rolled_back &) {
            throw;
        } catch (...) {
            detail::dispose(allocator_, this, made);
            throw;
        }
        return made;
    }
    /** The last node; of a queue that has none yet, a dummy. */
    node *with_dummy()
    {
        if (node *const last = back_.load()) return last;
        node *const made = dummy();
        detail::put(front_, made);
        detail::put(back_, made);
        return made;
    }
    /** The first element is gone: its node is the dummy now. */
    void leave_behind(node *taken)
    {
        node *const before = front_.load();
        detail::put(front_, taken);
        end_value(taken);
        detail::dispose(allocator_, this, before);
    }
    static void end_value(node *of) { of->value.~value_type(); }

    void publish(node *front, node *back)
    {
        node *const old = front_.load();
        detail::put(front_, front);
        detail::put(back_, back);
        if (old) free_all(old);
    }
    void free_all(node *at)
    {
        for (bool is_dummy = true; at; is_dummy = false) {
            node *const dead = at;
            at = at->next.load();
            if (!is_dummy) end_value(dead);
            detail::dispose(allocator_, this, dead);
        }
    }
    void demand_fit(node *theirs)
    {
        if (!detail::fits(allocator_, this, theirs)) throw std::logic_error("libtm::queue: elements cannot move between a pool and other memory; copy them with assign()");
    }

    pptr<node> front_;
    char padding_[56] = {};
    pptr<node> back_;
    [[no_unique_address]] Allocator allocator_;
};

} // namespace libtm

#endif
