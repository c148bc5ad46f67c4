// SPDX-License-Identifier: MIT
/**
 * @file transaction.cpp
 * What the commit of a transaction does to the pools that it has changed: the hooks of libtm (tm/hooks.h).
 */
#include "transaction.hpp"

#include "commits.hpp"
#include "heap_changes.hpp"
#include "places.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <new>
#include <tm/tm.h>

namespace libtm::persist {

namespace {

/** The commit of this thread, from prepare() to ended(). Without a constructor or destructor: a transaction may end after those of the thread's other variables. */
struct Commit {
    Share shares[most_shares]; ///< in the order in which pools are locked: that of their addresses
    unsigned count;
    bool too_many;
    int fault;
    tm_durability durability;
    OnDurable *newest; ///< of what the running attempt has asked for
};
__thread Commit current __attribute__((tls_model("initial-exec")));

/** What was asked for in vain, one behind the other. */
void destroy(OnDurable *first)
{
    while (OnDurable *const it = first) {
        first = it->next;
        delete it;
    }
}

/** What the commit of this thread has of the pool. Null: it has too many. */
Share *share_of(Pool &pool)
{
    for (unsigned i = 0; i < current.count; ++i)
        if (current.shares[i].pool == &pool) return &current.shares[i];
    if (current.count == most_shares) {
        current.too_many = true;
        return nullptr;
    }
    unsigned at = current.count++;
    for (; at > 0 && std::less<>()(&pool, current.shares[at - 1].pool); --at) current.shares[at] = current.shares[at - 1];
    current.shares[at] = {&pool, 0, 0};
    return &current.shares[at];
}

int prepare(const tm_written *written, tm_durability durability, int must)
{
    current.count = 0;
    current.too_many = false;
    current.fault = 0;
    current.durability = durability;
    tm_each_written(
        written,
        [](void *, void *address, std::size_t size) {
            each_pool(address, size, [](Pool &pool, const void *from, std::size_t bytes) {
                if (Share *const share = share_of(pool)) share->bytes += pool.bytes_of_frames(from, bytes);
            });
        },
        nullptr);
    each_heap_change([](const HeapChange &change) {
        if (Share *const share = share_of(*change.pool)) share->bytes += change.bytes();
    });
    unsigned locked = 0;
    const int fault = guarded([&] {
        if (current.too_many) throw Failure{ENOTSUP, {}, "transaction", 0, "more than 8 pools", "at most 8", {}};
        for (; locked < current.count; ++locked) current.shares[locked].pool->begin_transaction(current.shares[locked].bytes);
    });
    if (!fault) return 0;
    while (locked > 0) current.shares[--locked].pool->order_mutex().unlock();
    current.count = 0;
    // The transaction is rolled back, while EIO means that nobody knows.
    if (!must) return fault == EIO || fault == ESTALE ? ENOTRECOVERABLE : fault;
    // Memory will have what the journals cannot: no later commit may go there.
    current.fault = fault;
    each_heap_change([&](const HeapChange &change) { guarded([&] { change.pool->give_up(fault); }); });
    drop_heap_changes();
    tm_each_written(
        written,
        [](void *, void *address, std::size_t size) {
            each_pool(address, size, [](Pool &pool, const void *, std::size_t) { guarded([&] { pool.give_up(current.fault); }); });
        },
        nullptr);
    return 0;
}

void rolled_back()
{
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].pool->order_mutex().unlock();
    current.count = 0;
}

/** What was asked for, the oldest first. */
OnDurable *take_calls()
{
    OnDurable *first = nullptr;
    while (OnDurable *const it = current.newest) {
        current.newest = it->next;
        it->next = std::exchange(first, it);
    }
    return first;
}

void committed(const tm_written *written)
{
    if (current.count == 0) return;
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].ticket = current.shares[i].pool->next_ticket();
    tm_each_written(
        written,
        [](void *, void *address, std::size_t size) {
            each_pool(address, size, [](Pool &pool, const void *from, std::size_t bytes) { pool.append(from, bytes, share_of(pool)->ticket); });
        },
        nullptr);
    publish_heap_changes([](Pool &pool) { return share_of(pool)->ticket; });
    for (OnDurable *first = take_calls(); first;) { // here, so that they are in the order of commits
        OnDurable *const it = std::exchange(first, first->next);
        it->count = current.count;
        std::copy_n(current.shares, current.count, it->shares);
        it->shares[it->count - 1].pool->call_later(it);
    }
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].pool->order_mutex().unlock();
}

int ended()
{
    const Commit mine = current; // what is called may commit too
    if (mine.fault) {
        destroy(take_calls());
        return EIO;
    }
    for (OnDurable *first = take_calls(); first;) call(std::exchange(first, first->next)); // no pool: it is as durable as it will be
    int fault = 0;
    for (unsigned i = 0; i < mine.count; ++i)
        if (guarded([&] { mine.shares[i].pool->after_transaction(mine.shares[i].ticket, mine.durability); })) fault = EIO; // whatever it was: nobody knows what is durable
    return fault;
}

/** A rollback undoes from the newest on. */
void forget_newest(void *)
{
    OnDurable *const gone = current.newest;
    current.newest = gone->next;
    delete gone;
}

} // namespace

const tm_hooks hooks = {prepare, rolled_back, committed, ended};

} // namespace libtm::persist

extern "C" int tm_on_durable(void (*function)(void *), void *data)
{
    using namespace libtm::persist;
    if (!function) return guarded([] { throw Failure{EINVAL, {}, "function", 0, "NULL", "one to call", {}}; });
    if (!tm_in_transaction()) {
        function(data);
        return 0;
    }
    // So that what follows cannot end the transaction.
    if (const int fault = tm_log_reserve(1, 0, 0)) return fault;
    if (const int fault = tm_hooks_install(&hooks)) return fault;
    auto *const it = new (std::nothrow) OnDurable{function, data, current.newest};
    if (!it) return ENOMEM;
    if (const int fault = tm_hooks_call()) {
        delete it;
        return fault;
    }
    tm_log(nullptr, forget_newest, nullptr, nullptr, 0);
    current.newest = it;
    return 0;
}
