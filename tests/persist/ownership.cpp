// SPDX-License-Identifier: MIT
/** Whose a pool is: modes and descriptors of its files, one writer, and what a fork leaves to the child. */
#include "files.hpp"

#include <set>
#include <thread>

using namespace libtm::testing;
using libtm::pool;

namespace {

std::set<int> descriptors()
{
    std::set<int> open;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) open.insert(std::stoi(entry.path().filename()));
    return open;
}

std::string process(pid_t pid) { return "process " + std::to_string(pid); }

/** That all that can be done with a pool is refused in the child of a fork. */
void demand_foreign(tm_pool *pool)
{
    tm_pool_stats stats;
    DEMAND(tm_pool_commit(pool) == EPERM && tm_pool_error()->code == EPERM && tm_pool_error()->file);
    DEMAND(tm_pool_checkpoint(pool) == EPERM);
    DEMAND(tm_pool_trim(pool) == EPERM);
    DEMAND(tm_pool_grow(pool, 1 << 20) == EPERM);
    DEMAND(tm_pool_set_root(pool, "root", tm_pool_data(pool)) == EPERM);
    DEMAND(tm_pool_root(pool, "root") == nullptr && tm_pool_error()->code == EPERM);
    DEMAND(tm_pool_stat(pool, &stats) == EPERM);
    DEMAND(tm_pool_close(pool) == EPERM);
}


} // namespace

TEST(Ownership, P23_files_are_for_their_owner_alone_whatever_the_umask)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const mode_t before = ::umask(0);
    {
        pool made{path, 1000};
        for (const std::string &name : {path, path + "-journal"}) {
            struct stat status;
            ASSERT_EQ(::stat(name.c_str(), &status), 0);
            EXPECT_EQ(status.st_mode & 07777, 0600u) << name;
        }
        EXPECT_EQ(tm_pool_backup(path.c_str(), (directory / "copy").c_str(), nullptr, nullptr, nullptr), 0);
        struct stat status;
        ASSERT_EQ(::stat((directory / "copy").c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0600u);
    }
    ::umask(before);
}

TEST(Ownership, P23_no_descriptor_goes_to_another_program_and_none_is_left)
{
    const Directory directory;
    const auto before = descriptors();
    {
        pool made{directory / "pool", 100000};
        made.data()[0] = 1;
        made.commit();
        made.checkpoint();
        int seen = 0;
        for (const int file : descriptors()) {
            if (before.contains(file) || ::fcntl(file, F_GETFD) < 0) continue;
            EXPECT_TRUE(::fcntl(file, F_GETFD) & FD_CLOEXEC) << file;
            ++seen;
        }
        EXPECT_GE(seen, 2);
        const pool reading{directory / "pool", flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)};
    }
    expect_refused(directory / "none", ENOENT, "open");
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 1000, nullptr), nullptr);
    EXPECT_EQ(descriptors(), before);
}

