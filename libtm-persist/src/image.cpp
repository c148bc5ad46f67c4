// SPDX-License-Identifier: MIT
#include "image.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace libtm::persist {

namespace {

constexpr std::uint32_t line_size = 64;

constexpr std::uint64_t first_base = 0x7ea000000000; ///< below what the system hands out, inside of what every sanitizer leaves to programs
constexpr std::uint64_t slot_size = 1ull << 32;
constexpr std::uint64_t slots = 64;

/** Sorted, without overlap. */
void merge(std::vector<PageRun> &runs)
{
    std::sort(runs.begin(), runs.end(), [](const PageRun &a, const PageRun &b) { return a.first < b.first; });
    std::size_t count = 0;
    for (const PageRun &run : runs) {
        if (count && run.first <= runs[count - 1].first + runs[count - 1].count)
            runs[count - 1].count = std::max(runs[count - 1].count, run.first + run.count - runs[count - 1].first);
        else
            runs[count++] = run;
    }
    runs.resize(count);
}

/** Call `use(run)` for the runs of ascending pages. */
template <class Use> void each_run(const std::vector<std::size_t> &pages, Use &&use)
{
    for (std::size_t i = 0; i < pages.size();) {
        std::size_t end = i + 1;
        while (end < pages.size() && pages[end] == pages[end - 1] + 1) ++end;
        use(PageRun{pages[i], end - i});
        i = end;
    }
}

} // namespace

