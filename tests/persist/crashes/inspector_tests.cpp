// SPDX-License-Identifier: MIT
/** The inspector objects to what it is there for, and to nothing else: pools that are written to by somebody who keeps no promise. */
#include "inspector.hpp"
#include "pool.hpp"

#include <cerrno>
#include <gtest/gtest.h>
#include <tm/crash.hpp>
#include <tm/faults.hpp>

using namespace libtm::testing;
using namespace libtm::persist;
namespace crash = libtm::crash;

namespace {

/** A pool with a group that no checkpoint has applied, and its files as somebody else may open them. */
class Inspected : public ::testing::Test {
protected:
    void SetUp() override
    {
        attr.storage = inspector.storage();
        attr.journal = 4 * block_size;
        attr.flags = TM_POOL_NO_THREAD;
        pool = Pool::create("pool", 4096, attr);
        commit(1);
        data = File::open(*attr.storage, "pool", TM_STORAGE_WRITE);
        journal = File::open(*attr.storage, "pool-journal", TM_STORAGE_WRITE);
        ASSERT_EQ(inspector.violation(), "");
    }
    void commit(char value)
    {
        pool->data()[0] = value;
        pool->commit();
    }
    /** What the first group holds: a line at the beginning of the user's memory. */
    std::string first_line() const { return std::string(1, '\1') + std::string(63, '\0'); }
    static constexpr std::uint64_t first_offset = image_offset + 4096;
    /** The header that counts, changed. */
    template <class Change> void write_header_with(Change &&change)
    {
        ReadHeader header = read_header(data);
        change(header.header);
        write_header(data, header);
    }
    void expect_objection(const std::string &to) const
    {
        EXPECT_NE(inspector.violation().find(to), std::string::npos) << "it says: \"" << inspector.violation() << "\"";
    }

    crash::Disk disk;
    Inspector inspector{disk.storage(), disk.storage()};
    tm_pool_attr attr{};
    std::unique_ptr<Pool> pool;
    File data, journal;
};

} // namespace

TEST_F(Inspected, no_objection_to_a_whole_life)
{
    for (char i = 2; i < 20; ++i) commit(i);
    pool->grow(3 * 4096);
    pool->data()[2 * 4096] = 1;
    commit(20);
    pool->trim();
    pool.reset();
    pool = Pool::open("pool", attr);
    pool->close();
    EXPECT_EQ(inspector.violation(), "");
    const Inspector::Looks looks = inspector.looks();
    EXPECT_GT(looks.lines, 0u);
    EXPECT_GT(looks.groups, 0u);
    EXPECT_GT(looks.headers, 0u);
    EXPECT_GT(looks.names, 0u);
    EXPECT_EQ(looks.failures, 0u);
}

TEST_F(Inspected, P5_objects_to_bytes_in_the_image_that_no_group_holds)
{
    data.write("x", 1, first_offset);
    expect_objection("P5: byte 4096");
}

TEST_F(Inspected, P5_bytes_that_a_durable_group_holds_may_be_written)
{
    data.write(first_line().data(), 64, first_offset);
    EXPECT_EQ(inspector.violation(), "");
}

TEST_F(Inspected, P5_objects_to_bytes_of_a_group_at_another_place)
{
    data.write(first_line().data(), 64, first_offset + 64);
    expect_objection("P5: byte 4160");
}

TEST_F(Inspected, P5_objects_to_bytes_of_a_group_that_is_not_synced)
{
    std::vector<char> group(block_size);
    journal.read(group.data(), group.size(), groups_offset);
    journal.write(group.data(), group.size(), groups_offset); // what recovery does, but no sync
    EXPECT_EQ(inspector.violation(), "");
    data.write(first_line().data(), 64, first_offset);
    expect_objection("P5");
}

TEST_F(Inspected, P5_objects_to_bytes_of_a_group_that_was_applied_before)
{
    pool->checkpoint();
    commit(2);
    pool->checkpoint();
    data.write(first_line().data(), 64, first_offset);
    expect_objection("P5");
}

TEST_F(Inspected, objects_to_a_group_that_is_overwritten_before_it_is_applied)
{
    journal.write("x", 1, groups_offset + 100);
    expect_objection("group 1 of pool-journal is destroyed");
}

TEST_F(Inspected, objects_to_a_group_that_is_overwritten_when_the_header_is_not_durable_yet)
{
    data.write(first_line().data(), 64, first_offset);
    data.sync();
    ReadHeader header = read_header(data);
    header.header.applied = 1;
    ++header.header.number;
    const auto block = sealed(header.header);
    data.write(block.data(), block.size(), static_cast<std::uint64_t>(1 - header.copy) * block_size);
    EXPECT_EQ(inspector.violation(), "");
    journal.write("x", 1, groups_offset + 100);
    expect_objection("group 1 of pool-journal is destroyed");
}

