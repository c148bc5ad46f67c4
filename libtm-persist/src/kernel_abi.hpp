// SPDX-License-Identifier: MIT
/**
 * @file kernel_abi.hpp
 * What Linux 6.7 added for finding written pages, and older headers lack: the PAGEMAP_SCAN ioctl of /proc/PID/pagemap and the
 * asynchronous write-protection of userfaultfd(2). See Documentation/admin-guide/mm/pagemap.rst. That a name stands here says nothing of
 * the kernel that runs.
 */
#pragma once

#include <cstdint>
#include <sys/ioctl.h>

namespace libtm::persist::kernel {

/** Categories of a page. A PTE marker (write-protection of a page that is not there) is `swapped`, and not `file`. */
inline constexpr std::uint64_t page_wp_allowed = 1u << 0, page_written = 1u << 1, page_file = 1u << 2, page_present = 1u << 3,
                               page_swapped = 1u << 4, page_huge = 1u << 6;

/** Flags of a scan: write-protect what matches, under the same lock under which it is looked at; fail with EPERM where that cannot be. */
inline constexpr std::uint64_t scan_protect = 1u << 0, scan_check_async = 1u << 1;

/** Pages [start, end), in bytes, with the same categories. */
struct PageRegion {
    std::uint64_t start, end, categories;
};

/** A page matches if (its categories ^ inverted) has all of `mask` and, unless that is 0, one of `any`. */
struct PagemapScan {
    std::uint64_t size, flags, start, end;
    std::uint64_t walk_end; /**< out: where it stopped */
    std::uint64_t regions;  /**< address of PageRegion[region_count]; 0: none wanted */
    std::uint64_t region_count;
    std::uint64_t max_pages; /**< 0: no limit */
    std::uint64_t inverted, mask, any, returned;
};
static_assert(sizeof(PageRegion) == 24 && sizeof(PagemapScan) == 96);

inline constexpr unsigned long pagemap_scan = _IOWR('f', 16, PagemapScan);

/** Features of userfaultfd: a store to a protected page is let through and noted by the kernel; pages that are not there can be protected. */
inline constexpr std::uint64_t uffd_wp_unpopulated = 1u << 13, uffd_wp_async = 1u << 15;

} // namespace libtm::persist::kernel
