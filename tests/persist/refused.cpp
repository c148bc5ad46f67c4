// SPDX-License-Identifier: MIT
/** What is not a pool, not there, not permitted or not wanted is refused, and the message says what, where and what to do. */
#include "files.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tm/hold.h>

using namespace libtm::testing;
using libtm::pool;

TEST(Refused, M1_a_pool_that_does_not_exist)
{
    const Directory directory;
    expect_refused(directory / "none", ENOENT, "open");
    expect_refused(directory / "none/none", ENOENT, "open");
    expect_refused(directory / "none", ENOENT, "open", flags(TM_POOL_READ_ONLY));
    EXPECT_TRUE(std::filesystem::is_empty(directory.path())) << "an open made a file";
}

TEST(Refused, P6_create_over_a_file_that_exists_and_the_file_stays)
{
    const Directory directory;
    const std::vector<char> text = {'m', 'i', 'n', 'e'};
    fill(directory / "text", text);
    EXPECT_EQ(tm_pool_create((directory / "text").c_str(), 1000, nullptr), nullptr);
    EXPECT_EQ(Told().code, EEXIST) << Told().message;
    EXPECT_EQ(Told().file, directory / "text");
    Told().expect_whole();
    EXPECT_EQ(contents(directory / "text"), text);
    { pool made{directory / "pool", 1000}; }
    const auto before = contents(directory / "pool");
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 5000, nullptr), nullptr);
    EXPECT_EQ(Told().code, EEXIST);
    EXPECT_EQ(contents(directory / "pool"), before);
}

TEST(Refused, to_create_open_and_close_in_a_transaction)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 1000};
    auto *const word = made.data<long>();
    libtm::atomically([&] {
        libtm::store(*word, 5L);
        EXPECT_EQ(tm_pool_create((directory / "another").c_str(), 1000, nullptr), nullptr);
        EXPECT_EQ(Told().code, EDEADLK);
        Told().expect_whole();
        EXPECT_EQ(tm_pool_open(path.c_str(), nullptr), nullptr);
        EXPECT_EQ(Told().code, EDEADLK);
        EXPECT_EQ(tm_pool_close(made.handle()), EDEADLK);
        Told().expect_whole();
        EXPECT_THROW(made.close(), libtm::pool_error);
    });
    EXPECT_FALSE(std::filesystem::exists(directory / "another"));
    made.close();
    pool again{path};
    EXPECT_EQ(*again.data<long>(), 5) << "it has stayed open, and the transaction has committed";
}

TEST(Refused, to_close_in_an_action_but_not_what_a_holder_opens_and_closes)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 1000};
    static tm_pool *handle;
    static int refused;
    handle = made.handle();
    const auto close = [](void *) {
        refused = tm_pool_close(handle);
        return 0;
    };
    libtm::atomically([&] {
        libtm::store(*made.data<long>(), 6L);
        tm_log(close, nullptr, nullptr, nullptr, 0);
    });
    EXPECT_EQ(refused, EDEADLK);
    made.close();
    tm_holder *const holder = tm_hold_begin();
    {
        pool again{path};
        EXPECT_EQ(*again.data<long>(), 6);
        again.close();
    }
    tm_hold_end(holder);
}

