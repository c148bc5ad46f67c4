// SPDX-License-Identifier: MIT
#include "dirty.hpp"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {
namespace {

/** Of linux/fs.h since 6.7, which is newer than the headers of the systems to build on. */
struct scanned_region {
    std::uint64_t start, end, categories;
};
struct scan_request {
    std::uint64_t size = sizeof(scan_request), flags = 0, start = 0, end = 0, walk_end = 0, vec = 0, vec_len = 0, max_pages = 0;
    std::uint64_t category_inverted = 0, category_mask = 0, category_anyof_mask = 0, return_mask = 0;
};
constexpr unsigned long scan_pages = _IOWR('f', 16, scan_request);
constexpr std::uint64_t protect_what_matches = 1, fail_if_unwatched = 2;
constexpr std::uint64_t is_written = 2, is_of_file = 4, is_present = 8, is_swapped = 16;
/** A scan that has more to tell than it says at once leaves `walk_end` wrong if asked for more than that. */
constexpr std::size_t regions_at_once = 512;

/** Of linux/userfaultfd.h. */
constexpr std::uint64_t watch_unpopulated = 1 << 13, watch_asynchronously = 1 << 15;
constexpr int of_this_program_only = 1;

void add(std::vector<page_run> &to, std::size_t first, std::size_t count)
{
    if (!to.empty() && to.back().first + to.back().count == first)
        to.back().count += count;
    else
        to.push_back({first, count});
}

class scanner {
public:
    explicit scanner(const mapping &image) : image_(image), pagemap_("/proc/self/pagemap", O_RDONLY), regions_(regions_at_once) {}

    /** 0 or an errno value. */
    int scan(scan_request request, std::vector<page_run> &found)
    {
        const auto begin = reinterpret_cast<std::uintptr_t>(image_.data()), end = begin + image_.size();
        request.end = end;
        request.vec = reinterpret_cast<std::uintptr_t>(regions_.data());
        request.vec_len = regions_.size();
        found.clear();
        for (request.start = begin; request.start < end; request.start = request.walk_end) {
            const int count = ioctl(pagemap_.descriptor(), scan_pages, &request);
            if (count < 0) return errno;
            for (int i = 0; i < count; ++i) {
                const scanned_region &region = regions_[static_cast<std::size_t>(i)];
                add(found, (region.start - begin) / page_size, (region.end - region.start) / page_size);
            }
        }
        return 0;
    }

private:
    const mapping &image_;
    file pagemap_;
    std::vector<scanned_region> regions_;
};

class written final : public dirty_pages {
public:
    explicit written(const mapping &image) : scanner_(image), faults_(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | of_this_program_only)))
    {
        uffdio_api api{UFFD_API, watch_unpopulated | watch_asynchronously, 0};
        uffdio_register range{{reinterpret_cast<std::uintptr_t>(image.data()), image.size()}, UFFDIO_REGISTER_MODE_WP, 0};
        works_ = faults_ >= 0 && ioctl(faults_, UFFDIO_API, &api) == 0 && ioctl(faults_, UFFDIO_REGISTER, &range) == 0 && scan() == 0;
    }
    ~written() override
    {
        if (faults_ >= 0) close(faults_);
    }
    written(const written &) = delete;
    written &operator=(const written &) = delete;

    bool works() const { return works_; }
    const char *name() const override { return "PAGEMAP_SCAN, written"; }
    const std::vector<page_run> &find() override
    {
        if (const int error = scan()) {
            errno = error;
            fail("PAGEMAP_SCAN");
        }
        return found_;
    }
    void forget() override {}

private:
    int scan()
    {
        scan_request request;
        request.flags = protect_what_matches | fail_if_unwatched;
        request.category_mask = request.return_mask = is_written;
        return scanner_.scan(request, found_);
    }

    scanner scanner_;
    int faults_;
    bool works_ = false;
    std::vector<page_run> found_;
};

/** Pages that were stored to are copies; giving them back brings those of the file into view again. */
class copies : public dirty_pages {
public:
    const std::vector<page_run> &find() override
    {
        look(found_);
        return found_;
    }
    void forget() override
    {
        for (const page_run &run : found_) check(madvise(image_.page(run.first), run.count * page_size, MADV_DONTNEED), "madvise");
        // Present again, as at the beginning.
        for (const page_run &run : found_) touch(image_.page(run.first), run.count * page_size);
    }

protected:
    explicit copies(const mapping &image) : image_(image) {}
    virtual void look(std::vector<page_run> &found) = 0;

    const mapping &image_;

private:
    std::vector<page_run> found_;
};

