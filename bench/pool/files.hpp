// SPDX-License-Identifier: MIT
/**
 * @file files.hpp
 * Files, mappings and the directory of one run. What fails throws std::system_error.
 */
#ifndef BENCH_POOL_FILES_HPP
#define BENCH_POOL_FILES_HPP

#include "pages.hpp"
#include <string>
#include <sys/types.h>
#include <sys/uio.h>
#include <thread>

namespace bench {

/** Throws errno, saying what was done to what. */
[[noreturn]] void fail(const std::string &what);
/** -1 of a system call throws. */
long check(long result, const std::string &what);

class file {
public:
    /** `flags` as of open(2). */
    file(const std::string &path, int flags);
    ~file();
    file(const file &) = delete;
    file &operator=(const file &) = delete;

    int descriptor() const { return descriptor_; }
    /** All of it. */
    void write(const char *bytes, std::size_t size, std::size_t offset);
    /** All of them, one after the other; the parts are used up. */
    void write(std::span<iovec> parts, std::size_t offset);
    void read(char *to, std::size_t size, std::size_t offset) const;
    /** Zeros, durable: what is written there later needs no new block and no new size. */
    void prewrite(std::size_t size);
    void sync();
    void sync_data();

private:
    std::string path_;
    int descriptor_;
};

class mapping {
public:
    /** `flags`: MAP_PRIVATE or MAP_SHARED. Every page is read once, so that all of them are present. */
    mapping(const file &from, std::size_t size, int flags);
    ~mapping();
    mapping(const mapping &) = delete;
    mapping &operator=(const mapping &) = delete;

    char *data() const { return data_; }
    std::size_t size() const { return size_; }
    char *page(std::size_t number) const { return data_ + number * page_size; }

private:
    char *data_;
    std::size_t size_;
};

/** Bytes that this process has handed to write(2) and its kin so far; stores to mappings of files are not among them. 0: Linux does not count them (/proc/self/io). */
std::uint64_t bytes_written();

/** Read every page once. */
void touch(const char *data, std::size_t size);

/**
 * A directory of one's own below another one, which goes with the object, also when the program is told to end: the files are big. So it
 * must be made before any other thread is, and those must leave signals alone.
 */
class workplace {
public:
    explicit workplace(const std::string &parent);
    ~workplace();
    workplace(const workplace &) = delete;
    workplace &operator=(const workplace &) = delete;

    const std::string &path() const { return path_; }

private:
    std::string path_;
    std::thread janitor_;
};

/** Bytes that are free in the file system of a directory. */
std::size_t free_space(const std::string &directory);
/** "ext4 on /dev/sda1", or as much as is known. */
std::string medium(const std::string &directory);

} // namespace bench

#endif
