// SPDX-License-Identifier: MIT
/**
 * @file log.cpp
 * log: the groups in the journal.
 */
#include "commands.hpp"
#include "survey.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::tmpool {

namespace {

using persist::GroupHeader;

/** What a group that was found means. */
const char *meaning(const Survey &survey, const GroupHeader &group, bool is_whole)
{
    const auto is_it = [&](const GroupHeader &other) { return other.sequence == group.sequence && other.offset == group.offset; };
    if (group.generation != survey.header().generation_of(group.sequence)) return "of an earlier generation";
    if (std::any_of(survey.pending().begin(), survey.pending().end(), is_it)) return "counts";
    if (group.sequence <= survey.header().applied) return "applied";
    return is_whole ? "does not follow" : "not finished";
}

bool is_whole(persist::GroupReader &reader, const GroupHeader &group)
{
    try {
        return reader.body_is_valid(group);
    } catch (const Failure &failure) { // right checksum, wrong frames: check tells
        if (failure.code != EBADMSG) throw;
        return false;
    }
}

Json frames_of(persist::GroupReader &reader, const GroupHeader &group, std::uint32_t page_size)
{
    Json frames = Json::array();
    reader.each_frame(group, [&](const persist::Frame &frame, const char *) {
        frames.push_back({{"image_offset", frame.offset}, {"page", frame.offset / page_size}, {"bytes", frame.bytes}});
    });
    return frames;
}

/** All places where a group may begin, in the order of the file. */
std::vector<GroupHeader> all_groups(const Survey &survey, const persist::GroupReader &reader)
{
    std::vector<GroupHeader> groups;
    char bytes[sizeof(GroupHeader)];
    for (std::uint64_t at = persist::groups_offset; survey.journal().read_some(bytes, sizeof bytes, at) == sizeof bytes; at += persist::block_size)
        if (const std::optional<GroupHeader> group = reader.any_header(bytes, at)) groups.push_back(*group);
    return groups;
}

} // namespace

Result log(const LogOptions &options)
{
    const Survey survey = steady_survey(options.path);
    const Header &header = survey.header();
    Json rows = Json::array();
    if (survey.needs_journal() && (!survey.journal() || survey.owner() != persist::Owner::ours))
        throw Failure{EBADMSG, persist::journal_path(options.path), "journal", 0, survey.journal() ? "another file" : "none", "the journal of " + persist::to_text(header.uuid),
                      "The pool was not closed, so it needs its journal: put it beside the pool"};
    if (survey.journal() && survey.owner() == persist::Owner::ours) {
        persist::GroupReader reader(survey.journal(), header);
        for (const GroupHeader &group : options.all ? all_groups(survey, reader) : survey.pending()) {
            const bool whole = is_whole(reader, group);
            Json row = {{"sequence", group.sequence}, {"offset", group.offset},  {"bytes", group.bytes}, {"durable", group.durable},
                        {"frames", group.frames},     {"whole", whole}, {"state", meaning(survey, group, whole)}};
            if (options.frames && whole) row["frame_list"] = frames_of(reader, group, header.page_size);
            rows.push_back(std::move(row));
        }
    }
    return {{{"file", options.path},
             {"state", state_name(header)},
             {"in_use", survey.holder().is_held},
             {"generation", header.generation},
             {"applied", header.applied},
             {"listed", rows.size()},
             {"groups", std::move(rows)}}};
}

} // namespace libtm::tmpool
