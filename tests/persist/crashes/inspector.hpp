// SPDX-License-Identifier: MIT
/**
 * @file inspector.hpp
 * A tm_storage between a pool and its files that asserts, at each call, what a pool promises of the order of its writes:
 *
 * - P5: no line of 64 bytes changes in the image of the data file unless a durable group of the journal holds it.
 * - No byte of a group is destroyed, and no journal loses its name, before a durable header says that they are not needed.
 * - A header counts groups only when what they hold is durable in the data file; it is never written over the only durable copy; and it says that
 *   the pool is open only when the journal and its name are durable.
 * - P6: a data file gets its name when all of it is durable.
 * - P3, P4: after a failed write or sync nothing is written to either file by the handles that were open.
 */
#pragma once

#include "book.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <tm/storage.h>

namespace libtm::testing {

/** See above. Thread-safe; the last assertion is one only where a pool is used by one thread and has none of its own. */
class Inspector {
public:
    /** Around `inner`. `plain` reads the same files, uncounted: what a file holds that is opened and not yet known counts as durable. */
    Inspector(tm_storage *inner, tm_storage *plain);
    ~Inspector();
    Inspector(const Inspector &) = delete;
    Inspector &operator=(const Inspector &) = delete;

    tm_storage *storage();
    /** Go on with other calls to the same files. */
    void use(tm_storage *inner);

    /** The first violation, or nothing. */
    std::string violation() const;
    /** Handles that are open. */
    std::size_t open_handles() const;
    /** Calls so far that change a file or a name, or make them durable. */
    std::uint64_t changes() const;

    /** How often each assertion had something to look at. */
    struct Looks {
        std::uint64_t lines = 0;   ///< of the image, that were changed
        std::uint64_t groups = 0;  ///< that were overwritten or cut off
        std::uint64_t headers = 0; ///< that were written
        std::uint64_t names = 0;   ///< given to data files and taken from journals
        std::uint64_t failures = 0;///< of writes and syncs

        Looks &operator+=(const Looks &other);
    };
    Looks looks() const;

private:
    struct Data;
    std::unique_ptr<Data> data_;
};

} // namespace libtm::testing
