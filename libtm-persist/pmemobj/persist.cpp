// SPDX-License-Identifier: MIT
/**
 * @file persist.cpp
 * What the program stores by itself and makes durable range by range. A flush notes the range, a drain publishes what this thread has noted. What belongs to a running transaction, anybody's, is left
 * to that: it would not be undone by a crash.
 */
#include "persist.hpp"

#include "changes.hpp"
#include "tx.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <sched.h>
#include <vector>

namespace libtm::pmemobj {

namespace {

/** The flushed ranges of the calling thread. */
std::vector<Flushed> &flushed() { return thread_state().flushed; }

void flush(PMEMobjpool &pool, const void *address, std::size_t size)
{
    if (size == 0) return;
    if (!pool.has(address, size)) throw Refused{EINVAL, "the range does not lie in the pool"};
    // A loop that flushes one range after the other, or the same one, needs one entry.
    if (!flushed().empty()) {
        Flushed &last = flushed().back();
        const char *const from = static_cast<const char *>(address), *const end = static_cast<const char *>(last.address) + last.size;
        if (last.is_of(pool) && from >= last.address && from <= end) {
            last.size = std::max(last.size, static_cast<std::size_t>(from + size - static_cast<const char *>(last.address)));
            return;
        }
    }
    flushed().push_back({&pool, pool.run, address, size});
}

void copied(PMEMobjpool *pop, void *dest, std::size_t len, unsigned flags)
{
    if (flags & PMEMOBJ_F_MEM_NOFLUSH) return;
    guarded([&] {
        flush(checked(pop), dest, len);
        if (!(flags & PMEMOBJ_F_MEM_NODRAIN)) drain(*pop);
    });
}

int demand_relaxed(unsigned flags)
{
    return flags & ~PMEMOBJ_F_RELAXED ? remember(EINVAL, "there is such a flag for copies alone") : 0;
}

} // namespace

void drain(PMEMobjpool &pool)
{
    std::vector<Flushed> &all = flushed();
    std::erase_if(all, [&](const Flushed &each) { return each.pool == &pool && !each.is_of(pool); }); // of one that is closed
    std::vector<Run> runs;
    for (const Flushed &each : all)
        if (each.pool == &pool) runs.emplace_back(reinterpret_cast<std::uintptr_t>(each.address), reinterpret_cast<std::uintptr_t>(each.address) + each.size);
    if (runs.empty()) return;
    std::sort(runs.begin(), runs.end());
    std::vector<Run> merged{runs.front()};
    for (const Run &run : runs)
        if (run.first <= merged.back().second) merged.back().second = std::max(merged.back().second, run.second);
        else merged.push_back(run);
    Changes changes(pool);
    changes.add(merged);
    changes.publish();
    forget(pool);
}

void forget(const PMEMobjpool &pool) noexcept
{
    std::erase_if(flushed(), [&](const Flushed &each) { return each.pool == &pool; });
}

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

extern "C" void pmemobj_flush(PMEMobjpool *pop, const void *addr, size_t len)
{
    guarded([&] { flush(checked(pop), addr, len); });
}

extern "C" void pmemobj_drain(PMEMobjpool *pop)
{
    guarded([&] { drain(checked(pop)); });
}

extern "C" void pmemobj_persist(PMEMobjpool *pop, const void *addr, size_t len)
{
    guarded([&] {
        flush(checked(pop), addr, len);
        drain(*pop);
    });
}

extern "C" int pmemobj_xpersist(PMEMobjpool *pop, const void *addr, size_t len, unsigned flags)
{
    if (demand_relaxed(flags)) return -1;
    pmemobj_persist(pop, addr, len);
    return 0;
}

extern "C" int pmemobj_xflush(PMEMobjpool *pop, const void *addr, size_t len, unsigned flags)
{
    if (demand_relaxed(flags)) return -1;
    pmemobj_flush(pop, addr, len);
    return 0;
}

extern "C" void *pmemobj_memcpy(PMEMobjpool *pop, void *dest, const void *src, size_t len, unsigned flags)
{
    std::memcpy(dest, src, len);
    copied(pop, dest, len, flags);
    return dest;
}

extern "C" void *pmemobj_memmove(PMEMobjpool *pop, void *dest, const void *src, size_t len, unsigned flags)
{
    std::memmove(dest, src, len);
    copied(pop, dest, len, flags);
    return dest;
}

extern "C" void *pmemobj_memset(PMEMobjpool *pop, void *dest, int c, size_t len, unsigned flags)
{
    std::memset(dest, c, len);
    copied(pop, dest, len, flags);
    return dest;
}

extern "C" void *pmemobj_memcpy_persist(PMEMobjpool *pop, void *dest, const void *src, size_t len) { return pmemobj_memcpy(pop, dest, src, len, 0); }
extern "C" void *pmemobj_memset_persist(PMEMobjpool *pop, void *dest, int c, size_t len) { return pmemobj_memset(pop, dest, c, len, 0); }

extern "C" void *pmemobj_volatile(PMEMobjpool *pop, struct pmemvlt *vlt, void *ptr, size_t, int (*constr)(void *ptr, void *arg), void *arg)
{
    std::atomic_ref<std::uint64_t> run(vlt->runid);
    for (;;) {
        std::uint64_t seen = run.load(std::memory_order_acquire);
        if (seen == pop->run) return ptr;
        if (seen == pop->run + 1) { // another thread constructs it
            sched_yield();
            continue;
        }
        if (!run.compare_exchange_strong(seen, pop->run + 1)) continue;
        const bool works = !constr || constr(ptr, arg) == 0;
        run.store(works ? pop->run : 0, std::memory_order_release);
        return works ? ptr : nullptr;
    }
}
