// SPDX-License-Identifier: MIT
/**
 * @file files.hpp
 * What tests of pools do with their files from outside: read and write them, look at what a call had against them, be somebody without
 * privileges, be killed.
 */
#pragma once

#include "support.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <tm/storage.h>
#include <vector>

namespace libtm::testing {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool has_thread_sanitizer = true;
#else
inline constexpr bool has_thread_sanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool has_sanitizer = true;
#else
inline constexpr bool has_sanitizer = false;
#endif

/** Where syncs cost nothing, for tests of many commits that no device changes; the usual place if there is none. */
inline const char *in_memory() { return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::getenv("TMPDIR"); }

inline std::vector<char> contents(const std::string &path)
{
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<char> bytes(file ? static_cast<std::size_t>(file.tellg()) : 0);
    file.seekg(0);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

/** Give an existing or new file these bytes; a file that is there keeps its inode. */
inline void fill(const std::string &path, const std::vector<char> &bytes)
{
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.flush()) << path;
}

/** Change bytes in the middle of a file. */
inline void patch(const std::string &path, std::uint64_t offset, const std::vector<char> &bytes)
{
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.flush()) << path;
}

inline void flip(const std::string &path, std::uint64_t offset)
{
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int there = file.get();
    ASSERT_GE(there, 0) << path << " ends before " << offset;
    patch(path, offset, {static_cast<char>(there ^ 0x10)});
}

/** Whether the file system can be asked for what needs no device: memory file systems cannot. */
inline bool tells_what_is_cached(const Directory &directory)
{
    const std::string path = directory / "probe";
    fill(path, {1});
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    char byte;
    const bool tells = tm_storage_system()->read(tm_storage_system(), file, &byte, 1, 0, 1) == 1;
    ::close(file);
    std::filesystem::remove(path);
    return tells;
}

/** The last failure, kept. */
struct Told {
    int code;
    std::string file, field, found, expected, remedy, message;

    static std::string text(const char *of) { return of ? of : ""; }
    Told() : Told(*tm_pool_error()) {}
    explicit Told(const tm_pool_failure &it)
        : code(it.code), file(text(it.file)), field(text(it.field)), found(text(it.found)), expected(text(it.expected)), remedy(text(it.remedy)), message(text(it.message))
    {
    }
    /** That the sentence says all that the parts say. */
    void expect_whole() const
    {
        for (const std::string *part : {&file, &field, &found, &expected, &remedy}) EXPECT_NE(message.find(*part), std::string::npos) << message << " lacks " << *part;
        EXPECT_FALSE(message.empty());
    }
};

/** That `path` does not open, for a reason in that field of it (or of `file`), and is left as it was. */
inline Told expect_refused(const std::string &path, int code, const std::string &field, const tm_pool_attr &how = {}, const std::string &file = {})
{
    tm_pool *const pool = tm_pool_open(path.c_str(), &how);
    EXPECT_EQ(pool, nullptr) << "it opened";
    if (pool) {
        tm_pool_close(pool);
        return {};
    }
    const Told told;
    EXPECT_EQ(told.code, code) << told.message;
    EXPECT_EQ(told.file, file.empty() ? path : file) << told.message;
    EXPECT_NE(told.field.find(field), std::string::npos) << told.message;
    told.expect_whole();
    return told;
}

/** In a child: go on only if this holds. */
#define DEMAND(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: not so in the child: %s. Last failure: %s\n", __FILE__, __LINE__, #condition, tm_pool_error()->message); \
            ::_exit(98);                                                                                               \
        }                                                                                                              \
    } while (0)

inline bool ended_well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
inline bool was_killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

/** The end of a child that leaves its pools open. */
inline void die() { ::raise(SIGKILL); }

/** Run `body` in a child; it ends by die(). */
template <class Body> void and_be_killed(Body &&body)
{
    const int status = in_child(body);
    ASSERT_TRUE(was_killed(status)) << status;
}

/** Run `body` in a child that is nobody in particular; the directory is given to it. */
template <class Body> int unprivileged(const Directory &directory, Body &&body)
{
    constexpr uid_t nobody = 65534;
    const bool is_root = ::geteuid() == 0;
    if (is_root) {
        EXPECT_EQ(::chown(directory.path().c_str(), nobody, nobody), 0);
        for (const auto &entry : std::filesystem::directory_iterator(directory.path())) EXPECT_EQ(::lchown(entry.path().c_str(), nobody, nobody), 0);
    }
    return in_child([&] {
        if (is_root) DEMAND(::setresgid(nobody, nobody, nobody) == 0 && ::setresuid(nobody, nobody, nobody) == 0);
        body();
    });
}

/** Sets a libtm option for the life of the object. */
class Option {
public:
    Option(const char *name, const char *value) : name_(name)
    {
        tm_config_get(name, before_, sizeof before_);
        EXPECT_EQ(tm_config_set(name, value), 0) << name << ":" << value;
    }
    ~Option() { tm_config_set(name_, before_); }
    Option(const Option &) = delete;
    Option &operator=(const Option &) = delete;

private:
    const char *name_;
    char before_[64] = "";
};

/** A small generator, the same numbers in every run. */
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x1234567u) {}
    std::uint64_t operator()()
    {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545f4914f6cdd1du;
    }
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>((*this)() >> 33) % limit; }

private:
    std::uint64_t state_;
};

inline constexpr unsigned ways_to_open[] = {0, TM_POOL_READ_ONLY, TM_POOL_THROWAWAY};

inline tm_pool_attr flags(unsigned flags)
{
    tm_pool_attr how;
    how.flags = flags;
    return how;
}

inline tm_pool_attr journal_of(std::uint64_t bytes, unsigned flags = 0)
{
    tm_pool_attr how;
    how.journal = bytes;
    how.flags = flags;
    return how;
}

} // namespace libtm::testing
