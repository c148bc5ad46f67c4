// SPDX-License-Identifier: MIT
/**
 * @file dirty_written.cpp
 * "written": pages are write-protected through userfaultfd(2), asynchronously: a store takes one fault, in which the kernel lifts the
 * protection of the page by itself, and the page counts as written. PAGEMAP_SCAN finds those pages and protects them again under
 * the lock of their page table, so a store is either seen by the scan or faults after it.
 *
 * The scan is the floor of every commit, so what it looks at matters. The kernel's fastest loop is taken by one query only, "written" and
 * nothing else asked or returned; but it takes a page that is not there for a written one, unless a marker says it is protected. Hence
 * two states of a chunk, which is what one page table maps (2 MiB):
 *
 *  - settled: every page is there, or has a marker. The fast query.
 *  - not settled: never touched, touched in part, or mapped by one huge page, which a store breaks up into nothing but the page it needs.
 *    A query that demands the page to be there passes over the first and the last in no time. Where it finds something, the chunk is scanned
 *    with all categories, which tell copies, perhaps swapped out since, from pages of the file that were only read.
 *
 * Both are right in any chunk; the state is about speed and pages too many. The cost follows what was touched, not how much is mapped.
 * A copy cannot be told by its categories later: a marker looks like a page that was swapped out.
 *
 * Median of 20 scans of 1 GiB in us, Linux 6.18 on x86-64, with 1, 8, 64 and 2,621 (1 %) changed pages at random places, always the same:
 *
 *     all in memory in small pages (all chunks settled)   190   200   240    360
 *     all in memory in huge pages                          20    45   200   1240
 *     nothing in memory but what was stored to             11    34   210   1340
 *     "copied", all in memory                     1600 to 6000, however many are changed
 *     "pagemap", all in memory                    2000 to 10000
 *     "kpageflags", all in memory                33000 to 48000
 */
#include "pagemap.hpp"

#include <algorithm>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

namespace libtm::persist {
namespace {

using namespace kernel;

// Without scan_check_async a mapping that has lost its registration (mremap, a new mapping in its place) would be passed over in silence.
constexpr PageQuery take_written = {scan_protect | scan_check_async, 0, page_written, 0, page_written};
constexpr std::uint64_t there = page_present | page_swapped; // or a marker
constexpr PageQuery there_and_written = {scan_check_async, 0, page_written, there, page_written};
constexpr PageQuery take_with_categories = {scan_protect | scan_check_async, 0, page_written, there, page_written | page_file | page_present | page_huge};
constexpr PageQuery absent = {scan_check_async, there, there, 0, page_wp_allowed};
// With no regions wanted the kernel protects all of a page table it has come to, and leaves what has none without one.
constexpr PageQuery protect_tables = {scan_protect | scan_check_async, 0, page_written, there, page_written};
constexpr PageQuery is_protected = {scan_check_async, page_written | page_huge, page_written | page_huge, there, page_wp_allowed};

class Written final : public DirtyPages {
public:
    explicit Written(char *base)
        : pagemap_(base), chunk_(pagemap_.page_size() / sizeof(std::uint64_t)),
          skew_(reinterpret_cast<std::uint64_t>(base) / pagemap_.page_size() % chunk_)
    {
    }
    const char *open()
    {
        if (pagemap_.open() != 0) return "/proc/self/pagemap cannot be opened";
        // Needs no privilege: the kernel hands no fault over to us, not even its own, so those of user mode are enough.
        if (uffd_.take(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY))) != 0)
            return "userfaultfd(2) is not there or not permitted";
        uffdio_api api{};
        api.api = UFFD_API;
        api.features = uffd_wp_async | uffd_wp_unpopulated;
        if (ioctl(uffd_.get(), UFFDIO_API, &api) != 0) return "userfaultfd(2) has no asynchronous write-protection (Linux 6.7)";
        return nullptr;
    }

    const char *name() const override { return "written"; }
    bool forgets() const override { return true; }

    int watch(PageRun pages) override
    {
        if (const int code = pagemap_.usable()) return code;
        uffdio_register range{};
        range.range.start = reinterpret_cast<std::uint64_t>(pagemap_.address(pages.first));
        range.range.len = pages.count * pagemap_.page_size();
        range.mode = UFFDIO_REGISTER_MODE_WP;
        if (ioctl(uffd_.get(), UFFDIO_REGISTER, &range) != 0) return errno;
        if (const int code = pagemap_.protect(pages, protect_tables)) return code;
        end_ = std::max(end_, pages.first + pages.count);
        return find_settled(pages);
    }

