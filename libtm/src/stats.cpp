// SPDX-License-Identifier: MIT
#include "stats.hpp"

#include "context.hpp"

#include <algorithm>

extern "C" void tm_stats_get(tm_stats *stats)
{
    using namespace libtm::engine;
    *stats = {};
    for (const Context *context = registry.first(); context; context = context->next_context) {
        const Stats &one = context->stats;
        stats->commits += one.commits();
        stats->read_only += one.readers.get() + one.alone[false].get();
        stats->alone += one.alone[false].get() + one.alone[true].get();
        stats->serial += one.serial.get();
        stats->extensions += one.extensions.get();
        stats->waits += one.waits.get();
        stats->max_attempts = std::max(stats->max_attempts, one.max_attempts.get());
        for (unsigned reason = 0; reason < TM_ABORT_REASONS; ++reason) stats->aborts[reason] += one.aborts[reason].get();
    }
    if (stats->commits) stats->max_attempts = std::max<std::uint64_t>(stats->max_attempts, 1);
}
