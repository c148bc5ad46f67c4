// SPDX-License-Identifier: MIT
/** Pools that grow in place, and give memory back. */
#include "files.hpp"

#include <atomic>
#include <thread>

using namespace libtm::testing;
using libtm::pool;

namespace {

/** Bytes of private copies in the mappings from `begin` to `end`, as the kernel counts them. */
std::size_t copied_bytes(const void *begin, std::size_t size)
{
    std::ifstream maps("/proc/self/smaps");
    std::size_t bytes = 0;
    bool is_inside = false;
    for (std::string line; std::getline(maps, line);) {
        unsigned long from, to, kilobytes;
        char minus;
        if (std::sscanf(line.c_str(), "%lx%c%lx", &from, &minus, &to) == 3 && minus == '-')
            is_inside = from >= reinterpret_cast<std::uintptr_t>(begin) - 4096 && to <= reinterpret_cast<std::uintptr_t>(begin) + size + (1 << 20);
        else if (is_inside && std::sscanf(line.c_str(), "Anonymous: %lu kB", &kilobytes) == 1) bytes += kilobytes * 1024;
    }
    return bytes;
}

} // namespace

TEST(Growing, M14_in_place_while_others_read_and_commit)
{
    const Directory directory;
    const std::string path = directory / "pool";
    {
        pool made{path, 10000};
        std::memset(made.data(), 'r', 10000);
        made.commit();
        const char *const where = made.data();
        std::atomic<bool> stop{false};
        std::atomic<long> wrong{0};
        std::thread reads([&] {
            std::size_t last = 0;
            while (!stop.load()) {
                const std::size_t size = tm_pool_size(made.handle());
                if (size < last || made.data() != where || made.data()[9999] != 'r') ++wrong;
                // What it says is there is there.
                if (made.data()[size - 1] != 0) ++wrong;
                last = size;
                std::this_thread::yield();
            }
        });
        std::thread commits([&] {
            for (long i = 1; !stop.load(); ++i) {
                libtm::atomically([&] { libtm::store(made.data<long>()[1000], i); });
                made.commit();
            }
        });
        std::thread roots([&] {
            while (!stop.load()) {
                made.set_root("root", made.data() + 8);
                if (made.root("root") != made.data() + 8) ++wrong;
            }
        });
        for (int i = 0; i < 20; ++i) made.grow(made.size() + 50000);
        stop.store(true);
        reads.join();
        commits.join();
        roots.join();
        EXPECT_EQ(wrong.load(), 0);
        EXPECT_GE(made.size(), 1010000u);
        made.data()[made.size() - 2] = 'e';
        made.commit();
    }
    const pool opened{path};
    EXPECT_GE(opened.size(), 1010000u);
    EXPECT_EQ(opened.data()[opened.size() - 2], 'e');
    EXPECT_EQ(opened.data()[9999], 'r');
}

TEST(Growing, M14_is_durable_at_once_and_new_memory_is_zero)
{
    const Directory directory;
    const std::string path = directory / "pool";
    std::size_t size = 10000;
    for (const char *const detection : {"written", "copied", "pagemap", "compare"}) {
        const Option option{"detection", detection};
        if (code_of([&] { pool(path, 10000); }) == ENOTSUP) continue;
        const std::size_t bigger = size + 70000;
        and_be_killed([&] {
            pool opened{path};
            opened.grow(bigger);
            for (std::size_t i = size + 4096; i < opened.size(); ++i) DEMAND(opened.data()[i] == 0);
            opened.data()[bigger - 1] = detection[0];
            opened.data()[bigger - 30000] = detection[0];
            opened.commit();
            opened.grow(bigger + 200000);
            opened.data()[bigger + 199999] = 'u'; // not committed
            die();
        });
        const pool opened{path};
        EXPECT_EQ(opened.stat().detection, std::string(detection));
        EXPECT_GE(opened.size(), bigger + 200000);
        EXPECT_EQ(opened.data()[bigger - 1], detection[0]);
        EXPECT_EQ(opened.data()[bigger - 30000], detection[0]);
        EXPECT_EQ(opened.data()[bigger + 199999], 0);
        size = opened.size();
    }
}

