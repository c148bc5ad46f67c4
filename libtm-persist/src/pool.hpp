// SPDX-License-Identifier: MIT
/**
 * @file pool.hpp
 * A pool. The front door of the code is the comment at the head of pool.cpp.
 */
#pragma once

#include "commits.hpp"
#include "heap.hpp"
#include "order_mutex.hpp"
#include "places.hpp"
#include "watch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace libtm::persist {

/** The image's first page: the names of roots. What follows it is the user's. */
struct Directory {
    struct Root {
        char name[TM_POOL_ROOT_NAME_SIZE];
        std::uint64_t offset; ///< in the image; 0: the name is free
    };
    std::uint64_t reserved[8];
    Root roots[72];
};
static_assert(sizeof(Directory) == 4096);

/** An open pool: tm_pool of the C interface. All members throw Failure. */
class Pool {
public:
    static std::unique_ptr<Pool> create(const std::string &path, std::uint64_t size, const tm_pool_attr &attr);
    static std::unique_ptr<Pool> open(const std::string &path, const tm_pool_attr &attr);
    ~Pool();
    /** What C knows it by. */
    tm_pool *handle() { return reinterpret_cast<tm_pool *>(this); }
    static Pool *of(tm_pool *handle) { return reinterpret_cast<Pool *>(handle); }
    static const Pool *of(const tm_pool *handle) { return reinterpret_cast<const Pool *>(handle); }

    /** Everything into the data file; the journal goes. */
    void close();
    void commit();
    void checkpoint();
    void trim();
    void grow(std::uint64_t size);
    tm_pool_stats stats();

    char *data() const { return image_.base() + page_size_; }
    /** Without the heap. (1) acquire-load, synchronizes with (2) in grow_now(): what it says is there is mapped. */
    std::uint64_t size() const
    {
        const std::uint64_t end = image_size_.load(std::memory_order_acquire), heap = heap_begin_.load(std::memory_order_relaxed);
        return (heap ? heap : end) - page_size_;
    }
    const std::string &path() const { return path_; }

    /** @name The heap: see heap.hpp */
    /**@{*/
    char *image_base() const { return image_.base(); }
    /** Where it begins in the image, 0 if there is none, and ends. */
    std::pair<std::uint64_t, std::uint64_t> heap_range() const { return {heap_begin_, image_size_}; }
    /** Make it so much longer, or begin it. For a transaction, so that no commit of the whole image runs meanwhile. Returns its range. */
    std::pair<std::uint64_t, std::uint64_t> grow_heap(std::uint64_t bytes);
    Heap &heap() { return heap_; }
    std::uint64_t end_of_image() const { return image_size_.load(std::memory_order_acquire); } // as (1)
    void *next_block(const void *block)
    {
        const std::lock_guard order(order_mutex_);
        return heap_.next_allocated(block);
    }
    /** Whether the file has it, or will have when what is committed is durable. */
    bool is_allocated(const Block &block)
    {
        const std::lock_guard order(order_mutex_);
        return heap_.is_allocated(block);
    }
    void demand_usable() const;
    void demand_journaled() const;
    /** Whether it is the open pool that once had this number. */
    std::uint64_t number() const { return number_; }
    /**@}*/
    void *root(const char *name) const;
    void set_root(const char *name, const void *address);
    bool is_ours() const { return watched_->is_ours(); }
    /** Whether somebody runs functions that waited for its commits. */
    bool is_calling() const
    {
        const std::lock_guard lock(mutex_);
        return is_calling_;
    }

    /** Wait until the commit `ticket` is durable; 0: all so far. */
    void wait(std::uint64_t ticket);
    /** Of the last commit. */
    std::uint64_t ticket() const { return last_ticket_.load(std::memory_order_relaxed); }

    /** @name Of a transaction that commits, in this order: see commits.cpp */
    /**@{*/
    /** Bytes in the journal of `size` bytes at `address`. */
    std::uint64_t bytes_of_frames(const void *address, std::size_t size) const;
    /** Lock the order mutex, and have room for so many bytes of frames. Throws, and then it is not locked. */
    void begin_transaction(std::uint64_t bytes);
    OrderMutex &order_mutex() { return order_mutex_; }
    std::uint64_t next_ticket() noexcept;
    void append(const void *address, std::size_t size, std::uint64_t ticket) noexcept;
    /** Outside of the order mutex, when nothing else is locked: wait as the durability demands. `may_call`: this thread calls what waits for durability, if it is time. */
    void after_transaction(std::uint64_t ticket, tm_durability durability, bool may_call = true);
    /** It must commit, and cannot: the pool is poisoned. */
    void give_up(int fault);
    /** Add it to what is called when the last of its shares, which is of this pool, is durable. False: it is. */
    bool call_later(OnDurable *call) noexcept;
    /** It is gone: all that waited for it is durable. */
    void forget_shares_of(const Pool &gone) noexcept;
    /**@}*/

private:
    Pool(std::string path, const tm_pool_attr &attr);
    static std::unique_ptr<Pool> open_copy(const std::string &path, const tm_pool_attr &attr);
    void open_data(const tm_pool_attr &attr);
    /** What an open goes on with: the journal that a crash has left, and the groups in it that are not applied. */
    struct Left {
        File journal;
        std::list<Group> groups;
    };
    void start(const tm_pool_attr &attr, std::optional<Left> left);
    std::optional<Left> recover(const tm_pool_attr &attr);
    static GroupHeader header_of(GroupReader &reader, const Span &span);
    void map_image(const tm_pool_attr &attr);
    void load(GroupReader &reader, const Group &group);
    static void make_durable_again(GroupReader &reader, const Left &left);
    void apply_left(GroupReader &reader, const Left &left);
    void demand_no_newer_journal() const;