    int scan(PageRun pages, std::vector<PageRun> &changed) override
    {
        if (const int code = pagemap_.usable()) return code;
        try {
            const std::size_t end = pages.first + pages.count;
            for (std::size_t at = pages.first, next; at != end; at = next) {
                const bool settled = is_settled(chunk_of(at));
                for (next = at; next < end && is_settled(chunk_of(next)) == settled;) next = std::min(end, begin_of(chunk_of(next) + 1));
                const PageRun run = {at, next - at};
                const auto add = [&](PageRun written, std::uint64_t) { append(changed, written); };
                if (const int code = settled ? pagemap_.scan(run, take_written, add) : scan_unsettled(run, changed)) return code;
            }
        } catch (const std::bad_alloc &) {
            return ENOMEM; // what has been protected again and not reported is the caller's to remember, as after any other error
        }
        return 0;
    }

private:
    // Page tables begin at multiples of what they map, the image at any page: it begins `skew_` pages into chunk 0.
    std::size_t chunk_of(std::size_t page) const { return (page + skew_) / chunk_; }
    std::size_t begin_of(std::size_t chunk) const { return chunk == 0 ? 0 : chunk * chunk_ - skew_; }
    PageRun pages_of(std::size_t chunk) const { return {begin_of(chunk), std::min(end_, begin_of(chunk + 1)) - begin_of(chunk)}; }
    static bool covers(PageRun outer, PageRun inner) { return outer.first <= inner.first && inner.first + inner.count <= outer.first + outer.count; }
    bool is_settled(std::size_t chunk) const { return chunk < settled_.size() && settled_[chunk]; }

    int scan_unsettled(PageRun pages, std::vector<PageRun> &changed)
    {
        const std::size_t end = pages.first + pages.count;
        for (std::size_t at = pages.first; at != end;) {
            std::size_t page;
            if (const int code = pagemap_.find({at, end - at}, there_and_written, page)) return code;
            if (page == end) break;
            const std::size_t chunk = chunk_of(page), first = std::max(at, begin_of(chunk));
            const std::size_t next = std::min(end, begin_of(chunk + 1));
            if (const int code = scan_chunk({first, next - first}, changed)) return code;
            at = next;
        }
        return 0;
    }

    int scan_chunk(PageRun pages, std::vector<PageRun> &changed)
    {
        bool huge = false;
        const int code = pagemap_.scan(pages, take_with_categories, [&](PageRun written, std::uint64_t is) {
            huge |= (is & page_huge) != 0;
            if (!(is & page_present) || !(is & page_file)) append(changed, written);
        });
        const std::size_t chunk = chunk_of(pages.first);
        if (code != 0 || huge || chunk >= settled_.size() || !covers(pages, pages_of(chunk))) return code;
        std::size_t page;
        if (const int failed = pagemap_.find(pages, absent, page)) return failed;
        settled_[chunk] = page == pages.first + pages.count;
        return 0;
    }

    /** Chunks that are covered in part keep their state: they are few, or pages that were given back and are protected again. */
    int find_settled(PageRun pages)
    {
        try {
            settled_.resize(chunk_of(end_ - 1) + 1);
            const auto set = [&](PageRun run, bool settled) {
                for (std::size_t chunk = chunk_of(run.first); begin_of(chunk) < run.first + run.count; ++chunk)
                    if (covers(run, pages_of(chunk))) settled_[chunk] = settled;
            };
            set(pages, false);
            return pagemap_.scan(pages, is_protected, [&](PageRun run, std::uint64_t) { set(run, true); });
        } catch (const std::bad_alloc &) {
            return ENOMEM;
        }
    }

    Pagemap pagemap_;
    Descriptor uffd_;
    std::size_t chunk_;          ///< pages that one page table maps
    std::size_t skew_;           ///< pages of chunk 0 before the image
    std::size_t end_ = 0;        ///< pages watched
    std::vector<bool> settled_;  ///< by chunk
};

} // namespace

std::unique_ptr<DirtyPages> make_written(char *base, const char *&why)
{
    auto written = std::make_unique<Written>(base);
    why = written->open();
    if (why) return nullptr;
    return written;
}

} // namespace libtm::persist
