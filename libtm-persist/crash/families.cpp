// SPDX-License-Identifier: MIT
// Which states of a crash point are looked at when there are too many for all of them.
#include "point.hpp"
#include "point_file.hpp"

#include <algorithm>
#include <random>

namespace libtm::crash {
namespace {

/** About `most` numbers below `count`, evenly; all if they are so few. */
template <typename Body> bool spread(std::uint64_t count, std::uint64_t most, Body body)
{
    const std::uint64_t taken = std::min(count, most);
    for (std::uint64_t i = 0; i < taken; ++i)
        if (!body(taken == count ? i : static_cast<std::uint64_t>((static_cast<double>(i) + 0.5) * static_cast<double>(count) / static_cast<double>(taken)))) return false;
    return true;
}

/** One variable gets a later value: by one event, in one sector. */
struct Landing {
    std::uint32_t event;
    std::size_t variable;
    std::uint32_t value;
};

struct Families {
    const Point &point;
    const Bounds &bounds;
    const Point::Visit &visit;
    std::vector<std::size_t> free;  // variables with more than one value, but the names
    std::vector<Landing> landings;  // in the order of the events
    Choice oldest, newest;

    Families(const Point &p, const Bounds &b, const Point::Visit &v) : point(p), bounds(b), visit(v), oldest(p.variables()), newest(p.newest())
    {
        const auto add = [&](std::size_t variable, const auto &values) {
            if (values.size() > 1) free.push_back(variable);
            for (std::uint32_t i = 0; i < values.size(); ++i)
                if (values[i].event != no_event) landings.push_back({values[i].event, variable, i});
        };
        for (const PointFile &file : p.files()) {
            add(file.first, file.sizes);
            for (std::size_t s = 0; s < file.sectors.size(); ++s)
                add(file.first + 1 + s, *std::max_element(file.sectors[s].values.begin(), file.sectors[s].values.end(),
                                                          [](const auto &x, const auto &y) { return x.size() < y.size(); }));
        }
        std::sort(landings.begin(), landings.end(), [](const Landing &x, const Landing &y) {
            return std::tie(x.event, x.variable, x.value) < std::tie(y.event, y.variable, y.value);
        });
    }

    /** What there is if all has happened in order, and the crash tears the last write. */
    bool prefixes(std::uint32_t naming) const
    {
        const std::uint64_t every = std::max<std::uint64_t>(1, landings.size() / std::max<std::uint64_t>(1, bounds.systematic));
        Choice choice = oldest;
        choice[0] = naming;
        if (!visit(choice)) return false;
        for (std::size_t i = 0; i < landings.size(); ++i) {
            choice[landings[i].variable] = landings[i].value;
            if ((i + 1 == landings.size() || (i + 1) % every == 0) && !visit(choice)) return false;
        }
        return true;
    }

    /** Everything lost but some, everything kept but some. `change` makes the difference: from what, to what. */
    template <typename Change> bool both(std::uint32_t naming, Change change) const
    {
        for (const auto &[from, to] : {std::pair{&newest, &oldest}, std::pair{&oldest, &newest}}) {
            Choice choice = *from;
            choice[0] = naming;
            change(choice, *to);
            if (!visit(choice)) return false;
        }
        return true;
    }

    bool singles(std::uint32_t naming) const
    {
        return spread(free.size(), bounds.systematic, [&](std::uint64_t i) {
            const std::size_t v = free[i];
            return both(naming, [&](Choice &choice, const Choice &to) { choice[v] = to[v]; });
        });
    }

    /** Each value between. */
    bool values(std::uint32_t naming) const
    {
        return spread(landings.size(), bounds.systematic, [&](std::uint64_t i) {
            return both(naming, [&](Choice &choice, const Choice &) { choice[landings[i].variable] = landings[i].value; });
        });
    }

    /** Each write whole. */
    bool events(std::uint32_t naming) const
    {
        std::vector<std::pair<std::size_t, std::size_t>> ranges; // of landings
        for (std::size_t i = 0; i < landings.size(); ++i)
            if (i == 0 || landings[i].event != landings[i - 1].event) ranges.emplace_back(i, i + 1);
            else ranges.back().second = i + 1;
        return spread(ranges.size(), bounds.systematic, [&](std::uint64_t r) {
            return both(naming, [&](Choice &choice, const Choice &to) {
                const auto [begin, end] = ranges[r];
                for (std::size_t i = begin; i < end; ++i)
                    if (const Landing &l = landings[i]; to[l.variable]) choice[l.variable] = l.value;
                for (std::size_t i = end; i-- > begin;) // what it made last goes first
                    if (const Landing &l = landings[i]; !to[l.variable] && l.value) choice[l.variable] = l.value - 1;
            });
        });
    }

    /** Each file whole, its size with it and without it. */
    bool files(std::uint32_t naming) const
    {
        return spread(point.files().size(), bounds.systematic, [&](std::uint64_t f) {
            const PointFile &file = point.files()[f];
            for (const bool size : {false, true})
                for (const bool sectors : {false, true})
                    if ((size || sectors) && !both(naming, [&](Choice &choice, const Choice &to) {
                            if (size) choice[file.first] = to[file.first];
                            if (sectors) std::copy_n(to.begin() + static_cast<std::ptrdiff_t>(file.first) + 1, file.sectors.size(),
                                                     choice.begin() + static_cast<std::ptrdiff_t>(file.first) + 1);
                        }))
                        return false;
            return true;
        });
    }

    bool pairs(std::uint32_t naming) const
    {
        const std::uint64_t n = free.size();
        return spread(n * (n - (n > 0)) / 2, bounds.systematic, [&](std::uint64_t i) {
            // The i-th pair of a triangle, row by row.
            std::uint64_t row = 1;
            for (; i >= row; ++row) i -= row;
            const std::size_t v = free[row], w = free[i];
            return both(naming, [&](Choice &choice, const Choice &to) {
                choice[v] = to[v];
                choice[w] = to[w];
            });
        });
    }

    bool random(std::uint64_t seed) const
    {
        std::mt19937_64 numbers(seed * 0x9e3779b97f4a7c15 + point.event());
        for (std::uint64_t i = 0; i < bounds.random; ++i) {
            Choice choice(point.variables());
            const std::uint64_t kind = numbers() % 4; // how much is lost: an eighth, a half, seven eighths, anything
            for (std::size_t v = 0; v < choice.size(); ++v) {
                const std::uint32_t values = point.values(v);
                if (values < 2) continue;
                const std::uint64_t r = numbers();
                const bool newest_one = r % 8 >= (kind == 0 ? 1u : kind == 1 ? 4u : 7u);
                choice[v] = kind == 3 || (r >> 8) % 4 == 0 ? static_cast<std::uint32_t>((r >> 16) % values) : newest_one ? values - 1 : 0;
            }
            if (!visit(choice)) return false;
        }
        return true;
    }
};

} // namespace

bool Point::some(const Bounds &bounds, std::uint64_t seed, const Visit &visit) const
{
    const Families families(*this, bounds, visit);
    const bool went_on = spread(namings_.size(), bounds.systematic, [&](std::uint64_t i) {
        // The names all changed come first, with all families; the others get the short ones.
        const auto naming = static_cast<std::uint32_t>(namings_.size() - 1 - i);
        if (namings_[naming].repeat) return true;
        if (!families.prefixes(naming) || !families.files(naming) || !families.events(naming)) return false;
        return i > 0 || (families.singles(naming) && families.values(naming) && families.pairs(naming));
    });
    return went_on && families.random(seed);
}

} // namespace libtm::crash
