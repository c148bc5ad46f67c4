// SPDX-License-Identifier: MIT
/**
 * @file files.hpp
 * Finding files, reading them and cutting them into words. Nothing here is shared or transactional.
 */
#ifndef EXAMPLES_WORDINDEX_FILES_HPP
#define EXAMPLES_WORDINDEX_FILES_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wordindex {

/** Called with a path and an errno value for everything that cannot be read. From any thread. */
using complain = std::function<void(const char *path, int error)>;

struct file {
    std::string path;
    std::uint64_t size;
};

/** All regular files below `directory`, as `find -H directory -type f` finds them, the largest first. */
std::vector<file> list_files(const std::string &directory, const complain &complain);

/** Hashes std::string and std::string_view alike, so that a lookup makes no string. */
struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/** The words of one file with their counts. */
using tally = std::unordered_map<std::string, std::uint64_t, text_hash, std::equal_to<>>;

/**
 * Reads files. A word is a longest run of ASCII letters, folded to lower case, of any length; it ends where the file ends.
 * One object per thread.
 */
class reader {
public:
    reader();
    /** Count the words of the file at `path`. If it cannot be read to its end, complain; the words before that stay counted. */
    const tally &read(const std::string &path, const complain &complain);
    /** Whether the last file was read to its end. */
    bool is_complete() const { return is_complete_; }
    /** Over all files. */
    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t words() const { return words_; }

private:
    void cut(char *piece, std::size_t size);
    void count(std::string_view text);

    std::vector<char> buffer_;
    std::string begun_; // the word that the last piece ended in
    tally tally_;
    bool is_complete_ = false;
    std::uint64_t bytes_ = 0;
    std::uint64_t words_ = 0;
};

} // namespace wordindex

#endif
