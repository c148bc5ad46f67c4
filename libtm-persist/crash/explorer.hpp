// SPDX-License-Identifier: MIT
/**
 * @file explorer.hpp
 * One explore(): which states have been seen, and which is being looked at.
 */
#pragma once

#include "point.hpp"
#include "seen.hpp"

#include <deque>

namespace libtm::crash {

class Explorer {
public:
    Explorer(const Check &check, const Options &options) : check_(check), options_(options) {}
    Report run(const Recording &recording);

private:
    /** Where the program, or a recovery, was interrupted, and what that left. */
    struct Crash {
        const Recording &recording;
        Point point;
        Choice choice;
    };

    /** All crash points; `marks`: those of the run, if this is a recovery. False: stop. */
    bool explore(const Recording &recording, const std::vector<Mark> *marks);
    bool visit(const std::vector<Mark> &marks);
    /** Open the state of crashes_, if it is new, and look at its recovery. False: stop. */
    bool open(const Hash &hash, const std::vector<Mark> &marks);
    /** Whether Options::most_recovery_states is reached. */
    bool enough() const;
    /** What is wrong with these files; nothing: fine. `record`: what the recovery did to them goes to `recovery`. */
    std::string check(const Files &files, const std::vector<Mark> &marks, bool record, Recording &recovery);
    /** Report the state of crashes_, after making it differ less from what had been written. */
    void failed(std::string what, const std::vector<Mark> &marks);
    void reduce(const std::vector<Mark> &marks);
    void replay(const Recording &run, std::string_view state);
    std::string state() const;
    std::string traces() const;

    const Check &check_;
    const Options &options_;
    unsigned depth_ = 0; // so many recoveries are interrupted in this round
    Report report_;
    Seen seen_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> failed_; // by their hash, too
    std::deque<Crash> crashes_;        // the last one is that of the innermost recovery; references stay valid
    std::deque<Recording> recordings_; // of a replay
};

} // namespace libtm::crash
