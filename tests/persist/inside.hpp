// SPDX-License-Identifier: MIT
/**
 * @file inside.hpp
 * Headers and groups of a pool's files, to be looked at and forged.
 */
#pragma once

#include "files.hpp"
#include "format.hpp"

namespace libtm::testing {

using persist::GroupHeader;
using persist::Header;
using persist::JournalHeader;

template <class Record> Record record_at(const std::string &path, std::uint64_t offset)
{
    const auto bytes = contents(path);
    Record record{};
    if (bytes.size() >= offset + sizeof record) std::memcpy(&record, bytes.data() + offset, sizeof record);
    return record;
}

inline Header header_of(const std::string &path, int copy) { return record_at<Header>(path, copy * persist::block_size); }

/** Which copy of the header counts. */
inline int current_copy(const std::string &path) { return header_of(path, 1).number > header_of(path, 0).number; }

/** Put a record there with a checksum that is right. */
template <class Record> void forge(const std::string &path, std::uint64_t offset, const Record &record)
{
    const auto block = persist::sealed(record);
    patch(path, offset, {block.begin(), block.end()});
}
inline void forge_header(const std::string &path, int copy, const Header &header) { forge(path, copy * persist::block_size, header); }

/** The places of the groups in a journal, by their sequence: group i is at [i - first]. Of those that look like groups. */
inline std::vector<GroupHeader> groups_in(const std::string &journal)
{
    const auto bytes = contents(journal);
    std::vector<GroupHeader> groups;
    for (std::uint64_t at = persist::groups_offset; at + sizeof(GroupHeader) <= bytes.size();) {
        GroupHeader group;
        std::memcpy(&group, bytes.data() + at, sizeof group);
        const bool is_one = std::memcmp(group.magic, GroupHeader::expected_magic, sizeof group.magic) == 0;
        if (is_one) groups.push_back(group);
        at += is_one ? group.bytes : persist::block_size;
    }
    return groups;
}

} // namespace libtm::testing