Region Region::at(std::uint64_t base, std::uint64_t size)
{
    Region region;
    void *const wanted = reinterpret_cast<void *>(base);
    void *const there = ::mmap(wanted, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (base ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (there == MAP_FAILED) {
        if (base && errno == EEXIST) return region;
        throw Failure{ENOMEM, {}, "address space", 0, strerrordesc_np(errno), std::to_string(size) + " bytes" + (base ? " at " + to_hex(base) : ""), "Raise the limit on memory (ulimit -v), or reserve less"};
    }
    region.base_ = static_cast<char *>(there);
    region.size_ = size;
    if (base && there != wanted) return {}; // a kernel that does not know MAP_FIXED_NOREPLACE takes the address as a wish
    return region;
}

Region &Region::operator=(Region &&other) noexcept
{
    if (base_) ::munmap(base_, size_);
    base_ = std::exchange(other.base_, nullptr);
    size_ = other.size_;
    return *this;
}

Region::~Region()
{
    if (base_) ::munmap(base_, size_);
}

void Region::open(std::uint64_t from, std::uint64_t to) const
{
    if (::mprotect(base_ + from, to - from, PROT_READ | PROT_WRITE) < 0) throw Failure{ENOMEM, {}, "memory", 0, {}, {}, {}};
}

Region choose_region(std::uint64_t wanted, std::uint64_t size, const Uuid &uuid)
{
    if (wanted) return Region::at(wanted, size);
    // Pools that are made apart and opened together want places of their own.
    std::uint64_t slot;
    std::memcpy(&slot, uuid.data(), sizeof slot);
    for (std::uint64_t i = 0; i < slots; ++i) {
        const std::uint64_t mine = (slot + i) % slots;
        if (mine * slot_size + size > slots * slot_size) continue;
        if (Region region = Region::at(first_base + mine * slot_size, size)) return region;
    }
    return Region::at(0, size);
}

Image::Image(Region region, std::uint64_t size, std::uint32_t page_size) : region_(std::move(region)), page_size_(page_size), pages_(size / page_size)
{
    region_.open(0, size);
}

Image::Image(Region region, const File &data, std::uint64_t size, std::uint32_t page_size, const char *detection)
    : region_(std::move(region)), page_size_(page_size), now_(page_size), before_(page_size)
{
    twins_region_ = Region::at(0, region_.size());
    states_ = Region::at(0, rounded_up(region_.size() / page_size * sizeof(State), page_size));
    pending_.reserve(16);
    data.map(region_.base(), size, image_offset);
    pages_ = size / page_size;
    twins_region_.open(0, size);
    states_.open(0, states_.size());
    const char *why = nullptr;
    dirty_ = choose_dirty_pages(region_.base(), pages_, 0, detection, &why);
    if (!dirty_)
        throw Failure{ENOTSUP, data.path(), "TM_CONF detection", 0, std::string(detection) + ": " + (why ? why : "it does not work here"), "one that works",
                      "Leave the option away, then one is chosen"};
}

void Image::grow(const File &data, std::uint64_t size)
{
    twins_region_.open(this->size(), size);
    data.map(region_.base() + this->size(), size - this->size(), image_offset + this->size());
    const PageRun more{pages_, size / page_size_ - pages_};
    pages_ = size / page_size_;
    if (dirty_->watch(more) != 0) all_pending_ = true;
}

Capture Image::capture(const File &data, std::uint64_t applied)
{
    Capture capture;
    std::vector<PageRun> runs;
    try {
        const bool again = !pending_.empty();
        runs.swap(pending_);
        // Asked before anything is copied: what is stored after the question is in the next answer.
        if (dirty_->scan({0, pages_}, runs) != 0 || all_pending_) runs.assign(1, {0, pages_});
        else if (again) merge(runs);
        for (const PageRun &run : runs)
            for (std::size_t page = run.first; page < run.first + run.count; ++page) look_at(page, data, applied, capture);
    } catch (...) {
        give_up(capture);
        all_pending_ = true;
        throw;
    }
    all_pending_ = false;
    return capture;
}

void Image::look_at(std::size_t page, const File &data, std::uint64_t applied, Capture &capture)
{
    State &known = state(page);
    ++capture.compared;
    if (!known.copied) known.copied = 1, ++copied_;
    // A plain store beside us must not come between the comparison and the copy.
    std::memcpy(now_.data(), live(page), page_size_);
    const char *before = nullptr;
    if (known.twin && !known.stale) before = twin(page);
    else if (known.last <= applied && data.read_cached(before_.data(), page_size_, image_offset + page * page_size_)) before = before_.data();

    const std::uint64_t at = page * page_size_;
    const std::size_t first_change = capture.changes.size();
    std::uint64_t bytes = 0;
    if (before) {
        for (std::uint32_t line = 0; line < page_size_; line += line_size) {
            if (std::memcmp(now_.data() + line, before + line, line_size) == 0) continue;
            const bool goes_on = capture.changes.size() > first_change && capture.changes.back().offset + capture.changes.back().bytes == at + line;
            if (goes_on) capture.changes.back().bytes += line_size, bytes += line_size;
            else capture.changes.push_back({at + line, line_size, twin(page) + line}), bytes += frame_bytes(line_size);
        }
        if (bytes == 0) return;
    }
    if (!before || bytes >= frame_bytes(page_size_)) {
        capture.changes.resize(first_change);
        capture.changes.push_back({at, page_size_, twin(page)});
        bytes = frame_bytes(page_size_);
    }
    capture.pages.push_back(page);
    capture.frame_bytes += bytes;
    if (!known.twin) twins_.push_back(page);
    std::memcpy(twin(page), now_.data(), page_size_);
    known.twin = 1;
    known.stale = 0;
}

void Image::committed(const Capture &capture, std::uint64_t ticket) noexcept
{
    // A transaction may have changed the page since.
    for (const std::size_t page : capture.pages) state(page).last = std::max<std::uint64_t>(state(page).last, ticket);
}

void Image::changed(std::uint64_t offset, std::uint64_t size, std::uint64_t ticket) noexcept
{
    for (std::size_t page = offset / page_size_; page * page_size_ < offset + size; ++page) {
        State &known = state(page);
        if (!known.copied) known.copied = 1, ++copied_;
        known.stale = 1;
        known.last = ticket;
    }
}

void Image::expect(const File &data, std::vector<std::uint64_t> &offsets)
{
    std::sort(offsets.begin(), offsets.end());
    offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
    // One question for all pages takes less than one for each of thousands.
    constexpr std::size_t many_pages = 4 << 20;
    if (in_memory_.empty() && pages_ <= many_pages) {
        in_memory_.resize(pages_);
        if (::mincore(region_.base(), size(), in_memory_.data()) != 0) std::fill(in_memory_.begin(), in_memory_.end(), 0);
    }
    std::erase_if(offsets, [&](std::uint64_t offset) {
        if (!in_memory_.empty()) return (in_memory_[offset / page_size_] & 1) != 0;
        unsigned char is = 0;
        return ::mincore(region_.base() + offset, page_size_, &is) == 0 && is & 1;
    });
    // Side by side, not one after the other.
    for (const std::uint64_t offset : offsets) ::madvise(region_.base() + offset, page_size_, MADV_WILLNEED);
    for (const std::uint64_t offset : offsets) data.read(before_.data(), page_size_, image_offset + offset);
}

void Image::load(std::uint64_t offset, const char *bytes, std::uint64_t size, std::uint64_t ticket) noexcept
{
    std::memcpy(region_.base() + offset, bytes, size);
    changed(offset, size, ticket);
}

void Image::end_load() noexcept
{
    in_memory_ = {};
    std::vector<PageRun> loaded;
    if (dirty_->scan({0, pages_}, loaded) != 0) all_pending_ = true;
}

void Image::give_up(const Capture &capture) noexcept
{
    // The twins are not what was committed; what was is in the data file, or not known.
    for (const std::size_t page : capture.pages) state(page).twin = 0;
    std::erase_if(twins_, [&](std::size_t page) { return !state(page).twin; });
    try {
        each_run(capture.pages, [&](PageRun run) { pending_.push_back(run); });
    } catch (...) {
        all_pending_ = true;
    }
}

std::uint64_t Image::release_twins(std::uint64_t applied, std::size_t most)
{
    for (; most > 0 && twin_bytes() > many_twins; --most) {
        const std::size_t page = twins_.front();
        if (state(page).last > applied) {
            try {
                twins_.push_back(page);
            } catch (const std::bad_alloc &) {
                break; // another time
            }
        } else {
            state(page).twin = 0;
            ::madvise(twin(page), page_size_, MADV_DONTNEED);
        }
        twins_.pop_front();
    }
    return twin_bytes();
}

void Image::trim(const File &data)
{
    std::vector<std::size_t> same;
    for (std::size_t page = 0; page < pages_; ++page) {
        if (!state(page).copied) continue;
        data.read(before_.data(), page_size_, image_offset + page * page_size_);
        if (std::memcmp(live(page), before_.data(), page_size_) == 0) same.push_back(page);
    }
    each_run(same, [&](PageRun run) {
        ::madvise(live(run.first), run.count * page_size_, MADV_DONTNEED);
        if (dirty_->watch(run) != 0) all_pending_ = true;
        for (std::size_t page = run.first; page < run.first + run.count; ++page) state(page).copied = 0, --copied_;
    });
    for (const std::size_t page : twins_) state(page).twin = 0;
    twins_.clear();
    ::madvise(twins_region_.base(), size(), MADV_DONTNEED);
}

} // namespace libtm::persist
