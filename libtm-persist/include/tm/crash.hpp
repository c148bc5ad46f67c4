// SPDX-License-Identifier: MIT
/**
 * @file crash.hpp
 * The crash enumerator: runs a program once on files in memory, records what it asks of them, and opens every state that a crash could have left.
 *
 *     #include <tm/crash.hpp>
 *
 *     int main(int argc, char **argv)
 *     {
 *         libtm::crash::Options options;
 *         options.replay = argc > 1 ? argv[1] : "";
 *         return libtm::crash::explore(
 *             [](tm_storage *files, libtm::crash::Marks &marks) { ... marks("returned", 1); ... },
 *             [](tm_storage *files, const libtm::crash::Moment &moment) -> std::string {
 *                 if (read_counter(files) < moment.last("returned")) return "a commit is lost";
 *                 return {};
 *             }, options).print();
 *     }
 *
 * It knows nothing of pools, only tm/storage.h: whatever does its file calls through a tm_storage can be checked, a pool by tm_pool_attr::storage. Which states are
 * legal, what is left out and why that loses nothing is told in libtm-persist/doc/crash.md. Build with `pkg-config --cflags --libs libtm-crash`.
 * What injects faults into these calls is in tm/faults.hpp.
 */
#ifndef TM_CRASH_HPP
#define TM_CRASH_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tm/storage.h>
#include <vector>

namespace libtm::crash {

/** Bytes that a device writes whole or not at all. */
inline constexpr std::size_t sector_size = 512;

struct FilesData;

/** Some files with their names and contents. A value: copies are cheap, they share what is equal. One thread at a time may use an object. */
class Files {
public:
    Files();
    /** The file `path` holds these bytes. */
    void put(const std::string &path, std::span<const std::byte> bytes);
    void put(const std::string &path, std::string_view bytes);
    std::vector<std::string> paths() const;
    bool has(const std::string &path) const;
    /** All bytes of a file; empty if there is none. */
    std::vector<std::byte> read(const std::string &path) const;
    /** Names, sizes and a hash of the contents, in one line: equal for equal files. */
    std::string text() const;
    /** Write the files to the existing directory `directory` of the system, the path's slashes as '_'. Throws std::system_error. */
    void save(const std::string &directory) const;

    std::shared_ptr<const FilesData> data; ///< internal
};

/** One thing that a program did to the files, in the order in which it took effect. What changes nothing (reads, locks, maps) is none. */
struct Event {
    enum Kind { create, create_unnamed, name, remove, rename, write, truncate, reserve, sync, sync_directory, mark };
    Kind kind = mark;
    int result = 0;           ///< 0, or -errno of a sync that failed
    std::uint64_t file = 0;   ///< which one, whatever its names; as tm_storage_info::inode
    std::string path = {};    ///< the name concerned; of an open file the one it was made with; of a mark its text
    std::string to = {};      ///< rename: the new name
    std::uint64_t offset = 0; ///< write, reserve: where. mark: its number
    std::uint64_t size = 0;   ///< bytes. truncate: the new size
    std::shared_ptr<const std::vector<std::byte>> bytes = {}; ///< write: what
    /** Readable, without a number and a line's end. */
    std::string text() const;
};

/** The files at first, and what happened to them. */
struct Recording {
    Files before;
    std::vector<Event> events;
};

/**
 * Files in memory behind a tm_storage, recording. Thread-safe, except for its construction and destruction. All directories exist. After the last
 * use of a mapping only: the memory of tm_storage::map belongs to the Disk.
 */
class Disk {
public:
    /** What reads see of a file after a sync() of it has failed. Systems differ: ext4 and XFS keep the new bytes until memory is scarce. */
    enum class AfterFailure { see_new, see_old };

    explicit Disk(const Files &files = {}, bool record = true);
    ~Disk();
    Disk(const Disk &) = delete;
    Disk &operator=(const Disk &) = delete;

