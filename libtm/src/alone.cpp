// SPDX-License-Identifier: MIT
#include "alone.hpp"

#include "bias.hpp"
#include "memory.hpp"
#include "turns.hpp"

#include <cstdlib>

namespace libtm::engine::alone {

// Not inlined: tests let each call of malloc fail, and this is to be one.
[[gnu::noinline]] bool make_undo_log(Context &tx)
{
    if (tx.undo_log) return true;
    const KeepErrno keep;
    tx.undo_log = static_cast<tm_undo_ *>(std::malloc(undo_entries * sizeof *tx.undo_log));
    tx.undo_next = tx.undo_end = tx.undo_log;
    return tx.undo_log != nullptr;
}

std::uint64_t stripes_stored(const Context &tx)
{
    std::uint64_t count = 0;
    std::uintptr_t last = 0;
    for (const tm_undo_ *entry = tx.undo_log; entry != tx.undo_next; ++entry) {
        const std::uintptr_t base = reinterpret_cast<std::uintptr_t>(entry->addr) & ~std::uintptr_t{stripe_size - 1};
        count += base != last;
        last = base;
    }
    return count;
}

void undo(Context &tx)
{
    while (tx.undo_next != tx.undo_log) {
        const tm_undo_ &entry = *--tx.undo_next;
        memory::write(reinterpret_cast<std::uintptr_t>(entry.addr), &entry.old, entry.size);
    }
}

void end_for_good(Context &tx)
{
    turns::end_for_good(tx);
    bias::end_for_good(tx);
}

} // namespace libtm::engine::alone
