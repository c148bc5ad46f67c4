// SPDX-License-Identifier: MIT
#include <cinttypes>
#include <cstdio>
#include <tm/crash.hpp>

namespace libtm::crash {

std::string Report::text() const
{
    if (!replayed.empty()) return name + ":\n" + replayed + (ok() ? "" : "FAILED: " + failures[0].what + "\n");
    char line[512];
    std::snprintf(line, sizeof line,
                  "%s: %" PRIu64 " states opened, all different, of %.6g legal ones at %" PRIu64 " crash points (%" PRIu64 " of them exhaustively, %" PRIu64
                  " by choice); %" PRIu64 " after a crash in recovery, %" PRIu64 " of these in its recovery; %" PRIu64 " visited; %" PRIu64 " events%s\n",
                  name.c_str(), opened, legal, points, exhausted, points - exhausted, in_recovery, in_second_recovery, visited, events,
                  stopped ? "; stopped at the limit" : "");
    std::string all = line;
    for (const Failure &failure : failures) all += failure.trace + "FAILED: " + failure.what + "\nreplay: " + failure.state + "\n";
    return all;
}

int Report::print() const
{
    std::fputs(text().c_str(), stdout);
    return ok() ? 0 : 1;
}

} // namespace libtm::crash
