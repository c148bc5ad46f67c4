// SPDX-License-Identifier: MIT
/**
 * @file copy.hpp
 * Reading the last committed state of a pool that somebody else may be writing: for read-only pools and for backups. Writes nothing to it.
 *
 * The data file is read in order while checkpoints may change it, and the journal is followed meanwhile. What a checkpoint writes was in the
 * journal before, so whatever mixture was read becomes the last state when all groups since the header was read are applied to it in their
 * order. Only a writer that reuses the journal before it was followed spoils that; the header tells, and the copy begins again.
 */
#pragma once

#include "replay.hpp"

#include <functional>

namespace libtm::persist {

/** Receives an image. */
class CopyTarget {
public:
    virtual ~CopyTarget() = default;
    /** The copy begins (again): the image is as long as the header says, and zero. */
    virtual void begin(const Header &header) = 0;
    /** Bytes of the image, in any order; the last ones count. */
    virtual void write(std::uint64_t offset, const char *bytes, std::size_t size) = 0;
};

/** Bytes done and to do; false ends the copy. */
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/** Bytes of the image; what of them is beyond its end is left out. */
struct Part {
    std::uint64_t offset = 0;
    std::uint64_t size = most_image;
};

/** What was copied: its header, in which `applied` is the last group that the copy contains. Throws Failure; ECANCELED if `progress` said so. */
Header copy_committed(tm_storage &storage, const std::string &path, CopyTarget &target, const Progress &progress, Part part = {});

} // namespace libtm::persist
