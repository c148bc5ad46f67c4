// SPDX-License-Identifier: MIT
#include "pagemap.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace libtm::persist {

Descriptor::~Descriptor()
{
    if (fd_ >= 0) close(fd_);
}

int Descriptor::take(int fd)
{
    if (fd < 0) return errno;
    if (fd < 3) {
        const int above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        const int code = errno;
        close(fd);
        if (above < 0) return code;
        fd = above;
    }
    fd_ = fd;
    return 0;
}

Pagemap::Pagemap(char *base) : base_(base), page_size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), owner_(getpid()) {}

int Pagemap::open() { return file_.take(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)); }

int Pagemap::usable() const { return getpid() == owner_ ? 0 : EPERM; }

long Pagemap::call(PageRun pages, const PageQuery &query, kernel::PageRegion *regions, std::size_t count, std::size_t max_pages,
                   std::uint64_t &walk_end)
{
    kernel::PagemapScan scan{};
    scan.size = sizeof scan;
    scan.flags = query.flags;
    scan.start = reinterpret_cast<std::uint64_t>(address(pages.first));
    scan.end = scan.start + pages.count * page_size_;
    scan.regions = reinterpret_cast<std::uint64_t>(regions);
    scan.region_count = count;
    scan.max_pages = max_pages;
    scan.inverted = query.inverted;
    scan.mask = query.mask;
    scan.any = query.any;
    scan.returned = query.returned;
    const int found = ioctl(file_.get(), kernel::pagemap_scan, &scan);
    if (found < 0) return -errno;
    walk_end = scan.walk_end;
    return found;
}

int Pagemap::find(PageRun pages, const PageQuery &query, std::size_t &page)
{
    std::uint64_t walk_end;
    kernel::PageRegion region;
    const long found = call(pages, query, &region, 1, 1, walk_end);
    if (found < 0) return static_cast<int>(-found);
    page = found == 0 ? pages.first + pages.count : (region.start - reinterpret_cast<std::uint64_t>(base_)) / page_size_;
    return 0;
}

int Pagemap::protect(PageRun pages, const PageQuery &query)
{
    std::uint64_t walk_end;
    const long found = call(pages, query, nullptr, 0, 0, walk_end);
    return found < 0 ? static_cast<int>(-found) : 0;
}

int Pagemap::entries(std::size_t first, std::size_t count, std::uint64_t *out) const
{
    std::size_t done = 0;
    const std::size_t bytes = count * sizeof *out;
    const std::uint64_t at = reinterpret_cast<std::uint64_t>(address(first)) / page_size_ * sizeof *out;
    while (done < bytes) {
        const ssize_t n = pread(file_.get(), reinterpret_cast<char *>(out) + done, bytes - done, static_cast<off_t>(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : EIO;
        done += static_cast<std::size_t>(n);
    }
    return 0;
}

} // namespace libtm::persist
