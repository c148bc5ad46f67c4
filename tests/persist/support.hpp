// SPDX-License-Identifier: MIT
/**
 * @file support.hpp
 * What the tests of pools share: a directory of their own, pools in it, and children to be killed.
 */
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <tm/persist.hpp>
#include <unistd.h>

namespace libtm::testing {

/** A directory that is gone afterwards, with all that is in it. */
class Directory {
public:
    Directory() : Directory(std::getenv("TMPDIR")) {}
    /** In `base`, if that is not empty. */
    explicit Directory(const char *base)
    {
        std::string name = std::string(base && *base ? base : "/var/tmp") + "/libtm-test-XXXXXX";
        if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name);
        path_ = name;
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    Directory(const Directory &) = delete;
    Directory &operator=(const Directory &) = delete;
    std::string operator/(const std::string &name) const { return path_ + "/" + name; }
    const std::string &path() const { return path_; }

private:
    std::string path_;
};

/** Run `body` in a child that ends with _exit(0) unless something else ends it: SIGALRM if it hangs. Returns the status of waitpid(2). */
inline int in_child(const std::function<void()> &body)
{
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(120);
        try {
            body();
        } catch (const std::exception &error) {
            std::fprintf(stderr, "in the child: %s\n", error.what());
            ::_exit(99);
        }
        ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

/** The code with which `body` throws a pool_error; 0 if it does not. */
template <class Body> int code_of(Body &&body)
{
    try {
        body();
        return 0;
    } catch (const pool_error &error) {
        return error.code();
    }
}

} // namespace libtm::testing
