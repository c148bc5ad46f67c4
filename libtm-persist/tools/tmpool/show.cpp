// SPDX-License-Identifier: MIT
/**
 * @file show.cpp
 * info and stat: what a pool is, and what it takes.
 */
#include "commands.hpp"
#include "detection.hpp"
#include "survey.hpp"

#include <algorithm>

namespace libtm::tmpool {

namespace {

Json to_json(const HeaderCopy &copy, bool counts)
{
    if (copy.is_blank) return {{"valid", false}, {"blank", true}};
    if (copy.fault) return {{"valid", false}, {"fault", tmpool::to_json(*copy.fault)}};
    const Header &header = copy.header;
    return {{"valid", true},
            {"counts", counts},
            {"number", header.number},
            {"generation", header.generation},
            {"state", state_name(header)},
            {"applied", header.applied},
            {"tail", header.tail},
            {"inherited", header.inherited},
            {"inherited_generation", header.inherited_generation},
            {"image_size", header.image_size},
            {"heap", header.heap}};
}

Json journal_of(const Survey &survey)
{
    if (!survey.journal()) return {{"file", nullptr}, {"needed", survey.needs_journal()}};
    const auto inherited = std::count_if(survey.pending().begin(), survey.pending().end(), [&](const persist::GroupHeader &group) { return group.sequence <= survey.header().inherited; });
    return {{"file", survey.journal().path()},
            {"belongs_to", owner_name(survey.owner())},
            {"needed", survey.needs_journal()},
            {"size", survey.journal().size()},
            {"pending_groups", survey.pending().size()},
            {"inherited_groups", inherited},
            {"pending_bytes", survey.pending_bytes()}};
}

} // namespace

Result info(const std::string &path)
{
    const Survey survey = steady_survey(path);
    Json document = {{"file", path}};
    int status = fine;
    if (survey.current() >= 0) {
        const Header &header = survey.header();
        document.update({{"uuid", persist::to_text(header.uuid)},
                         {"format", header.format},
                         {"word_size", header.word_size},
                         {"page_size", header.page_size},
                         {"layout", header.layout},
                         {"layout_version", header.layout_version},
                         {"size", header.memory_size()},
                         {"heap_size", header.heap_size()},
                         {"base", persist::to_hex(header.base)},
                         {"reserve", header.reserve},
                         {"state", state_name(header)},
                         {"generation", header.generation},
                         {"sequence", survey.sequence()},
                         {"applied", header.applied}});
    } else {
        status = wrong;
    }
    document["in_use"] = survey.holder().is_held;
    document["holder"] = tmpool::to_json(survey.holder());
    document["header_0"] = to_json(survey.copy(0), survey.current() == 0);
    document["header_1"] = to_json(survey.copy(1), survey.current() == 1);
    if (survey.current() >= 0) document["journal"] = journal_of(survey);
    return {document, status};
}

Result stat(const std::string &path)
{
    const Survey survey = steady_survey(path);
    const Header &header = survey.header();
    const char *const warning = tm_storage_system()->weakness(tm_storage_system(), survey.data().handle());
    Json document = {{"file", path},
                     {"size", header.memory_size()},
                     {"heap_size", header.heap_size()},
                     {"file_bytes", survey.data().size()},
                     {"allocated_bytes", allocated(survey.data())},
                     {"sequence", survey.sequence()},
                     {"applied", header.applied},
                     {"in_use", survey.holder().is_held},
                     {"holder", to_json(survey.holder())},
                     {"warning", warning ? Json(warning) : Json()}};
    if (survey.journal()) {
        document["journal"] = {{"file_bytes", survey.journal().size()},
                               {"allocated_bytes", allocated(survey.journal())},
                               {"used_bytes", survey.pending_bytes()},
                               {"used_groups", survey.pending().size()}};
    } else {
        document["journal"] = nullptr;
    }
    document["detection"] = detection_here(survey.data(), header);
    return {document};
}

} // namespace libtm::tmpool
