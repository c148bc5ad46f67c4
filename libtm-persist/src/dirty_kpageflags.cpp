// SPDX-License-Identifier: MIT
/**
 * @file dirty_kpageflags.cpp
 * "kpageflags": the way of TxMem, kept to be measured against. Page frame numbers from /proc/self/pagemap, the frames' flags from
 * /proc/kpageflags: an anonymous one is a copy. For root only, and never chosen unless asked for.
 */
#include "pagemap.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <unistd.h>

namespace libtm::persist {
namespace {

constexpr std::uint64_t frame_anonymous = 1u << 12;

class FrameFlags final : public DirtyPages {
public:
    explicit FrameFlags(char *base) : pagemap_(base) {}
    const char *open()
    {
        if (pagemap_.open() != 0) return "/proc/self/pagemap cannot be opened";
        if (flags_file_.take(::open("/proc/kpageflags", O_RDONLY | O_CLOEXEC)) != 0) return "/proc/kpageflags is for root only";
        return nullptr;
    }
    const char *name() const override { return "kpageflags"; }
    bool forgets() const override { return false; }
    int watch(PageRun) override { return pagemap_.usable(); }
    int scan(PageRun pages, std::vector<PageRun> &changed) override
    {
        if (const int code = pagemap_.usable()) return code;
        try {
            for (const std::size_t end = pages.first + pages.count; pages.first != end;) {
                const std::size_t count = std::min(end - pages.first, entries_.size());
                if (const int code = scan_batch(pages.first, count, changed)) return code;
                pages.first += count;
            }
        } catch (const std::bad_alloc &) {
            return ENOMEM;
        }
        return 0;
    }

private:
    int scan_batch(std::size_t first, std::size_t count, std::vector<PageRun> &changed)
    {
        if (const int code = pagemap_.entries(first, count, entries_.data())) return code;
        for (std::size_t i = 0, n; i < count; i += n) {
            n = 1;
            if (!(entries_[i] & entry_present)) continue;
            const std::uint64_t frame = entries_[i] & entry_frame;
            if (frame == 0) return EPERM; // hidden from who lacks CAP_SYS_ADMIN
            while (i + n < count && (entries_[i + n] & entry_present) && (entries_[i + n] & entry_frame) == frame + n) ++n;
            const auto bytes = static_cast<ssize_t>(n * sizeof flags_[0]);
            if (pread(flags_file_.get(), &flags_[i], n * sizeof flags_[0], static_cast<off_t>(frame * sizeof flags_[0])) != bytes) return EIO;
        }
        // Flags of a frame from which the page has moved in between say nothing of the page.
        if (const int code = pagemap_.entries(first, count, again_.data())) return code;
        for (std::size_t i = 0; i < count; ++i) {
            const bool copy = (entries_[i] & entry_present) && (flags_[i] & frame_anonymous);
            if (copy || (entries_[i] & entry_swapped) || entries_[i] != again_[i]) append(changed, {first + i, 1});
        }
        return 0;
    }

    Pagemap pagemap_;
    Descriptor flags_file_;
    std::array<std::uint64_t, 512> entries_, again_, flags_;
};

} // namespace

std::unique_ptr<DirtyPages> make_kpageflags(char *base, const char *&why)
{
    auto backend = std::make_unique<FrameFlags>(base);
    why = backend->open();
    if (why) return nullptr;
    return backend;
}

} // namespace libtm::persist
