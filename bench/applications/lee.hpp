// SPDX-License-Identifier: MIT
/**
 * @file lee.hpp
 * What is private in the routing of a maze: the grid's form, the shortest way in a copy of it, and the input. Plain code of one thread.
 */
#ifndef BENCH_APPLICATIONS_LEE_HPP
#define BENCH_APPLICATIONS_LEE_HPP

#include "frame.hpp"

namespace applications {
namespace lee {

/** Free, a wall, or the name of the route whose it is. */
using cell = std::uint32_t;
inline constexpr cell free_cell = 0, wall = UINT32_MAX;
/** Cells one after the other, by their index. */
using path = std::vector<std::uint32_t>;

/** With a border of walls, so that every cell within has six neighbours. */
inline constexpr std::uint32_t width = 128 + 2, height = 128 + 2, layers = 3 + 2;
inline constexpr std::uint32_t cells = width * height * layers;
inline constexpr std::uint32_t steps[6] = {1, -1u, width, -width, width * height, -(width * height)};

constexpr std::uint32_t index(std::uint32_t x, std::uint32_t y, std::uint32_t z) { return (z * height + y) * width + x; }

/** Two terminals. */
struct pair {
    std::uint32_t from, to;
};

/** Memory that a thread keeps from one search to the next. */
struct scratch {
    std::vector<std::uint32_t> distance = std::vector<std::uint32_t>(cells); /**< from the first terminal, plus 1; 0: not reached */
    std::vector<std::uint32_t> reached;
};

/** The cells of a shortest way over free cells and those called `name`; empty if there is none. */
inline path shortest(const std::vector<cell> &grid, pair ends, cell name, scratch &s)
{
    std::ranges::fill(s.distance, 0);
    s.reached.assign(1, ends.from);
    s.distance[ends.from] = 1;
    for (std::size_t next = 0; next < s.reached.size() && !s.distance[ends.to]; ++next) {
        const std::uint32_t at = s.reached[next];
        for (const std::uint32_t step : steps) {
            const std::uint32_t there = at + step;
            if (s.distance[there] || (grid[there] != free_cell && grid[there] != name)) continue;
            s.distance[there] = s.distance[at] + 1;
            s.reached.push_back(there);
        }
    }
    if (!s.distance[ends.to]) return {};
    path back{ends.to};
    while (back.back() != ends.from) {
        const std::uint32_t at = back.back();
        for (const std::uint32_t step : steps)
            if (s.distance[at + step] == s.distance[at] - 1) {
                back.push_back(at + step);
                break;
            }
    }
    return back;
}

/** Take these cells, if they are a way between the terminals, step by step, and free or the route's own terminals. */
inline bool claim(std::vector<cell> &grid, pair ends, cell name, const path &way)
{
    if (way.empty() || way.front() != ends.to || way.back() != ends.from) return false;
    for (std::size_t i = 0; i < way.size(); ++i) {
        if (i > 0 && std::ranges::find(steps, way[i] - way[i - 1]) == std::end(steps)) return false;
        const bool terminal = i == 0 || i + 1 == way.size();
        if (way[i] >= grid.size() || grid[way[i]] != (terminal ? name : free_cell)) return false;
        grid[way[i]] = name;
    }
    return true;
}

} // namespace lee

struct maze_input {
    static constexpr std::uint32_t routes = 128;

    std::vector<lee::cell> cells; /**< with the walls and the terminals */
    std::vector<lee::pair> pairs;
    std::size_t routed = 0, length = 0; /**< what one thread finds, in this order: ways and all their cells */

    static constexpr lee::cell name(std::uint64_t pair) { return static_cast<lee::cell>(pair + 1); }

    maze_input() : cells(lee::cells, lee::wall)
    {
        for (std::uint32_t z = 1; z + 1 < lee::layers; ++z)
            for (std::uint32_t y = 1; y + 1 < lee::height; ++y)
                for (std::uint32_t x = 1; x + 1 < lee::width; ++x) cells[lee::index(x, y, z)] = lee::free_cell;
        dice d(6);
        while (pairs.size() < routes) {
            const std::uint32_t from = somewhere(d), to = somewhere(d);
            if (from == to || cells[from] != lee::free_cell || cells[to] != lee::free_cell) continue;
            cells[from] = cells[to] = name(pairs.size());
            pairs.push_back({from, to});
        }
        solve();
    }

private:
    static std::uint32_t somewhere(dice &d)
    {
        return lee::index(1 + d.below(lee::width - 2), 1 + d.below(lee::height - 2), 1 + d.below(lee::layers - 2));
    }

    void solve()
    {
        std::vector<lee::cell> grid = cells;
        lee::scratch scratch;
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            const lee::path way = lee::shortest(grid, pairs[i], name(i), scratch);
            if (!lee::claim(grid, pairs[i], name(i), way)) continue;
            ++routed;
            length += way.size();
        }
    }
};

} // namespace applications

#endif
