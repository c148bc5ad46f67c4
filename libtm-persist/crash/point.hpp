// SPDX-License-Identifier: MIT
/**
 * @file point.hpp
 * One crash point: every state that the files may have there, as the values of independent variables.
 */
#pragma once

#include "pending.hpp"

#include <functional>
#include <optional>

namespace libtm::crash {

/** A value for each variable of a Point. Values are ordered by time; one that is too great stands for the last. */
using Choice = std::vector<std::uint32_t>;

/** What a sector may hold. */
struct Value {
    std::array<std::byte, sector_size> bytes;
    Hash hash;
    std::uint32_t event; // the last one that made it so; ~0: none
    bool repeat;         // an earlier value has the same bytes
};

/**
 * A file at a crash point. Its variables: the size, then a value for each pending sector. What a sector may hold depends on which pending cuts have
 * happened, hence on the size: `version` numbers these sets of cuts.
 */
struct PointFile {
    struct Size {
        std::uint64_t size;
        std::size_t version;
        std::uint32_t event;
        bool repeat;
        Content base;             // with all sectors durable
        Hash rest;                // of `base` but its pending sectors
        std::size_t visible;      // so many pending sectors begin before the end
        std::vector<Hash> tail;   // of the values of the last of these, if the end is within it; else empty
    };
    struct Sector {
        std::uint64_t number;
        std::vector<std::vector<Value>> values; // by version
        std::size_t most;                       // values in a version
        const Value &value(std::size_t version, std::uint32_t choice) const
        {
            const std::vector<Value> &all = values[version];
            return all[choice < all.size() ? choice : all.size() - 1];
        }
    };
    std::uint64_t number;
    std::string label;
    std::size_t first; // variable: of the size
    std::vector<Size> sizes;
    std::vector<Sector> sectors;

    const Size &size(const Choice &choice) const { return sizes[choice[first] < sizes.size() ? choice[first] : sizes.size() - 1]; }
    Hash hash(const Choice &choice) const;
    Content build(const Choice &choice) const;
};

class Point {
public:
    using Visit = std::function<bool(const Choice &)>; // false: stop

    Point(const Pending &pending, std::uint32_t event, std::uint64_t next_file);

    std::uint32_t event() const { return event_; }
    std::size_t variables() const { return variables_; }
    /** So many values has this variable; the last is the newest. */
    std::uint32_t values(std::size_t variable) const { return values_[variable]; }
    /** How many states, some of them equal. Infinite if there are very many. */
    double count() const;
    Choice newest() const;
    Hash hash(const Choice &choice) const;
    Files build(const Choice &choice) const;
    /** Visit them all. False: was stopped. */
    bool each(const Visit &visit) const;
    /** Visit a systematic choice, then random ones. False: was stopped. */
    bool some(const Bounds &bounds, std::uint64_t seed, const Visit &visit) const;

    /** In one word, and back; nothing if it is not of this point. */
    std::string encode(const Choice &choice) const;
    std::optional<Choice> decode(std::string_view word) const;

    const std::vector<Names::Alternative> &namings() const { return namings_; }
    const Names::Alternative &naming(const Choice &choice) const;
    const std::vector<PointFile> &files() const { return files_; }
    const std::vector<std::uint32_t> &pending_names() const { return pending_names_; }
    bool complete() const { return complete_; }

private:
    const PointFile *file(std::uint64_t number) const;
    /** Files that have a name, once each. */
    std::vector<const PointFile *> visible(const Names::Alternative &naming) const;

    std::uint32_t event_;
    std::uint64_t next_file_;
    std::vector<Names::Alternative> namings_; // variable 0
    bool complete_;                           // all of them
    std::vector<PointFile> files_;            // by number
    std::vector<std::uint32_t> pending_names_;
    std::size_t variables_ = 1;
    std::vector<std::uint32_t> values_;
};

} // namespace libtm::crash
