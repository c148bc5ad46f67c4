// SPDX-License-Identifier: MIT
/**
 * @file life.hpp
 * A pool's whole life, each of whose calls to the files may fail, and what must hold then:
 *
 * - What is interrupted or short goes on, and the user does not learn of it.
 * - Any other failure is told, with its code and the name of the file.
 * - Where there is no space nothing has changed, and the same call of the same pool works when there is some.
 * - Any other failure of an open pool poisons it: every later call says EIO, and none writes; opened again it has the image of the last commit that returned, or
 *   of the one in progress.
 * - A failed creation leaves no file, or a valid empty pool; a failed open or backup no handle.
 */
#pragma once

#include "pool.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace libtm::testing {

/** How far a life has come, for who looks at its files after it was killed: may lie in shared memory. */
struct Progress {
    std::atomic<std::uint64_t> created{0}, begun{0}, returned{0}; ///< commits are counted from 1
    std::atomic<std::uint64_t> shelved_begun{0}, shelved{0}; ///< the same of transactions that change the heap
};

/** One life. Everything in it is the same each time, but identities. */
class Life {
public:
    /** Throws Violation when something is not as it must be. */
    struct Violation : std::logic_error {
        using logic_error::logic_error;
    };
    struct Options {
        std::string path = "pool";
        int code = 0;                               ///< that calls fail with; 0: none does, as far as a user can see
        std::function<std::uint64_t()> changes = {};///< calls so far that change a file
        std::function<std::size_t()> handles = {};  ///< that are open
        unsigned flags = TM_POOL_NO_THREAD;
    };

    Life(tm_storage &files, Options options, Progress *progress = nullptr);
    ~Life();
    /** The whole of it; the pool is closed afterwards, and its copy removed. */
    void live();
    /** Failures that the user was told of. */
    unsigned failures() const { return failures_; }

    static constexpr std::size_t page = 4096;
    static constexpr std::size_t first_size = 6 * page, last_size = 8 * page;
    /** The bytes of the user's memory after commit `number`, 0 for the creation, to the length of `memory`. */
    static std::string image(std::uint64_t number);
    /** Which commit's image it is: one from `least` to `most`. Throws Violation. */
    static std::uint64_t number_of(std::string_view memory, std::uint64_t least, std::uint64_t most);
    static constexpr std::uint64_t commits = 18;
    /** What is wrong with the heap, which holds the blocks of a shelf (shelf.hpp), or nothing. */
    static std::string wrong_with_heap(persist::Pool &pool, const Progress &progress);

private:
    void create();
    void open();
    void commit();
    void shelve();
    void read_copy(const std::string &path, unsigned how);
    void back_up();
    void close();

    void told(const persist::Failure &failure);
    void step(const char *what, const std::function<void()> &body);
    void demand_poisoned(const char *what);
    void demand_image(std::uint64_t least);
    void demand_no_handles(const char *what);
    tm_pool_attr attr(unsigned flags = 0) const;

    tm_storage &files_;
    Options options_;
    Progress own_, &progress_;
    std::unique_ptr<persist::Pool> pool_;
    std::uint64_t committed_ = 0; ///< that the image is of
    unsigned failures_ = 0;
};

} // namespace libtm::testing
