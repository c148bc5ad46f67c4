// SPDX-License-Identifier: MIT
/** What one thread does to a pool while another is in the middle of a commit or a checkpoint: at a chosen call to the files, the other one acts. */
#include "create.hpp"
#include "pool.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>
#include <tm/crash.hpp>

namespace {

namespace crash = libtm::crash;
using libtm::persist::Failure;
using libtm::persist::Pool;

constexpr std::size_t page = 4096;

/** Functions of a table of files that let somebody else act before they do what they do. One at a time; put back in the end. */
class Interlude {
public:
    enum class Of { data, journal };

    explicit Interlude(tm_storage *files) : files_(files), real_(*files)
    {
        current = this;
        files->sync = [](tm_storage *self, int file) {
            current->play(current->sync_, file);
            return current->real_.sync(self, file);
        };
        files->info = [](tm_storage *self, int file, tm_storage_info *info) {
            current->play(current->info_, file);
            return current->real_.info(self, file, info);
        };
        files->read = [](tm_storage *self, int file, void *to, size_t size, std::uint64_t offset, int cached) {
            current->play(current->read_, file);
            return current->real_.read(self, file, to, size, offset, cached);
        };
    }
    ~Interlude() { *files_ = real_; }
    Interlude(const Interlude &) = delete;
    Interlude &operator=(const Interlude &) = delete;

    /** Call `body` once, before a file of this kind is synced: the first time from now on, or after `skip` times. */
    void before_sync(Of of, std::function<void()> body, unsigned skip = 0) { set(sync_, {of, std::move(body), skip}); }
    /** The same before somebody asks how long it is. */
    void before_info(Of of, std::function<void()> body) { set(info_, {of, std::move(body), 0}); }
    /** The same before somebody reads it, after `skip` times. */
    void before_read(Of of, std::function<void()> body, unsigned skip) { set(read_, {of, std::move(body), skip}); }
    /** Whether it has come to that. */
    bool was_read()
    {
        const std::lock_guard lock(mutex_);
        return !read_.body;
    }

private:
    struct Part {
        Of of = Of::data;
        std::function<void()> body = {};
        unsigned skip = 0;
    };

    void set(Part &part, Part now)
    {
        const std::lock_guard lock(mutex_);
        part = std::move(now);
    }

    void play(Part &part, int file)
    {
        std::function<void()> body;
        {
            const std::lock_guard lock(mutex_);
            if (!part.body) return;
            char magic[8] = {};
            real_.read(files_, file, magic, sizeof magic, 0, 0);
            if ((std::memcmp(magic, "libtmjnl", sizeof magic) == 0) != (part.of == Of::journal)) return;
            if (part.skip-- != 0) return;
            body = std::exchange(part.body, nullptr);
        }
        body();
    }

