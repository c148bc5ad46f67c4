// SPDX-License-Identifier: MIT
#include "snapshot.hpp"

#include "annotate.hpp"
#include "contention.hpp"
#include "tx.hpp"

#include <algorithm>
#include <cstdlib>

namespace libtm::engine {

namespace {

/**
 * Whether the validation is to fail for a test, though nothing has changed. Not when that could go on for ever: from max_retries on a transaction
 * runs alone and must commit. An irrevocable one must in any case; its callers do not ask.
 */
inline bool is_shaken(const Context &tx)
{
    if constexpr (!annotate::can_shake) return false;
    return tx.attempts <= tx.max_retries() && !tx.irrevocable() && annotate::shake(get(config.shake), get(config.shake_seed) + tx.lock_tag);
}

} // namespace

bool validate(const Context &tx)
{
    if (is_shaken(tx)) return false;
    const Word limit = tx.limit;
    for (std::uint64_t *const *read = tx.read_begin; read != tx.read_next; ++read) {
        const Word w = reinterpret_cast<const Orec *>(*read)->load(std::memory_order_seq_cst); // (4)
        if (__builtin_expect(w >= limit && !tx.owns(w), 0)) return false;
    }
    return true;
}

void extend(Context &tx, Word version)
{
    if (tx.reads_dropped && !tx.irrevocable()) restart(tx, TM_ABORTED_CHANGED); // nothing to validate
    if (!clock.advance(version, tx.irrevocable())) restart(tx, TM_ABORTED_CLOCK);
    const Word now = clock.now.load(std::memory_order_seq_cst) & ~Clock::flags;
    if (!tx.irrevocable() && !validate(tx)) restart(tx, TM_ABORTED_CHANGED);
    tx.limit = limit_of(now);
    tx.stats.extensions.add();
}

void await(Context &tx, const Orec &orec, Word w)
{
    if (!is_locked(w)) return extend(tx, version_of(w));

    // The holder may be in its quiescence and wait for us: keep assuring it. With many reads, do so at longer and longer intervals.
    const bool few_reads = tx.read_next - tx.read_begin <= 64;
    Patience patience;
    while (orec.load(std::memory_order_relaxed) == w) {
        const unsigned looks = patience.looks();
        if (few_reads || (looks & (looks - 1)) == 0 || patience.yields()) {
            if ((tx.reads_dropped && !tx.irrevocable()) || !assure(tx)) restart(tx, TM_ABORTED_CHANGED);
        }
        if (!tx.irrevocable() && !contention::keeps_waiting(tx, slot_of(w), looks)) {
            tx.awaited = &orec;
            restart(tx, TM_ABORTED_LOCKED);
        }
        patience.wait();
    }
}

void log_read_slow(Context &tx, Orec &orec)
{
    if ((tx.asks(TM_READ_ONLY | TM_READ_MOSTLY) && !tx.log_all_reads) || tx.irrevocable()) {
        tx.duties |= duty_bounds;
        tx.reads_dropped = true; // nothing of what such a transaction read can change, or its snapshot is all it needs
        tx.dropped_reads += static_cast<std::uint64_t>(tx.read_next - tx.read_begin);
        tx.read_next = tx.read_begin;
    } else {
        const auto used = static_cast<std::size_t>(tx.read_next - tx.read_begin);
        const auto capacity = static_cast<std::size_t>(tx.read_capacity - tx.read_begin);
        if (used == capacity) {
            if (!tx.may_grow()) fail(tx, TM_ERROR_LOG_FULL, "tm_load");
            auto *const grown = static_cast<std::uint64_t **>(std::malloc(capacity * 2 * sizeof *tx.read_begin));
            if (!grown) fail(tx, TM_ERROR_MEMORY, "tm_load");
            std::copy(tx.read_begin, tx.read_next, grown);
            std::free(tx.read_begin);
            tx.read_begin = grown;
            tx.read_capacity = tx.read_begin + capacity * 2;
            tx.read_next = tx.read_begin + used;
        }
        tx.read_end = tx.read_capacity;
    }
    *tx.read_next++ = reinterpret_cast<std::uint64_t *>(&orec);
}

} // namespace libtm::engine
