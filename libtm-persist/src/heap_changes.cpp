// SPDX-License-Identifier: MIT
#include "heap_changes.hpp"

#include "places.hpp"
#include "pool.hpp"
#include "undisturbed.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <tm/hooks.h>
#include <tm/tm.hpp>
#include <utility>

namespace libtm::persist {

namespace {

/** Of the running transaction, the last one first. */
__thread HeapChange *newest __attribute__((tls_model("initial-exec")));

/** A rollback undoes from the newest on. In a forked child nobody gives back the heap's mutex. */
void undo_newest(void *)
{
    const std::unique_ptr<HeapChange> gone(std::exchange(newest, newest->next));
    if (!gone->pool->is_ours()) return;
    if (gone->frees) gone->pool->heap().undo_leave(gone->block);
    else gone->pool->heap().give_back(gone->block);
}

/** Nobody can see the block any more. */
void reuse(void *data)
{
    const std::unique_ptr<HeapChange> freed(static_cast<HeapChange *>(data));
    const std::lock_guard lock(places_mutex); // the pool may have been closed since
    for (const Place *place = places.load(std::memory_order_relaxed); place; place = place->next)
        if (Pool *const pool = place->pool.load(std::memory_order_relaxed); pool == freed->pool && pool->number() == freed->number && pool->is_ours()) pool->heap().give_back(freed->block);
}

/**
 * Words that transactions store to: it is what they do with the heap that libtm sees. Who allocates has stored something, so that it is never beside a transaction that is alone (a commit of the
 * whole image, a trim) and is refused where it must not write. And two that free the same block conflict, so that one of them begins again and finds it gone; whoever has found the address of
 * a block that was freed since then does not get that far. None of it is journaled: this is no memory of a pool.
 */
struct alignas(32) Touched {
    std::uint64_t word;
};
Touched touched[1 << 14];

void touch(const void *block)
{
    static __thread std::uint64_t mine __attribute__((tls_model("initial-exec")));
    void *const word = block ? touched_by_free(block) : &mine;
    tm_write_8_(word, tm_read_8_(word));
}

/** Make a change in the running transaction; `make(pool)` returns it; `block` is what is freed. What may end or restart the transaction is outside of guarded(). */
template <class Make> int change_here(Pool &pool, const void *block, Make &make)
{
    int refused = guarded([&] { pool.demand_journaled(); });
    if (refused) return refused;
    refused = tm_hooks_call();
    if (!refused) refused = tm_log_reserve(1, 0, 0);
    if (refused) return guarded([&] { throw Failure{refused, pool.path(), "transaction", 0, refused == EPERM ? "in a function of the action log, or rolled back" : "no memory for its log", {}, {}}; });
    touch(block);
    HeapChange *made = nullptr;
    const int fault = guarded([&] {
        const Undisturbed undisturbed;
        made = make(pool).release();
    });
    if (fault) return fault;
    made->next = std::exchange(newest, made);
    tm_log(nullptr, undo_newest, nullptr, nullptr, 0); // there is room
    if (made->frees) made->is_retired = tm_retire(made, reuse) == 0;
    return 0;
}

/** The same, or in a transaction of its own. */
template <class Make> int change(tm_pool *handle, const void *block, Make &&make)
{
    Pool *const pool = Pool::of(handle);
    if (!pool) return guarded([] { throw Failure{EINVAL, {}, "pool", 0, {}, "one that is open", {}}; });
    if (tm_in_transaction()) return change_here(*pool, block, make);
    int result = 0;
    try {
        libtm::atomically([&] {
            result = change_here(*pool, block, make);
            if (result) libtm::cancel(result);
        });
    } catch (const libtm::error &error) {
        if (result) return result;
        if (error.kind() == TM_ERROR_POOL) return error.code(); // it has been said
        result = guarded([&] { throw Failure{error.code() ? error.code() : ENOMEM, pool->path(), "transaction", 0, error.what(), {}, {}}; });
    }
    return result;
}

template <class Bytes> void *allocate(tm_pool *handle, Bytes &&bytes, bool zeroed)
{
    void *block = nullptr;
    const int fault = change(handle, nullptr, [&](Pool &pool) {
        const std::uint64_t size = bytes();
        auto made = std::make_unique<HeapChange>(HeapChange{&pool, pool.number(), {}, false, size});
        made->block = pool.heap().take(std::max<std::uint64_t>(size, 1));
        block = pool.image_base() + made->block.offset;
        if (zeroed) std::memset(block, 0, size);
        return made;
    });
    return fault ? nullptr : block;
}

} // namespace

void *touched_by_free(const void *block) { return &touched[(reinterpret_cast<std::uintptr_t>(block) >> 4) * 0x9E3779B97F4A7C15u >> 50].word; }

std::uint64_t HeapChange::bytes() const { return pool->heap().bytes_of(block, frees, content); }

void each_heap_change(const std::function<void(const HeapChange &)> &use)
{
    for (const HeapChange *each = newest; each; each = each->next) use(*each);
}

void publish_heap_changes(const std::function<std::uint64_t(Pool &)> &ticket_of) noexcept
{
    HeapChange *first = nullptr;
    while (HeapChange *const each = newest) {
        newest = each->next;
        each->next = std::exchange(first, each);
    }
    while (HeapChange *const each = first) {
        first = each->next;
        const std::uint64_t ticket = ticket_of(*each->pool);
        each->pool->heap().publish(each->block, each->frees, each->content, [&](const void *from, std::size_t size) { each->pool->append(from, size, ticket); });
        if (each->frees) each->pool->heap().gone(each->block);
        if (!each->is_retired) delete each;
    }
}

void drop_heap_changes() noexcept
{
    while (HeapChange *const each = newest) {
        newest = each->next;
        if (!each->is_retired) delete each;
    }
}

} // namespace libtm::persist

using namespace libtm::persist;

extern "C" void *tm_pool_malloc(tm_pool *pool, size_t size)
{
    return allocate(pool, [&] { return size; }, false);
}

extern "C" void *tm_pool_calloc(tm_pool *pool, size_t count, size_t size)
{
    return allocate(
        pool,
        [&] {
            std::size_t bytes;
            if (__builtin_mul_overflow(count, size, &bytes)) throw std::bad_alloc();
            return bytes;
        },
        true);
}

extern "C" int tm_pool_free(tm_pool *pool, void *block)
{
    if (!block) return 0;
    return change(pool, block, [&](Pool &it) {
        auto made = std::make_unique<HeapChange>(HeapChange{&it, it.number(), {}, true, 0});
        made->block = it.heap().leave(block);
        return made;
    });
}

extern "C" size_t tm_pool_block_size(tm_pool *handle, const void *block)
{
    std::size_t bytes = 0;
    guarded([&] {
        if (Pool *const pool = Pool::of(handle)) bytes = pool->heap().at(block).bytes;
    });
    return bytes;
}

extern "C" tm_pool *tm_pool_of(const void *address)
{
    Pool *const pool = pool_at(address);
    return pool ? pool->handle() : nullptr;
}
