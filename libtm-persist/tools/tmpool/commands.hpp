// SPDX-License-Identifier: MIT
/**
 * @file commands.hpp
 * What tmpool can do. Each command throws Failure.
 */
#pragma once

#include "output.hpp"

#include <cstdint>
#include <optional>

namespace libtm::tmpool {

struct CreateOptions {
    std::string path;
    std::uint64_t size = 0;
    std::string layout; ///< NAME[:VERSION]
    std::uint64_t base = 0;
    std::uint64_t reserve = 0;
};
struct LogOptions {
    std::string path;
    bool frames = false; ///< list them
    bool all = false;    ///< also groups that the data file contains, and what is left of others
};
struct DumpOptions {
    std::string path;
    std::optional<std::uint64_t> page;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> size;
    bool raw = false;
    bool json = false;
};

// change.cpp
Result create(const CreateOptions &options);
Result recover(const std::string &path);
Result backup(const std::string &from, const std::string &to);
Result resize(const std::string &path, std::uint64_t size);
// show.cpp
Result info(const std::string &path);
Result stat(const std::string &path);
// log.cpp
Result log(const LogOptions &options);
// check.cpp
Result check(const std::string &path);
// dump.cpp
Result dump(const DumpOptions &options);

} // namespace libtm::tmpool
