// SPDX-License-Identifier: MIT
/**
 * @file graph.hpp
 * Construction of a graph from the list of its edges: a hash map of the vertices, each with the lists of its edges out and in.
 *
 * The edges are those of an R-MAT graph (Chakrabarti, Zhan, Faloutsos 2004): the few vertices that have many of them are where threads meet. An edge
 * is filled before its transaction, which makes the vertices that are missing, puts the edge before two lists, and counts the two degrees.
 */
#ifndef BENCH_APPLICATIONS_GRAPH_HPP
#define BENCH_APPLICATIONS_GRAPH_HPP

#include "frame.hpp"
#include <structures/hash_map.hpp>

namespace applications {

struct graph_input {
    static constexpr int scale = 15;
    static constexpr std::uint32_t vertices = 1u << scale;
    static constexpr std::size_t edges = std::size_t{8} * vertices;

    struct edge {
        std::uint32_t from, to;
        bool operator==(const edge &) const = default;
    };

    std::vector<edge> list;
    std::vector<std::int64_t> out, in; /**< degrees, by vertex */

    graph_input() : out(vertices), in(vertices)
    {
        dice d(5);
        std::vector<std::uint32_t> names(vertices);
        for (std::uint32_t i = 0; i < vertices; ++i) names[i] = i;
        for (std::uint32_t i = vertices; i > 1; --i) std::swap(names[i - 1], names[d.below(i)]);
        for (std::size_t i = 0; i < edges; ++i) {
            edge e{0, 0};
            for (int level = 0; level < scale; ++level) {
                // The quarters of the adjacency matrix: 0.57, 0.19, 0.19, 0.05.
                const std::uint32_t quarter = d.below(100);
                e.from = 2 * e.from + (quarter >= 76);
                e.to = 2 * e.to + ((quarter >= 57 && quarter < 76) || quarter >= 95);
            }
            e = {names[e.from], names[e.to]};
            list.push_back(e);
            ++out[e.from];
            ++in[e.to];
        }
    }
};

template <class Sync> class graph {
public:
    using input = graph_input;
    static constexpr int period = 31;

    graph(const input &in, int threads) : in_(in), threads_(threads), vertices_(input::vertices), edges_(static_cast<std::size_t>(threads)) {}

    void work(int thread, client<Sync> &tx)
    {
        const slice mine(in_.list.size(), thread, threads_);
        std::vector<edge> &edges = edges_[static_cast<std::size_t>(thread)];
        edges.reserve(mine.last - mine.first); // others will point to them
        for (std::size_t i = mine.first; i < mine.last; ++i) {
            edges.push_back({in_.list[i], i, nullptr, nullptr});
            tx.run([&fresh = edges.back(), this] { return insert(fresh); });
        }
    }

    /** Each edge of the list is once in the list of its source and once in that of its target, and the degrees are right. */
    bool intact()
    {
        bool right = true;
        std::int64_t outgoing = 0, incoming = 0;
        std::vector<bool> seen_out(in_.list.size()), seen_in(in_.list.size());
        vertices_.for_each([&](std::uint64_t id, const vertex &v) {
            right &= v.out.degree == in_.out[id] && v.in.degree == in_.in[id];
            for (edge *e = v.out.first; e && right; e = Access::load(e->next_out), ++outgoing) right &= e->ends.from == id && first(seen_out, e->index);
            for (edge *e = v.in.first; e && right; e = Access::load(e->next_in), ++incoming) right &= e->ends.to == id && first(seen_in, e->index);
        });
        for (const auto &of_thread : edges_)
            for (const edge &e : of_thread) right &= e.ends == in_.list[e.index];
        const auto all = static_cast<std::int64_t>(in_.list.size());
        return right && outgoing == all && incoming == all;
    }

private:
    using Access = typename Sync::access;

    struct edge {
        input::edge ends;
        std::size_t index; /**< in the list of all */
        edge *next_out, *next_in;
    };
    struct list {
        edge *first;
        std::int64_t degree;
    };
    struct vertex {
        list out, in;
    };

    static bool first(std::vector<bool> &seen, std::size_t index)
    {
        const bool is_first = !seen[index];
        seen[index] = true;
        return is_first;
    }

    /** The degree of its source now. */
    std::int64_t insert(edge &e)
    {
        list &out = vertices_.insert(e.ends.from, vertex{}).first->out;
        list &in = vertices_.insert(e.ends.to, vertex{}).first->in;
        // Nobody else can see the edge yet.
        e.next_out = Access::load(out.first);
        e.next_in = Access::load(in.first);
        const std::int64_t out_degree = Access::load(out.degree) + 1, in_degree = Access::load(in.degree) + 1;
        Access::store(out.first, &e);
        Access::store(out.degree, out_degree);
        Access::store(in.first, &e);
        Access::store(in.degree, in_degree);
        return out_degree;
    }

    const input &in_;
    int threads_;
    structures::hash_map<Access, std::uint64_t, vertex> vertices_;
    std::vector<std::vector<edge>> edges_; /**< by thread */
};

} // namespace applications

#endif
