// SPDX-License-Identifier: MIT
#include "files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fts.h>
#include <memory>
#include <system_error>
#include <unistd.h>

namespace wordindex {

std::vector<file> list_files(const std::string &directory, const complain &complain)
{
    std::vector<file> files;
    std::string root = directory;
    char *const roots[] = {root.data(), nullptr};
    const auto close = [](FTS *walk) { fts_close(walk); };
    const std::unique_ptr<FTS, decltype(close)> walk(fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, nullptr), close);
    if (!walk) throw std::system_error(errno, std::generic_category(), "fts_open");
    for (;;) {
        errno = 0;
        const FTSENT *const found = fts_read(walk.get());
        if (!found) break;
        switch (found->fts_info) {
        case FTS_F: files.push_back({found->fts_path, static_cast<std::uint64_t>(found->fts_statp->st_size)}); break;
        case FTS_DC: complain(found->fts_path, ELOOP); break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS: complain(found->fts_path, found->fts_errno); break;
        default: break;
        }
    }
    if (errno) throw std::system_error(errno, std::generic_category(), "fts_read");
    // A large file begun last would leave the other threads with nothing to do.
    std::sort(files.begin(), files.end(), [](const file &a, const file &b) { return a.size > b.size; });
    return files;
}

namespace {

/** For each byte its lower-case letter, or 0. Does not depend on the locale. */
constexpr std::array<char, 256> letters = [] {
    std::array<char, 256> table{};
    for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = static_cast<char>(c);
    return table;
}();

char letter(char c)
{
    return letters[static_cast<unsigned char>(c)];
}

} // namespace

reader::reader() : buffer_(std::size_t{256} * 1024) {}

const tally &reader::read(const std::string &path, const complain &complain)
{
    tally_.clear();
    is_complete_ = false;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (fd < 0) {
        complain(path.c_str(), errno);
        return tally_;
    }
    for (;;) {
        const ssize_t got = ::read(fd, buffer_.data(), buffer_.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) complain(path.c_str(), errno);
        is_complete_ = got == 0;
        if (got <= 0) break;
        bytes_ += static_cast<std::uint64_t>(got);
        cut(buffer_.data(), static_cast<std::size_t>(got));
    }
    ::close(fd);
    if (!begun_.empty()) count(begun_);
    begun_.clear();
    return tally_;
}

void reader::cut(char *piece, std::size_t size)
{
    char *const end = piece + size;
    char *at = piece;
    while (at != end) {
        char *const start = at;
        for (char lower; at != end && (lower = letter(*at)) != 0; ++at) *at = lower;
        const std::string_view text(start, static_cast<std::size_t>(at - start));
        if (at == end) {
            begun_ += text;
        } else if (!begun_.empty()) {
            begun_ += text;
            count(begun_);
            begun_.clear();
        } else if (!text.empty()) {
            count(text);
        }
        while (at != end && !letter(*at)) ++at;
    }
}

void reader::count(std::string_view text)
{
    ++words_;
    if (const auto known = tally_.find(text); known != tally_.end())
        ++known->second;
    else
        tally_.emplace(text, 1);
}

} // namespace wordindex
