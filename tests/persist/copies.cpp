// SPDX-License-Identifier: MIT
/** Pools that are read beside a writer, thrown away, and copied: always a state that was committed. */
#include "files.hpp"

#include <set>

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr std::size_t cells = 40; ///< a page each

/** Opens the pool and commits as fast as it can: in every committed state all cells hold the number of the commit. */
class Writer {
public:
    Writer(const std::string &path, const tm_pool_attr &how)
    {
        int ends[2];
        if (::pipe(ends) != 0) throw std::runtime_error("pipe");
        child_ = ::fork();
        if (child_ == 0) {
            ::close(ends[0]);
            pool opened{path, cells * 4096, how};
            long number = opened.data<long>()[0];
            for (;;) {
                ++number;
                // Not in order, so that a mixture shows at once.
                for (std::size_t i = 0; i < cells; ++i) opened.data<long>()[i * 7 % cells * 512] = number;
                opened.commit();
                if (number == 3 && ::write(ends[1], "x", 1) != 1) ::_exit(1);
            }
        }
        ::close(ends[1]);
        char byte;
        if (::read(ends[0], &byte, 1) != 1) ADD_FAILURE() << "the writer has ended";
        ::close(ends[0]);
    }
    ~Writer()
    {
        ::kill(child_, SIGKILL);
        int status;
        ::waitpid(child_, &status, 0);
        EXPECT_TRUE(was_killed(status)) << "the writer has ended by itself: " << status;
    }

private:
    pid_t child_;
};

/** That all cells are of one commit. Returns its number. */
long whole_state(const pool &opened)
{
    std::set<long> numbers;
    for (std::size_t i = 0; i < cells; ++i) numbers.insert(opened.data<long>()[i * 512]);
    EXPECT_EQ(numbers.size(), 1u) << "from " << *numbers.begin() << " to " << *numbers.rbegin();
    return *numbers.rbegin();
}

class BesideWriter : public ::testing::TestWithParam<std::uint64_t> {};

} // namespace

TEST_P(BesideWriter, M17_a_reader_sees_committed_states_only_and_none_older_than_before)
{
    const Directory directory;
    const std::string path = directory / "pool";
    long last = 0;
    int opened_ones = 0;
    {
        const Writer writer(path, journal_of(GetParam()));
        for (int i = 0; i < 60; ++i) {
            const int code = code_of([&] {
                const pool reading{path, flags(i % 2 ? TM_POOL_READ_ONLY : TM_POOL_THROWAWAY)};
                const long number = whole_state(reading);
                EXPECT_GE(number, last);
                last = number;
                ++opened_ones;
            });
            // A ring of three commits can be too fast for a reader; then it says so.
            EXPECT_TRUE(code == 0 || code == EBUSY) << Told().message;
        }
    }
    EXPECT_GT(last, 3);
    EXPECT_GE(opened_ones, 20);
    const pool after{path};
    EXPECT_GE(whole_state(after), last);
}

TEST_P(BesideWriter, M15_a_backup_is_a_committed_state_with_an_identity_of_its_own)
{
    const Directory directory;
    const std::string path = directory / "pool", copy = directory / "copy";
    std::set<std::string> identities;
    {
        const Writer writer(path, journal_of(GetParam()));
        long last = 0;
        for (int i = 0; i < 15; ++i) {
            const int code = tm_pool_backup(path.c_str(), copy.c_str(), nullptr, nullptr, nullptr);
            EXPECT_TRUE(code == 0 || code == EBUSY) << Told().message;
            EXPECT_EQ(code == 0, std::filesystem::exists(copy));
            if (code != 0) continue;
            const pool copied{copy};
            const long number = whole_state(copied);
            EXPECT_GE(number, last);
            last = number;
            const tm_pool_stats stats = copied.stat();
            identities.insert({reinterpret_cast<const char *>(stats.uuid), sizeof stats.uuid});
            EXPECT_EQ(stats.recovered, 0u);
            std::filesystem::remove(copy);
        }
        const tm_pool_stats original = pool(path, flags(TM_POOL_READ_ONLY)).stat();
        EXPECT_FALSE(identities.contains({reinterpret_cast<const char *>(original.uuid), sizeof original.uuid}));
    }
    EXPECT_GE(identities.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(journal, BesideWriter, ::testing::Values(std::uint64_t{500000}, std::uint64_t{4 << 20}, std::uint64_t{64 << 20}), ::testing::PrintToStringParamName());

TEST(Copies, M17_a_reader_beside_a_crash_reads_the_journal_and_changes_nothing)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, 10000};
        made.data()[0] = 1;
        made.commit();
        die();
    });
    const auto before = contents(path), journal = contents(path + "-journal");
    for (int i = 0; i < 2; ++i) {
        const pool reading{path, flags(TM_POOL_READ_ONLY)};
        EXPECT_EQ(reading.data()[0], 1);
        EXPECT_EQ(reading.stat().sequence, 1u);
    }
    EXPECT_EQ(contents(path), before);
    EXPECT_EQ(contents(path + "-journal"), journal);
    EXPECT_EQ(pool(path).stat().recovered, 1u);
}

TEST(Copies, M17_a_reader_may_not_store_nor_call_what_writes)
{
    const Directory directory;
    const std::string path = directory / "pool";
    { pool made{path, 10000}; }
    const int status = in_child([&] {
        std::signal(SIGSEGV, SIG_DFL);
        const pool reading{path, flags(TM_POOL_READ_ONLY)};
        reading.data()[0] = 1;
    });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
    for (const unsigned how : {unsigned{TM_POOL_READ_ONLY}, unsigned{TM_POOL_THROWAWAY}}) {
        pool reading{path, flags(how)};
        for (const int code : {tm_pool_commit(reading.handle()), tm_pool_checkpoint(reading.handle()), tm_pool_trim(reading.handle()), tm_pool_grow(reading.handle(), 1 << 20)}) EXPECT_EQ(code, EROFS);
        EXPECT_EQ(Told().file, path);
        EXPECT_EQ(reading.stat().groups, 0u);
    }
}

