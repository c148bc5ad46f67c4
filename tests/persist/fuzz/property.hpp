// SPDX-License-Identifier: MIT
/**
 * @file property.hpp
 * What holds for every input (P22): the library and the oracle agree about it, refusing it changes nothing, and nothing is done beyond bounds.
 */
#pragma once

#include "files.hpp"
#include "oracle.hpp"

#include <string>

namespace libtm::fuzz {

/** What inputs have led to. */
struct Totals {
    unsigned long long inputs = 0;
    unsigned long long opened = 0;
    unsigned long long replayed = 0; ///< of them, with groups
    unsigned long long refused = 0;
    unsigned long long unmappable = 0; ///< valid, but their address is not to be had
};

/** Try all that may be done with the files. Empty, or what is wrong. */
std::string try_files(const Found &found, Totals &totals);
inline std::string try_files(const Files &files, Totals &totals) { return try_files({files.data(), files.has_journal, files.has_journal ? files.journal : std::vector<char>()}, totals); }

/** Try large files, a few; what failed, and why. */
std::vector<std::pair<std::string, std::string>> try_large(Totals &totals);

/** Files that the library itself has made; throws std::runtime_error with what is wrong. For the corpus. */
std::vector<std::pair<std::string, Files>> made_by_the_library();

/** Bytes from operator new: how many are in use, and the most that were since forget_peak(). */
std::size_t allocated();
std::size_t allocated_peak();
void forget_peak();

} // namespace libtm::fuzz