    static inline Interlude *current = nullptr;
    tm_storage *files_;
    tm_storage real_;
    std::mutex mutex_;
    Part sync_, info_, read_;
};

/** Somebody else, who may have to wait for us: after a while we go on all the same. */
class Other {
public:
    void act(std::function<void()> body)
    {
        std::atomic<bool> is_there{false};
        thread_ = std::thread([this, &is_there, body] {
            is_there = true;
            body();
            has_ended_ = true;
        });
        while (!is_there) std::this_thread::yield();
        for (int i = 0; i < 30 && !has_ended_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    bool has_ended() const { return has_ended_; }
    void wait()
    {
        if (thread_.joinable()) thread_.join();
    }
    ~Other() { wait(); }

private:
    std::thread thread_;
    std::atomic<bool> has_ended_{false};
};

tm_pool_attr attr_for(tm_storage *files, unsigned flags = TM_POOL_NO_THREAD)
{
    tm_pool_attr attr{};
    attr.storage = files;
    attr.flags = flags;
    attr.journal = 4 * page;
    return attr;
}

/** What is committed: these bytes, as a reader sees them. */
std::vector<int> committed(tm_storage *files, std::vector<std::size_t> offsets)
{
    const auto pool = Pool::open("pool", attr_for(files, TM_POOL_READ_ONLY | TM_POOL_ANYWHERE));
    std::vector<int> bytes;
    for (const std::size_t offset : offsets) bytes.push_back(pool->data()[offset]);
    return bytes;
}

int code_of(const std::function<void()> &body)
{
    try {
        body();
        return 0;
    } catch (const Failure &failure) {
        return failure.code;
    }
}

} // namespace

TEST(Beside, P1_a_commit_that_comes_while_another_one_syncs_is_not_taken_for_a_part_of_it)
{
    crash::Disk disk;
    Interlude interlude(disk.storage());
    const auto pool = Pool::create("pool", 2 * page, attr_for(disk.storage()));
    for (char value = 1; value <= 3; ++value) {
        Other other;
        pool->data()[0] = value;
        interlude.before_sync(Interlude::Of::journal, [&] {
            other.act([&] {
                pool->data()[page] = value;
                pool->commit();
            });
        });
        pool->commit();
        other.wait();
        EXPECT_EQ(committed(disk.storage(), {0, page}), (std::vector<int>{value, value}));
    }
}

TEST(Beside, P1_a_commit_does_not_count_on_another_one_that_fails)
{
    crash::Disk disk;
    constexpr std::size_t size = 64 * page;
    disk.limit_space(libtm::persist::image_offset + page + size + 5 * page); // and a journal of the usual size
    Interlude interlude(disk.storage());
    const auto pool = Pool::create("pool", size, attr_for(disk.storage()));
    std::memset(pool->data(), 1, size); // more than the journal takes
    int of_other = -1;
    Other other;
    // It has the commit mutex, and has not looked at memory.
    interlude.before_info(Interlude::Of::data, [&] { other.act([&] { of_other = code_of([&] { pool->commit(); }); }); });
    EXPECT_EQ(code_of([&] { pool->commit(); }), ENOSPC);
    other.wait();
    EXPECT_EQ(of_other, ENOSPC);
    EXPECT_EQ(committed(disk.storage(), {0, size - 1}), (std::vector<int>{0, 0}));
    disk.limit_space(1 << 30);
    pool->commit();
    EXPECT_EQ(committed(disk.storage(), {0, size - 1}), (std::vector<int>{1, 1}));
}

TEST(Beside, P5_a_checkpoint_leaves_a_group_alone_that_is_not_durable)
{
    crash::Disk disk;
    Interlude interlude(disk.storage());
    const auto pool = Pool::create("pool", page, attr_for(disk.storage()));
    const auto in_the_file = [&] { return static_cast<int>(disk.files().read("pool")[libtm::persist::image_offset + page]); };
    Other other;
    pool->data()[0] = 1;
    interlude.before_sync(Interlude::Of::journal, [&] {
        other.act([&] { pool->checkpoint(); });
        EXPECT_TRUE(other.has_ended()) << "a checkpoint need not wait for a commit";
        EXPECT_EQ(in_the_file(), 0);
    });
    pool->commit();
    pool->checkpoint();
    EXPECT_EQ(in_the_file(), 1);
}

TEST(Beside, P2_room_in_the_journal_is_not_used_again_before_the_header_is_durable)
{
    constexpr char last = 5; // one more than the journal has room for
    const auto run = [&](tm_storage *files, crash::Marks &marks) {
        Interlude interlude(files);
        const auto pool = Pool::create("pool", page, attr_for(files));
        marks("created");
        const auto commit = [&](char value) {
            pool->data()[0] = value;
            marks("begins", static_cast<std::uint64_t>(value));
            pool->commit();
            marks("returned", static_cast<std::uint64_t>(value));
        };
        for (char value = 1; value < last; ++value) commit(value);
        Other other;
        interlude.before_sync(Interlude::Of::data, [&] { other.act([&] { commit(last); }); }, 1); // the first one is that of the image
        pool->checkpoint();
    };
    const auto check = [&](tm_storage *files, const crash::Moment &moment) -> std::string {
        try {
            const auto pool = Pool::open("pool", attr_for(files));
            const auto value = static_cast<std::uint64_t>(pool->data()[0]);
            return value >= moment.last("returned") && value <= moment.last("begins") ? "" : "commit " + std::to_string(value);
        } catch (const Failure &failure) {
            return failure.code == ENOENT && !moment.reached("created", 0) ? "" : failure.message();
        }
    };
    crash::Options options;
    options.recoveries = 0;
    options.bounds = {256, 32, 32};
    const crash::Report report = crash::explore(run, check, options);
    for (const crash::Failure &failure : report.failures) ADD_FAILURE() << failure.what << "\n" << failure.trace;
    EXPECT_GT(report.opened, 20u);
}

namespace {

constexpr std::size_t long_image = 3 << 20; ///< a copy of which is made in several parts

void store_and_commit(Pool &pool, char value)
{
    pool.data()[0] = pool.data()[long_image - 1] = value;
    pool.commit();
}

/** Make a backup, and act when its first part is done. What its first and last byte are. */
std::vector<int> backup_beside(tm_storage *files, const std::function<void()> &act)
{
    bool is_first = true;
    libtm::persist::backup("pool", "copy", attr_for(files), [&](std::uint64_t, std::uint64_t) {
        if (std::exchange(is_first, false)) act();
        return true;
    });
    const auto copy = Pool::open("copy", attr_for(files, TM_POOL_READ_ONLY | TM_POOL_ANYWHERE));
    return {copy->data()[0], copy->data()[long_image - 1]};
}

} // namespace

TEST(Beside, M15_a_backup_takes_what_a_checkpoint_has_applied_and_not_yet_said_so)
{
    crash::Disk disk;
    const auto pool = Pool::create("pool", long_image, attr_for(disk.storage()));
    store_and_commit(*pool, 1); // something to begin with
    Interlude interlude(disk.storage());
    std::atomic<bool> is_copied{false};
    Other other;
    const std::vector<int> copied = backup_beside(disk.storage(), [&] {
        store_and_commit(*pool, 2);
        interlude.before_sync(Interlude::Of::data, [&] {
            while (!is_copied) std::this_thread::yield();
        });
        other.act([&] { pool->checkpoint(); });
    });
    is_copied = true;
    other.wait();
    EXPECT_EQ(copied, (std::vector<int>{2, 2}));
}

TEST(Beside, M15_a_backup_begins_again_when_the_pool_was_closed_and_opened_meanwhile)
{
    crash::Disk disk;
    auto pool = Pool::create("pool", long_image, attr_for(disk.storage()));
    store_and_commit(*pool, 1);
    const std::vector<int> copied = backup_beside(disk.storage(), [&] {
        pool->close();
        pool.reset();
        pool = Pool::open("pool", attr_for(disk.storage()));
        store_and_commit(*pool, 2);
        pool->checkpoint();
    });
    EXPECT_EQ(copied, (std::vector<int>{2, 2}));
}

/** A group that is longer than what is read at once is read twice, to check it and to take it; in between its room may be used for something else. */
TEST(Beside, M15_a_backup_takes_nothing_of_a_group_that_was_let_go_while_it_was_read)
{
    constexpr std::size_t pages = 600, frame = 16 + page;
    for (unsigned skip = 0;; ++skip) {
        crash::Disk disk;
        tm_pool_attr attr = attr_for(disk.storage());
        attr.journal = 4 << 20;
        const auto pool = Pool::create("pool", long_image, attr);
        std::memset(pool->data(), 1, pages * page);
        pool->commit();
        Interlude interlude(disk.storage());
        interlude.before_read(Interlude::Of::journal, [&] {
            pool->checkpoint();
            const auto journal = libtm::persist::File::open(*disk.storage(), "pool-journal", TM_STORAGE_WRITE);
            journal.write("\x55", 1, libtm::persist::groups_offset + 64 + (pages - 1) * frame + 16); // of the last page
        }, skip);
        libtm::persist::backup("pool", "copy", attr, {});
        const auto copy = Pool::open("copy", attr_for(disk.storage(), TM_POOL_READ_ONLY | TM_POOL_ANYWHERE));
        EXPECT_EQ(std::count(copy->data(), copy->data() + pages * page, 1), static_cast<std::ptrdiff_t>(pages * page)) << "at read " << skip;
        if (!interlude.was_read()) {
            EXPECT_GT(skip, 6u);
            break;
        }
    }
}
