// SPDX-License-Identifier: MIT
/**
 * @file changes.hpp
 * Changes of a pool by plain code, published together or undone together.
 */
#pragma once

#include "objects.hpp"

#include <deque>
#include <map>
#include <memory>
#include <unordered_set>
#include <vector>

namespace libtm::pmemobj {

/** Memory of the user for a log (pmemobj_tx_log_append_buffer), and whether there may be more. */
class LogBuffer {
public:
    void add(void *address, std::size_t size)
    {
        parts_.push_back({static_cast<char *>(address), size});
        given_.push_back(parts_.back());
    }
    void allow_more(bool may) { may_allocate_ = may; }
    /** Some of `size` bytes, which says how many; or null: take it from elsewhere. Throws ENOMEM if that is not allowed. */
    char *take_some(std::size_t &size);
    /** All of them, aligned to 8; or null, as above. */
    char *take_all(std::size_t size);
    bool has(const void *address, std::size_t size) const;

private:
    struct Part {
        char *at;
        std::size_t left;
    };
    std::vector<Part> parts_, given_;
    bool may_allocate_ = true;

    char *none() const;
};

/** Bytes: from, to. */
using Run = std::pair<std::uintptr_t, std::uintptr_t>;

/** What an entry of the log of intents takes. */
inline constexpr std::size_t intent_size = 16;

/**
 * What is to be published together. In its life libtm's transactions see nothing of it. Of one thread. Of bytes that somebody else's Changes have kept too, each undoes what it has found: they are kept apart by
 * the program's locks. The destructor undoes what was not published.
 */
class Changes {
public:
    explicit Changes(PMEMobjpool &pool);
    ~Changes();
    Changes(const Changes &) = delete;
    Changes &operator=(const Changes &) = delete;

    PMEMobjpool &pool() const { return pool_; }
    /** `size` bytes are about to be changed. Bytes that were kept before, and those of new objects, are not kept again. `restores`: an undo puts back what is there now. */
    void keep(const void *address, std::size_t size, bool restores = true);
    /** These disjoint bytes have been changed and are published, unless they are another's, who does it, or never will: not kept, not undone. Once. */
    void add(std::vector<Run> runs);
    /** An undo leaves `size` bytes alone: a lock, which others may be waiting for. */
    void spare(const void *address, std::size_t size) { spared_.emplace_back(reinterpret_cast<std::uintptr_t>(address), reinterpret_cast<std::uintptr_t>(address) + size); }
    /** A new object. */
    Object &allocate(std::size_t size, std::uint64_t type, bool zeroed);
    /** A reserved object becomes one of these. */
    void adopt(Object &object);
    /** An object goes. */
    void free(Object &object);
    /** Durable when it returns. Throws: all is undone; but for EIO: then it is as it is. */
    void publish();
    void undo() noexcept;

    LogBuffer snapshots, intents;

private:
    struct Kept {
        std::size_t size;
        char *saved; ///< null: it is not restored
        std::unique_ptr<char[]> own;
    };
    /** An entry of the log of intents: what becomes of an object. */
    struct Intent {
        tm_pool_change_kind kind; ///< 0: nothing any more
        Object *object;
    };
    static_assert(sizeof(Intent) == intent_size);
    Intent &plan(tm_pool_change_kind kind, Object &object);
    void take_out_mine(std::vector<Run> &runs) const;
    void hold(const Run &run);
    void restore(std::uintptr_t from, const Kept &kept) const noexcept;

    PMEMobjpool &pool_;
    std::map<std::uintptr_t, Kept> kept_;     ///< by its first address; disjoint
    std::map<std::uintptr_t, Intent *> fresh_; ///< new objects
    std::vector<Intent *> plan_;
    std::deque<Intent> own_intents_;
    std::unordered_set<Object *> going_; ///< objects that are freed
    std::vector<Run> added_, spared_;
    Changes *next_ = nullptr, *previous_ = nullptr;
    tm_holder *holder_; ///< begun when all else is there
};

/** An object that is nobody's before it is adopted. Throws. */
Object &reserve_object(PMEMobjpool &pool, std::size_t size, std::uint64_t type, bool zeroed);

} // namespace libtm::pmemobj
