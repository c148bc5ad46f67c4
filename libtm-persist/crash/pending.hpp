// SPDX-License-Identifier: MIT
/**
 * @file pending.hpp
 * What is durable and what is pending after some events of a recording.
 */
#pragma once

#include "content.hpp"
#include "names.hpp"

#include <unordered_map>

namespace libtm::crash {

/** One thing that happened to the bytes or the size of a file. */
struct Operation {
    enum Kind {
        write,  // `bytes` at `offset`
        grow,   // the size is at least `size`
        cut,    // the size is `size`, and what is beyond is zero from now on
        synced, // all before is durable, but what a failed sync has left unknown
        failed  // what is pending before stays so for ever
    };
    Kind kind;
    std::uint32_t event;
    std::uint64_t offset = 0, size = 0;
    std::shared_ptr<const std::vector<std::byte>> bytes = {};
};

/** A file as a crash finds it. */
struct PendingFile {
    std::string label;
    Content durable;
    std::uint64_t live_size = 0;       // as the program sees it
    std::vector<Operation> operations; // since it was `durable`
    bool failed = false;               // one of them is `failed`: nothing before is ever durable
    /** Whether a sync makes something durable. */
    bool settles() const;
};

/** The recording up to some event. */
class Pending {
public:
    Pending(const Recording &recording, const Model &model);
    /** Event `index` of the recording happens. */
    void apply(std::uint32_t index, const Event &event);
    /**
     * Whether a crash after the event leaves fewer states than one before it, or has other marks. All other events only add states:
     * a crash before them leaves nothing that a crash after them could not leave as well. So the crash points are just before these events, and at the end.
     */
    bool settles(const Event &event) const;

    std::unordered_map<std::uint64_t, PendingFile> files;
    Names names;
    std::vector<Mark> marks;

private:
    void grow(PendingFile &file, std::uint32_t index, std::uint64_t size, std::uint64_t step);

    Model model_;
};

} // namespace libtm::crash
