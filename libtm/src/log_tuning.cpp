// SPDX-License-Identifier: MIT
/**
 * @file log_tuning.cpp
 * Memory of the user's for the logs, and how much is enough (tm/stage.h).
 *
 * A snapshot of s bytes touches at most (s + 30) / 32 + 1 stripes, each of which takes one Stripe. An intent is an entry of the action log, or an
 * item of one of the two lists of Allocations. A list that is full moves to memory for twice as many items: what it has taken in all stays below four times its items.
 */
#include "alone.hpp"
#include "tx.hpp"

#include "access.hpp"

#include <algorithm>
#include <cerrno>

using namespace libtm::engine;

namespace libtm::engine {

namespace {

constexpr std::size_t data_of_intent = 64; // bytes of an entry that are counted in

bool knows(tm_log_kind log) { return log == TM_LOG_SNAPSHOTS || log == TM_LOG_INTENTS; }

bool in_work(Context &tx)
{
    before_load_outside(tx);
    return has_context() && tx.limit && !tx.in_action && stages::stage_of(tx) == TM_STAGE_WORK;
}

int refuse(Context &tx, const char *operation)
{
    return errno = has_context() ? record(tx, TM_ERROR_MISUSE, EPERM, operation, "it needs a running transaction; call it in WORK") : EPERM;
}

int append_buffer(Context &tx, tm_log_kind log, void *addr, std::size_t size, unsigned flags, const char *operation)
{
    if (!in_work(tx)) return refuse(tx, operation);
    const auto at = reinterpret_cast<std::uintptr_t>(addr);
    std::uintptr_t end;
    const char *fault = nullptr;
    if (!knows(log) || !addr || __builtin_add_overflow(at, size, &end))
        fault = "no such log, or no such memory";
    else if (tx.writes.overlaps(at, size) || tx.actions.arena().overlaps(at, size))
        fault = "a log of this transaction has got this memory already";
    else if (!(log == TM_LOG_SNAPSHOTS ? tx.writes.append(at, size) : tx.actions.arena().append(at, size)))
        fault = "the buffer is too small for one entry; tm_log_snapshots_max_size() and tm_log_intents_max_size() tell how large it must be";
    if (fault) return fail_or_return(tx, flags, TM_ERROR_MISUSE, EINVAL, operation, fault);
    tx.duties |= duty_tuned;
    if (tx.duties & duty_alone) alone::use_orecs(tx); // what is stored now needs the log
    return 0;
}

std::size_t too_many()
{
    errno = ERANGE;
    return SIZE_MAX;
}

} // namespace

} // namespace libtm::engine

extern "C" {

int tm_log_append_buffer(tm_log_kind log, void *addr, size_t size)
{
    return append_buffer(self(), log, addr, size, 0, "tm_log_append_buffer");
}

int tm_log_xappend_buffer(tm_log_kind log, void *addr, size_t size, unsigned flags)
{
    return append_buffer(self(), log, addr, size, flags, "tm_log_xappend_buffer");
}

int tm_log_auto_alloc(tm_log_kind log, int on)
{
    Context &tx = self();
    if (!in_work(tx)) return refuse(tx, "tm_log_auto_alloc");
    if (!knows(log)) return fail_or_return(tx, 0, TM_ERROR_MISUSE, EINVAL, "tm_log_auto_alloc", "there is no such log");
    const auto bit = static_cast<std::uint8_t>(1u << log);
    tx.closed_logs = static_cast<std::uint8_t>(on ? tx.closed_logs & ~bit : tx.closed_logs | bit);
    tx.duties |= duty_tuned;
    if (tx.duties & duty_alone) alone::use_orecs(tx); // what is stored now needs the log
    if (on) return 0;
    if (log == TM_LOG_SNAPSHOTS)
        tx.writes.leave_own_chunk();
    else
        tx.actions.arena().leave_own_chunk();
    return 0;
}

size_t tm_log_snapshots_max_size(const size_t *sizes, size_t count)
{
    std::size_t stripes = 0, bytes;
    for (std::size_t i = 0; i < count; ++i) {
        if (sizes[i] > SIZE_MAX - stripe_size) return too_many();
        const std::size_t most = sizes[i] ? (sizes[i] + stripe_size - 2) / stripe_size + 1 : 0;
        if (__builtin_add_overflow(stripes, most, &stripes)) return too_many();
    }
    stripes = std::max<std::size_t>(stripes, 1);
    if (__builtin_mul_overflow(stripes, sizeof(Stripe), &bytes) || bytes > PTRDIFF_MAX) return too_many();
    return WriteLog::most_for(0) + bytes;
}

size_t tm_log_intents_max_size(size_t count)
{
    constexpr std::size_t each = std::max(Actions::entry_size(data_of_intent), Allocations::most_per_block);
    std::size_t bytes;
    if (__builtin_mul_overflow(std::max<std::size_t>(count, 1), each, &bytes) || bytes > PTRDIFF_MAX) return too_many();
    return Arena::most_for(Allocations::most_for_lists) + bytes;
}
}
