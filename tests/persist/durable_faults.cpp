// SPDX-License-Identifier: MIT
/** Transactions that cannot be journaled, or whose sync fails: what is committed, and who is told. */
#include "durable.hpp"

#include <atomic>
#include <sys/resource.h>

using namespace libtm::testing;
using libtm::pool;

namespace {

/** The system's files, whose syncs fail when told to. */
struct Failing : tm_storage {
    static inline std::atomic<bool> fails{false};
    Failing() : tm_storage(*tm_storage_system())
    {
        fails = false;
        sync = [](tm_storage *self, int file) { return fails ? -EIO : tm_storage_system()->sync(self, file); };
    }
};

} // namespace

TEST(Durable, P11_an_irrevocable_one_that_cannot_be_journaled_poisons_the_pool)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        pool made{path, 1 << 20, journal_of(1 << 16, TM_POOL_NO_THREAD)};
        add(made, 0);
        const rlimit now{100000, RLIM_INFINITY};
        DEMAND(::setrlimit(RLIMIT_FSIZE, &now) == 0);
        tm_attr how{};
        how.flags = TM_IRREVOCABLE;
        static bool called = false;
        const tm_error_record told = error_of(how, [&] {
            tm_memset(made.data(), 'b', made.size());
            libtm::on_durable([] { called = true; });
        });
        DEMAND(!called);
        DEMAND(told.kind == TM_ERROR_POOL && told.code == EIO && made.data()[0] == 'b');
        DEMAND(made.stat().poisoned == EFBIG && tm_pool_commit(made.handle()) == EIO);
        const tm_error_record refused = error_of({}, [&] { libtm::store(made.data<long>()[0], 2l); });
        DEMAND(refused.kind == TM_ERROR_POOL && refused.code == ENOTRECOVERABLE && made.data()[0] == 'b');
        die();
    });
    EXPECT_TRUE(was_killed(status)) << status;
    EXPECT_EQ(words(path, 2), (std::vector<long>{1, 0}));
}

TEST(Durable, P11_transactions_before_a_commit_of_the_whole_image_that_has_no_space_are_kept)
{
    const Directory directory;
    const std::string path = directory / "pool";
    const int status = in_child([&] {
        tm_pool_attr how = journal_of(1 << 16, TM_POOL_NO_THREAD);
        how.durability = TM_DURABILITY_NONE;
        pool made{path, 1 << 20, how};
        const rlimit now{100000, RLIM_INFINITY};
        DEMAND(::setrlimit(RLIMIT_FSIZE, &now) == 0);
        add(made, 0);
        std::memset(made.data() + 4096, 'p', made.size() - 4096);
        DEMAND(tm_pool_commit(made.handle()) == EFBIG);
        add(made, 1);
        made.wait();
        die();
    });
    EXPECT_TRUE(was_killed(status)) << status;
    EXPECT_EQ(words(path, 513), [] { std::vector<long> expected(513); expected[0] = expected[1] = 1; return expected; }());
}
TEST(Durable, P3_when_the_sync_fails_it_is_committed_in_memory_and_nobody_is_told_that_it_is_durable)
{
    for (const tm_durability durability : {TM_DURABILITY_SYNC, TM_DURABILITY_GROUP, TM_DURABILITY_ASYNC}) {
        const Directory directory;
        Failing files;
        tm_pool_attr how = pool_of(durability);
        how.storage = &files;
        pool made{directory / "pool", 1000, how};
        add(made, 0, asking(TM_DURABILITY_SYNC));
        Failing::fails = true;
        int called = 0;
        if (durability == TM_DURABILITY_ASYNC) {
            add(made, 0);
            EXPECT_EQ(tm_pool_wait(made.handle(), 0), EIO);
            EXPECT_EQ(tm_pool_wait(made.handle(), 1), 0) << "that one was";
        } else {
            const tm_error_record told = error_of({}, [&] {
                libtm::store(made.data<long>()[0], 2l);
                tm_on_durable([](void *count) { ++*static_cast<int *>(count); }, &called);
            });
            EXPECT_EQ(told.kind, TM_ERROR_POOL);
            EXPECT_EQ(told.code, EIO);
            EXPECT_NE(Told().message.find("sync"), std::string::npos) << Told().message;
        }
        Failing::fails = false;
        EXPECT_EQ(made.data<long>()[0], 2);
        const auto in_c = [&] {
            tm_save bool recovered = false;
            tm_begin
                tm_write_8_(made.data() + 8, 1);
            tm_commit
                recovered = true;
            tm_end
            return bool{recovered};
        };
        EXPECT_TRUE(in_c());
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_POOL);
        EXPECT_EQ(tm_last_error()->code, ENOTRECOVERABLE);
        EXPECT_EQ(made.data<long>()[1], 0) << "rolled back: the pool is poisoned";
        EXPECT_EQ(called, 0);
        EXPECT_EQ(code_of([&] { made.close(); }), EIO);
    }
}

TEST(Durable, P3_in_a_block_of_c_the_recovery_block_tells_of_a_failed_sync_and_does_not_run_it_again)
{
    const Directory directory;
    Failing files;
    tm_pool_attr how = pool_of(TM_DURABILITY_SYNC);
    how.storage = &files;
    pool made{directory / "pool", 1000, how};
    Failing::fails = true;
    tm_save int runs = 0, recoveries = 0;
    tm_begin
        runs = runs + 1;
        tm_write_8_(made.data(), 7);
    tm_commit
        recoveries = recoveries + 1;
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_POOL);
        EXPECT_EQ(tm_last_error()->code, EIO);
        tm_restart(); // refused: it is committed
    tm_end
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(recoveries, 1);
    EXPECT_EQ(made.data<long>()[0], 7);
    EXPECT_FALSE(tm_in_transaction());
}
