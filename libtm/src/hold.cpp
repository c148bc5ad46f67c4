// SPDX-License-Identifier: MIT
/**
 * @file hold.cpp
 * Holders: tm/hold.h.
 *
 * All holders are one owner of orecs, the *party*: a locked word names the party's context, and a table tells how many holders an orec has. The last one unlocks it. No quiescence waits
 * for a holder; who takes the serial token does (serial.hpp).
 */
#include <tm/hold.h>

#include "access.hpp"
#include "algorithm.hpp"
#include "annotate.hpp"
#include "serial.hpp"
#include "tx.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>

struct tm_holder {
    libtm::engine::Context *thread; ///< of whom it is
    libtm::engine::List<libtm::engine::Orec *> orecs; ///< as often as they were asked for
};

namespace libtm::engine {
namespace {

/** Whose orecs they are. Null: no memory. */
Context *party()
{
    static std::atomic<Context *> one{nullptr};
    Context *known = one.load(std::memory_order_acquire);
    if (known) return known;
    Context *const made = registry.acquire();
    if (!made || one.compare_exchange_strong(known, made, std::memory_order_acq_rel)) return made;
    registry.release(*made);
    return known;
}

/** How often each orec is held. In parts, by the orec. */
struct alignas(64) Part {
    std::mutex mutex;
    std::unordered_map<Orec *, std::size_t> counts;
};

Part &part_of(const Orec &orec)
{
    static auto &parts = *new std::array<Part, 64>; // also for who comes when the process ends
    return parts[reinterpret_cast<std::uintptr_t>(&orec) / sizeof(Orec) % parts.size()];
}

/** One more holder of the orec. Throws std::bad_alloc. */
void take(Orec &orec, Word locked)
{
    Part &part = part_of(orec);
    for (Patience patience;; patience.wait()) {
        const std::lock_guard lock(part.mutex);
        const auto [entry, is_first] = part.counts.try_emplace(&orec, 1);
        if (!is_first) {
            ++entry->second;
            return;
        }
        Word w = orec.load(std::memory_order_acquire);
        if (!is_locked(w) && orec.compare_exchange_strong(w, locked, std::memory_order_seq_cst)) return; // (5)
        part.counts.erase(entry);
    }
}

void let_go(Orec &orec, Word version)
{
    Part &part = part_of(orec);
    const std::lock_guard lock(part.mutex);
    const auto entry = part.counts.find(&orec);
    if (--entry->second) return;
    orec.store(unlocked(version), std::memory_order_release); // (8)
    part.counts.erase(entry);
}

/** All that the holder has. */
void let_all_go(tm_holder &holder)
{
    const Word version = (clock.now.load(std::memory_order_seq_cst) & ~Clock::flags) + 1; // (12)
    for (Orec *const orec : holder.orecs) let_go(*orec, version);
    holder.orecs.release();
}

} // namespace
} // namespace libtm::engine

using namespace libtm::engine;

extern "C" tm_holder *tm_hold_begin(void)
{
    const auto refuse = [](int code) {
        errno = code;
        return nullptr;
    };
    if (!has_context() && !make_context()) return refuse(ENOMEM);
    Context &mine = self();
    if (mine.holders == 0 && (mine.depth || mine.in_action)) return refuse(EDEADLK);
    std::unique_ptr<tm_holder> holder(new (std::nothrow) tm_holder{});
    if (!holder || !party()) return refuse(ENOMEM);
    serial::begin_holding(mine.holders > 0);
    holder->thread = &mine;
    if (mine.holders++ == 0) {
        mine.depth = 1;
        mine.in_action = true;
        annotate::plain_writes_begin();
    }
    return holder.release();
}

extern "C" int tm_is_holding(void) { return self().holders > 0; }

extern "C" int tm_hold(tm_holder *holder, const void *addr, size_t size)
{
    if (!holder) return EINVAL;
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    const std::size_t stripes = size ? (offset_of(at) + size + stripe_size - 1) / stripe_size : 0;
    if (!holder->orecs.reserve(stripes)) return ENOMEM;
    const Context &owner = *party();
    try {
        for_each_stripe(at, size, [&](std::uintptr_t stripe, std::size_t) {
            Orec &orec = owner.orec_of(stripe);
            take(orec, owner.lock_tag);
            holder->orecs.put(&orec);
        });
    } catch (const std::bad_alloc &) {
        return ENOMEM;
    }
    return 0;
}

extern "C" void tm_hold_end(tm_holder *holder)
{
    if (!holder) return;
    const std::unique_ptr<tm_holder> gone(holder);
    // A thread that ends may have given up its context before what ends its holders.
    if (Context &mine = self(); &mine == holder->thread && --mine.holders == 0) {
        annotate::plain_writes_end();
        mine.in_action = false;
        mine.depth = 0;
    }
    if (!holder->orecs.empty()) wait_until_passed(*party());
    let_all_go(*holder);
    serial::end_holding();
}
