// SPDX-License-Identifier: MIT
/** P4: the system tells the failure of a sync to one caller; another one that syncs the same file must not take that for success. */
#include "pool.hpp"
#include "support.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

using namespace libtm::testing;
using libtm::persist::Failure;
using libtm::persist::File;
using libtm::persist::Pool;

namespace {

/** Syncs of the system's files that meet: the first caller waits a while for a second one, and gets the error of both; the second gets none. */
struct Meeting {
    static inline std::atomic<bool> is_on{false};
    static inline std::atomic<int> arrived{0};

    static int sync(tm_storage *, int file)
    {
        const int place = is_on ? ++arrived : 3;
        if (place > 2) return tm_storage_system()->sync(tm_storage_system(), file);
        if (place == 2) return 0;
        for (int i = 0; i < 300 && arrived < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return -EIO;
    }
    static tm_storage files()
    {
        tm_storage system = *tm_storage_system();
        system.sync = sync;
        return system;
    }
};

/** What it threw. */
template <class Body> int code_thrown(Body &&body)
{
    try {
        body();
    } catch (const Failure &failure) {
        return failure.code;
    }
    return 0;
}

} // namespace

TEST(Syncs, P4_a_checkpoint_counts_nothing_when_a_growth_beside_it_was_told_that_the_sync_failed)
{
    const Directory directory;
    tm_storage files = Meeting::files();
    tm_pool_attr attr{};
    attr.storage = &files;
    attr.flags = TM_POOL_NO_THREAD;
    const std::string path = directory / "pool";
    std::unique_ptr<Pool> pool = Pool::create(path, 4096, attr);
    pool->data()[0] = 1;
    pool->commit();
    Meeting::is_on = true;
    int grown = 0;
    std::thread grower([&] { grown = code_thrown([&] { pool->grow(3 * 4096); }); });
    while (Meeting::arrived == 0) std::this_thread::yield();
    const int checkpointed = code_thrown([&] { pool->checkpoint(); });
    grower.join();
    Meeting::is_on = false;
    EXPECT_EQ(grown, EIO);
    EXPECT_EQ(checkpointed, EIO);
    EXPECT_EQ(pool->stats().poisoned, EIO);
    pool.reset();
    EXPECT_EQ(libtm::persist::read_header(File::open(files, path, TM_STORAGE_READ)).header.applied, 0u) << "the only copy that is sure to be on the disk is given up";
    EXPECT_EQ(Pool::open(path, attr)->data()[0], 1);
}
