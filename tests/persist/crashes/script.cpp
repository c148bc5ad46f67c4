// SPDX-License-Identifier: MIT
#include "script.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <mutex>
#include <stdexcept>
#include <tm/tm.hpp>

namespace libtm::testing {

using persist::Failure;
using persist::Pool;

namespace {

void store(char *memory, const std::vector<Edit> &edits)
{
    for (const Edit &edit : edits) std::memset(memory + edit.offset, edit.value, edit.count);
}

struct Sums {
    std::mutex mutex;
    std::uint64_t states = 0, in_recovery = 0, twice = 0, scenarios = 0, failures = 0;
    Inspector::Looks looks;
} sums;

/** What the inspector has seen. Returns what it objects to. */
std::string counted(const Inspector &inspector)
{
    const std::lock_guard lock(sums.mutex);
    sums.looks += inspector.looks();
    return inspector.violation();
}

} // namespace

bool is_long() { return std::getenv("TM_TEST_LONG") != nullptr; }

bool is_quick() { return std::getenv("TM_TEST_QUICK") != nullptr; }

Story::Story(Script script) : script_(std::move(script))
{
    std::string now(script_.size, '\0');
    images_.push_back(now);
    for (const Step &step : script_.steps) {
        if (step.kind == Step::grow) now.resize(std::max(now.size(), step.size), '\0');
        if (step.kind == Step::grow) sizes_.push_back(now.size());
        if (step.kind != Step::commit && step.kind != Step::transaction) continue;
        store(now.data(), step.edits);
        images_.push_back(now);
    }
}

tm_pool_attr Story::attr_for(tm_storage *files) const
{
    tm_pool_attr attr{};
    attr.journal = script_.journal;
    attr.storage = files;
    attr.flags |= TM_POOL_NO_THREAD;
    return attr;
}

void Story::play(tm_storage *files, crash::Marks &marks) const
{
    Inspector inspector(files, marks.disk().storage());
    play_on(inspector.storage(), marks);
    EXPECT_EQ(counted(inspector), "");
}

void Story::play_on(tm_storage *files, crash::Marks &marks) const
{
    const tm_pool_attr attr = attr_for(files);
    std::unique_ptr<Pool> pool = Pool::create(pool_path, script_.size, attr);
    marks("created");
    std::uint64_t number = 0, grown = 0;
    for (const Step &step : script_.steps) {
        switch (step.kind) {
        case Step::commit:
            store(pool->data(), step.edits);
            marks("begins", ++number);
            pool->commit();
            marks("returned", number);
            break;
        case Step::transaction:
            marks("begins", ++number);
            libtm::atomically(step.how, [&] {
                for (const Edit &edit : step.edits) tm_memset(pool->data() + edit.offset, edit.value, edit.count);
            });
            if (step.how.durability == TM_DURABILITY_DEFAULT || step.how.durability >= TM_DURABILITY_GROUP) marks("returned", number);
            break;
        case Step::wait:
            pool->wait(0);
            marks("returned", number);
            break;
        case Step::scribble: store(pool->data(), step.edits); break;
        case Step::checkpoint:
            pool->checkpoint();
            marks("returned", number); // transactions that nobody has waited for
            break;
        case Step::trim: pool->trim(); break;
        case Step::grow:
            marks("grows", ++grown);
            pool->grow(step.size);
            marks("grown", grown);
            break;
        case Step::close:
            pool->close();
            marks("returned", number);
            pool.reset();
            pool = Pool::open(pool_path, attr);
            break;
        case Step::abandon: // as a kill of the process: what the system has of the files stays
            pool.reset();
            pool = Pool::open(pool_path, attr);
            break;
        }
    }
    pool->close();
}

void Story::fail_and_recover(tm_storage *failing, crash::Marks &marks) const
{
    Inspector inspector(failing, marks.disk().storage());
    try {
        play_on(inspector.storage(), marks);
    } catch (const Failure &) {
    } catch (const libtm::error &) {
    } catch (const std::bad_alloc &) {
    }
    inspector.use(marks.disk().storage());
    recover_on(inspector.storage());
    EXPECT_EQ(counted(inspector), "");
}

std::string Story::check(tm_storage *files, const crash::Moment &moment) const
{
    Inspector inspector(files, files);
    const std::string wrong = check_on(inspector.storage(), moment), violation = counted(inspector);
    return wrong.empty() ? violation : wrong;
}

std::string Story::check_on(tm_storage *files, const crash::Moment &moment) const
{
    std::unique_ptr<Pool> pool;
    try {
        pool = Pool::open(pool_path, attr_for(files));
    } catch (const Failure &failure) {
        if (failure.code == ENOENT && !moment.reached("created", 0)) return {};
        return "the pool does not open: " + failure.message();
    }
    const std::uint64_t least = moment.last("returned"), most = moment.last("begins");
    const std::string_view memory(pool->data(), pool->size());
    bool is_known = false;
    for (std::uint64_t i = least; i <= most && !is_known; ++i) {
        const std::string &image = images_[i];
        // What a pool has beyond the image was added by a growth, or rounds a page up.
        is_known = memory.size() >= image.size() && memory.starts_with(image) && memory.find_first_not_of('\0', image.size()) == memory.npos;
    }
    if (!is_known) {
        for (std::size_t i = 0; i < images_.size(); ++i)
            if (memory.starts_with(images_[i])) return "the image is that of commit " + std::to_string(i) + ", not of " + std::to_string(least) + " to " + std::to_string(most);
        return "the image is that of no commit";
    }
    if (const std::uint64_t grown = moment.last("grown"); grown && memory.size() < sizes_[grown - 1]) return "a growth is lost";
    try {
        pool->data()[0] ^= 0x55;
        const std::string expected(pool->data(), pool->size());
        pool->commit();
        pool.reset();
        pool = Pool::open(pool_path, attr_for(files));
        if (std::string_view(pool->data(), pool->size()) != expected) return "a commit after the recovery is lost";
        pool->close();
    } catch (const Failure &failure) {
        return "the recovered pool does not work: " + failure.message();
    }
    return {};
}

void Story::recover(tm_storage *files) const
{
    Inspector inspector(files, files);
    recover_on(inspector.storage());
    EXPECT_EQ(counted(inspector), "");
}

void Story::recover_on(tm_storage *files) const
{
    try {
        Pool::open(pool_path, attr_for(files));
    } catch (const Failure &) { // check() says so
    }
}

void explore(const std::string &name, const crash::Run &run, const Story &story, crash::Options options)
{
    options.recover = [&](tm_storage *files) { story.recover(files); };
    explore(name, run, [&](tm_storage *files, const crash::Moment &moment) { return story.check(files, moment); }, options);
}

void explore(const std::string &name, const crash::Run &run, const crash::Check &check, crash::Options options)
{
    options.name = name;
    if (!options.most_recovery_states) options.most_recovery_states = is_long() ? 1000000 : is_quick() ? 1000 : 15000;
    if (is_long()) {
        options.bounds = {65536, 2048, 16384};
        options.recovery_bounds = {4096, 256, 512};
    }
    if (is_quick()) {
        options.bounds = {64, 16, 16};
        options.recovery_bounds = {16, 4, 8};
    }
    const crash::Report report = crash::explore(run, check, options);
    for (const crash::Failure &failure : report.failures) ADD_FAILURE() << name << ": " << failure.what << "\nstate " << failure.state << "\n" << failure.trace;
    if (std::getenv("TM_TEST_VERBOSE")) std::printf("%s", report.text().c_str());
    const std::lock_guard lock(sums.mutex);
    sums.states += report.opened;
    sums.in_recovery += report.in_recovery;
    sums.twice += report.in_second_recovery;
    ++sums.scenarios;
    sums.failures += report.failures.size();
}

void report_sums()
{
    const Inspector::Looks &looks = sums.looks;
    std::printf("explored: %llu changed lines of images, %llu overwritten groups, %llu headers, %llu names and %llu failures inspected\n",
                static_cast<unsigned long long>(looks.lines), static_cast<unsigned long long>(looks.groups), static_cast<unsigned long long>(looks.headers),
                static_cast<unsigned long long>(looks.names), static_cast<unsigned long long>(looks.failures));
    std::printf("explored: %llu crash states of pools (%llu in recovery, %llu in the recovery of a recovery), %llu violations\n", static_cast<unsigned long long>(sums.states),
                static_cast<unsigned long long>(sums.in_recovery), static_cast<unsigned long long>(sums.twice), static_cast<unsigned long long>(sums.failures));
}

} // namespace libtm::testing
