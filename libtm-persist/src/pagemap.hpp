// SPDX-License-Identifier: MIT
/**
 * @file pagemap.hpp
 * /proc/self/pagemap: what the kernel tells a process of its own pages. Shared by the back-ends of dirty.hpp, as are the helpers below.
 */
#pragma once

#include "dirty.hpp"
#include "kernel_abi.hpp"

#include <array>
#include <sys/types.h>

namespace libtm::persist {

/** Owns a file descriptor, which is at least 3: the others belong to the program, open or not. */
class Descriptor {
public:
    Descriptor() = default;
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;
    ~Descriptor();
    /** Take what a system call has returned; below 0: `errno` is passed on. 0 or an errno value. */
    int take(int fd);
    int get() const { return fd_; }

private:
    int fd_ = -1;
};

/** What to look for: see kernel::PagemapScan. */
struct PageQuery {
    std::uint64_t flags, inverted, mask, any, returned;
};

/** Entries of /proc/PID/pagemap. */
inline constexpr std::uint64_t entry_present = std::uint64_t{1} << 63, entry_swapped = std::uint64_t{1} << 62, entry_file = std::uint64_t{1} << 61,
                               entry_frame = (std::uint64_t{1} << 55) - 1;
/** A page of a private file mapping that is not the file's any more: copied, and perhaps swapped out since. */
inline constexpr bool is_private_copy(std::uint64_t entry) { return (entry & (entry_present | entry_swapped)) != 0 && !(entry & entry_file); }

class Pagemap {
public:
    explicit Pagemap(char *base);
    int open();
    std::size_t page_size() const { return page_size_; }
    char *address(std::size_t page) const { return base_ + page * page_size_; }

    /** EPERM in the child of a fork(), else 0. The descriptor shows, and resets, the pages of the process that opened it. */
    int usable() const;

    /**
     * Call each(run, categories) for what matches in `pages`, in ascending order. No more than 512 regions are asked for at once: the kernel gathers
     * that many, and a scan that returns more leaves walk_end behind what it has reported.
     */
    template <class Each> int scan(PageRun pages, const PageQuery &query, Each each)
    {
        const auto start = reinterpret_cast<std::uint64_t>(base_);
        for (PageRun rest = pages; rest.count != 0;) {
            std::uint64_t walk_end = 0;
            const long found = call(rest, query, regions_.data(), regions_.size(), 0, walk_end);
            if (found < 0) return static_cast<int>(-found);
            for (long i = 0; i < found; ++i) {
                const kernel::PageRegion &region = regions_[static_cast<std::size_t>(i)];
                each(PageRun{(region.start - start) / page_size_, (region.end - region.start) / page_size_}, region.categories);
            }
            if (static_cast<std::size_t>(found) < regions_.size()) break;
            const std::size_t next = (walk_end - start) / page_size_;
            rest = {next, pages.first + pages.count - next};
        }
        return 0;
    }
    /** The first page that matches, or pages.first + pages.count. */
    int find(PageRun pages, const PageQuery &query, std::size_t &page);
    /** Write-protect all pages that match, and report none. */
    int protect(PageRun pages, const PageQuery &query);

    /** Read entries of `count` pages from `first` on. */
    int entries(std::size_t first, std::size_t count, std::uint64_t *out) const;

private:
    /** One ioctl. The number of regions, or minus an errno value. */
    long call(PageRun pages, const PageQuery &query, kernel::PageRegion *regions, std::size_t count, std::size_t max_pages, std::uint64_t &walk_end);

    char *base_;
    std::size_t page_size_;
    Descriptor file_;
    pid_t owner_;
    std::array<kernel::PageRegion, 512> regions_;
};

/** Append `run`, which lies behind all that is in `changed`. */
inline void append(std::vector<PageRun> &changed, PageRun run)
{
    if (!changed.empty() && changed.back().first + changed.back().count == run.first) changed.back().count += run.count;
    else changed.push_back(run);
}

/** The back-ends. nullptr: `why` says why not. What they return has been probed no further than it took to make it. */
std::unique_ptr<DirtyPages> make_written(char *base, const char *&why);
std::unique_ptr<DirtyPages> make_copied(char *base, const char *&why);
std::unique_ptr<DirtyPages> make_pagemap(char *base, const char *&why);
std::unique_ptr<DirtyPages> make_kpageflags(char *base, const char *&why);
std::unique_ptr<DirtyPages> make_compare(char *base, const char *&why);

} // namespace libtm::persist
