// SPDX-License-Identifier: MIT
/**
 * @file pool.hpp
 * A pool. The front door of the code is the comment at the head of pool.cpp.
 */
#pragma once

#include "image.hpp"
#include "watch.hpp"

#include <atomic>
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

    /** Everything into the data file; the journal goes. */
    void close();
    void commit();
    void checkpoint();
    void trim();
    void grow(std::uint64_t size);
    tm_pool_stats stats();

    char *data() const { return image_.base() + page_size_; }
    /** (1) acquire-load, synchronizes with (2) in grow(): what it says is there is mapped. */
    std::uint64_t size() const { return image_size_.load(std::memory_order_acquire) - page_size_; }
    void *root(const char *name) const;
    void set_root(const char *name, const void *address);
    bool is_ours() const { return watched_->is_ours(); }

private:
    Pool(std::string path, const tm_pool_attr &attr);
    static std::unique_ptr<Pool> open_copy(const std::string &path, const tm_pool_attr &attr);
    void open_data(const tm_pool_attr &attr);
    void start(Region region, const tm_pool_attr &attr);
    void recover();
    void demand_no_newer_journal() const;

    Directory *directory() const { return reinterpret_cast<Directory *>(image_.base()); }
    void demand_usable() const;
    void demand_writable();
    void demand_unpoisoned() const;
    void demand_whole();
    [[noreturn]] void poison(const Failure &failure);
    template <class Body> void or_poison(Body &&body);
    Capture capture();
    Span place(std::uint64_t bytes);
    void append(const Capture &capture);
    void commit_now();
    void grow_now(std::uint64_t size);
    void trim_now();
    bool apply_some(std::uint64_t limit);
    void apply_all();
    bool wants_checkpoint() const;
    void work();

    std::string path_;
    tm_storage &storage_;
    unsigned flags_;
    std::uint64_t keep_;
    std::uint64_t page_size_ = 0;
    File data_;
    Image image_; ///< of commit_mutex_

    std::mutex commit_mutex_;          ///< one commit at a time; taken first
    std::mutex checkpoint_mutex_;      ///< one checkpoint at a time; next
    std::mutex header_mutex_;          ///< one write of a header at a time; next
    ReadHeader header_{};              ///< the durable one
    mutable std::mutex mutex_;         ///< of all that follows; last
    std::condition_variable applied_some_; ///< or failed to
    std::condition_variable work_to_do_;
    Journal journal_;
    std::uint64_t applied_ = 0;
    std::atomic<std::uint64_t> image_size_{0}; ///< durable and mapped; read without the mutex
    std::uint64_t twin_bytes_ = 0;
    std::uint64_t captures_ = 0;       ///< begun
    std::uint64_t durable_capture_ = 0;///< the last that became durable
    bool needs_room_ = false;          ///< a commit waits for a checkpoint
    bool stops_ = false;
    Failure poison_{};                 ///< code 0: none
    tm_pool_stats counts_{};           ///< what is counted
    std::thread worker_;
    std::unique_ptr<Watched> watched_; ///< the first to go
};

/** Options that hold for all pools: of TM_CONF. */
std::string detection_option();

} // namespace libtm::persist
