// SPDX-License-Identifier: MIT
/**
 * @file maze.hpp
 * Routing in a maze by Lee's algorithm (1961): ways between pairs of terminals on a grid of several layers, no two of which share a cell.
 *
 * A thread copies the grid without a transaction, finds a shortest way in its copy, and claims the cells of that way in a transaction. If
 * one of them has been taken meanwhile, it begins again. A copy that was made beside the others' claims may show cells that no state
 * ever had; then the claim fails, or the way is a little longer. Who finds none looks again in a copy that is consistent, made in a transaction.
 */
#ifndef BENCH_APPLICATIONS_MAZE_HPP
#define BENCH_APPLICATIONS_MAZE_HPP

#include "frame.hpp"
#include "lee.hpp"
#include <atomic>

namespace applications {

template <class Sync> class maze {
public:
    using input = maze_input;
    static constexpr int period = 1;

    maze(const input &in, int threads) : in_(in), cells_(in.cells), found_(static_cast<std::size_t>(threads)) {}

    void work(int thread, client<Sync> &tx)
    {
        std::vector<way> mine;
        lee::scratch scratch;
        std::vector<lee::cell> copy(cells_.size());
        for (;;) {
            const std::uint64_t i = tx.run([&] { return take(); });
            if (i >= in_.pairs.size()) break;
            mine.push_back({i, route(i, copy, scratch, tx)});
        }
        found_[static_cast<std::size_t>(thread)] = std::move(mine);
    }

    /**
     * The ways are connected and disjoint, and they and nothing else are on the grid; where none was found there is none (cells are only
     * ever taken); and there are about as many, of about the same length, as one thread finds.
     */
    bool intact()
    {
        std::vector<lee::cell> expected = in_.cells;
        std::vector<bool> seen(in_.pairs.size());
        std::size_t routed = 0, length = 0;
        std::vector<std::uint64_t> without;
        for (const auto &of_thread : found_)
            for (const way &w : of_thread) {
                if (w.pair >= seen.size() || seen[w.pair]) return false;
                seen[w.pair] = true;
                if (w.cells.empty()) {
                    without.push_back(w.pair);
                    continue;
                }
                if (!lee::claim(expected, in_.pairs[w.pair], in_.name(w.pair), w.cells)) return false;
                ++routed;
                length += w.cells.size();
            }
        if (cells_ != expected || routed + without.size() != in_.pairs.size()) return false;
        lee::scratch scratch;
        for (const std::uint64_t pair : without)
            if (!lee::shortest(cells_, in_.pairs[pair], in_.name(pair), scratch).empty()) return false;
        return 20 * routed >= 19 * in_.routed && 4 * length * in_.routed <= 5 * in_.length * routed;
    }

private:
    using Access = typename Sync::exposed;

    struct way {
        std::uint64_t pair;
        lee::path cells; /**< from terminal to terminal; empty: there is none */
    };

    /** The next pair that nobody has. */
    std::uint64_t take()
    {
        const std::uint64_t i = Access::load(next_);
        Access::store(next_, i + 1);
        return i;
    }

    lee::path route(std::uint64_t pair, std::vector<lee::cell> &copy, lee::scratch &scratch, client<Sync> &tx)
    {
        const lee::cell name = in_.name(pair);
        for (bool consistent = false;;) {
            if (consistent)
                tx.run([&] { return copy_consistently(copy); });
            else
                copy_anyhow(copy);
            lee::path path = lee::shortest(copy, in_.pairs[pair], name, scratch);
            if (path.empty()) {
                if (consistent) return path;
                consistent = true;
                continue;
            }
            if (tx.run([&] { return claim(path, name); })) return path;
            ++tx.redone;
            consistent = false;
        }
    }

    /** Others may store meanwhile. */
    void copy_anyhow(std::vector<lee::cell> &to)
    {
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = std::atomic_ref(cells_[i]).load(std::memory_order_relaxed);
    }

    bool copy_consistently(std::vector<lee::cell> &to)
    {
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = Access::load(cells_[i]);
        return true;
    }

    /** Whether all cells were free, or the route's own; then they are its own now. */
    bool claim(const lee::path &path, lee::cell name)
    {
        for (const std::uint32_t at : path) {
            const lee::cell now = Access::load(cells_[at]);
            if (now != lee::free_cell && now != name) return false;
        }
        for (const std::uint32_t at : path) Access::store(cells_[at], name);
        return true;
    }

    const input &in_;
    std::vector<lee::cell> cells_;
    std::vector<std::vector<way>> found_;
    alignas(64) std::uint64_t next_ = 0;
};

} // namespace applications

#endif