    Directory *directory() const { return reinterpret_cast<Directory *>(image_.base()); }
    void demand_writable();
    void demand_unpoisoned() const;
    void demand_whole();
    [[noreturn]] void poison(const Failure &failure);
    /**
     * Run `body`, which uses the files. When a call on them fails for another reason than want of space, what is in them is not known any more (invariant 6). Space and
     * memory are asked for before anything is written.
     */
    template <class Body> void or_poison(Body &&body);
    std::uint64_t capture(Whole &whole);
    Span place(std::uint64_t bytes);
    /** The end of this lets others write. */
    class Writing {
    public:
        explicit Writing(Pool &pool) : pool_(pool) {}
        ~Writing();
        Writing(const Writing &) = delete;
        Writing &operator=(const Writing &) = delete;

    private:
        Pool &pool_;
    };
    template <class Use> void each_page(const void *address, std::size_t size, Use &&use) const;
    bool write(Batch &batch);
    void write_next();
    void set_due(std::uint64_t ticket);
    void make_durable(std::uint64_t ticket);
    void make_long(std::unique_lock<OrderMutex> &order, std::uint64_t bytes);
    void call_durable() noexcept;
    bool take_call(OnDurable *&call);
    void leave_calls_to_worker();
    /** At the end of this, what waited for the durability of something is called. */
    class Calls {
    public:
        explicit Calls(Pool &pool) : pool_(pool) {}
        ~Calls() { pool_.call_durable(); }
        Calls(const Calls &) = delete;
        Calls &operator=(const Calls &) = delete;

    private:
        Pool &pool_;
    };
    void trim_if_too_much();
    void commit_now();
    void grow_now(std::uint64_t size, std::uint64_t heap);
    void trim_now();
    bool apply_some(std::uint64_t limit, std::uint64_t before = ~0ull);
    void apply_all();
    bool wants_checkpoint() const;
    void work();
    void stop_worker();

    std::string path_;
    tm_storage &storage_;
    unsigned flags_;
    std::uint64_t keep_;
    tm_durability durability_;
    std::chrono::milliseconds interval_;
    std::chrono::microseconds window_;
    std::uint64_t page_size_ = 0;
    File data_;
    Image image_; ///< of commit_mutex_

    std::mutex commit_mutex_;          ///< one commit of the whole image at a time; taken first, and by nobody who has a transaction
    OrderMutex order_mutex_;           ///< of the order of commits; next
    std::list<Batch> line_;            ///< wait to be written, in this order; the last one is open
    std::list<Batch> spare_;           ///< to be the next one
    std::atomic<std::uint64_t> last_ticket_{0};
    std::atomic<std::uint64_t> last_transaction_{0}; ///< its ticket
    std::atomic<std::size_t> open_bytes_{0}; ///< of the open batch
    std::uint64_t transactions_ = 0;
    std::mutex grow_mutex_;            ///< one growth at a time; next
    std::mutex checkpoint_mutex_;      ///< one checkpoint at a time; next
    std::mutex header_mutex_;          ///< one write of a header at a time; next
    ReadHeader header_{};              ///< the durable one
    mutable std::mutex mutex_;         ///< of all that follows; last
    bool is_writing_ = false;          ///< somebody writes a batch: one at a time
    std::uint64_t durable_ = 0;        ///< commits up to this ticket are
    std::uint64_t applied_ticket_ = 0; ///< and in the data file
    std::condition_variable durable_some_; ///< or failed to
    std::atomic<bool> is_due_set_{false};  ///< the worker will make durable what waits, at:
    std::chrono::steady_clock::time_point due_;
    std::atomic<OnDurable *> calls_{nullptr}; ///< by their tickets; changed under the mutex
    OnDurable *last_call_ = nullptr;
    bool is_calling_ = false;
    bool has_due_calls_ = false;       ///< for the worker
    std::condition_variable work_to_do_;
    Journal journal_;
    std::uint64_t applied_ = 0;
    std::atomic<std::uint64_t> heap_begin_{0};  ///< in the image; 0: none
    const std::uint64_t number_;       ///< of this Pool: no other one in this process has it
    Heap heap_{*this};
    std::atomic<std::uint64_t> image_size_{0}; ///< durable and mapped; read without the mutex
    std::uint64_t twin_bytes_ = 0;
    std::uint64_t captures_ = 0;       ///< begun
    std::uint64_t durable_capture_ = 0;///< the last that became durable
    bool stops_ = false;
    std::atomic<bool> is_poisoned_{false}; ///< by:
    Failure poison_{};
    tm_pool_stats counts_{};           ///< what is counted
    std::thread worker_;
    std::unique_ptr<Watched> watched_; ///< the first to go
};

/** Call `use(offset, from, bytes)` for the part in each page. */
template <class Use> void Pool::each_page(const void *address, std::size_t size, Use &&use) const
{
    const char *from = static_cast<const char *>(address);
    for (auto offset = static_cast<std::uint64_t>(from - image_.base()); size > 0;) {
        const std::size_t part = std::min<std::size_t>(size, page_size_ - offset % page_size_);
        use(offset, from, static_cast<std::uint32_t>(part));
        offset += part;
        from += part;
        size -= part;
    }
}

template <class Body> void Pool::or_poison(Body &&body)
{
    try {
        body();
    } catch (const Failure &failure) {
        if (failure.file.empty() || is_want(failure.code)) throw;
        poison(failure);
    }
}

/** Options that hold for all pools: of TM_CONF. */
std::string detection_option();

} // namespace libtm::persist
