// SPDX-License-Identifier: MIT
// What the tests of labels share: the counters of a label since a moment.
#pragma once

#include "support.hpp"

#include <cerrno>

namespace libtm::test {

inline tm_label_stats of(const std::string &label)
{
    tm_label_stats stats;
    const int code = tm_label_stats_get(label.c_str(), &stats);
    EXPECT_TRUE(code == 0 || (code == ENOENT && stats.commits == 0));
    EXPECT_EQ(stats.commits, stats.read_only + stats.write_back + stats.write_through);
    return stats;
}

/** A label of one test, and what was counted since. The test runs in each mode, and adds the same each time: percentiles and maxima do not change. */
class Watched {
public:
    explicit Watched(const char *label) : label_(label), before_(of(label)) {}
    operator const char *() const { return label_; }
    tm_label_stats now() const
    {
        tm_label_stats stats = of(label_);
        for (const auto part : {&tm_label_stats::commits, &tm_label_stats::read_only, &tm_label_stats::write_back, &tm_label_stats::write_through,
                                &tm_label_stats::extensions, &tm_label_stats::waits})
            stats.*part -= before_.*part;
        for (unsigned reason = 0; reason < TM_ABORT_REASONS; ++reason) stats.aborts[reason] -= before_.aborts[reason];
        for (const auto part : {&tm_label_stats::attempts, &tm_label_stats::read_set, &tm_label_stats::write_set, &tm_label_stats::duration_ns,
                                &tm_label_stats::quiescence_ns}) {
            (stats.*part).count -= (before_.*part).count;
            (stats.*part).sum -= (before_.*part).sum;
        }
        return stats;
    }

private:
    const char *const label_;
    const tm_label_stats before_;
};

} // namespace libtm::test
