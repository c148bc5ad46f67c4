// SPDX-License-Identifier: MIT
/**
 * @file dirty.hpp
 * Which pages of the image may have been stored to: several ways to ask the kernel, chosen by a self-test at open.
 */
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace libtm::persist {

/** Pages [first, first + count) of the image. */
struct PageRun {
    std::size_t first;
    std::size_t count;
};

/**
 * One way to find changed pages of a private file mapping that begins at `base`. All of them may report a page too many, none a page too few.
 * Not thread-safe: the committer calls it. Other threads may store to the pages at any time; a store is reported by the scan that it
 * precedes, or by the next one if it runs beside a scan.
 */
class DirtyPages {
public:
    virtual ~DirtyPages() = default;
    /** "written", "copied", "pagemap", "kpageflags" or "compare". */
    virtual const char *name() const = 0;
    /** True: a scan reports what was stored to since the scan before. False: what was ever stored to, until the page is given back. */
    virtual bool forgets() const = 0;
    /** Begin to watch `pages`, which have just been mapped, or have been given back (MADV_DONTNEED). 0 or an errno value. */
    virtual int watch(PageRun pages) = 0;
    /** Append the runs of pages in `pages` that may have been stored to, in ascending order, without overlap. 0 or an errno value: then all must count as changed. */
    virtual int scan(PageRun pages, std::vector<PageRun> &changed) = 0;
};

/**
 * The first back-end that works here, tried on page `probe` of the mapping (which nobody uses yet, and which is clean afterwards): it must report the
 * page when it was stored to and, if it forgets, not again. `wanted` names one, then no other is tried; nullptr or "auto": the fastest
 * first. `pages` is how much is mapped. nullptr: the one that was wanted does not work; `why` says it in a sentence.
 */
std::unique_ptr<DirtyPages> choose_dirty_pages(char *base, std::size_t pages, std::size_t probe, const char *wanted, const char **why);

} // namespace libtm::persist
