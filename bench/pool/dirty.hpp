// SPDX-License-Identifier: MIT
/**
 * @file dirty.hpp
 * Ways to ask the kernel which pages of a private mapping were stored to. The baselines use them, so that they differ from
 * a pool in what follows; and they are measured alone.
 */
#ifndef BENCH_POOL_DIRTY_HPP
#define BENCH_POOL_DIRTY_HPP

#include "files.hpp"
#include <memory>
#include <string>
#include <vector>

namespace bench {

/** Pages [first, first + count). */
struct page_run {
    std::size_t first;
    std::size_t count;
};

class dirty_pages {
public:
    virtual ~dirty_pages() = default;
    virtual const char *name() const = 0;
    /** The runs of pages stored to since the last call of forget(). */
    virtual const std::vector<page_run> &find() = 0;
    /** What find() has found is in the file now. */
    virtual void forget() = 0;
};

// Each is nullptr where it does not work.

/** PAGEMAP_SCAN and userfaultfd in its asynchronous mode: pages are protected again by the scan that finds them written. Linux 6.7. */
std::unique_ptr<dirty_pages> watch_written(const mapping &image);
/** PAGEMAP_SCAN for pages that are no longer those of the file; they are given back. Linux 6.7. */
std::unique_ptr<dirty_pages> watch_copied(const mapping &image);
/** The same pages by the flags in /proc/self/pagemap. Any Linux. */
std::unique_ptr<dirty_pages> watch_pagemap(const mapping &image);
/** The same pages by the flags of their page frames in /proc/kpageflags. root only. */
std::unique_ptr<dirty_pages> watch_kpageflags(const mapping &image);
/** The first of them that works. What `image` is must outlive what is returned. */
std::unique_ptr<dirty_pages> watch(const mapping &image);

} // namespace bench

#endif