class copied final : public copies {
public:
    explicit copied(const mapping &image) : copies(image), scanner_(image) {}
    bool works()
    {
        std::vector<page_run> none;
        return scanner_.scan(request(), none) == 0;
    }
    const char *name() const override { return "PAGEMAP_SCAN, copied"; }

private:
    static scan_request request()
    {
        scan_request request;
        request.category_inverted = is_of_file;
        request.category_mask = is_of_file;
        request.category_anyof_mask = is_present | is_swapped;
        request.return_mask = is_present;
        return request;
    }
    void look(std::vector<page_run> &found) override
    {
        if (const int error = scanner_.scan(request(), found)) {
            errno = error;
            fail("PAGEMAP_SCAN");
        }
    }

    scanner scanner_;
};

/** Through /proc/self/pagemap: a number per page. */
class by_entries : public copies {
protected:
    static constexpr std::uint64_t is_present_here = std::uint64_t{1} << 63, is_in_swap = std::uint64_t{1} << 62, is_of_file_or_shared = std::uint64_t{1} << 61;

    explicit by_entries(const mapping &image) : copies(image) {}
    /** Add those of the pages from `first` on, which have these entries. */
    virtual void judge(std::size_t first, std::span<const std::uint64_t> entries, std::vector<page_run> &found) = 0;

    static void read(const file &from, std::span<std::uint64_t> to, std::size_t index)
    {
        from.read(reinterpret_cast<char *>(to.data()), to.size_bytes(), index * sizeof(std::uint64_t));
    }

private:
    void look(std::vector<page_run> &found) final
    {
        constexpr std::size_t batch = 4096;
        std::vector<std::uint64_t> entries(batch);
        const std::size_t pages = image_.size() / page_size, begin = reinterpret_cast<std::uintptr_t>(image_.data()) / page_size;
        found.clear();
        for (std::size_t at = 0; at < pages; at += batch) {
            const std::span here(entries.data(), std::min(batch, pages - at));
            read(pagemap_, here, begin + at);
            judge(at, here, found);
        }
    }

    file pagemap_{"/proc/self/pagemap", O_RDONLY};
};

class pagemap final : public by_entries {
public:
    explicit pagemap(const mapping &image) : by_entries(image) {}
    const char *name() const override { return "pagemap"; }

private:
    void judge(std::size_t first, std::span<const std::uint64_t> entries, std::vector<page_run> &found) override
    {
        for (std::size_t i = 0; i < entries.size(); ++i)
            if ((entries[i] & (is_present_here | is_in_swap)) && !(entries[i] & is_of_file_or_shared)) add(found, first + i, 1);
    }
};

class kpageflags final : public by_entries {
public:
    explicit kpageflags(const mapping &image) : by_entries(image) {}
    const char *name() const override { return "kpageflags"; }

private:
    void judge(std::size_t first, std::span<const std::uint64_t> entries, std::vector<page_run> &found) override
    {
        constexpr std::uint64_t frame = (std::uint64_t{1} << 55) - 1, anonymous = 1 << 12;
        flags_.resize(entries.size());
        for (std::size_t i = 0, next; i < entries.size(); i = next) {
            next = i + 1;
            if (!(entries[i] & is_present_here)) continue;
            // One read for frames that are neighbours.
            while (next < entries.size() && entries[next] == entries[next - 1] + 1) ++next;
            read(frames_, {flags_.data(), next - i}, entries[i] & frame);
            for (std::size_t j = i; j < next; ++j)
                if (flags_[j - i] & anonymous) add(found, first + j, 1);
        }
    }

    file frames_{"/proc/kpageflags", O_RDONLY};
    std::vector<std::uint64_t> flags_;
};

} // namespace

std::unique_ptr<dirty_pages> watch_written(const mapping &image)
{
    auto result = std::make_unique<written>(image);
    return result->works() ? std::move(result) : nullptr;
}

std::unique_ptr<dirty_pages> watch_copied(const mapping &image)
{
    auto result = std::make_unique<copied>(image);
    return result->works() ? std::move(result) : nullptr;
}

std::unique_ptr<dirty_pages> watch_pagemap(const mapping &image)
{
    return std::make_unique<pagemap>(image);
}

std::unique_ptr<dirty_pages> watch_kpageflags(const mapping &image)
{
    // Others than root may open neither, or see frame number 0 for every page.
    if (geteuid() != 0 || access("/proc/kpageflags", R_OK) != 0) return nullptr;
    return std::make_unique<kpageflags>(image);
}

std::unique_ptr<dirty_pages> watch(const mapping &image)
{
    if (auto result = watch_written(image)) return result;
    if (auto result = watch_copied(image)) return result;
    return watch_pagemap(image);
}

} // namespace bench