TEST(Ownership, P24_descriptors_0_to_2_stay_closed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        const int log = ::fcntl(2, F_DUPFD_CLOEXEC, 10);
        for (int file = 0; file < 3; ++file) ::close(file);
        const auto demand_closed = [&](int line) {
            for (int file = 0; file < 3; ++file)
                if (::fcntl(file, F_GETFD) != -1) {
                    ::dprintf(log, "descriptor %d is in use at line %d\n", file, line);
                    ::_exit(1);
                }
        };
        pool made{path, 100000};
        demand_closed(__LINE__);
        made.data()[0] = 1;
        made.commit();
        made.checkpoint();
        made.grow(1 << 20);
        made.trim();
        demand_closed(__LINE__);
        const pool reading{path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)};
        demand_closed(__LINE__);
        auto *const progress = +[](void *check, std::uint64_t, std::uint64_t) {
            (*static_cast<decltype(demand_closed) *>(check))(__LINE__);
            return 0;
        };
        if (tm_pool_backup(path.c_str(), (directory / "copy").c_str(), nullptr, progress, const_cast<void *>(static_cast<const void *>(&demand_closed))) != 0) ::_exit(2);
        for (const char *const detection : {"written", "copied", "pagemap", "compare"}) {
            const Option option{"detection", detection};
            const tm_pool_attr anywhere = flags(TM_POOL_ANYWHERE);
            tm_pool *const other = tm_pool_open((directory / "copy").c_str(), &anywhere);
            demand_closed(__LINE__);
            if (!other && tm_pool_error()->code != ENOTSUP) ::_exit(3);
            tm_pool_close(other);
        }
    });
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Ownership, P25_M18_a_second_opener_here_is_told_that_we_have_it)
{
    const Directory directory;
    const std::string path = directory / "pool";
    {
        pool made{path, 1000};
        const Told told = expect_refused(path, EBUSY, "lock");
        EXPECT_NE(told.found.find(process(::getpid())), std::string::npos) << told.message;
        // By another name of its directory it is the same file.
        std::filesystem::create_directory_symlink(directory.path(), directory / "again");
        expect_refused(directory / "again/pool", EBUSY, "lock");
        made.data()[0] = 1;
        made.commit();
    }
    EXPECT_EQ(pool(path).data()[0], 1);
}

TEST(Ownership, P25_M18_a_second_opener_elsewhere_is_told_who_has_it_also_after_others_have_looked)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const std::string us = process(::getpid());
    pool made{path, 1000};
    const auto others_are_refused = [&] {
        return ended_well(in_child([&] {
            const Told told = expect_refused(path, EBUSY, "lock");
            DEMAND(told.found.find(us) != std::string::npos);
        }));
    };
    EXPECT_TRUE(others_are_refused());
    expect_refused(path, EBUSY, "lock");
    { const pool reading{path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)}; }
    EXPECT_TRUE(others_are_refused()) << "opening and closing it here again must not give the lock away, nor the name";
    const auto generation = made.stat().generation;
    EXPECT_EQ(pool(path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)).stat().generation, generation) << "who is refused leaves no trace";
    made.close();
    EXPECT_GT(pool(path).stat().generation, generation);
}

TEST(Ownership, P25_kill_gives_the_lock_back)
{
    const Directory directory;
    const std::string path = directory / "pool";
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        pool made{path, 1000};
        made.data()[0] = 1;
        made.commit();
        DEMAND(::write(ready[1], "x", 1) == 1);
        for (;;) ::pause();
    }
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    const Told told = expect_refused(path, EBUSY, "lock");
    EXPECT_NE(told.found.find(process(child)), std::string::npos) << told.message;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(pool(path).data()[0], 1);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(Ownership, P26_in_the_child_of_a_fork_every_call_is_refused_and_the_parent_goes_on)
{
    const Directory directory;
    const std::string path = directory / "pool";
    for (const unsigned how : {0u, unsigned{TM_POOL_NO_THREAD}}) {
        if (has_thread_sanitizer && how == 0) continue; // its runtime does not bear a fork beside threads
        pool made{path, 100000, flags(how)};
        made.data<int>()[0] = 1;
        made.commit();
        made.data<int>()[1] = 2; // not committed when the child comes
        EXPECT_TRUE(ended_well(in_child([&] {
            DEMAND(made.data<int>()[0] == 1 && made.data<int>()[1] == 2); // reading is allowed
            made.data<int>()[0] = 99; // its own memory
            demand_foreign(made.handle());
            demand_foreign(made.handle());
        })));
        EXPECT_TRUE(ended_well(in_child([&] { // nor does it do harm when it ends as a parent does
            made.data<int>()[1] = 99;
            { pool gone{std::move(made)}; }
            std::exit(0);
        })));
        EXPECT_EQ(made.data<int>()[0], 1);
        made.data<int>()[2] = 3;
        made.commit();
        made.checkpoint();
        made.grow(made.size() + 1);
        const Told told = expect_refused(path, EBUSY, "lock");
        EXPECT_TRUE(ended_well(in_child([&] { DEMAND(!tm_pool_open(path.c_str(), nullptr) && tm_pool_error()->code == EBUSY); }))) << "a child has given the lock away";
        made.close();
        pool opened{path};
        EXPECT_EQ(opened.data<int>()[0], 1);
        EXPECT_EQ(opened.data<int>()[1], 2);
        EXPECT_EQ(opened.data<int>()[2], 3);
    }
}