TEST(Copies, M16_what_is_stored_to_a_throw_away_pool_is_forgotten)
{
    const Directory directory;
    const std::string path = directory / "pool";
    {
        pool made{path, 10000};
        made.data()[0] = 1;
        made.commit();
    }
    const auto before = contents(path);
    {
        pool thrown{path, flags(TM_POOL_THROWAWAY)};
        std::memset(thrown.data(), 'x', thrown.size());
        libtm::atomically([&] { libtm::store(thrown.data<long>()[3], 7L); });
        thrown.set_root("root", thrown.data() + 5);
        EXPECT_EQ(thrown.root<char>("root"), thrown.data() + 5);
        EXPECT_EQ(tm_pool_commit(thrown.handle()), EROFS);
        EXPECT_EQ(thrown.data()[100], 'x');
    }
    EXPECT_EQ(contents(path), before);
    EXPECT_FALSE(std::filesystem::exists(path + "-journal"));
    EXPECT_EQ(pool(path).root("root"), nullptr);
}

TEST(Copies, M15_a_backup_that_is_cancelled_leaves_no_file)
{
    const Directory directory;
    const std::string path = directory / "pool";
    pool made{path, 5 << 20};
    made.data()[0] = 1;
    made.commit();
    struct Seen {
        int calls = 0, last = 0;
        std::uint64_t done = 0, total = 0;
    };
    auto *const progress = +[](void *data, std::uint64_t done, std::uint64_t total) {
        Seen &seen = *static_cast<Seen *>(data);
        EXPECT_GT(done, seen.done);
        EXPECT_LE(done, total);
        seen.done = done;
        seen.total = total;
        return ++seen.calls == seen.last ? 1 : 0;
    };
    Seen whole;
    EXPECT_EQ(tm_pool_backup(path.c_str(), (directory / "copy").c_str(), nullptr, progress, &whole), 0);
    EXPECT_GE(whole.calls, 2);
    EXPECT_EQ(whole.done, whole.total);
    for (int last = 1; last <= whole.calls; ++last) {
        Seen some;
        some.last = last;
        EXPECT_EQ(tm_pool_backup(path.c_str(), (directory / "other").c_str(), nullptr, progress, &some), ECANCELED);
        EXPECT_EQ(Told().code, ECANCELED);
        for (const auto &entry : std::filesystem::directory_iterator(directory.path())) EXPECT_EQ(entry.path().string().find("other"), std::string::npos) << entry.path();
    }
    const auto before = contents(directory / "copy");
    EXPECT_EQ(tm_pool_backup(path.c_str(), (directory / "copy").c_str(), nullptr, nullptr, nullptr), EEXIST);
    EXPECT_EQ(contents(directory / "copy"), before);
    EXPECT_EQ(tm_pool_backup(path.c_str(), path.c_str(), nullptr, nullptr, nullptr), EEXIST);
    EXPECT_EQ(tm_pool_backup((directory / "none").c_str(), (directory / "new").c_str(), nullptr, nullptr, nullptr), ENOENT);
    EXPECT_FALSE(std::filesystem::exists(directory / "new"));
}

TEST(Copies, M15_M17_begin_again_when_the_writer_was_faster)
{
    const Directory directory;
    const std::string path = directory / "pool", copy = directory / "copy";
    struct Both {
        pool of;
        int number = 0, calls = 0;
        long *first() const { return of.data<long>(); }
        long *last() const { return of.data<long>() + of.size() / sizeof(long) - 1; }
        void commit()
        {
            *first() = *last() = ++number;
            of.commit();
        }
    } both{pool{path, 3 << 20, journal_of(16384, TM_POOL_NO_THREAD)}};
    both.commit();
    // Between two parts of the copy more is committed than the journal holds.
    auto *const overrun = +[](void *data, std::uint64_t, std::uint64_t) {
        Both &it = *static_cast<Both *>(data);
        if (++it.calls <= 24)
            for (int i = 0; i < 8; ++i) it.commit();
        return 0;
    };
    ASSERT_EQ(tm_pool_backup(path.c_str(), copy.c_str(), nullptr, overrun, &both), 0) << Told().message;
    EXPECT_GT(both.calls, 24) << "it was not begun again";
    const pool copied{copy, flags(TM_POOL_ANYWHERE)};
    EXPECT_EQ(copied.data<long>()[0], both.number);
    EXPECT_EQ(copied.data<long>()[copied.size() / sizeof(long) - 1], both.number);
}

TEST(Copies, M15_a_backup_keeps_roots_layout_and_size_and_is_a_pool_of_its_own)
{
    const Directory directory;
    const std::string path = directory / "pool", copy = directory / "copy";
    tm_pool_attr how;
    how.layout = "lay";
    how.layout_version = 5;
    {
        pool made{path, 100000, how};
        made.data()[99] = 9;
        made.set_root("nine", made.data() + 99);
        made.grow(200000);
        made.data()[199999] = 8;
        made.commit();
        made.data()[99] = 1; // not committed, so not in it
        ASSERT_EQ(tm_pool_backup(path.c_str(), copy.c_str(), nullptr, nullptr, nullptr), 0);
    }
    pool copied{copy, how};
    EXPECT_EQ(*copied.root<char>("nine"), 9);
    EXPECT_EQ(copied.data()[199999], 8);
    copied.data()[99] = 2;
    copied.commit();
    EXPECT_EQ(pool(path, flags(TM_POOL_ANYWHERE)).data()[99], 9);
}
