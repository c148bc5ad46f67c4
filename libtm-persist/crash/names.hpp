// SPDX-License-Identifier: MIT
/**
 * @file names.hpp
 * Which names may be left by a crash.
 */
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tm/crash.hpp>
#include <vector>

namespace libtm::crash {

using Naming = std::map<std::string, std::uint64_t>; // -> which file

/** The names as a crash finds them: durable ones, and changes that are pending. */
class Names {
public:
    Names(Naming durable, const Model &model) : durable_(std::move(durable)), model_(model) {}
    /** create, name, remove, rename, sync_directory; others are nothing to it. */
    void apply(std::uint32_t index, const Event &event);
    /** Whether this sync_directory() makes something durable. */
    bool settles(const Event &event) const;

    struct Alternative {
        Naming names;
        std::vector<std::uint32_t> kept; // events of the pending changes that have happened
        bool repeat = false;             // an earlier one has the same names
    };
    /** All, the one without a change first and the one with all last. If there are more than `most`, those that keep a prefix or all but one (and what rests on it), and `complete` is false. */
    std::vector<Alternative> alternatives(std::size_t most, bool &complete) const;
    /** The events of all pending changes. */
    std::vector<std::uint32_t> pending() const;

private:
    struct Step {
        std::string path;
        std::uint64_t file;
        bool add;
    };
    /** What happens as one. */
    struct Change {
        std::uint32_t event;
        std::vector<Step> steps;
        std::set<std::string> directories; // of them; those synced since are taken away
        std::vector<std::size_t> after;    // changes that must have happened: the earlier ones of the same name
        bool lost = false;                 // a sync failed: never known
    };
    void add(std::uint32_t index, std::vector<Step> steps, bool after_last = false);
    static void carry_out(const Change &change, Naming &names);
    void sync(const std::string &directory);

    Naming durable_;
    std::vector<Change> changes_;
    Model model_;
};

} // namespace libtm::crash
