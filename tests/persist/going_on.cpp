// SPDX-License-Identifier: MIT
/** An open after a crash that goes on with the journal that it finds, and applies nothing. */
#include "inside.hpp"
#include "pool.hpp"

#include <chrono>
#include <fcntl.h>
#include <sys/mman.h>
#include <thread>
#include <tm/crash.hpp>
#include <tm/faults.hpp>

using namespace libtm::testing;
using libtm::pool;
namespace persist = libtm::persist;

namespace {

constexpr std::size_t ints = 8 * 1024; ///< 8 pages
constexpr std::uint64_t ring = 1 << 20;

tm_pool_attr quiet() { return journal_of(ring, TM_POOL_NO_THREAD); }

class GoingOn : public ::testing::Test {
protected:
    explicit GoingOn(const char *base = std::getenv("TMPDIR")) : directory(base) {}

    /** Open it, do this, and die. */
    template <class Body> void live(Body &&body, const tm_pool_attr &how = quiet())
    {
        and_be_killed([&] {
            pool opened{path, how};
            body(opened);
            die();
        });
    }

    void SetUp() override
    {
        {
            const pool made{path, ints * sizeof(int), quiet()};
            if (std::strcmp(made.stat().detection, "written") != 0) GTEST_SKIP() << "this kernel cannot forget what was stored";
        }
        live([](pool &opened) {
            for (int i = 1; i <= 3; ++i) {
                for (std::size_t at = 0; at < ints; at += 512) opened.data<int>()[at] = i;
                opened.commit();
            }
        });
    }

    const Directory directory;
    const std::string path = directory / "pool", journal = path + "-journal";
};

/** Where a page of the data file may not be in memory. */
class GoingOnOnDisk : public GoingOn {
protected:
    GoingOnOnDisk() : GoingOn("/var/tmp") {}

    void SetUp() override
    {
        GoingOn::SetUp();
        if (!IsSkipped() && !evict()) GTEST_SKIP() << "this file system keeps files in memory";
    }

    /** Have none in memory. False: the file system has no other place for them. */
    bool evict() const
    {
        const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        EXPECT_EQ(::fdatasync(file), 0);
        ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        void *const last = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, persist::image_offset + ints * sizeof(int) - 4096);
        unsigned char is_there = 0;
        EXPECT_EQ(::mincore(last, 4096, &is_there), 0);
        ::munmap(last, 4096);
        ::close(file);
        return !(is_there & 1);
    }
};

} // namespace

TEST_F(GoingOn, P2_applies_nothing_and_journals_nothing_twice)
{
    const auto data = contents(path);
    {
        pool opened{path, quiet()};
        const tm_pool_stats found = opened.stat();
        EXPECT_EQ(found.recovered, 3u);
        EXPECT_EQ(found.bytes_applied, 0u);
        EXPECT_EQ(found.applied, 0u);
        EXPECT_EQ(found.sequence, 3u);
        EXPECT_GT(found.journal_used, 0u);
        EXPECT_TRUE(std::equal(data.begin() + persist::image_offset, data.end(), contents(path).begin() + persist::image_offset));
        for (std::size_t at = 0; at < ints; at += 512) EXPECT_EQ(opened.data<int>()[at], 3);
        opened.commit();
        EXPECT_EQ(opened.stat().pages, 0u) << "what was loaded is nothing new";
        opened.data<int>()[512] = 4;
        opened.commit();
        EXPECT_EQ(opened.stat().pages, 1u);
        opened.checkpoint();
        EXPECT_EQ(opened.stat().applied, 4u);
        EXPECT_EQ(opened.stat().journal_used, 0u);
        opened.data<int>()[0] = 5;
        opened.commit();
    }
    const pool closed{path};
    EXPECT_EQ(closed.stat().recovered, 0u);
    EXPECT_EQ(closed.data<int>()[0], 5);
    EXPECT_EQ(closed.data<int>()[512], 4);
    EXPECT_EQ(closed.data<int>()[1024], 3);
}

TEST_F(GoingOn, P1_a_page_that_is_put_back_to_what_the_data_file_has_is_committed)
{
    live([](pool &opened) {
        opened.data<int>()[0] = 0;
        opened.commit();
    });
    EXPECT_EQ(pool(path).data<int>()[0], 0);
}

