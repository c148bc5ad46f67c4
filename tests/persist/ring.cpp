// SPDX-License-Identifier: MIT
/** The ring of groups: where one is placed, whatever has been let go. */
#include "inside.hpp"
#include "journal.hpp"

using namespace libtm::testing;
using libtm::persist::block_size;
using libtm::persist::groups_offset;
using libtm::persist::Journal;
using libtm::persist::Span;

TEST(Ring, M5_no_group_lies_on_one_that_is_still_needed)
{
    for (std::uint64_t blocks = 4; blocks <= 12; ++blocks) {
        const Directory directory{in_memory()};
        Header header{};
        Journal ring(*tm_storage_system(), directory / "journal", header, blocks * block_size, false);
        Random random(blocks);
        std::uint64_t refused = 0, wrapped = 0;
        for (int step = 0; step < 3000; ++step) {
            if (random.below(3) == 0) { // some of the oldest go, or all, or none
                const auto &groups = ring.groups();
                if (!groups.empty()) ring.let_go(groups.front().sequence + random.below(groups.size() + 1) - random.below(2));
                continue;
            }
            const std::uint64_t bytes = (1 + random.below(3)) * block_size;
            const std::uint64_t before = ring.head();
            const std::optional<Span> span = ring.place(bytes);
            if (!span) {
                ++refused;
                ASSERT_FALSE(ring.groups().empty()) << "an empty ring has room";
                continue;
            }
            ASSERT_EQ(span->bytes, bytes);
            ASSERT_EQ(span->sequence, ring.last() + 1);
            // Where a reader looks for it, and nowhere else.
            ASSERT_TRUE(span->offset == before || span->offset == groups_offset);
            ASSERT_GE(span->offset, groups_offset);
            ASSERT_LE(span->end(), ring.size());
            for (const Span &other : ring.groups()) ASSERT_TRUE(span->end() <= other.offset || other.end() <= span->offset) << blocks << " " << step;
            wrapped += span->offset < before;
            std::list<libtm::persist::Group> next{{*span}};
            ring.push(next);
            std::uint64_t used = 0;
            for (const Span &other : ring.groups()) used += other.bytes;
            ASSERT_EQ(ring.used(), used);
        }
        EXPECT_GT(refused, 10u);
        EXPECT_GT(wrapped, 10u);
    }
}
