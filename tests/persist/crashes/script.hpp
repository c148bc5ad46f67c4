// SPDX-License-Identifier: MIT
/**
 * @file script.hpp
 * What the crash tests do to a pool, and what must be there afterwards: a script of steps whose every committed image is known.
 * Each run, check and recovery is inspected (inspector.hpp).
 */
#pragma once

#include "inspector.hpp"
#include "pool.hpp"

#include <memory>
#include <string>
#include <tm/crash.hpp>
#include <vector>

namespace libtm::testing {

inline constexpr const char *pool_path = "pool";

/** One store: `count` bytes of value `value` at `offset` of the user's memory. */
struct Edit {
    std::size_t offset;
    std::size_t count;
    unsigned char value;
};

/** One step of a script. */
struct Step {
    enum Kind { commit, transaction, wait, checkpoint, grow, trim, close, abandon, scribble } kind;
    std::vector<Edit> edits = {}; ///< commit, transaction, scribble (which does not commit)
    std::size_t size = 0;         ///< grow: bytes
    tm_attr how = {};             ///< transaction
};

/** A pool's life. */
struct Script {
    std::size_t size = 4096; ///< bytes at first
    std::uint64_t journal = 8 * 4096; ///< bytes
    std::vector<Step> steps = {};
};

/** A script with the images that its commits make: image 0 is that of the creation. */
class Story {
public:
    explicit Story(Script script);
    /** Play it; marks "created", "begins" and "returned" with the number of the commit, "grows", "grown". Throws persist::Failure, and std::logic_error if a commit's result is wrong. */
    void play(tm_storage *files, crash::Marks &marks) const;
    /** Play it with calls that fail: what the pool says is swallowed. Then open the pool with calls that do not. */
    void fail_and_recover(tm_storage *failing, crash::Marks &marks) const;
    /** Open the pool, look, commit something more, leave. What is wrong, or nothing. */
    std::string check(tm_storage *files, const crash::Moment &moment) const;
    /** Open the pool and leave. */
    void recover(tm_storage *files) const;
    const std::string &image(std::size_t number) const { return images_[number]; }

private:
    tm_pool_attr attr_for(tm_storage *files) const;
    void play_on(tm_storage *files, crash::Marks &marks) const;
    std::string check_on(tm_storage *files, const crash::Moment &moment) const;
    void recover_on(tm_storage *files) const;

    Script script_;
    std::vector<std::string> images_;
    std::vector<std::size_t> sizes_; ///< after each grow: the bytes there are
};

/** Explore, print what was explored, and fail the test for each failure. Counts into the sum that report_sums() prints. */
void explore(const std::string &name, const crash::Run &run, const Story &story, crash::Options options = {});
/** The same with another check. */
void explore(const std::string &name, const crash::Run &run, const crash::Check &check, crash::Options options = {});
/** Lines for tests/run. */
void report_sums();
/** Searches have their full length: TM_TEST_LONG is set. */
bool is_long();
/** Searches are cut short: TM_TEST_QUICK is set, as in the sanitizers' builds. */
bool is_quick();

} // namespace libtm::testing
