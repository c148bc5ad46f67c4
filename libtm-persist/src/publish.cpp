// SPDX-License-Identifier: MIT
/**
 * @file publish.cpp
 * Changes of plain code: tm/publish.h. They join the order of commits as a transaction does (transaction.cpp), but are known beforehand.
 */
#include <tm/publish.h>

#include "heap_changes.hpp"
#include "pool.hpp"
#include "undisturbed.hpp"

#include <cerrno>
#include <span>
#include <tm/tm.h>
#include <vector>

namespace libtm::persist {

namespace {

/** A holder for a scope: so that no commit of the whole image runs meanwhile. */
class Holding {
public:
    Holding() : holder_(tm_hold_begin())
    {
        if (!holder_) throw Failure{errno, {}, "transaction", 0, errno == EDEADLK ? "inside of one" : "no memory", {}, {}};
    }
    ~Holding() { tm_hold_end(holder_); }
    Holding(const Holding &) = delete;
    Holding &operator=(const Holding &) = delete;

private:
    tm_holder *holder_;
};

Pool &checked(tm_pool *handle)
{
    if (!handle) throw Failure{EINVAL, {}, "pool", 0, "NULL", "one that is open", {}};
    Pool &pool = *Pool::of(handle);
    pool.demand_journaled();
    return pool;
}

/** The blocks of a call, each with its change. Those that it frees are kept for that by nobody else, unless it comes to nothing. */
class Blocks {
public:
    Blocks(Pool &pool, std::span<const tm_pool_change> changes) : heap_(pool.heap())
    {
        blocks_.reserve(changes.size());
        try {
            for (const tm_pool_change &change : changes) {
                if (change.kind != TM_POOL_ALLOCATED && change.kind != TM_POOL_FREED) continue;
                const bool frees = change.kind == TM_POOL_FREED;
                blocks_.push_back({frees ? heap_.leave(change.address) : heap_.at(change.address), frees, frees ? 0 : change.size});
                if (frees && !pool.is_allocated(blocks_.back().block)) throw Failure{EINVAL, pool.path(), "tm_pool_change.address", 0, "a reserved block", "an allocated one", "Cancel it"};
                if (!frees && change.size > blocks_.back().block.bytes) throw Failure{EINVAL, {}, "tm_pool_change.size", 0, std::to_string(change.size), "at most " + std::to_string(blocks_.back().block.bytes), {}};
            }
        } catch (...) {
            undo();
            throw;
        }
    }
    void undo() noexcept
    {
        for (const One &one : blocks_)
            if (one.frees) heap_.undo_leave(one.block);
    }
    std::uint64_t bytes() const
    {
        std::uint64_t bytes = 0;
        for (const One &one : blocks_) bytes += heap_.bytes_of(one.block, one.frees, one.content);
        return bytes;
    }
    void publish(Pool &pool, std::uint64_t ticket) noexcept
    {
        for (const One &one : blocks_) {
            heap_.publish(one.block, one.frees, one.content, [&](const void *from, std::size_t size) { pool.append(from, size, ticket); });
            if (one.frees) heap_.gone(one.block);
        }
    }
    /** Nobody sees what was freed any more. */
    void give_back() noexcept
    {
        for (const One &one : blocks_)
            if (one.frees) heap_.give_back(one.block);
    }

private:
    struct One {
        Block block;
        bool frees;
        std::uint64_t content;
    };
    Heap &heap_;
    std::vector<One> blocks_;
};

void demand_inside(const Pool &pool, const tm_pool_change &change)
{
    const auto offset = static_cast<std::uint64_t>(static_cast<const char *>(change.address) - pool.data());
    const std::uint64_t size = pool.end_of_image() - static_cast<std::uint64_t>(pool.data() - pool.image_base()); // with the heap
    if (offset > size || change.size > size - offset) throw Failure{EINVAL, pool.path(), "tm_pool_change.address", 0, to_hex(reinterpret_cast<std::uint64_t>(change.address)), "memory of the pool", {}};
}

void publish(Pool &pool, std::span<const tm_pool_change> changes, tm_holder *holder)
{
    std::uint64_t bytes = 0;
    for (const tm_pool_change &change : changes)
        switch (change.kind) {
        case TM_POOL_STORED:
            demand_inside(pool, change);
            bytes += pool.bytes_of_frames(change.address, change.size);
            break;
        case TM_POOL_ALLOCATED:
        case TM_POOL_FREED: break;
        default: throw Failure{EINVAL, pool.path(), "tm_pool_change.kind", 0, std::to_string(change.kind), "a TM_POOL_ value", {}};
        }
    // Transactions that free one of the blocks begin again, and find it gone.
    for (const tm_pool_change &change : changes)
        if (change.kind == TM_POOL_FREED && tm_hold(holder, touched_by_free(change.address), sizeof(std::uint64_t)) != 0) throw std::bad_alloc();
    Blocks blocks(pool, changes);
    std::uint64_t ticket = 0;
    if (!changes.empty()) {
        try {
            pool.begin_transaction(bytes + blocks.bytes());
        } catch (Failure &failure) { // EIO says that nobody knows
            blocks.undo();
            if (failure.code == EIO || failure.code == ESTALE) failure.code = ENOTRECOVERABLE;
            throw;
        } catch (...) {
            blocks.undo();
            throw;
        }
        ticket = pool.next_ticket();
        for (const tm_pool_change &change : changes)
            if (change.kind == TM_POOL_STORED) pool.append(change.address, change.size, ticket);
        blocks.publish(pool, ticket);
        pool.order_mutex().unlock();
    }
    tm_hold_end(holder);
    blocks.give_back();
    if (!ticket) return;
    try {
        pool.after_transaction(ticket, TM_DURABILITY_DEFAULT, false); // what is called may need transactions, and what the caller has locked
    } catch (Failure &failure) {
        failure.code = EIO;
        throw;
    } catch (const std::bad_alloc &) {
        throw Failure{EIO, pool.path(), "memory", 0, {}, {}, {}};
    }
}

} // namespace

} // namespace libtm::persist

using namespace libtm::persist;

extern "C" void *tm_pool_reserve(tm_pool *handle, size_t size)
{
    void *block = nullptr;
    guarded([&] {
        Pool &pool = checked(handle);
        const Undisturbed undisturbed;
        const Holding holding;
        block = pool.image_base() + pool.heap().take(std::max<std::uint64_t>(size, 1)).offset;
    });
    return block;
}

extern "C" int tm_pool_cancel(tm_pool *handle, void *block)
{
    return guarded([&] {
        Pool &pool = checked(handle);
        pool.heap().give_back(pool.heap().at(block));
    });
}

extern "C" int tm_pool_publish(tm_pool *handle, const tm_pool_change *changes, size_t count, tm_holder *holder)
{
    return guarded([&] {
        Pool &pool = checked(handle);
        const Undisturbed undisturbed;
        publish(pool, {changes, count}, holder);
    });
}

extern "C" void *tm_pool_next_block(tm_pool *handle, const void *block)
{
    void *next = nullptr;
    guarded([&] {
        if (!handle) throw Failure{EINVAL, {}, "pool", 0, "NULL", "one that is open", {}};
        Pool &pool = *Pool::of(handle);
        pool.demand_usable();
        next = pool.next_block(block);
    });
    return next;
}
