// SPDX-License-Identifier: MIT
/** Copies of pages that commits keep, when there are too many of them. */
#include "image.hpp"
#include "inside.hpp"

using namespace libtm::testing;
using libtm::pool;

namespace {

constexpr std::size_t page = 4096, pages = 40;

/** None are kept that need not be. */
class Twins : public ::testing::Test {
protected:
    void SetUp() override { libtm::persist::many_twins = 0; }
    void TearDown() override { libtm::persist::many_twins = before; }

private:
    std::uint64_t before = libtm::persist::many_twins;
};

} // namespace

TEST_F(Twins, P1_of_a_page_whose_copy_was_forgotten_every_change_is_found)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, pages * page, journal_of(1 << 20, TM_POOL_NO_THREAD)};
        for (const char value : {1, 0}) { // zero is what forgotten memory holds
            std::memset(made.data(), value, pages * page);
            made.commit();
            if (value) made.checkpoint();
            for (std::size_t i = 0; i < 4 * pages; ++i) made.commit(); // each forgets some
        }
        die();
    });
    const pool opened{path};
    EXPECT_EQ(std::count(opened.data(), opened.data() + pages * page, 0), static_cast<std::ptrdiff_t>(pages * page));
}

TEST_F(Twins, P1_a_page_that_is_put_back_to_what_the_data_file_has_is_committed)
{
    const Directory directory;
    const std::string path = directory / "pool";
    and_be_killed([&] {
        pool made{path, pages * page, journal_of(1 << 20, TM_POOL_NO_THREAD)};
        for (const char value : {1, 0}) {
            std::memset(made.data(), value, pages * page);
            made.commit();
            made.data()[0] = value; // unchanged
            for (std::size_t i = 0; i < 4 * pages; ++i) made.commit();
        }
        die();
    });
    const pool opened{path};
    EXPECT_EQ(std::count(opened.data(), opened.data() + pages * page, 0), static_cast<std::ptrdiff_t>(pages * page));
}