TEST_F(GoingOn, P1_a_page_that_is_put_back_after_a_part_of_the_groups_was_applied)
{
    // More than a quarter of the ring, which the worker applies at once, and then the first change of the last page.
    const std::string other = directory / "other";
    constexpr std::size_t last = 7 * 1024;
    and_be_killed([&] {
        pool made{other, ints * sizeof(int), quiet()};
        for (int i = 1; i <= 20; ++i) {
            std::fill_n(made.data<int>(), last, i);
            made.commit();
        }
        made.data<int>()[last] = 1;
        made.commit();
        die();
    });
    and_be_killed([&] {
        pool opened{other, journal_of(ring)};
        DEMAND(opened.data<int>()[0] == 20 && opened.data<int>()[last] == 1);
        for (int i = 0; i < 10000 && opened.stat().journal_used > ring / 4; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        const auto applied = opened.stat().applied;
        DEMAND(applied > 0 && applied < 21);
        opened.data<int>()[last] = 0; // what the data file has
        opened.commit();
        die();
    });
    EXPECT_EQ(pool(other).data<int>()[last], 0);
}

TEST_F(GoingOn, P2_life_after_life)
{
    int last = 3;
    for (int life = 0; life < 12; ++life) {
        live([&](pool &opened) {
            for (std::size_t at = 0; at < ints; at += 512) DEMAND(opened.data<int>()[at] == last);
            if (life % 4 == 2) opened.checkpoint();
            for (int i = 1; i <= life % 3; ++i) { // none, sometimes
                for (std::size_t at = 0; at < ints; at += 512) libtm::atomically([&] { libtm::store(opened.data<int>()[at], last + i); });
                if (i == 2) opened.commit();
            }
        });
        last += life % 3;
    }
    const pool opened{path};
    for (std::size_t at = 0; at < ints; at += 512) EXPECT_EQ(opened.data<int>()[at], last);
}

TEST_F(GoingOn, P2_groups_of_two_opens_are_applied_by_the_third)
{
    const auto store = [](int value) {
        return [value](pool &opened) {
            opened.data<int>()[0] = value;
            opened.commit();
        };
    };
    live(store(4));
    live(store(5));
    EXPECT_EQ(pool(path, flags(TM_POOL_READ_ONLY)).data<int>()[0], 5);
    const Header header = header_of(path, current_copy(path));
    EXPECT_EQ(header.applied, 4u) << "the third open has applied what two had left";
    EXPECT_EQ(header.inherited, 0u);
    const pool opened{path, quiet()};
    EXPECT_EQ(opened.stat().recovered, 1u);
    EXPECT_EQ(opened.data<int>()[0], 5);
    EXPECT_EQ(opened.data<int>()[512], 3);
}

TEST_F(GoingOn, P22_a_group_that_was_inherited_cannot_be_missing)
{
    live([](pool &) {}); // nothing of its own
    const Header header = header_of(path, current_copy(path));
    EXPECT_EQ(header.inherited, 3u);
    const std::vector<GroupHeader> groups = groups_in(journal);
    ASSERT_EQ(groups.size(), 3u);
    const auto sound = contents(path), sound_journal = contents(journal);
    for (const GroupHeader &group : groups) {
        for (const unsigned how : ways_to_open) {
            fill(path, sound);
            fill(journal, sound_journal);
            flip(journal, group.offset + sizeof group);
            const Told told = expect_refused(path, EBADMSG, "group " + std::to_string(group.sequence), flags(how), journal);
            EXPECT_NE(told.expected.find("3 were durable"), std::string::npos) << told.message;
        }
    }
}

TEST_F(GoingOn, P22_a_header_cannot_inherit_from_itself_or_later)
{
    live([](pool &) {});
    Header header = header_of(path, current_copy(path));
    const auto expect_wrong = [&] {
        for (const int copy : {0, 1}) forge_header(path, copy, header);
        expect_refused(path, EBADMSG, "header 0: inherited generation");
    };
    for (const std::uint64_t generation : {header.generation, header.generation + 1}) {
        header.inherited_generation = generation;
        expect_wrong();
    }
    header.inherited = 0;
    expect_wrong();
}

TEST_F(GoingOn, not_with_a_journal_of_another_length)
{
    // A longer file may have blocks that were never written: a crash has come while it was made longer.
    const auto data = contents(path), groups = contents(journal);
    for (const std::uint64_t size : {ring / 4, ring - persist::block_size, 2 * ring}) {
        fill(path, data);
        fill(journal, groups);
        const pool opened{path, journal_of(size, TM_POOL_NO_THREAD)};
        EXPECT_GT(opened.stat().bytes_applied, 0u);
        EXPECT_EQ(opened.stat().journal_size, size + persist::groups_offset);
        EXPECT_EQ(opened.data<int>()[512], 3);
    }
    fill(path, data);
    fill(journal, groups);
    ASSERT_EQ(::truncate(journal.c_str(), static_cast<off_t>(groups.size() + persist::block_size)), 0); // as a crash within an open leaves it
    const pool opened{path, quiet()};
    EXPECT_GT(opened.stat().bytes_applied, 0u);
    EXPECT_EQ(opened.stat().journal_size, ring + persist::groups_offset);
}

TEST_F(GoingOn, P2_with_files_whose_names_are_not_durable)
{
    using libtm::persist::File;
    using libtm::persist::Pool;
    namespace crash = libtm::crash;
    const auto on = [](tm_storage *files) {
        tm_pool_attr attr = journal_of(4 * 4096, TM_POOL_NO_THREAD);
        attr.storage = files;
        return attr;
    };
    crash::Disk before;
    {
        const auto made = Pool::create("pool", 4096, on(before.storage()));
        made->data()[0] = 1;
        made->commit();
    } // not closed
    const auto put_back_and_commit = [&](tm_storage *files, crash::Marks &marks) {
        for (const char *const name : {"pool", "pool-journal"}) {
            const File from = File::open(*before.storage(), name, TM_STORAGE_READ), to = File::open(*files, name, TM_STORAGE_CREATE);
            std::vector<char> bytes(from.size());
            from.read(bytes.data(), bytes.size(), 0);
            to.write(bytes.data(), bytes.size(), 0);
            to.sync();
        }
        const auto opened = Pool::open("pool", on(files));
        opened->data()[0] = 2;
        opened->commit();
        marks("returned", 1);
    };
    const auto check = [&](tm_storage *files, const crash::Moment &moment) -> std::string {
        if (!moment.reached("returned", 1)) return {};
        try {
            return Pool::open("pool", on(files))->data()[0] == 2 ? "" : "the commit is lost";
        } catch (const libtm::persist::Failure &failure) {
            return failure.message();
        }
    };
    crash::Options options;
    options.recoveries = 0;
    const crash::Report report = crash::explore(put_back_and_commit, check, options);
    EXPECT_GT(report.opened, 10u);
    for (const crash::Failure &failure : report.failures) ADD_FAILURE() << failure.what << "\n" << failure.trace;
}

TEST_F(GoingOnOnDisk, with_pages_that_are_not_in_memory)
{
    const pool opened{path, quiet()};
    for (std::size_t at = 0; at < ints; at += 512) EXPECT_EQ(opened.data<int>()[at], 3);
}

TEST_F(GoingOnOnDisk, not_with_a_page_that_cannot_be_read)
{
    namespace crash = libtm::crash;
    const auto data = contents(path), groups = contents(journal);
    std::uint64_t calls = 0;
    unsigned applied = 0;
    const auto open_on = [&](crash::Faults &&faults, bool is_in_memory = false) {
        fill(path, data);
        fill(journal, groups);
        if (!is_in_memory) evict();
        tm_pool_attr attr = quiet();
        attr.storage = faults.storage();
        const pool opened{path, attr};
        calls = faults.calls();
        applied += opened.stat().bytes_applied > 0;
        EXPECT_EQ(opened.stat().recovered, 3u);
        for (std::size_t at = 0; at < ints; at += 512) EXPECT_EQ(opened.data<int>()[at], 3);
    };
    open_on(crash::Faults(tm_storage_system()), true);
    const std::uint64_t least = calls;
    open_on(crash::Faults(tm_storage_system()));
    EXPECT_EQ(applied, 0u);
    const std::uint64_t most = calls;
    ASSERT_GT(most, least);
    for (std::uint64_t k = 0; k < most; ++k) {
        try {
            open_on(crash::Faults(tm_storage_system(), k, {crash::Fault::error, EIO}));
        } catch (const libtm::pool_error &error) {
            EXPECT_EQ(error.code(), EIO);
        }
    }
    EXPECT_EQ(applied, most - least) << "once for each page that is read, of which the groups have all";
}

TEST_F(GoingOn, tickets_go_on_behind_those_of_the_groups)
{
    pool opened{path, quiet()};
    const auto before = opened.ticket();
    libtm::atomically([&] { libtm::store(opened.data<int>()[0], 4); });
    EXPECT_EQ(opened.ticket(), before + 1);
    opened.wait(opened.ticket());
}
