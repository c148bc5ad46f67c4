// SPDX-License-Identifier: MIT
/** No space: a full disk, a limit on the size of files, a medium that cannot be written. Nothing is lost, and the pool goes on when there is space. */
#include "files.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr int not_permitted = 77;
/** So big is a pool whose journal, with all of it changed, is longer than the data file: a limit fits between them. */
constexpr std::size_t longer_in_the_journal = 20 << 20;

/** In a child with a file system of its own, of so many bytes, at directory / "disk". Skips where that is not permitted. */
template <class Body> int on_small_disk(const Directory &directory, const char *size, Body &&body)
{
    std::filesystem::create_directory(directory / "disk");
    return in_child([&] {
        const uid_t user = ::geteuid();
        const gid_t group = ::getegid();
        if (::unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) ::_exit(not_permitted);
        if (user != 0) { // who owns files there is known only then
            std::ofstream("/proc/self/setgroups") << "deny";
            std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
            std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
        }
        if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(not_permitted);
        if (::mount("tmpfs", (directory / "disk").c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) != 0) ::_exit(not_permitted);
        body(directory / "disk/pool");
    });
}

#define SKIP_IF_NOT_PERMITTED(status)                                                                                  \
    if (WIFEXITED(status) && WEXITSTATUS(status) == not_permitted) GTEST_SKIP() << "a file system can be mounted neither as we are nor in a user namespace"

bool exists(const std::string &path) { return std::filesystem::exists(path); }

