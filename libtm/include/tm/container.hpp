// SPDX-License-Identifier: MIT
/**
 * @file container.hpp
 * What the containers (tm/containers.hpp) share; namespace libtm::detail is theirs alone.
 *
 * STORES. What is not yet published is filled by plain stores: a block that the transaction has allocated is invisible to others, and in a pool it is journaled with what
 * it holds at the commit. Published memory is stored to transactionally. So is a container itself, unless it is a local variable of the transaction's block
 * (is_local): that is made anew by each attempt, so a rollback need not restore it, and it is gone at the commit, which must not write to where it was.
 *
 * PLAIN LOADS of what never changes (keys, sizes of tables) are right after a transactional load of a link that leads there: whoever has stored the link had filled the
 * block before, and has released the link's orec after; and the block is not used again before all transactions have ended or are known not to have read the
 * links to it, each of which the transaction that frees it has changed.
 */
#ifndef TM_CONTAINER_HPP
#define TM_CONTAINER_HPP

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <tm/allocator.hpp>
#include <tm/pptr.hpp>
#include <tm/var.hpp>
#include <type_traits>
#include <utility>

namespace libtm {

namespace detail {

template <class T> struct held {
    using type = T;
};
template <class T>
    requires std::is_trivially_copyable_v<T>
struct held<T> {
    using type = var<T>;
};

} // namespace detail

/** How containers hold a T: a trivially copyable one as libtm::var<T>, any other as itself, whose members must be variables and containers of libtm, or constant. */
template <class T> using element = typename detail::held<T>::type;

/** What maps hold. The key never changes, so it may be read plainly. */
template <class Key, class Mapped> struct map_entry {
    const Key first;
    element<Mapped> second;

    template <class K, class... Args>
        requires std::is_constructible_v<Mapped, Args...>
    explicit map_entry(const K &key, Args &&...args) : first(key), second(std::forward<Args>(args)...)
    {
    }
    template <class K, class... Args>
        requires(!std::is_constructible_v<Mapped, Args...>)
    explicit map_entry(const K &key, Args &&...args) : first(key), second{std::forward<Args>(args)...}
    {
    }
};

namespace detail {

[[gnu::noinline]] inline bool is_above_this_frame(const void *at) { return at >= __builtin_frame_address(0); }

/** Whether the address is that of a local variable of the running block, or of a function that it calls. */
inline bool is_local(const void *at)
{
    const tm_context *const tx = tm_self_;
    constexpr int stack_pointer = 6; // of tm_context::frame
    return reinterpret_cast<std::uintptr_t>(at) < reinterpret_cast<std::uintptr_t>(tx->frame[stack_pointer]) && tx->limit != 0 && is_above_this_frame(at);
}

/** Store into a member of a container. */
template <class T> void put(T &member, const std::type_identity_t<T> &value)
{
    if (is_local(&member)) member = value;
    else libtm::store(member, value);
}
template <class T> void put(pptr<T> &member, std::type_identity_t<T> *to)
{
    if (is_local(&member)) member = to;
    else member.store(to);
}

/**
 * Run an operation of several stores as one: in the running transaction, or as one of its own. Asking first costs 1 ns where there is one (a nested block 10), so every
 * operation does; in a pool what runs outside would not be durable.
 */
template <class Operation> auto in_transaction(Operation &&operation) -> std::invoke_result_t<Operation &>
{
    if (tm_in_transaction()) return operation();
    return atomically(operation);
}

/**
 * The destructor of a container. clear() may have to restart the transaction, but a destructor that throws is std::terminate() in std::optional and the like. So nothing is thrown: the next
 * transactional call throws it again, and the block cannot commit. After a rollback, which an exception brings here, there is nothing to do: the blocks are given back, or belong to what was before. What else goes
 * wrong (a pool without memory to free a block) ends the transaction with TM_ERROR_RECOVER, lest the rest be lost; outside of any, it is lost.
 */
template <class Clear> void end_of_life(Clear &&clear) noexcept
{
    if (tm_in_transaction() && tm_self_->limit == 0 && std::uncaught_exceptions()) return;
    try {
        try {
            clear();
        } catch (const std::exception &) {
            if (tm_in_transaction()) tm_recover(ENOMEM);
        }
    } catch (const rolled_back &) {
    }
}

/** Allocate a block and construct a T in it. If that throws, nothing has happened. `extra`: bytes behind it. */
template <class T, class Allocator, class... Args> T *create(const Allocator &allocator, const void *owner, std::size_t extra, Args &&...args)
{
    static_assert(alignof(T) <= 16, "blocks are aligned to 16");
    void *const block = allocator.allocate(owner, sizeof(T) + extra);
    try {
        return ::new (block) T(std::forward<Args>(args)...);
    } catch (const rolled_back &) {
        throw;
    } catch (...) {
        allocator.deallocate(owner, block, sizeof(T) + extra);
        throw;
    }
}

/** The opposite. The object may be in the sight of others until the commit, so a destructor stores nothing to it. */
template <class T, class Allocator> void dispose(const Allocator &allocator, const void *owner, T *object, std::size_t extra = 0)
{
    object->~T();
    allocator.deallocate(owner, object, sizeof(T) + extra);
}

/** Whether a block may belong to a container at `owner`. */
template <class Allocator> bool fits(const Allocator &allocator, const void *owner, const void *block)
{
    if constexpr (requires { allocator.fits(owner, block); }) return !block || allocator.fits(owner, block);
    else return true;
}

template <class T> T take(var<T> &from) { return from.get(); }
template <class T> T take(T &from) { return T(std::move(from)); }

/** How maps look at keys: their hash, equality and order are of these. See also string.hpp. */
template <class Key> struct key_access {
    using view = const Key &;
    static view of(const Key &key) noexcept { return key; }
};

/** 1 for the first thread that asks, and so on. */
inline unsigned thread_number()
{
    static std::atomic<unsigned> last{0};
    static thread_local unsigned mine = 0;
    if (mine == 0) mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return mine;
}

/**
 * How many elements there are, in a container's block. Many are counted in 16 lines, of which each thread takes one, so that insertions do not conflict because of it; a line may be
 * negative. Zeroed memory is 0.
 */
class counter {
public:
    /** What the calling thread adds to. */
    var<long> &place()
    {
        line_array *const lines = lines_.load();
        return lines ? lines->all[thread_number() % 16].count : few_;
    }
    /** The same, where one more will be added: makes the lines when it is time. */
    template <class Allocator> var<long> &place_for_more(const Allocator &allocator, const void *owner)
    {
        if (var<long> &now = place(); &now != &few_ || few_ < most_few) return now;
        static_assert(sizeof(line) == 64);
        lines_.store(create<line_array>(allocator, owner, 0));
        return place();
    }
    /** Whether that is all there is. */
    bool is_all(const var<long> &place) const { return &place == &few_; }
    long sum() const
    {
        long all = few_;
        if (const line_array *const lines = lines_.load())
            for (const line &each : lines->all) all += each.count;
        return all;
    }
    template <class Allocator> void free(const Allocator &allocator, const void *owner)
    {
        if (line_array *const lines = lines_.load()) dispose(allocator, owner, lines);
    }
    /** While nobody else can see it. */
    void set_plainly(long all) { *few_.address() = all; }

private:
    static constexpr long most_few = 128;
    struct line {
        var<long> count;
        char padding[56] = {};
    };
    struct line_array {
        line all[16];
    };
    var<long> few_;
    pptr<line_array> lines_;
};

} // namespace detail

} // namespace libtm

#endif
