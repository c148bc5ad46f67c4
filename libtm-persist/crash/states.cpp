// SPDX-License-Identifier: MIT
// All states of a recording, by the explorer's way, without opening them.
#include "point.hpp"

namespace libtm::crash {

std::set<std::string> legal_states(const Recording &recording, const Model &model)
{
    std::set<std::string> all;
    Pending pending(recording, model);
    const auto count = static_cast<std::uint32_t>(recording.events.size());
    for (std::uint32_t i = 0; i <= count; ++i) {
        if (i == count || pending.settles(recording.events[i])) {
            const Point point(pending, i, 0);
            std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
            point.each([&](const Choice &choice) {
                const Hash hash = point.hash(choice);
                if (seen.emplace(hash.a, hash.b).second) all.insert(std::to_string(pending.marks.size()) + " marks: " + point.build(choice).text());
                return true;
            });
        }
        if (i < count) pending.apply(i, recording.events[i]);
    }
    return all;
}

} // namespace libtm::crash