TEST(Growing, M8_M14_changes_are_found_as_fast_after_a_growth_or_a_trim_as_before)
{
    const Directory directory;
    constexpr std::size_t pages = 100;
    pool made{directory / "pool", 4096};
    if (made.stat().detection != std::string("written")) GTEST_SKIP() << "this way to find changes reports pages that have not changed, too";
    made.grow(pages * 4096);
    for (int i = 0; i < 4; ++i) {
        std::memset(made.data(), i + 1, pages * 4096);
        made.commit(); // the first one may look at all
        if (i == 2) made.trim();
        const std::uint64_t before = made.stat().pages_compared;
        EXPECT_EQ(std::count(made.data(), made.data() + pages * 4096, i + 1), static_cast<std::ptrdiff_t>(pages * 4096)); // all of it is there
        made.data()[50 * 4096] = 100;
        made.commit();
        EXPECT_LE(made.stat().pages_compared - before, 3u) << i;
    }
}

TEST(Growing, M14_not_beyond_the_reserve_and_never_smaller)
{
    const Directory directory;
    const std::string path = directory / "pool";
    tm_pool_attr how;
    how.reserve = 1 << 20;
    {
        pool made{path, 10000, how};
        const auto before = std::filesystem::file_size(path);
        const std::size_t size = made.size();
        EXPECT_EQ(tm_pool_grow(made.handle(), 1 << 20), ENOBUFS); // with the directory of roots it is a page too much
        const Told told;
        EXPECT_EQ(told.field, "reserve");
        EXPECT_FALSE(told.remedy.empty());
        told.expect_whole();
        EXPECT_EQ(tm_pool_grow(made.handle(), ~std::size_t{0}), ENOBUFS);
        EXPECT_EQ(tm_pool_grow(made.handle(), ~std::size_t{0} - 4096), ENOBUFS);
        EXPECT_EQ(std::filesystem::file_size(path), before);
        made.grow(1);
        EXPECT_EQ(made.size(), size);
        made.grow((1 << 20) - 4096);
        EXPECT_EQ(made.size(), std::size_t{(1 << 20) - 4096});
    }
    how.reserve = 4 << 20; // more for this run
    pool opened{path, how};
    opened.grow(2 << 20);
    opened.close();
    EXPECT_GE(pool(path).size(), std::size_t{2 << 20});
}

TEST(Growing, M8_trim_gives_copies_back_and_loses_nothing)
{
    constexpr std::size_t size = 8 << 20;
    for (const char *const detection : {"written", "copied", "pagemap", "compare"}) {
        const Option option{"detection", detection};
        const Directory directory{in_memory()};
        const std::string path = directory / "pool";
        if (code_of([&] { pool(path, size); }) == ENOTSUP) continue;
        {
            pool opened{path};
            std::memset(opened.data(), 1, size);
            opened.commit();
            EXPECT_GE(copied_bytes(opened.data(), size), size) << detection;
            for (std::size_t i = 0; i < size; i += 100 * 4096) opened.data()[i + 77] = 2; // not committed
            opened.trim();
            EXPECT_LT(copied_bytes(opened.data(), size), size / 10) << detection;
            EXPECT_LT(opened.stat().private_bytes, size / 10) << detection;
            for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(opened.data()[i], i % (100 * 4096) == 77 ? 2 : 1) << detection << " " << i;
            opened.data()[5000000] = 3; // to a page that was given back
            opened.commit();
        }
        const pool opened{path};
        for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(opened.data()[i], i == 5000000 ? 3 : i % (100 * 4096) == 77 ? 2 : 1) << detection << " " << i;
    }
}

TEST(Growing, M8_a_limit_on_copies_is_kept_by_commits)
{
    constexpr std::size_t size = 8 << 20, keep = 1 << 20;
    const Directory directory{in_memory()};
    tm_pool_attr how;
    how.keep = keep;
    pool made{directory / "pool", size, how};
    for (std::size_t at = 0; at < size; at += size / 16) {
        std::memset(made.data() + at, 5, size / 16);
        made.commit();
        EXPECT_LE(made.stat().private_bytes, keep);
        EXPECT_LE(copied_bytes(made.data(), size), keep);
    }
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(made.data()[i], 5) << i;
    made.close();
    const pool opened{directory / "pool"};
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(opened.data()[i], 5) << i;
}