TEST(Refused, P6_create_where_it_cannot_be_leaves_nothing)
{
    const Directory directory;
    EXPECT_EQ(tm_pool_create((directory / "none/pool").c_str(), 1000, nullptr), nullptr);
    EXPECT_EQ(Told().code, ENOENT) << Told().message;
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 0, nullptr), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    EXPECT_EQ(tm_pool_create("", 1000, nullptr), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    EXPECT_EQ(tm_pool_create(nullptr, 1000, nullptr), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), ~std::size_t{0}, nullptr), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    tm_pool_attr how;
    how.layout = "0123456789012345678901234567890123456789012345678901234567890123"; // 64 bytes, and an end
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 1000, &how), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    how = {};
    how.base = reinterpret_cast<void *>(0x7e1234567001);
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 1000, &how), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    how = {};
    how.reserved[1] = 1;
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 1000, &how), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    how = flags(1u << 31);
    EXPECT_EQ(tm_pool_create((directory / "pool").c_str(), 1000, &how), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    how = flags(TM_POOL_READ_ONLY | TM_POOL_THROWAWAY);
    EXPECT_EQ(tm_pool_open((directory / "pool").c_str(), &how), nullptr);
    EXPECT_EQ(Told().code, EINVAL) << Told().message;
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(Refused, P23_a_directory_that_may_not_be_written_and_a_file_that_is_not_ours)
{
    const Directory directory;
    const std::string path = directory / "pool";
    { pool made{path, 1000}; }
    ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
    const int status = unprivileged(directory, [&] {
        DEMAND(!tm_pool_open(path.c_str(), nullptr) && tm_pool_error()->code == EACCES && tm_pool_error()->file == path);
        DEMAND(tm_pool_error()->remedy);
        const tm_pool_attr reading = flags(TM_POOL_READ_ONLY);
        tm_pool *const readable = tm_pool_open(path.c_str(), &reading);
        DEMAND(readable && tm_pool_close(readable) == 0);
        DEMAND(::chmod(path.c_str(), 0) == 0);
        DEMAND(!tm_pool_open(path.c_str(), &reading) && tm_pool_error()->code == EACCES);
        DEMAND(::chmod(path.c_str(), 0600) == 0);
        DEMAND(::chmod(directory.path().c_str(), 0500) == 0);
        DEMAND(!tm_pool_create((directory / "new").c_str(), 1000, nullptr) && tm_pool_error()->code == EACCES && tm_pool_error()->file == directory / "new");
        // The pool itself is writable, but its journal has no place.
        DEMAND(!tm_pool_open(path.c_str(), nullptr) && tm_pool_error()->code == EACCES && tm_pool_error()->file == path + "-journal");
        DEMAND(::chmod(directory.path().c_str(), 0700) == 0);
        tm_pool *const pool = tm_pool_open(path.c_str(), nullptr);
        DEMAND(pool && tm_pool_close(pool) == 0);
    });
    EXPECT_TRUE(ended_well(status)) << status;
}

TEST(Refused, P23_symbolic_links)
{
    const Directory directory;
    { pool made{directory / "pool", 1000}; }
    std::filesystem::create_symlink(directory / "pool", directory / "link");
    std::filesystem::create_symlink(directory / "none", directory / "dangling");
    for (const unsigned how : ways_to_open) {
        expect_refused(directory / "link", ELOOP, "open", flags(how));
        expect_refused(directory / "dangling", ELOOP, "open", flags(how));
    }
    EXPECT_EQ(tm_pool_create((directory / "dangling").c_str(), 1000, nullptr), nullptr);
    EXPECT_FALSE(std::filesystem::exists(directory / "none")) << "create went through a link";
}

TEST(Refused, P23_a_journal_that_is_a_link_or_a_special_file)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal", victim = directory / "victim";
    { pool made{path, 1000}; }
    fill(victim, std::vector<char>(100, 'v'));
    std::filesystem::create_symlink(victim, journal);
    expect_refused(path, ELOOP, "open", {}, journal);
    std::filesystem::remove(journal);
    std::filesystem::create_hard_link(victim, journal);
    expect_refused(path, EMEDIUMTYPE, "names", {}, journal);
    EXPECT_EQ(contents(victim), std::vector<char>(100, 'v'));
    std::filesystem::remove(journal);
    ASSERT_EQ(::mkfifo(journal.c_str(), 0600), 0);
    expect_refused(path, EMEDIUMTYPE, "kind", {}, journal);
    std::filesystem::remove(journal);
    pool opened{path};
}

TEST(Refused, P23_a_special_file_in_place_of_a_journal_that_is_needed)
{
    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal", kept = directory / "kept";
    and_be_killed([&] {
        pool made{path, 1000};
        made.data()[0] = 1;
        made.commit();
        die();
    });
    std::filesystem::rename(journal, kept);
    ASSERT_EQ(::mkfifo(journal.c_str(), 0600), 0);
    for (const unsigned how : {0u, unsigned{TM_POOL_READ_ONLY}}) expect_refused(path, EMEDIUMTYPE, "kind", flags(how), journal);
    std::filesystem::remove(journal);
    std::filesystem::create_hard_link(kept, journal);
    for (const unsigned how : {0u, unsigned{TM_POOL_READ_ONLY}}) expect_refused(path, EMEDIUMTYPE, "names", flags(how), journal);
    std::filesystem::remove(kept);
    EXPECT_EQ(pool{path}.data()[0], 1);
}

TEST(Refused, P23_hard_links)
{
    const Directory directory;
    { pool made{directory / "pool", 1000}; }
    std::filesystem::create_hard_link(directory / "pool", directory / "other");
    for (const unsigned how : ways_to_open) {
        const Told told = expect_refused(directory / "pool", EMEDIUMTYPE, "names", flags(how));
        EXPECT_NE(told.found.find("2"), std::string::npos) << told.message;
    }
    std::filesystem::remove(directory / "other");
    pool{directory / "pool"};
}

