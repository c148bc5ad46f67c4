// SPDX-License-Identifier: MIT
/** P3, P4, P6, P11, P30: each call of a pool's life to its files fails in each way, in memory and on real files. */
#include "files.hpp"
#include "inspector.hpp"
#include "life.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <sys/mman.h>
#include <tm/crash.hpp>
#include <tm/faults.hpp>

using namespace libtm::testing;
using libtm::persist::Failure;
using libtm::persist::Pool;
namespace crash = libtm::crash;
using crash::Fault;

namespace {

/** Which faults each kind of call has had, and of which file: "write pool-journal". */
struct Hits {
    std::map<std::string, std::set<std::string>> sites;
    unsigned long long faults = 0, kills = 0, violations = 0;

    void add(const std::string &site, const Fault &fault)
    {
        sites[site].insert(fault.text());
        ++(fault.kind == Fault::kill || fault.kind == Fault::done_then_kill ? kills : faults);
    }
    bool has(const std::string &call, const Fault &fault) const
    {
        return std::any_of(sites.begin(), sites.end(), [&](const auto &site) { return site.first.starts_with(call + " ") && site.second.contains(fault.text()); });
    }
} hits;

bool applies(const std::string &call, const Fault &fault)
{
    if (fault.kind == Fault::shorter) return call == "read" || call == "write";
    if (fault.code != EINTR) return true;
    return call == "open" || call == "read" || call == "write" || call == "reserve" || call == "truncate" || call == "sync";
}

/** Without the part of the path that is another in each run. */
std::string site_of(std::string name, const std::string &directory)
{
    if (const std::size_t at = name.find(directory); at != name.npos) name.erase(at, directory.size());
    return name;
}

int code_of(const Fault &fault) { return fault.kind == Fault::shorter || fault.code == EINTR ? 0 : fault.code; }

/** The operating system's files, where they cannot be without a name. */
tm_storage *named_files()
{
    static tm_storage files = [] {
        tm_storage system = *tm_storage_system();
        system.create_unnamed = [](tm_storage *, const char *) { return -EOPNOTSUPP; };
        return system;
    }();
    return &files;
}

/** Files in memory, as fast as none: what a killed process leaves behind does not depend on what is below. */
const char *fast_base()
{
    return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::getenv("TMPDIR");
}

std::size_t descriptors()
{
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/** Bytes of address space in use. A pool that is left mapped keeps its reserve of 4 GiB. */
std::uint64_t address_space()
{
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * 4096;
}

/** The calls of a life without faults. */
std::vector<std::string> calls_of(tm_storage *files, const std::string &path)
{
    crash::Faults count(files);
    Life life(*count.storage(), {path});
    life.live();
    return count.names();
}

void report(const std::string &where, std::uint64_t at, const std::string &call, const Fault &fault, const std::string &what)
{
    ++hits.violations;
    ADD_FAILURE() << where << ", call " << at << ", " << call << ": " << fault.text() << ": " << what;
}

/** Which of these calls get a fault: all, but under a sanitizer or if TM_TEST_QUICK is set the first ones of each kind and file, and some of the others. */
std::vector<std::uint64_t> chosen(const std::vector<std::string> &calls)
{
    const bool is_short = has_sanitizer || std::getenv("TM_TEST_QUICK");
    std::map<std::string, unsigned> seen;
    std::vector<std::uint64_t> all;
    for (std::uint64_t at = 0; at < calls.size(); ++at)
        if (++seen[calls[at]] <= 2 || at % 11 == 0 || !is_short) all.push_back(at);
    return all;
}

/** What may be left besides the pool: what could not be removed. */
bool may_be_left(const std::string &path, const std::string &call) { return path == "pool" || call.starts_with("remove "); }

void sweep_in_memory(const std::string &where, bool without_unnamed, crash::Disk::AfterFailure seen)
{
    const auto prepare = [&](crash::Disk &disk) {
        if (without_unnamed) disk.without_unnamed_files();
        disk.after_failure(seen);
    };
    crash::Disk first({}, false);
    prepare(first);
    const std::vector<std::string> calls = calls_of(first.storage(), "pool");
    for (const Fault &fault : crash::usual_faults())
        for (const std::uint64_t at : chosen(calls)) {
            if (!applies(calls[at].substr(0, calls[at].find(' ')), fault)) continue;
            crash::Disk disk({}, false);
            prepare(disk);
            crash::Faults faults(disk.storage(), at, fault);
            Inspector inspector(faults.storage(), disk.storage());
            try {
                Life life(*inspector.storage(), {"pool", code_of(fault), [&] { return inspector.changes(); }, [&] { return inspector.open_handles(); }});
                life.live();
            } catch (const std::exception &wrong) {
                report(where, at, calls[at], fault, wrong.what());
            } catch (const Failure &wrong) {
                report(where, at, calls[at], fault, "not caught: " + wrong.message());
            }
            if (faults.applied()) hits.add(calls[at], fault);
            if (!inspector.violation().empty()) report(where, at, calls[at], fault, inspector.violation());
            for (const std::string &path : disk.files().paths())
                if (!may_be_left(path, calls[at])) report(where, at, calls[at], fault, path + " is left behind");
        }
}

void sweep_on_files(const std::string &where, tm_storage *files)
{
    std::vector<std::string> calls;
    {
        const Directory directory(fast_base());
        calls = calls_of(files, directory / "pool");
        for (std::string &call : calls) call = site_of(call, directory.path() + "/");
    }
    for (const Fault &fault : crash::usual_faults())
        for (const std::uint64_t at : chosen(calls)) {
            if (!applies(calls[at].substr(0, calls[at].find(' ')), fault)) continue;
            const Directory directory(fast_base());
            const std::size_t open_before = descriptors();
            const std::uint64_t mapped_before = address_space();
            crash::Faults faults(files, at, fault);
            try {
                Life life(*faults.storage(), {directory / "pool", code_of(fault)});
                life.live();
            } catch (const std::exception &wrong) {
                report(where, at, calls[at], fault, wrong.what());
            } catch (const Failure &wrong) {
                report(where, at, calls[at], fault, "not caught: " + wrong.message());
            }
            if (faults.applied()) hits.add(calls[at], fault);
            if (descriptors() != open_before) report(where, at, calls[at], fault, "a descriptor is left open");
            if (address_space() > mapped_before + (1ull << 31)) report(where, at, calls[at], fault, "a pool is left mapped");
            for (const auto &entry : std::filesystem::directory_iterator(directory.path()))
                if (!may_be_left(entry.path().filename(), calls[at])) report(where, at, calls[at], fault, entry.path().filename().string() + " is left behind");
        }
}

/** In memory that a child shares with us. */
class SharedProgress {
public:
    SharedProgress() : progress_(new (::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Progress) {}
    ~SharedProgress() { ::munmap(progress_, sizeof(Progress)); }
    SharedProgress(const SharedProgress &) = delete;
    SharedProgress &operator=(const SharedProgress &) = delete;
    Progress *operator->() const { return progress_; }
    Progress *get() const { return progress_; }

private:
    Progress *progress_;
};

/** What is wrong with what a killed life has left. */
std::string remains(const std::string &path, tm_storage *files, const Progress &progress)
{
    tm_pool_attr attr{};
    attr.storage = files;
    attr.flags = TM_POOL_NO_THREAD;
    try {
        std::unique_ptr<Pool> pool;
        try {
            pool = Pool::open(path, attr);
        } catch (const Failure &failure) {
            if (failure.code == ENOENT && !progress.created) return {};
            throw;
        }
        const std::uint64_t number = Life::number_of({pool->data(), pool->size()}, progress.returned, progress.begun);
        if (pool->size() < Life::last_size && number > 12) return "a growth is lost";
        if (const std::string wrong = Life::wrong_with_heap(*pool, progress); !wrong.empty()) return wrong;
        pool->data()[0] ^= 0x55;
        pool->commit();
        pool->close();
    } catch (const Failure &failure) {
        return failure.message();
    } catch (const std::exception &wrong) {
        return wrong.what();
    }
    return {};
}

void kill_at_each_call(const std::string &where, tm_storage *files)
{
    std::vector<std::string> calls;
    {
        const Directory directory(fast_base());
        calls = calls_of(files, directory / "pool");
        for (std::string &call : calls) call = site_of(call, directory.path() + "/");
    }
    for (const auto kind : {Fault::kill, Fault::done_then_kill})
        for (const std::uint64_t at : chosen(calls)) {
            const Fault fault{kind};
            const Directory directory(fast_base());
            const SharedProgress progress;
            const int status = in_child([&] {
                crash::Faults faults(files, at, fault);
                Life life(*faults.storage(), {directory / "pool"}, progress.get());
                life.live();
            });
            if (was_killed(status)) hits.add(calls[at], fault);
            else report(where, at, calls[at], fault, "it was not killed there: status " + std::to_string(status));
            const std::string wrong = remains(directory / "pool", files, *progress.get());
            if (!wrong.empty()) report(where, at, calls[at], fault, wrong);
        }
}

} // namespace

TEST(FaultSweep, P3_P4_P11_P30_each_call_fails_in_memory)
{
    sweep_in_memory("in memory", false, crash::Disk::AfterFailure::see_new);
}

TEST(FaultSweep, P3_P4_each_call_fails_in_memory_and_what_a_failed_sync_was_to_write_is_forgotten)
{
    sweep_in_memory("in memory, forgetful", false, crash::Disk::AfterFailure::see_old);
}

TEST(FaultSweep, P6_each_call_fails_in_memory_where_files_cannot_be_without_a_name)
{
    sweep_in_memory("in memory, all named", true, crash::Disk::AfterFailure::see_new);
}

TEST(FaultSweep, P3_P4_P11_P30_each_call_fails_on_files_and_nothing_is_left_open_or_mapped)
{
    sweep_on_files("files", tm_storage_system());
}

TEST(FaultSweep, P6_each_call_fails_on_files_that_cannot_be_without_a_name)
{
    sweep_on_files("files, all named", named_files());
}

TEST(FaultSweep, P1_P2_killed_before_and_after_each_call)
{
    kill_at_each_call("kill", tm_storage_system());
}

TEST(FaultSweep, P6_killed_before_and_after_each_call_where_files_cannot_be_without_a_name)
{
    kill_at_each_call("kill, all named", named_files());
}

TEST(FaultSweep, every_kind_of_call_has_had_every_fault)
{
    if (hits.sites.empty()) GTEST_SKIP() << "the other tests were not run";
    std::vector<Fault> faults = crash::usual_faults();
    faults.push_back({Fault::kill});
    faults.push_back({Fault::done_then_kill});
    for (const char *const call : {"open", "create_unnamed", "name", "remove", "rename", "close", "info", "read", "write", "reserve", "truncate", "sync", "sync_directory", "lock", "map"})
        for (const Fault &fault : faults) {
            EXPECT_TRUE(hits.has(call, fault) || !applies(call, fault)) << "no " << call << " has had " << fault.text();
        }
    std::printf("explored: %llu faults and %llu kills at calls of pools, %zu sites, %llu violations\n", hits.faults, hits.kills, hits.sites.size(), hits.violations);
}
