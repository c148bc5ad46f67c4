// SPDX-License-Identifier: MIT
/** Memory that is not there: each allocation of a call fails in turn; what was committed stays, and what was to be committed is found again. */
#include "files.hpp"
#include "pool.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <new>
#include <string>
#include <tuple>
#include <tm/config.h>

namespace {

thread_local long allocations_left = -1; ///< of this thread, until one fails; below 0: none does

void *allocate(std::size_t size)
{
    if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
    if (void *const memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}

} // namespace

// Not inlined, where a compiler sees malloc() on one side and operator delete on the other, and warns.
[[gnu::noinline]] void *operator new(std::size_t size) { return allocate(size); }
[[gnu::noinline]] void *operator new[](std::size_t size) { return allocate(size); }
[[gnu::noinline]] void operator delete(void *memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void *memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

using libtm::persist::Failure;
using libtm::persist::Pool;
using libtm::testing::Directory;
using libtm::testing::in_memory;

constexpr std::size_t page = 4096, size = 6 * page;

tm_pool_attr attr_for(unsigned flags)
{
    tm_pool_attr attr{};
    attr.flags = flags;
    attr.journal = 64 * page;
    return attr;
}

std::string committed(const std::string &path)
{
    const auto pool = Pool::open(path, attr_for(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE));
    return {pool->data(), pool->size()};
}

/** Run `body` with an allocation that fails: the number of which, from 0. Whether it had enough of them; else it said ENOMEM. */
bool has_enough(long allocations, const std::function<void()> &body)
{
    allocations_left = allocations;
    int code = 0;
    try {
        body();
    } catch (const std::bad_alloc &) {
        code = ENOMEM;
    } catch (const Failure &failure) {
        code = failure.code;
    }
    const bool has_failed = allocations_left < 0;
    allocations_left = -1;
    EXPECT_TRUE(code == 0 || (code == ENOMEM && has_failed)) << "allocation " << allocations << ": code " << code;
    return !has_failed;
}

/** How changed pages are found, and whether commits give copies back. */
class OutOfMemory : public testing::TestWithParam<std::tuple<const char *, bool>> {
protected:
    void SetUp() override { tm_config_set("detection", std::get<0>(GetParam())); }
    void TearDown() override { tm_config_set("detection", "auto"); }
};

} // namespace

/**
 * A commit fails for want of memory; what it was to commit is in the next one, also a page that has become again what the data file holds. With so many
 * groups in the journal already that whatever lists them comes to its limits, too.
 */
TEST_P(OutOfMemory, P1_P2_a_commit_that_fails_has_done_nothing_and_the_next_one_has_all_of_it)
{
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    std::unique_ptr<Pool> pool;
    try {
        tm_pool_attr attr = attr_for(TM_POOL_NO_THREAD);
        attr.keep = std::get<1>(GetParam()) ? 1 : 0;
        pool = Pool::create(path, size, attr);
    } catch (const Failure &failure) {
        ASSERT_EQ(failure.code, ENOTSUP) << failure.message();
        GTEST_SKIP() << failure.message();
    }
    for (int groups = 1; groups <= 40; ++groups) {
        int enough = 0; // so often what is enough for most, since some need more
        for (long allocations = 0; enough < 4; allocations += !enough) {
            ASSERT_LT(allocations, 1000);
            pool->checkpoint();
            std::memset(pool->data(), 0, size);
            pool->commit();
            pool->checkpoint();
            for (int i = 1; i <= groups; ++i) {
                pool->data()[static_cast<std::size_t>(i) % 2 * page] = static_cast<char>(i);
                pool->commit();
            }
            const std::string before = committed(path);
            // Back to what the data file holds; to other bytes; and in a page that was not touched.
            pool->data()[0] = 0;
            std::memset(pool->data() + page, 100, page);
            pool->data()[2 * page + 100] = 101;
            const std::string after(pool->data(), size);
            bool has_failed = false;
            enough += has_enough(allocations, [&] {
                has_failed = true;
                pool->commit();
                has_failed = false;
            });
            ASSERT_EQ(committed(path) == before, has_failed) << "allocation " << allocations << ", " << groups << " groups";
            pool->data()[3 * page] = 102;
            pool->commit();
            ASSERT_EQ(committed(path), std::string(pool->data(), size)) << "allocation " << allocations << ", " << groups << " groups";
        }
    }
    pool->close();
}

INSTANTIATE_TEST_SUITE_P(, OutOfMemory, testing::Combine(testing::Values("written", "copied", "compare"), testing::Bool()), [](const auto &info) {
    return std::string(std::get<0>(info.param)) + (std::get<1>(info.param) ? "_giving_back" : "");
});

TEST(OutOfMemoryToo, P1_a_commit_that_cannot_release_copies_of_pages_is_one_all_the_same)
{
    constexpr std::size_t many = 66 << 20;
    const Directory directory{in_memory()};
    const std::string path = directory / "pool";
    const auto pool = Pool::create(path, many, attr_for(TM_POOL_NO_THREAD));
    for (const long allocations : {12, 16, 20}) {
        std::memset(pool->data(), static_cast<int>(allocations), many);
        pool->commit();
        pool->checkpoint();
        pool->data()[0] = 1;
        bool has_failed = true;
        has_enough(allocations, [&] {
            pool->commit();
            has_failed = false;
        });
        EXPECT_EQ(committed(path)[0] == 1, !has_failed);
    }
}

/** Two things at once: a sync fails, and there is no memory to say so. */
TEST(OutOfMemoryToo, P3_a_failed_sync_poisons_a_pool)
{
    static bool syncs_fail, has_failed;
    tm_storage files = *tm_storage_system(); // its functions do not look at the table
    files.sync = [](tm_storage *self, int file) {
        has_failed |= syncs_fail;
        return syncs_fail ? -EIO : tm_storage_system()->sync(self, file);
    };
    for (long allocations = 0; allocations < 40; ++allocations) {
        syncs_fail = has_failed = false;
        const Directory directory{in_memory()};
        tm_pool_attr attr = attr_for(TM_POOL_NO_THREAD);
        attr.storage = &files;
        const auto pool = Pool::create(directory / "a pool whose path is too long for the place that a string has in itself", size, attr);
        pool->data()[0] = 1;
        syncs_fail = true;
        allocations_left = allocations;
        EXPECT_ANY_THROW(pool->commit());
        allocations_left = -1;
        syncs_fail = false;
        if (!has_failed) continue;
        try {
            pool->commit();
            ADD_FAILURE() << "allocation " << allocations << ": not poisoned";
        } catch (const Failure &failure) {
            EXPECT_EQ(failure.code, EIO) << failure.message();
        }
    }
}