/** Takes all the space that is left beside the pool. */
void use_up(const std::string &path)
{
    const int file = ::open((path + "-filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::vector<char> bytes(4096);
    while (::write(file, bytes.data(), bytes.size()) > 0) {}
    ::close(file);
}
void make_space(const std::string &path) { std::filesystem::remove(path + "-filler"); }

void limit_files(rlim_t bytes)
{
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    DEMAND(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

} // namespace

TEST(Space, P11_create_on_a_full_disk_leaves_nothing_and_can_be_called_again)
{
    const Directory directory;
    const int status = on_small_disk(directory, "4m", [](const std::string &path) {
        DEMAND(!tm_pool_create(path.c_str(), 8 << 20, nullptr) && tm_pool_error()->code == ENOSPC && tm_pool_error()->remedy);
        DEMAND(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
        // There is space for the pool, and none for its journal.
        const tm_pool_attr how = journal_of(3 << 20);
        DEMAND(!tm_pool_create(path.c_str(), 2 << 20, &how) && tm_pool_error()->code == ENOSPC);
        DEMAND(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
        tm_pool *const pool = tm_pool_create(path.c_str(), 2 << 20, nullptr);
        DEMAND(!pool); // the default journal is longer than what is left
        const tm_pool_attr small = journal_of(1 << 20);
        tm_pool *const fits = tm_pool_create(path.c_str(), 2 << 20, &small);
        DEMAND(fits && tm_pool_close(fits) == 0);
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P11_an_open_that_has_no_space_for_the_journal_leaves_none_behind)
{
    const Directory directory;
    const int status = on_small_disk(directory, "4m", [](const std::string &path) {
        {
            pool made{path, 1 << 20, journal_of(1 << 20)};
            made.data()[0] = 1;
            made.commit();
        }
        const tm_pool_attr how = journal_of(4 << 20);
        DEMAND(!tm_pool_open(path.c_str(), &how) && tm_pool_error()->code == ENOSPC);
        DEMAND(!exists(path + "-journal"));
        const pool opened{path, journal_of(1 << 20)};
        DEMAND(opened.data()[0] == 1);
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P11_M22_a_commit_bigger_than_the_journal_on_a_full_disk)
{
    const Directory directory;
    const int status = on_small_disk(directory, "8m", [](const std::string &path) {
        pool made{path, 2 << 20, journal_of(1 << 16, TM_POOL_NO_THREAD)};
        std::memset(made.data(), 1, made.size());
        made.commit();
        made.checkpoint();
        made.data()[0] = 0;
        made.commit();
        DEMAND(made.stat().journal_size < 100000); // it is short again
        made.data()[0] = 1;
        made.commit();
        std::memset(made.data(), 2, made.size());
        use_up(path);
        for (int i = 0; i < 3; ++i) {
            DEMAND(tm_pool_commit(made.handle()) == ENOSPC && tm_pool_error()->code == ENOSPC && tm_pool_error()->remedy);
            // The last image is what others see.
            const pool seen{path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)};
            DEMAND(seen.data()[0] == 1 && seen.data()[seen.size() - 1] == 1);
        }
        DEMAND(made.stat().poisoned == 0 && made.data()[5000] == 2);
        make_space(path);
        made.data()[7] = 3;
        DEMAND(tm_pool_commit(made.handle()) == 0);
        made.close();
        const pool opened{path, journal_of(1 << 16)};
        DEMAND(opened.data()[7] == 3);
        for (std::size_t i = 8; i < opened.size(); ++i) DEMAND(opened.data()[i] == 2);
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P11_M14_grow_on_a_full_disk)
{
    const Directory directory;
    const int status = on_small_disk(directory, "4m", [](const std::string &path) {
        pool made{path, 1 << 20, journal_of(1 << 16)};
        made.data()[0] = 1;
        made.commit();
        const std::size_t before = made.size();
        use_up(path);
        const auto length = std::filesystem::file_size(path);
        DEMAND(tm_pool_grow(made.handle(), 2 << 20) == ENOSPC);
        DEMAND(made.size() == before && std::filesystem::file_size(path) == length);
        made.data()[1] = 2;
        made.commit(); // within the journal: needs no space
        made.checkpoint();
        make_space(path);
        made.grow(2 << 20);
        made.data()[(2 << 20) - 1] = 3;
        made.commit();
        made.close();
        const pool opened{path, journal_of(1 << 16)};
        DEMAND(opened.data()[0] == 1 && opened.data()[1] == 2 && opened.data()[(2 << 20) - 1] == 3);
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P11_a_backup_to_a_full_disk_leaves_no_file)
{
    const Directory directory;
    { pool made{directory / "pool", 1 << 20}; }
    const int status = on_small_disk(directory, "1m", [&](const std::string &path) {
        DEMAND(tm_pool_backup((directory / "pool").c_str(), path.c_str(), nullptr, nullptr, nullptr) == ENOSPC);
        DEMAND(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P29_memory_as_a_medium_is_warned_of)
{
    const Directory directory;
    const int status = on_small_disk(directory, "8m", [](const std::string &path) {
        const pool made{path, 1000};
        DEMAND(made.stat().warning && std::string(made.stat().warning).find("memory") != std::string::npos);
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P29_a_medium_that_cannot_be_written_opens_for_reading)
{
    const Directory directory;
    const int status = on_small_disk(directory, "8m", [&](const std::string &path) {
        const std::string crashed = path + "2";
        {
            pool made{path, 1000};
            made.data()[0] = 1;
            made.commit();
        }
        DEMAND(was_killed(in_child([&] {
            pool made{crashed, 1000};
            made.data()[0] = 2;
            made.commit();
            die();
        })));
        DEMAND(::mount("none", (directory / "disk").c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
        pool opened{path};
        DEMAND(opened.data()[0] == 1 && tm_pool_commit(opened.handle()) == EROFS && tm_pool_error()->file == path);
        DEMAND(tm_pool_grow(opened.handle(), 1 << 20) == EROFS && tm_pool_set_root(opened.handle(), "r", opened.data()) == EROFS);
        opened.close();
        const pool replayed{crashed};
        DEMAND(replayed.data()[0] == 2); // its journal is read, not applied
        DEMAND(!tm_pool_create((path + "3").c_str(), 1000, nullptr) && tm_pool_error()->code == EROFS);
    });
    SKIP_IF_NOT_PERMITTED(status);
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P30_a_limit_on_the_size_of_files_is_an_error_not_death_and_the_pool_goes_on_without_it)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        limit_files(100000);
        DEMAND(!tm_pool_create(path.c_str(), 1 << 20, nullptr) && tm_pool_error()->code == EFBIG && tm_pool_error()->remedy);
        DEMAND(!exists(path));
        limit_files(RLIM_INFINITY);
        constexpr std::size_t size = longer_in_the_journal;
        pool made{path, size, journal_of(1 << 16, TM_POOL_NO_THREAD)};
        std::memset(made.data(), 1, 1000);
        made.commit();
        limit_files(std::filesystem::file_size(path));
        DEMAND(tm_pool_grow(made.handle(), size + 1) == EFBIG && tm_pool_error()->remedy);
        std::memset(made.data(), 2, size);
        const auto length = std::filesystem::file_size(path + "-journal");
        for (int i = 0; i < 2; ++i) {
            DEMAND(tm_pool_commit(made.handle()) == EFBIG);
            DEMAND(std::filesystem::file_size(path + "-journal") == length);
        }
        DEMAND(pool(path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)).data()[999] == 1);
        limit_files(RLIM_INFINITY);
        made.commit();
        made.grow(size + 1);
        made.close();
        const pool opened{path};
        DEMAND(opened.data()[0] == 2 && opened.data()[size - 1] == 2 && opened.size() > size);
    });
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Space, P11_M3_after_a_commit_that_had_no_space_pages_that_are_put_back_need_none)
{
    const Directory directory;
    const std::string path = directory / "pool";
    if (!tells_what_is_cached(directory)) GTEST_SKIP() << "here every page is journaled as a whole, which is more than the journal takes";
    and_be_killed([&] {
        pool made{path, longer_in_the_journal, journal_of(1 << 16, TM_POOL_NO_THREAD)};
        made.data()[0] = 1;
        made.commit();
        limit_files(std::filesystem::file_size(path));
        std::memset(made.data(), 2, made.size());
        DEMAND(tm_pool_commit(made.handle()) == EFBIG);
        std::memset(made.data(), 0, made.size());
        made.data()[1] = 3;
        made.commit();
        DEMAND(made.stat().bytes_journaled <= 4 * 4096);
        die();
    });
    const pool opened{path};
    EXPECT_EQ(opened.data()[0], 0);
    EXPECT_EQ(opened.data()[1], 3);
}

TEST(Space, P30_a_limit_below_what_the_files_have_already_kills_nobody_and_loses_nothing)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        {
            pool made{path, 1 << 20, journal_of(1 << 20)};
            made.data()[0] = 1;
            made.commit();
            limit_files(4096);
            made.data()[0] = 2;
            const int code = tm_pool_commit(made.handle());
            DEMAND(code == EIO && tm_pool_error()->message);
            DEMAND(tm_pool_commit(made.handle()) == EIO); // the files cannot be written: poisoned
            limit_files(RLIM_INFINITY);
        }
        const pool opened{path};
        DEMAND(opened.data()[0] == 1);
    });
    EXPECT_TRUE(ended_well(status)) << status;
}