    /** The table of functions. Lives as long as the Disk. */
    tm_storage *storage();
    /** Note a moment in the recording. */
    void mark(std::string_view what, std::uint64_t number = 0);
    /** Call `observer` with each further event, in their order, before the call that made it returns. It must not use this Disk. */
    void observe(std::function<void(const Event &)> observer);
    /** What happened since the construction. */
    Recording recording() const;
    /** The files as they are now, without a crash. */
    Files files() const;
    /** Without create_unnamed() (it says -EOPNOTSUPP), as some file systems. */
    void without_unnamed_files();
    /** Let the size of all files together, in blocks of 4096 bytes that are reserved or not zero, be at most `bytes`: what needs more says -ENOSPC. */
    void limit_space(std::uint64_t bytes);
    void after_failure(AfterFailure seen);

    /** The next sync of this file or directory has failed with `error`: of what is pending nothing is known any more. Called by Faults. */
    void fail_sync(int file, int error);
    void fail_sync_directory(const char *path, int error);
    /** The Disk behind a table, or nullptr. */
    static Disk *of(tm_storage *storage);

private:
    struct Data;
    std::unique_ptr<Data> data_;
};

/** What the run tells about itself: `marks("returned", 3)`. Thread-safe. */
class Marks {
public:
    explicit Marks(Disk &disk) : disk_(disk) {}
    void operator()(std::string_view what, std::uint64_t number = 0) { disk_.mark(what, number); }
    Disk &disk() { return disk_; }

private:
    Disk &disk_;
};

struct Mark {
    std::string what;
    std::uint64_t number = 0;
};

/** When the crash was. A check may depend on the marks alone: states with equal files and marks are opened once. */
struct Moment {
    std::span<const Mark> marks; ///< set before the (first) crash
    unsigned recovery = 0;       ///< 0: crash of the run. 1: then of its recovery. 2: then of that one's recovery
    std::string state;           ///< which state this is, for Options::replay
    bool reached(std::string_view what, std::uint64_t number) const;
    /** The number of the last mark of this text, or `none`. */
    std::uint64_t last(std::string_view what, std::uint64_t none = 0) const;
};

/** What a crash may do to names that are not durable yet. */
enum class Rename {
    atomic,     ///< the old name or the new one
    both_names, ///< or both
    torn        ///< or none
};

/** What a crash may do. */
struct Model {
    Rename rename = Rename::atomic;
    /** Changes of names in one directory happen in their order (as with a journaling file system), instead of in any order that keeps the one of each name. */
    bool names_in_order = false;
    /** A write that makes a file longer may make it so in steps that end at multiples of this, bytes, or of a multiple of it if it were more than 64; 0: at once. */
    std::uint64_t size_step = 4096;
};

/** How many states of one crash point are opened. */
struct Bounds {
    std::uint64_t exhaustive = 4096; ///< all, if they are so many or fewer. Else a choice:
    std::uint64_t systematic = 256;  ///< at most so many of each family: prefixes, one lost, one kept, two lost, two kept, whole writes, whole files
    std::uint64_t random = 1024;     ///< and so many at random
};

using Run = std::function<void(tm_storage *, Marks &)>;
using Check = std::function<std::string(tm_storage *, const Moment &)>;
using Recover = std::function<void(tm_storage *)>;

struct Options {
    std::string name = "program";
    Model model = {};
    Bounds bounds = {};
    /** So many recoveries in a row are interrupted, too. */
    unsigned recoveries = 2;
    Bounds recovery_bounds = {256, 32, 64};
    /** What is interrupted there; none: the check. To be given if the check does more than to recover, look, and close. */
    Recover recover = {};
    /** Interrupt the recovery of one state in so many, chosen by their hash. */
    std::uint64_t recover_one_in = 1;
    /** The same for states after a crash in a recovery. */
    std::uint64_t again_one_in = 8;
    std::uint64_t most_states = 0;          ///< stop when so many have been opened. 0: never
    std::uint64_t most_recovery_states = 0; ///< the same for crashes of recoveries: open no more of these
    unsigned most_failures = 1;             ///< stop after so many
    std::uint64_t seed = 1;                 ///< of the random choices
    std::uint64_t part = 0, parts = 1;      ///< only the states of one part in so many, chosen by their hash: to share the work between processes
    /** Called before each state is opened, with what replays it: for checks that may not return. */
    std::function<void(const std::string &state)> opening = {};
    /** Not empty: open this one state, as it was printed, and print its trace. */
    std::string replay = {};
    /** Not empty: a directory where the files of the first failing state are saved. */
    std::string save = {};
};

struct Failure {
    std::string what;  ///< what the check said
    std::string state; ///< for Options::replay
    std::string trace; ///< what happened, where the crash was, and what it kept
};

struct Report {
    std::string name;
    std::uint64_t events = 0;      ///< of the run
    std::uint64_t points = 0;      ///< crash points with states of their own, those in recoveries included, as in all below
    std::uint64_t exhausted = 0;   ///< of these, points whose states were all visited
    double legal = 0;              ///< states of all points, with repetitions
    std::uint64_t visited = 0;     ///< of these, so many were looked at; those met again count again
    std::uint64_t opened = 0;      ///< and so many differ from each other, and were opened
    std::uint64_t in_recovery = 0; ///< of the opened ones, so many after a crash in a recovery
    std::uint64_t in_second_recovery = 0; ///< and in the recovery of a recovery, or deeper
    bool stopped = false;          ///< at Options::most_states or most_recovery_states
    std::vector<Failure> failures;
    std::string replayed;          ///< the trace of Options::replay