TEST_F(Inspected, objects_to_a_journal_that_is_cut_off_or_removed_before_its_groups_are_applied)
{
    journal.truncate(groups_offset);
    expect_objection("group 1 of pool-journal is destroyed");
}

TEST_F(Inspected, objects_to_a_journal_that_is_removed_while_the_header_says_open)
{
    pool->checkpoint();
    attr.storage->remove(attr.storage, "pool-journal");
    expect_objection("pool-journal is removed, and pool may still need it");
}

TEST_F(Inspected, objects_to_a_header_that_counts_groups_before_their_bytes_are_durable)
{
    data.write(first_line().data(), 64, first_offset);
    write_header_with([](Header &header) { header.applied = 1; });
    expect_objection("counts group 1 before the image is durable");
}

TEST_F(Inspected, objects_to_a_header_that_says_closed_or_begins_a_generation_before_all_is_applied)
{
    write_header_with([](Header &header) { header.state = Header::closed; });
    expect_objection("gives up group 1");
}

TEST_F(Inspected, objects_to_a_header_that_does_not_inherit_what_is_not_applied)
{
    write_header_with([](Header &header) {
        header.inherited_generation = header.generation++;
        header.inherited = 1;
    });
    EXPECT_EQ(inspector.violation(), "");
    write_header_with([](Header &header) { header.inherited = header.inherited_generation = 0; });
    expect_objection("gives up group 1");
}

TEST_F(Inspected, objects_to_a_header_over_the_only_durable_one)
{
    const ReadHeader header = read_header(data);
    const std::vector<char> nothing(block_size);
    const auto block = sealed(header.header);
    data.write(nothing.data(), nothing.size(), static_cast<std::uint64_t>(1 - header.copy) * block_size);
    expect_objection("a header of pool is written that is not valid");
    Inspector other(disk.storage(), disk.storage());
    const File again = File::open(*other.storage(), "pool", TM_STORAGE_WRITE);
    Header next = header.header;
    ++next.number;
    const auto next_block = sealed(next);
    again.write(next_block.data(), next_block.size(), static_cast<std::uint64_t>(header.copy) * block_size);
    EXPECT_EQ(other.violation(), "the only durable header of pool is overwritten");
    EXPECT_NE(next_block, block);
}

TEST_F(Inspected, objects_to_a_header_that_says_open_before_the_journal_is_durable)
{
    pool->close();
    const File late = File::open(*attr.storage, "pool-journal", TM_STORAGE_CREATE);
    late.write_zeros(0, 5 * block_size);
    late.sync(); // but not its name
    write_header_with([](Header &header) {
        header.state = Header::open;
        ++header.generation;
    });
    expect_objection("says that it is open before the journal and its name are durable");
}

TEST_F(Inspected, P6_objects_to_a_name_for_a_file_that_is_not_durable)
{
    const int file = attr.storage->create_unnamed(attr.storage, "other");
    const File other(*attr.storage, "other", file);
    other.write("x", 1, 0);
    attr.storage->name(attr.storage, file, "other");
    expect_objection("P6: other gets its name before all of it is durable");
}

TEST_F(Inspected, P3_P4_objects_to_a_write_or_sync_after_a_sync_has_failed)
{
    struct Call {
        const char *what;
        std::function<void(const File &data, const File &journal)> act;
    };
    const Call calls[] = {
        {"sync of pool-journal", [](const File &, const File &of) { of.storage().sync(&of.storage(), of.handle()); }}, // a File would refuse it
        {"sync of pool", [](const File &of, const File &) { of.sync(); }},
        {"write of pool-journal", [](const File &, const File &of) { of.write("", 1, 0); }},
        {"truncation of pool", [](const File &of, const File &) { of.truncate(image_offset + 2 * 4096); }},
        {"reservation of pool", [](const File &of, const File &) { of.reserve(0, 4096); }},
    };
    for (const Call &call : calls) {
        crash::Faults faults(disk.storage(), 2, {crash::Fault::error, EIO});
        Inspector watched(faults.storage(), disk.storage());
        const File first = File::open(*watched.storage(), "pool", TM_STORAGE_WRITE);
        const File second = File::open(*watched.storage(), "pool-journal", TM_STORAGE_WRITE);
        EXPECT_THROW(second.sync(), Failure);
        EXPECT_EQ(watched.violation(), "");
        EXPECT_EQ(watched.looks().failures, 1u);
        const File later = File::open(*watched.storage(), "pool-journal", TM_STORAGE_WRITE);
        later.sync(); // opened again
        EXPECT_EQ(watched.violation(), "");
        try {
            call.act(first, second);
        } catch (const Failure &) { // the library may refuse it by itself
        }
        if (!watched.violation().empty()) EXPECT_NE(watched.violation().find(call.what), std::string::npos) << watched.violation();
        else ADD_FAILURE() << "no objection to a " << call.what;
    }
}
