// SPDX-License-Identifier: MIT
/**
 * @file options.hpp
 * The command line of wordindex.
 */
#ifndef EXAMPLES_WORDINDEX_OPTIONS_HPP
#define EXAMPLES_WORDINDEX_OPTIONS_HPP

#include <string>

namespace wordindex {

enum class mode { lock, write_back, write_through };

struct options {
    wordindex::mode mode = wordindex::mode::write_back;
    unsigned threads = 1;
    unsigned batch = 8;
    unsigned top = 0;
    bool progress = false;
    bool messages = true;
    bool check = false;
    std::string dump;
    std::string pool; ///< the file of an index that survives; empty: it is in memory
    std::string directory;
};

/** The exit status when something could not be read, or was asked for wrongly; as of grep. */
constexpr int trouble = 2;

/** Ends the process by --help, --version and after a wrong command line. */
options parse(int argc, char **argv);

/** A mode's name on the command line. */
const char *name(mode);

} // namespace wordindex

#endif
