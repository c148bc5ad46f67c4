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
    /**
     * Begin to watch `pages`, which have just been mapped, or have been given back (MADV_DONTNEED): they are clean, and must not be stored to
     * meanwhile. 0 or an errno value. Scans are fastest over pages that are in memory by now (MADV_POPULATE_READ); those that never
     * are cost nothing.
     */
    virtual int watch(PageRun pages) = 0;
    /**
     * Append the runs of pages in `pages` that may have been stored to, in ascending order, without overlap. 0 or an errno value: then all must
     * count as changed, by the caller who remembers it, as the next scan may know of no change before this one. ENOMEM stands for
     * std::bad_alloc; EPERM for the child of a fork(), which must not ask, and for a mapping that is not watched any more (mremap).
     */
    virtual int scan(PageRun pages, std::vector<PageRun> &changed) = 0;
};

/** The back-ends, the fastest first. */
inline constexpr const char *dirty_pages_names[] = {"written", "copied", "pagemap", "kpageflags", "compare"};

/**
 * The first back-end that works here, tried on page `probe` of the mapping (which nobody uses yet, and which is clean afterwards): it must report the
 * page when it was stored to and, if it forgets, not again. `wanted` names one, then no other is tried; nullptr or "auto": the fastest
 * first. `pages` is how much is mapped, and watched from then on. nullptr: the one that was wanted does not work; `why`, which may be
 * null, says it in a static sentence. Throws std::bad_alloc. "kpageflags" is used only if wanted.
 */
std::unique_ptr<DirtyPages> choose_dirty_pages(char *base, std::size_t pages, std::size_t probe, const char *wanted, const char **why);

/** The test that choose_dirty_pages() makes of all but "compare". What is wrong, or nullptr; the page is clean afterwards. */
const char *self_test(DirtyPages &dirty, char *base, std::size_t probe);

} // namespace libtm::persist