    bool ok() const { return failures.empty(); }
    /** All of it, readable. */
    std::string text() const;
    /** Print text() to standard output. 0 if ok(), else 1: the value of main. */
    int print() const;
};

/**
 * Run once, then check each legal state. `check` opens the files it is given and returns what is wrong with them, or nothing; an exception counts as wrong. What
 * it does to the files stays in this state. Both may start threads, which have ended when they return. Not thread-safe in that the
 * calls come one after the other; several explore() may run at once, of recordings that were made apart. Needs up to 48 bytes a state.
 */
Report explore(const Run &run, const Check &check, const Options &options = {});
/** The same for what has been recorded, e.g. with faults. */
Report explore(const Recording &recording, const Check &check, const Options &options = {});

/** Every state of a recording as the explorer finds them (all, whatever the bounds), each as "marks reached: Files::text()". */
std::set<std::string> legal_states(const Recording &recording, const Model &model = {});
/**
 * The same by trying every subset of everything at every event: the definition of what is legal, without any pruning. Throws std::length_error beyond 24
 * pending units (sectors of writes, steps of size, changes of names) at one event.
 */
std::set<std::string> brute_force_states(const Recording &recording, const Model &model = {});

/**
 * What is durable while a program runs: an observer for assertions on the order of writes.
 *
 *     Durable durable;
 *     disk.observe([&](const Event &e) {
 *         durable(e);
 *         if (e.kind == Event::write && e.path == "pool" && !durable.holds("pool-journal", *e.bytes)) ...
 *     });
 *
 * One thread at a time.
 */
class Durable {
public:
    explicit Durable(const Files &before = {});
    ~Durable();
    void operator()(const Event &event);
    /** Bytes of the file in sectors that a crash may leave in more than one way. `path`, here and below: the last file that has had this name. */
    std::uint64_t pending(const std::string &path) const;
    /** As many bytes of the file as there are after any crash; in sectors that are pending the oldest. */
    std::vector<std::byte> bytes(const std::string &path) const;
    /** Whether these bytes, at least one, are somewhere in the file after any crash. Takes time in proportion to the file. */
    bool holds(const std::string &path, std::span<const std::byte> bytes) const;

private:
    struct Data;
    std::unique_ptr<Data> data_;
};

} // namespace libtm::crash

#endif
