// SPDX-License-Identifier: MIT
// The files in memory, the faults around them, and the observer of what is durable.
#include "toys.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <tm/faults.hpp>
#include <unistd.h>

namespace libtm::test {
namespace {

using crash::Disk;
using crash::Event;
using crash::Fault;
using crash::Faults;

class CrashDisk : public testing::Test {
protected:
    std::string read(int file, std::size_t size, std::uint64_t offset = 0)
    {
        const auto bytes = read_file(s, file, size, offset);
        return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
    }
    void write(int file, const std::string &bytes, std::uint64_t offset = 0) { write_file(s, file, bytes.data(), bytes.size(), offset); }

    Disk disk;
    tm_storage *const s = disk.storage();
};

TEST_F(CrashDisk, files_are_made_named_renamed_and_removed)
{
    EXPECT_EQ(s->open(s, "x", TM_STORAGE_WRITE), -ENOENT);
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    ASSERT_GE(x, 0);
    EXPECT_EQ(s->open(s, "x", TM_STORAGE_CREATE), -EEXIST);
    const int y = s->create_unnamed(s, "y");
    EXPECT_EQ(s->open(s, "y", TM_STORAGE_READ), -ENOENT);
    EXPECT_EQ(s->name(s, y, "x"), -EEXIST);
    EXPECT_EQ(s->name(s, y, "y"), 0);
    EXPECT_EQ(s->rename(s, "x", "y"), -EEXIST);
    EXPECT_EQ(s->rename(s, "x", "z"), 0);
    EXPECT_EQ(s->rename(s, "x", "w"), -ENOENT);
    tm_storage_info of_x, of_z;
    const int z = s->open(s, "z", TM_STORAGE_READ);
    EXPECT_EQ(s->info(s, x, &of_x), 0);
    EXPECT_EQ(s->info(s, z, &of_z), 0);
    EXPECT_EQ(of_x.inode, of_z.inode);
    EXPECT_EQ(of_x.links, 1);
    EXPECT_EQ(s->remove(s, "z"), 0);
    EXPECT_EQ(s->remove(s, "z"), -ENOENT);
    write(x, "there is still a handle");
    EXPECT_EQ(s->info(s, x, &of_x), 0);
    EXPECT_EQ(of_x.links, 0);
    EXPECT_EQ(disk.files().paths(), std::vector<std::string>{"y"});
    EXPECT_EQ(s->close(s, x), 0);
    EXPECT_EQ(s->close(s, x), -EBADF);
}

TEST_F(CrashDisk, bytes_are_read_as_written)
{
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    write(x, "abc", 5000);
    EXPECT_EQ(read(x, 100, 4998), std::string("\0\0abc", 5));
    EXPECT_EQ(read(x, 1, 5003), "");
    s->truncate(s, x, 5001);
    s->truncate(s, x, 5003);
    EXPECT_EQ(read(x, 3, 5000), std::string("a\0\0", 3));
    const char *const parts[] = {"one", "", "two"};
    const iovec vector[] = {{const_cast<char *>(parts[0]), 3}, {const_cast<char *>(parts[1]), 0}, {const_cast<char *>(parts[2]), 3}};
    EXPECT_EQ(s->write(s, x, vector, 3, 4094), 6);
    EXPECT_EQ(read(x, 8, 4093), std::string("\0onetwo\0", 8));
    const int to_read = s->open(s, "x", TM_STORAGE_READ);
    EXPECT_EQ(s->write(s, to_read, vector, 1, 0), -EBADF);
    EXPECT_EQ(read(to_read, 3, 4094), "one");
}

TEST_F(CrashDisk, one_handle_has_the_lock)
{
    const int x = s->open(s, "x", TM_STORAGE_CREATE), other = s->open(s, "x", TM_STORAGE_WRITE);
    std::int64_t holder = 0;
    EXPECT_EQ(s->lock(s, x, &holder), 0);
    EXPECT_EQ(s->lock(s, x, &holder), 0);
    EXPECT_EQ(s->lock(s, other, &holder), -EAGAIN);
    EXPECT_EQ(holder, getpid());
    s->close(s, x);
    EXPECT_EQ(s->lock(s, other, &holder), 0);
}

TEST_F(CrashDisk, a_mapping_is_private_and_its_untouched_pages_see_what_is_written)
{
    const std::size_t page = 4096;
    for (int round = 0; round < 3; ++round) { // the memory is used again
        Disk own;
        tm_storage *const t = own.storage();
        const int x = t->open(t, "x", TM_STORAGE_CREATE);
        write_file(t, x, "first", 5, page);
        t->truncate(t, x, 3 * page);
        void *const address = mmap(nullptr, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_EQ(t->map(t, x, address, 2 * page, page), 0);
        char *const memory = static_cast<char *>(address);
        EXPECT_STREQ(memory, "first");
        write_file(t, x, "second", 6, page);
        EXPECT_STREQ(memory, "second");
        std::strcpy(memory, "private");
        write_file(t, x, "third", 5, page);
        write_file(t, x, "other", 5, 2 * page + 7);
        EXPECT_STREQ(memory, "private");
        EXPECT_STREQ(memory + page + 7, "other");
        EXPECT_EQ(memory[page], '\0');
        EXPECT_EQ(read_file(t, x, 1, page)[0], std::byte{'t'});
        munmap(address, 2 * page);
    }
}

TEST_F(CrashDisk, a_mapping_in_a_crash_state_shows_that_state)
{
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    s->truncate(s, x, 8192);
    s->sync(s, x);
    s->sync_directory(s, "x");
    disk.mark("made");
    write(x, std::string(1024, 'b'), 512);
    std::set<std::string> seen;
    const auto report = crash::explore(disk.recording(), [&](tm_storage *t, const crash::Moment &moment) {
        if (!moment.reached("made", 0)) return std::string{};
        const int y = open_file(t, "x", TM_STORAGE_WRITE);
        void *const address = mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        t->map(t, y, address, 8192, 0);
        const auto bytes = read_file(t, y, 8192, 0);
        const bool same = bytes.size() == 8192 && std::memcmp(address, bytes.data(), 8192) == 0;
        std::string text;
        for (unsigned i = 0; i < 4; ++i) text += static_cast<const char *>(address)[512 * i] ? 'b' : '0';
        seen.insert(text);
        write_file(t, y, "the next state must not see this", 32, 5000);
        munmap(address, 8192);
        return std::string(same ? "" : "the memory differs from the file");
    });
    EXPECT_TRUE(report.ok()) << report.text();
    EXPECT_EQ(seen, (std::set<std::string>{"0000", "0b00", "00b0", "0bb0"}));
}

TEST_F(CrashDisk, space_is_limited)
{
    disk.limit_space(3 * 4096);
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    const char byte = 'x';
    const iovec one{const_cast<char *>(&byte), 1};
    EXPECT_EQ(s->reserve(s, x, 0, 2 * 4096), 0);
    EXPECT_EQ(s->reserve(s, x, 0, 4 * 4096), -ENOSPC);
    EXPECT_EQ(s->write(s, x, &one, 1, 100 * 4096), 1);
    EXPECT_EQ(s->write(s, x, &one, 1, 50 * 4096), -ENOSPC);
    EXPECT_EQ(s->write(s, x, &one, 1, 4096), 1) << "it is reserved";
    EXPECT_EQ(s->truncate(s, x, 0), 0);
    EXPECT_EQ(s->write(s, x, &one, 1, 50 * 4096), 1);
    disk.without_unnamed_files();
    EXPECT_EQ(s->create_unnamed(s, "y"), -EOPNOTSUPP);
}

TEST_F(CrashDisk, threads_may_use_it_at_once)
{
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            const int file = s->open(s, std::to_string(t).c_str(), TM_STORAGE_CREATE);
            for (int i = 0; i < 100; ++i) {
                write_file(s, file, &i, sizeof i, sizeof i * static_cast<unsigned>(i));
                s->sync(s, file);
                disk.mark("written", static_cast<unsigned>(i));
            }
        });
    for (std::thread &t : threads) t.join();
    EXPECT_EQ(disk.recording().events.size(), 4 * 301);
    EXPECT_EQ(disk.files().read("3").size(), 400);
}

TEST(CrashDurable, no_byte_reaches_the_data_before_the_journal_that_holds_it_is_durable)
{
    for (const Bug bug : {Bug::none, Bug::no_sync_before_apply, Bug::in_place}) {
        Disk disk;
        crash::Marks marks(disk);
        crash::Durable durable;
        unsigned early = 0;
        disk.observe([&](const Event &event) {
            durable(event);
            if (event.kind == Event::write && event.path == "data" && !durable.holds("journal", *event.bytes)) ++early;
        });
        Redo toy;
        toy.pages = 3;
        toy.bug = bug;
        toy.run(disk.storage(), marks);
        EXPECT_EQ(early, bug == Bug::none ? 3 : 12); // the pages of its creation are in no journal
        EXPECT_EQ(durable.bytes("data"), disk.files().read("data"));
    }
}

TEST(CrashDurable, pending_bytes_are_counted)
{
    Disk disk;
    tm_storage *const s = disk.storage();
    crash::Durable durable;
    disk.observe([&](const Event &event) { durable(event); });
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    write_file(s, x, "abcdef", 6, 0);
    EXPECT_EQ(durable.pending("x"), 512);
    EXPECT_FALSE(durable.holds("x", std::as_bytes(std::span("bcd", 3))));
    s->sync(s, x);
    EXPECT_EQ(durable.pending("x"), 0);
    EXPECT_TRUE(durable.holds("x", std::as_bytes(std::span("bcd", 3))));
    write_file(s, x, "x", 1, 511);
    EXPECT_FALSE(durable.holds("x", std::as_bytes(std::span("bcd", 3)))) << "its sector is being written";
    disk.fail_sync(x, EIO);
    s->sync(s, x);
    EXPECT_NE(durable.pending("x"), 0) << "a failed sync";
    write_file(s, x, std::string(512, 'y').data(), 512, 0);
    EXPECT_FALSE(durable.holds("x", std::as_bytes(std::span("yyy", 3))));
    s->sync(s, x);
    EXPECT_EQ(durable.pending("x"), 0) << "written again";
    EXPECT_TRUE(durable.holds("x", std::as_bytes(std::span("yyy", 3))));
}

TEST(CrashFaults, every_call_fails_in_every_way_and_what_returned_is_there)
{
    std::uint64_t sites = 0, hit = 0;
    for (const Fault &fault : crash::usual_faults())
        for (std::uint64_t k = 0;; ++k) {
            Redo toy;
            toy.commits = 2;
            Disk disk;
            crash::Marks marks(disk);
            Faults faults(disk.storage(), k, fault);
            bool failed = false;
            try {
                toy.run(faults.storage(), marks);
            } catch (const std::runtime_error &) {
                failed = true;
            }
            if (k >= faults.calls()) break;
            ++sites;
            hit += faults.applied();
            EXPECT_FALSE(failed && fault.kind == Fault::shorter) << faults.names()[k];
            crash::Options options;
            options.name = faults.names()[k] + ": " + fault.text();
            options.bounds = {64, 16, 16};
            options.recoveries = 0;
            const auto report = crash::explore(disk.recording(), [&](tm_storage *s, const crash::Moment &m) { return toy.check(s, m); }, options);
            EXPECT_TRUE(report.ok()) << report.text();
        }
    EXPECT_GT(sites, 100);
    EXPECT_GT(hit, sites / 2);
}

TEST(CrashFaults, calls_are_counted_and_named)
{
    Disk disk;
    Faults faults(disk.storage());
    tm_storage *const s = faults.storage();
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    write_file(s, x, "a", 1, 0);
    s->sync(s, x);
    s->sync_directory(s, "x");
    s->close(s, x);
    EXPECT_EQ(faults.names(), (std::vector<std::string>{"open x", "write x", "sync x", "sync_directory x", "close x"}));
    EXPECT_EQ(faults.calls(), 5);
    EXPECT_FALSE(faults.applied());
}

TEST(CrashFaults, a_fault_for_ever_stays_with_its_function)
{
    Disk disk;
    Faults faults(disk.storage(), 1, {Fault::error, ENOSPC, true});
    tm_storage *const s = faults.storage();
    const int x = s->open(s, "x", TM_STORAGE_CREATE);
    char byte = 'a';
    const iovec one{&byte, 1};
    EXPECT_EQ(s->write(s, x, &one, 1, 0), -ENOSPC);
    EXPECT_EQ(s->sync(s, x), 0);
    EXPECT_EQ(s->write(s, x, &one, 1, 0), -ENOSPC);
}

TEST(CrashFaults, what_was_done_although_it_failed_is_done)
{
    Disk disk;
    Faults faults(disk.storage(), 0, {Fault::done_then_error, EIO});
    tm_storage *const s = faults.storage();
    EXPECT_EQ(s->open(s, "x", TM_STORAGE_CREATE), -EIO);
    EXPECT_EQ(s->open(s, "x", TM_STORAGE_CREATE), -EEXIST);
}

TEST(CrashFaults, a_kill_ends_the_process_there)
{
    for (const Fault::Kind kind : {Fault::kill, Fault::done_then_kill}) {
        int pipes[2];
        ASSERT_EQ(pipe(pipes), 0);
        const pid_t child = fork();
        if (child == 0) {
            Disk disk;
            disk.observe([&](const Event &) {
                const char byte = 'e';
                if (::write(pipes[1], &byte, 1) != 1) _exit(2);
            });
            Faults faults(disk.storage(), 1, {kind});
            tm_storage *const s = faults.storage();
            s->open(s, "x", TM_STORAGE_CREATE);
            s->open(s, "y", TM_STORAGE_CREATE);
            _exit(1);
        }
        close(pipes[1]);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        char events[8];
        EXPECT_EQ(::read(pipes[0], events, sizeof events), kind == Fault::kill ? 1 : 2);
        close(pipes[0]);
    }
}

} // namespace
} // namespace libtm::test
