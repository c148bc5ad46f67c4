// SPDX-License-Identifier: MIT
/**
 * @file actions.hpp
 * What a transaction does besides memory: users' entries (tm_log), allocations to take back, frees to carry out.
 *
 * Users' entries and allocations are kept apart. The order of entries among each other matters, that of allocations does not;
 * frees come last of all, when nobody can see the block any more.
 */
#pragma once

#include "logs.hpp"
#include "threads.hpp"

#include <tm/action.h>

namespace libtm::engine {

struct Context;

/** The users' action log. */
class Actions {
public:
    bool empty() const { return !first_; }
    /** Append an entry; `action` is copied too if `own`. The entry's data, aligned to 16; null: no memory. */
    void *add(const tm_action &action, bool own, std::size_t size, Growth growth);
    bool reserve(std::size_t entries, std::size_t bytes);
    /** Each `prepare`, forwards, until one is not 0: its value. */
    int prepare();
    /** Each `apply`, forwards. The first value that is not 0, else 0. */
    int apply();
    /** Each `undo`, backwards. */
    void undo();
    /** Each `finish`, forwards; then the log is empty, and its buffers are forgotten. */
    void finish();

    /** The memory of the log, which Allocations shares where it is the user's. */
    Arena &arena() { return arena_; }
    /** Bytes of an entry with `size` bytes of data. */
    static constexpr std::size_t entry_size(std::size_t size) { return sizeof(Entry) + sizeof(tm_action) + ((size + 15) & ~std::size_t{15}); }

private:
    struct Entry {
        const tm_action *action;
        Entry *next, *previous;
        void *data;
    };
    Entry *first_ = nullptr;
    Entry *last_ = nullptr;
    Arena arena_;
};

/** Blocks that the transaction has allocated or will free. */
class Allocations {
public:
    /** Whether the commit has something to destroy that others may still see. */
    bool retires() const { return !retired_.empty(); }

    bool reserve(std::size_t blocks) { return made_.reserve(blocks) && retired_.reserve(blocks); }
    /** A block, if the rolled back attempt left one of this size. */
    void *take_kept(std::size_t size, std::size_t alignment);
    bool add_made(void *block, std::size_t size, std::size_t alignment, Growth growth, Arena &lender);
    /** Whether put_made() has room, and no attempt before has left a block. */
    bool has_room_for_made() const { return kept_next_ == kept_.size() && !made_.full(); }
    void put_made(void *block, std::size_t size, std::size_t alignment) { made_.put({block, size, static_cast<std::uint32_t>(alignment), false}); }
    enum class Free { not_made_here, freed, freed_before };
    /** Note that a block is freed, if this transaction has made it. */
    Free free_made(void *block, bool may_index);
    std::size_t retired() const { return retired_.size(); }
    /** Whether the object is among the first `most` that are retired so. */
    bool has_retired(const void *object, void (*destroy)(void *), std::size_t most) const;
    bool add_retired(void *object, void (*destroy)(void *), Growth growth, Arena &lender);
    /** Whether put_retired() has room, and there is no block yet, made or retired, that could be the same. */
    bool has_room_for_first() const { return made_.empty() && retired_.empty() && !retired_.full(); }
    void put_retired(void *object, void (*destroy)(void *)) { retired_.put({object, destroy}); }
    /** Bytes that `count` blocks need of a lender, at the most: lists that are moved whenever they double. */
    static constexpr std::size_t most_per_block = 4 * 24, most_for_lists = 16 * (24 + 16);

    /** Commit: what was made and freed goes back to the heap. */
    void commit();
    /** Then: what is retired is destroyed, at once if `nobody_sees_it`, else after a grace period. That may run transactions. */
    void destroy_retired(Context &tx, bool nobody_sees_it);
    /** The same after an attempt alone: no older transaction is left that could see what was retired before, either. */
    void destroy_retired_alone();
    /** Rollback: keep what was made for the next attempt. */
    void roll_back();
    /** No further attempt: give back what was kept. */
    void release_kept();
    /** Destroy what nobody sees any more. The rest is left to the next thread that uses this context: waiting here could be for ever. */
    void at_thread_exit(const Context &self);

    struct Retired {
        void *object;
        void (*destroy)(void *);
    };
    using Retirees = List<Retired>;
    void swap_retired(Retirees &other) { retired_.swap(other); }

private:
    struct Made {
        void *block;
        std::size_t size;
        std::uint32_t alignment;
        bool freed;
    };
    Made *find(void *block, bool may_index);
    bool index_all();
    void destroy_all(List<Retired> &retired);
    void destroy_all_lists();
    void destroy_later(Context &tx);

    List<Made> made_;
    List<Made> kept_;
    std::size_t kept_next_ = 0;
    List<Retired> retired_;

    /** Open addressing, block -> place in made_ + 1; in use above a few blocks. */
    List<std::uint32_t> index_;
    std::size_t indexed_ = 0;

    /** Without quiescence: one batch waits for its grace period while the next is collected. */
    List<Retired> collecting_, waiting_;
    GracePeriod grace_;
};

} // namespace libtm::engine
