// SPDX-License-Identifier: MIT
/**
 * @file c_api.cpp
 * The C interface: tm/persist.h.
 */
#include "create.hpp"
#include "pool.hpp"
#include "undisturbed.hpp"

#include <cerrno>
#include <cstring>
#include <tm/hold.h>

using libtm::persist::Failure;
using libtm::persist::guarded;
using libtm::persist::Pool;
using libtm::persist::Undisturbed;

namespace {

void demand(bool holds, const char *what, const char *expected)
{
    if (!holds) throw Failure{EINVAL, {}, what, 0, {}, expected, {}};
}

tm_pool_attr checked(const tm_pool_attr *attr, const char *path)
{
    const tm_pool_attr all = attr ? *attr : tm_pool_attr{};
    constexpr unsigned known = TM_POOL_READ_ONLY | TM_POOL_THROWAWAY | TM_POOL_ANYWHERE | TM_POOL_NO_THREAD;
    demand(path && *path, "path", "the name of a file");
    demand((all.flags & ~known) == 0, "tm_pool_attr.flags", "TM_POOL_ flags");
    demand((all.flags & (TM_POOL_READ_ONLY | TM_POOL_THROWAWAY)) != (TM_POOL_READ_ONLY | TM_POOL_THROWAWAY), "tm_pool_attr.flags", "one of TM_POOL_READ_ONLY and TM_POOL_THROWAWAY");
    demand(all.durability >= TM_DURABILITY_DEFAULT && all.durability <= TM_DURABILITY_SYNC, "tm_pool_attr.durability", "a TM_DURABILITY_ value");
    demand(all.padding == 0, "tm_pool_attr.padding", "zero");
    for (const std::uint64_t word : all.reserved) demand(word == 0, "tm_pool_attr.reserved", "zeros");
    demand(!all.layout || strnlen(all.layout, TM_POOL_LAYOUT_SIZE) < TM_POOL_LAYOUT_SIZE, "tm_pool_attr.layout", "at most 63 bytes");
    demand(all.reserve <= libtm::persist::most_image && all.journal <= libtm::persist::most_image, "tm_pool_attr", "at most 2^46 bytes");
    demand(reinterpret_cast<std::uintptr_t>(all.base) % 4096 == 0, "tm_pool_attr.base", "the address of a page");
    return all;
}

/** A transaction that begins again would open it twice, and its commit would store to what is unmapped. A holder does neither. */
void demand_outside(const char *advice)
{
    if (tm_in_transaction() && !tm_is_holding()) throw Failure{EDEADLK, {}, "transaction", 0, "inside of one", "outside", advice};
}

/** Run `body`, which makes the pool `path`; whatever fails names it, also where only memory is concerned. */
template <class Body> tm_pool *opened(const char *path, Body &&body)
{
    tm_pool *result = nullptr;
    guarded([&] {
        const Undisturbed undisturbed;
        try {
            demand_outside("Open the pool before the transaction");
            result = body().release()->handle();
        } catch (Failure &failure) {
            if (failure.file.empty() && path) failure.file = path;
            throw;
        }
    });
    return result;
}

template <class Body> int with(tm_pool *pool, Body &&body)
{
    return guarded([&] {
        demand(pool, "pool", "one that is open");
        const Undisturbed undisturbed;
        body(*Pool::of(pool));
    });
}

} // namespace

extern "C" tm_pool *tm_pool_create(const char *path, size_t size, const tm_pool_attr *attr)
{
    return opened(path, [&] {
        const tm_pool_attr all = checked(attr, path);
        demand(size > 0 && size <= libtm::persist::most_image / 8, "size", "1 to 2^43 bytes");
        return Pool::create(path, size, all);
    });
}

extern "C" tm_pool *tm_pool_open(const char *path, const tm_pool_attr *attr)
{
    return opened(path, [&] { return Pool::open(path, checked(attr, path)); });
}

extern "C" int tm_pool_close(tm_pool *pool)
{
    if (!pool) return 0;
    // In a forked child there is nothing to give back: the thread of the pool is not there, and its memory is the child's own.
    if (!Pool::of(pool)->is_ours()) return with(pool, [](Pool &it) { it.close(); });
    const int refused = with(pool, [](Pool &it) {
        demand_outside("Close the pool after the transaction");
        if (libtm::persist::is_called_back() && it.is_calling()) throw Failure{EDEADLK, {}, "tm_pool_close", 0, "in a function given to tm_on_durable()", "outside", {}};
    });
    if (refused) return refused;
    const int result = with(pool, [](Pool &it) { it.close(); });
    delete Pool::of(pool);
    return result;
}

extern "C" int tm_pool_commit(tm_pool *pool) { return with(pool, [](Pool &it) { it.commit(); }); }
extern "C" uint64_t tm_pool_ticket(const tm_pool *pool) { return pool ? Pool::of(pool)->ticket() : 0; }
extern "C" int tm_pool_wait(tm_pool *pool, uint64_t ticket) { return with(pool, [&](Pool &it) { it.wait(ticket); }); }
extern "C" int tm_pool_checkpoint(tm_pool *pool) { return with(pool, [](Pool &it) { it.checkpoint(); }); }
extern "C" int tm_pool_trim(tm_pool *pool) { return with(pool, [](Pool &it) { it.trim(); }); }
extern "C" int tm_pool_grow(tm_pool *pool, size_t size) { return with(pool, [&](Pool &it) { it.grow(size); }); }
extern "C" void *tm_pool_data(const tm_pool *pool) { return pool ? Pool::of(pool)->data() : nullptr; }
extern "C" size_t tm_pool_size(const tm_pool *pool) { return pool ? Pool::of(pool)->size() : 0; }

extern "C" void *tm_pool_root(const tm_pool *pool, const char *name)
{
    void *result = nullptr;
    with(const_cast<tm_pool *>(pool), [&](const Pool &it) { result = it.root(name); });
    return result;
}

extern "C" int tm_pool_set_root(tm_pool *pool, const char *name, const void *address)
{
    return with(pool, [&](Pool &it) { it.set_root(name, address); });
}

extern "C" int tm_pool_stat(tm_pool *pool, tm_pool_stats *stats)
{
    return with(pool, [&](Pool &it) {
        demand(stats, "stats", "where to put them");
        *stats = it.stats();
    });
}

extern "C" int tm_pool_backup(const char *from, const char *to, const tm_pool_attr *attr, int (*progress)(void *, uint64_t, uint64_t), void *data)
{
    return guarded([&] {
        const tm_pool_attr all = checked(attr, from);
        demand(to && *to, "to", "the name of a file");
        const Undisturbed undisturbed;
        libtm::persist::backup(from, to, all, [&](std::uint64_t done, std::uint64_t total) { return !progress || progress(data, done, total) == 0; });
    });
}
