// SPDX-License-Identifier: MIT
/**
 * @file txmem_demo.cpp
 * The demo of TxMem: memory that is a file, plain stores, one commit. Whenever the process is killed, the next run finds all of what was
 * stored before a commit, or nothing of it.
 *
 *     txmem_demo FILE [stored | committed | CALL]    store in FILE, and be killed on the way
 *     txmem_demo                                     try all ways to be killed, and check what is left
 *
 * `stored`: killed after the stores, before the commit. `committed`: killed when the commit has returned. A number: killed at that call of
 * the library on its files; a write is begun, so that half a record is left.
 */
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <tm/persist.hpp>
#include <unistd.h>

namespace {

constexpr std::size_t size = 10000;
constexpr std::size_t places[] = {0, 4090, 9000}; // in three pages, one of them across a border

/** What a pool holds: the number of the run that has stored it, 0 for an empty one, -1 for a mixture, which must never be. */
long found_in(const char *memory)
{
    for (const std::size_t place : places)
        if (std::strcmp(memory + place, memory) != 0) return -1;
    return memory[0] ? std::atol(memory + std::strlen("stored by run ")) : 0;
}

/** The demo. `stop` is called at its two crash points. */
template <class Stop> void demo(const char *file, tm_storage *storage, Stop &&stop)
{
    tm_pool_attr attr;
    attr.storage = storage;
    libtm::pool p{file, size, attr};
    char *m = p.data();
    const long run = found_in(m);
    std::printf("found: \"%s\"\n", m);
    for (const std::size_t place : places) std::sprintf(m + place, "stored by run %ld", run + 1);
    stop("stored");
    p.commit();
    stop("committed");
}

/** The files of the system, until a call that ends the process. What is not shown here goes straight through. */
struct Killer : tm_storage {
    explicit Killer(long last) : tm_storage(*tm_storage_system()), left(last)
    {
        tm_storage::open = [](tm_storage *self, const char *path, int how) { return count(self), tm_storage_system()->open(self, path, how); };
        create_unnamed = [](tm_storage *self, const char *path) { return count(self), tm_storage_system()->create_unnamed(self, path); };
        name = [](tm_storage *self, int file, const char *path) { return count(self), tm_storage_system()->name(self, file, path); };
        remove = [](tm_storage *self, const char *path) { return count(self), tm_storage_system()->remove(self, path); };
        reserve = [](tm_storage *self, int file, std::uint64_t offset, std::uint64_t bytes) { return count(self), tm_storage_system()->reserve(self, file, offset, bytes); };
        truncate = [](tm_storage *self, int file, std::uint64_t bytes) { return count(self), tm_storage_system()->truncate(self, file, bytes); };
        sync = [](tm_storage *self, int file) { return count(self), tm_storage_system()->sync(self, file); };
        sync_directory = [](tm_storage *self, const char *path) { return count(self), tm_storage_system()->sync_directory(self, path); };
        write = [](tm_storage *self, int file, const iovec *parts, int number, std::uint64_t offset) -> ssize_t {
            const auto half = [&] {
                const iovec first{parts[0].iov_base, parts[0].iov_len / (number == 1 ? 2 : 1)};
                tm_storage_system()->write(self, file, &first, 1, offset);
            };
            return count(self, half), tm_storage_system()->write(self, file, parts, number, offset);
        };
    }

    template <class Last> static void count(tm_storage *self, Last &&last)
    {
        if (static_cast<Killer *>(self)->left.fetch_sub(1) != 1) return;
        last();
        std::raise(SIGKILL);
    }
    static void count(tm_storage *self)
    {
        count(self, [] {});
    }

    std::atomic<long> left; ///< calls
};

/** One run, as the command line has it. */
void run(const char *file, const std::string &where)
{
    Killer killer(std::atol(where.c_str())); // 0 for words: never
    demo(file, &killer, [&](const char *point) {
        if (where == point) std::raise(SIGKILL);
    });
}

/** The same in a process of its own. Returns whether it was killed. */
bool is_killed(const std::string &file, const std::string &where)
{
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        if (!std::freopen("/dev/null", "w", stdout)) ::_exit(1);
        try {
            run(file.c_str(), where);
        } catch (const libtm::pool_error &error) {
            std::fprintf(stderr, "%s\n", error.what());
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || (!WIFSIGNALED(status) && status != 0)) throw std::runtime_error("a run has failed");
    return WIFSIGNALED(status);
}

/** What is left: the run that has stored it, or 0 if there is no file, or an empty pool. */
long left_in(const std::string &file)
{
    if (::access(file.c_str(), F_OK) != 0) return 0;
    libtm::pool p{file};
    return found_in(p.data());
}

/** Two runs, each killed at `where`: the first makes the file. Returns whether the second was killed. */
bool check(const std::string &directory, const std::string &where, long counts[2])
{
    const std::string file = directory + "/data";
    bool killed = false;
    for (long before = 0; before < 2; ++before) {
        if (before == 1 && left_in(file) == 0) is_killed(file, "never");
        killed = is_killed(file, where);
        const long left = left_in(file);
        // Before a commit it is the old state, after it the new one; in the middle either.
        const bool is_old = left == before, is_new = left == before + 1;
        if (where == "stored" ? !is_old : where == "committed" || !killed ? !is_new : !is_old && !is_new)
            throw std::runtime_error("killed at " + where + ": " + std::to_string(before) + " became " + std::to_string(left));
        ++counts[is_new];
    }
    ::unlink(file.c_str());
    return killed;
}

void check_all()
{
    const char *const base = std::getenv("TMPDIR");
    std::string directory = std::string(base && *base ? base : "/var/tmp") + "/txmem_demo-XXXXXX";
    if (!::mkdtemp(directory.data())) throw std::runtime_error("mkdtemp " + directory);
    long counts[2] = {0, 0}; // of old and new states
    check(directory, "stored", counts);
    check(directory, "committed", counts);
    long call = 1;
    while (check(directory, std::to_string(call), counts)) ++call;
    ::rmdir(directory.c_str());
    std::printf("killed at %ld points: the old state %ld times, the new one %ld times, never another\n", call + 1, counts[0], counts[1]);
    if (counts[0] < 3 || counts[1] < 3 || call < 10) throw std::runtime_error("too few for a test");
}

} // namespace

int main(int count, char **arguments)
{
    try {
        if (count == 1) check_all();
        else run(arguments[1], count > 2 ? arguments[2] : "never");
    } catch (const std::runtime_error &error) {
        std::fprintf(stderr, "txmem_demo: %s\n", error.what());
        return 1;
    }
}
