// SPDX-License-Identifier: MIT
/**
 * @file image.hpp
 * The memory of a pool: its mapping, what of it was committed, and what has changed since.
 *
 * A page's committed bytes are known in one of three ways, in this order:
 * 1. It has a *twin*: a copy, made by the whole-image commit that journaled it last, and no transaction has changed it since.
 * 2. No commit that is not yet in the data file has changed it: then the data file has its bytes.
 * 3. Otherwise they are not known, and a whole-image commit takes the page as a whole.
 *
 * A page that equals its committed bytes needs no frame. That the data file has the same bytes is not enough: the journal may hold others.
 */
#pragma once

#include "dirty.hpp"
#include "journal.hpp"

#include <deque>

namespace libtm::persist {

/** Address space that is kept free for, or used by, a mapping. */
class Region {
public:
    Region() = default;
    /** At `base`, or where the system likes if that is 0. Not there: the address is taken. Throws ENOMEM. */
    static Region at(std::uint64_t base, std::uint64_t size);
    Region(Region &&other) noexcept : base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}
    Region &operator=(Region &&other) noexcept;
    ~Region();
    explicit operator bool() const { return base_; }
    char *base() const { return base_; }
    std::uint64_t size() const { return size_; }
    /** Let the first `size` bytes be used as zeroed memory of the process. */
    void open(std::uint64_t from, std::uint64_t to) const;

private:
    char *base_ = nullptr;
    std::uint64_t size_ = 0;
};

/** A place for a new image that is likely to be free in other runs too. */
Region choose_region(std::uint64_t wanted, std::uint64_t size, const Uuid &uuid);

/** What a commit has found. */
struct Capture {
    std::vector<Change> changes;
    std::vector<std::size_t> pages; ///< that have changed
    std::uint64_t frame_bytes = 0;  ///< in the journal
    std::uint64_t compared = 0;     ///< pages
};

/** Bytes of copies that a commit keeps. Tests set it to less, before they open a pool. */
inline std::uint64_t many_twins = 64 << 20;

/**
 * The mapped image. Not thread-safe: the pool's commit mutex guards it. Transactions commit beside its holder, and call changed() under the order mutex; so what
 * touches the same in the states of pages, committed(), give_up() and release_twins(), needs that too, while capture() and trim() run alone.
 */
class Image {
public:
    Image() = default;
    /** Map `size` bytes of `data` at the beginning of `region`, and find out how to see changes. */
    Image(Region region, const File &data, std::uint64_t size, std::uint32_t page_size, const char *detection);
    /** A copy in memory, all zero, to which nothing is committed. */
    Image(Region region, std::uint64_t size, std::uint32_t page_size);

    char *base() const { return region_.base(); }
    std::uint64_t size() const { return pages_ * page_size_; }
    std::uint64_t reserve() const { return region_.size(); }
    const char *detection() const { return dirty_ ? dirty_->name() : "none"; }

    /**
     * Find what has changed since the last commit, and copy it. `applied`: the commits with tickets up to it are in `data`. Nobody may store transactionally
     * meanwhile.
     */
    Capture capture(const File &data, std::uint64_t applied);
    /** The capture is the commit `ticket`. */
    void committed(const Capture &capture, std::uint64_t ticket) noexcept;
    /** @name Of an open: what the journal holds comes back */
    /**@{*/
    /** Whether that can be told from what is stored later. */
    bool can_load() const { return dirty_->forgets(); }
    /** Have the file's pages at these offsets in memory, all that were not loaded to before; sorts them. What cannot be read throws, where a store would end the process. */
    void expect(const File &data, std::vector<std::uint64_t> &offsets);
    /** Whether the page has a private copy. */
    bool is_loaded(std::uint64_t offset) const { return state(offset / page_size_).copied; }
    /** The commit `ticket` has stored these bytes. In the order of commits. */
    void load(std::uint64_t offset, const char *bytes, std::uint64_t size, std::uint64_t ticket) noexcept;
    /** That was all: what is stored from now on is new. */
    void end_load() noexcept;
    /**@}*/
    /** The transaction `ticket` has stored these bytes of the image. */
    void changed(std::uint64_t offset, std::uint64_t size, std::uint64_t ticket) noexcept;
    /** The capture was not committed: what it holds is found again. */
    void give_up(const Capture &capture) noexcept;
    /**
     * Forget copies that the data file has too, if there are many: after a look at the `most` oldest ones, since it is a commit that waits for this.
     * Returns the bytes that are left.
     */
    std::uint64_t release_twins(std::uint64_t applied, std::size_t most);
    std::uint64_t twin_bytes() const { return twins_.size() * page_size_; }
    /** Give back the private copies of pages that are equal to the data file, which contains all that was committed. Nobody may store meanwhile. */
    void trim(const File &data);
    std::uint64_t private_bytes() const { return copied_ * page_size_; }
    /** Map more of the file. */
    void grow(const File &data, std::uint64_t size);

private:
    /** Of each page. */
    struct State {
        std::uint64_t last : 61;  ///< ticket of the commit that changed it last
        std::uint64_t twin : 1;   ///< it has one
        std::uint64_t stale : 1;  ///< which is not what was committed last
        std::uint64_t copied : 1; ///< it has a private copy, as far as is known
    };

    State &state(std::size_t page) const { return reinterpret_cast<State *>(states_.base())[page]; }
    char *live(std::size_t page) const { return region_.base() + page * page_size_; }
    char *twin(std::size_t page) const { return twins_region_.base() + page * page_size_; }
    void look_at(std::size_t page, const File &data, std::uint64_t applied, Capture &capture);

    std::unique_ptr<DirtyPages> dirty_; ///< outlives the mapping: giving up a watch of mapped pages takes long
    Region region_, twins_region_, states_;
    std::uint32_t page_size_ = 0;
    std::size_t pages_ = 0;
    std::size_t copied_ = 0;
    std::vector<PageRun> pending_; ///< changed pages that a scan has reported and no commit has taken
    bool all_pending_ = false;
    std::deque<std::size_t> twins_; ///< pages that have one
    std::vector<char> now_, before_; ///< a page each
    std::vector<unsigned char> in_memory_; ///< while it is loaded: by page, as mincore(2) says
};

} // namespace libtm::persist