TEST(Refused, P23_pipes_sockets_devices_and_directories)
{
    const Directory directory;
    const std::string fifo = directory / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    for (const unsigned how : ways_to_open) {
        expect_refused(fifo, EMEDIUMTYPE, "kind", flags(how)); // and it must not wait for the other end
        expect_refused("/dev/null", EMEDIUMTYPE, "kind", flags(how));
    }
    expect_refused(directory.path(), EISDIR, "open"); // what the system says, before we can look
    expect_refused(directory.path(), EMEDIUMTYPE, "kind", flags(TM_POOL_READ_ONLY));
    const std::string socket = directory / "socket";
    const int end = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    ASSERT_LT(socket.size(), sizeof name.sun_path);
    std::strcpy(name.sun_path, socket.c_str());
    ASSERT_EQ(::bind(end, reinterpret_cast<sockaddr *>(&name), sizeof name), 0);
    expect_refused(socket, ENXIO, "open");
    ::close(end);
}

TEST(Refused, P22_files_that_are_no_pools)
{
    const Directory directory;
    const std::string path = directory / "file";
    Random random(1);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{167}, std::size_t{4096}, std::size_t{8191}, std::size_t{200000}}) {
        std::vector<char> bytes(size);
        for (char &byte : bytes) byte = static_cast<char>(random());
        fill(path, bytes);
        for (const unsigned how : ways_to_open) expect_refused(path, EMEDIUMTYPE, "magic", flags(how));
        EXPECT_EQ(contents(path), bytes);
        EXPECT_NE(tm_pool_backup(path.c_str(), (directory / "copy").c_str(), nullptr, nullptr, nullptr), 0);
        EXPECT_EQ(Told().code, EMEDIUMTYPE);
        EXPECT_FALSE(std::filesystem::exists(directory / "copy"));
    }
    EXPECT_FALSE(std::filesystem::exists(path + "-journal"));
}

TEST(Refused, P27_a_layout_of_another_name_or_version)
{
    const Directory directory;
    tm_pool_attr how;
    how.layout = "accounts";
    how.layout_version = 3;
    { pool made{directory / "pool", 1000, how}; }
    EXPECT_STREQ(pool(directory / "pool", how).stat().layout, "accounts");
    EXPECT_EQ(pool(directory / "pool").stat().layout_version, 3u) << "who does not ask is not refused";
    for (const unsigned flag : ways_to_open) {
        how.flags = flag;
        how.layout_version = 4;
        const Told version = expect_refused(directory / "pool", ENOTSUP, "layout", how);
        EXPECT_NE(version.found.find("version 3"), std::string::npos) << version.message;
        EXPECT_NE(version.expected.find("version 4"), std::string::npos) << version.message;
        how.layout_version = 3;
        how.layout = "account";
        const Told name = expect_refused(directory / "pool", ENOTSUP, "layout", how);
        EXPECT_NE(name.found.find("accounts"), std::string::npos) << name.message;
        how.layout = "accounts";
    }
}

TEST(Refused, M11_a_base_address_that_is_taken_unless_anywhere_will_do)
{
    const Directory directory;
    const std::string path = directory / "pool";
    std::uint64_t base;
    {
        pool made{path, 1000};
        std::strcpy(made.data(), "here");
        made.commit();
        base = made.stat().base;
        EXPECT_EQ(reinterpret_cast<std::uint64_t>(made.data()) - base, 4096u);
    }
    void *const there = reinterpret_cast<void *>(base + (1 << 20)); // within the reserve, behind the image
    ASSERT_EQ(::mmap(there, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), there);
    for (const unsigned how : ways_to_open) {
        const Told told = expect_refused(path, EADDRINUSE, "base", flags(how));
        char text[32];
        std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(base));
        EXPECT_NE(told.found.find(text), std::string::npos) << told.message;
        pool moved{path, flags(how | TM_POOL_ANYWHERE)};
        EXPECT_STREQ(moved.data(), "here");
        EXPECT_NE(reinterpret_cast<std::uint64_t>(moved.data()), base + 4096);
        EXPECT_EQ(moved.stat().base, base) << "the recorded one stays";
    }
    ::munmap(there, 4096);
    EXPECT_EQ(reinterpret_cast<std::uint64_t>(pool{path}.data()), base + 4096);

    tm_pool_attr how;
    how.base = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(tm_pool_create((directory / "new").c_str(), 1000, &how), nullptr);
    EXPECT_EQ(Told().code, EADDRINUSE) << Told().message;
    EXPECT_FALSE(std::filesystem::exists(directory / "new"));
    ::munmap(how.base, 4096);
}