TEST(Ownership, P26_P25_a_child_that_opens_its_parents_pool_is_told_of_the_parent_not_of_itself)
{
    const Directory directory;
    const std::string path = directory / "pool", parent = process(::getpid());
    const pool made{path, 1000, flags(TM_POOL_NO_THREAD)};
    EXPECT_TRUE(ended_well(in_child([&] {
        const Told told = expect_refused(path, EBUSY, "lock");
        DEMAND(told.found.find(parent) != std::string::npos);
    })));
}

TEST(Ownership, P26_a_child_opens_a_pool_of_its_own_and_one_that_the_parent_has_closed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    { pool made{path, 1000}; }
    const pool open_meanwhile{directory / "parents", 1000, flags(TM_POOL_NO_THREAD)};
    EXPECT_TRUE(ended_well(in_child([&] {
        for (int i = 0; i < 3; ++i) {
            pool opened{path, flags(TM_POOL_ANYWHERE)}; // its place may be that of the other one
            opened.data()[i] = 1;
            opened.commit();
        }
        pool made{directory / "childs", 1000};
        made.data()[0] = 1;
        made.commit();
    })));
    EXPECT_EQ(pool(path, flags(TM_POOL_ANYWHERE)).data()[2], 1);
    EXPECT_EQ(pool(directory / "childs", flags(TM_POOL_ANYWHERE)).data()[0], 1);
}

TEST(Ownership, P26_a_child_that_outlives_the_parent_does_not_hold_the_lock)
{
    const Directory directory;
    const std::string path = directory / "pool";
    int born[2];
    ASSERT_EQ(::pipe(born), 0);
    const pid_t parent = ::fork();
    if (parent == 0) {
        pool made{path, 1000, flags(TM_POOL_NO_THREAD)};
        made.data()[0] = 1;
        made.commit();
        const pid_t child = ::fork();
        if (child == 0) {
            const pid_t me = ::getpid();
            if (::write(born[1], &me, sizeof me) != sizeof me) ::_exit(1);
            for (;;) ::pause();
        }
        for (;;) ::pause();
    }
    pid_t orphan;
    ASSERT_EQ(::read(born[0], &orphan, sizeof orphan), static_cast<ssize_t>(sizeof orphan));
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    EXPECT_EQ(::kill(orphan, 0), 0) << "the child lives";
    EXPECT_EQ(code_of([&] { EXPECT_EQ(pool(path).data()[0], 1); }), 0) << Told().message;
    ::kill(orphan, SIGKILL);
    ::close(born[0]);
    ::close(born[1]);
}

TEST(Ownership, P26_forks_beside_commits)
{
    if (has_thread_sanitizer) GTEST_SKIP() << "its runtime does not bear a fork beside threads";
    const Directory directory;
    pool made{directory / "pool", 100000};
    std::thread forks([&] {
        for (int i = 0; i < 10; ++i)
            EXPECT_TRUE(ended_well(in_child([&] { demand_foreign(made.handle()); })));
    });
    for (int i = 0; i < 200; ++i) {
        made.data<int>()[i * 17] = i;
        made.commit();
    }
    forks.join();
    made.close();
    const pool opened{directory / "pool"};
    for (int i = 0; i < 200; ++i) ASSERT_EQ(opened.data<int>()[i * 17], i);
}
