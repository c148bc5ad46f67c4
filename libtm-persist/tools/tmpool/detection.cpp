// SPDX-License-Identifier: MIT
#include "detection.hpp"

#include "dirty.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cerrno>

namespace libtm::tmpool {

namespace {

constexpr std::uint64_t tried_pages = 64;

/** Tries one way, or "auto", on a mapping that nobody has used yet. */
std::unique_ptr<persist::DirtyPages> tried(const File &data, const Header &header, const char *name, const char **why)
{
    const std::uint64_t pages = std::min(tried_pages, header.image_size / header.page_size);
    // A page that is not in the file would end the process.
    if (const std::uint64_t there = data.size(); there < persist::image_offset + pages * header.page_size)
        throw Failure{EBADMSG, data.path(), "size", 0, std::to_string(there) + " bytes", std::to_string(persist::image_offset + header.image_size),
                      "The file has been cut off: restore it from a backup"};
    const persist::Region region = persist::Region::at(0, pages * header.page_size);
    data.map(region.base(), region.size(), persist::image_offset);
    return persist::choose_dirty_pages(region.base(), pages, 0, name, why);
}

} // namespace

Json detection_here(const File &data, const Header &header)
{
    const std::string option = persist::detection_option();
    const char *why = nullptr;
    const auto chosen = tried(data, header, option.c_str(), &why);
    Json ways = Json::array();
    for (const char *name : persist::dirty_pages_names) {
        why = nullptr;
        const bool works = tried(data, header, name, &why) != nullptr;
        ways.push_back({{"name", name}, {"works", works}, {"says", works ? Json() : Json(why)}});
    }
    return {{"option", option}, {"chosen", chosen ? Json(chosen->name()) : Json()}, {"ways", ways}};
}

} // namespace libtm::tmpool
