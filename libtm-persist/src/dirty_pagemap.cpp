// SPDX-License-Identifier: MIT
/**
 * @file dirty_pagemap.cpp
 * "copied" and "pagemap": a page of a private mapping has changes only if it is a copy, not the file's own page; perhaps it was swapped out
 * since. Nothing is forgotten, and nothing is armed. The one asks the kernel for such pages (Linux 6.7), the other reads an entry for
 * every page (Linux 4.2, when bit 61 came). Both report all that write-protection has marked, so they do not go together with "written".
 *
 * "compare": the kernel is not asked. Every page may have changed.
 */
#include "pagemap.hpp"

#include <algorithm>
#include <new>

namespace libtm::persist {
namespace {

class Copied final : public DirtyPages {
public:
    explicit Copied(char *base) : pagemap_(base) {}
    int open() { return pagemap_.open(); }
    const char *name() const override { return "copied"; }
    bool forgets() const override { return false; }
    int watch(PageRun) override { return pagemap_.usable(); }
    int scan(PageRun pages, std::vector<PageRun> &changed) override
    {
        using namespace kernel;
        // What is returned is the same for all, so that a run does not break where its pages differ in other ways.
        constexpr PageQuery copies = {0, page_file, page_file, page_present | page_swapped, page_wp_allowed};
        if (const int code = pagemap_.usable()) return code;
        try {
            return pagemap_.scan(pages, copies, [&](PageRun run, std::uint64_t) { append(changed, run); });
        } catch (const std::bad_alloc &) {
            return ENOMEM;
        }
    }

private:
    Pagemap pagemap_;
};

class Entries final : public DirtyPages {
public:
    explicit Entries(char *base) : pagemap_(base) {}
    int open() { return pagemap_.open(); }
    const char *name() const override { return "pagemap"; }
    bool forgets() const override { return false; }
    int watch(PageRun) override { return pagemap_.usable(); }
    int scan(PageRun pages, std::vector<PageRun> &changed) override
    {
        if (const int code = pagemap_.usable()) return code;
        try {
            for (const std::size_t end = pages.first + pages.count; pages.first != end;) {
                const std::size_t count = std::min(end - pages.first, entries_.size());
                if (const int code = pagemap_.entries(pages.first, count, entries_.data())) return code;
                for (std::size_t i = 0; i < count; ++i)
                    if (is_private_copy(entries_[i])) append(changed, {pages.first + i, 1});
                pages.first += count;
            }
        } catch (const std::bad_alloc &) {
            return ENOMEM;
        }
        return 0;
    }

private:
    Pagemap pagemap_;
    std::array<std::uint64_t, 4096> entries_;
};

class Compare final : public DirtyPages {
public:
    const char *name() const override { return "compare"; }
    bool forgets() const override { return false; }
    int watch(PageRun) override { return 0; }
    int scan(PageRun pages, std::vector<PageRun> &changed) override
    {
        try {
            if (pages.count != 0) append(changed, pages);
        } catch (const std::bad_alloc &) {
            return ENOMEM;
        }
        return 0;
    }
};

template <class Backend> std::unique_ptr<DirtyPages> make(char *base, const char *&why)
{
    auto backend = std::make_unique<Backend>(base);
    if (backend->open() == 0) return backend;
    why = "/proc/self/pagemap cannot be opened";
    return nullptr;
}

} // namespace

std::unique_ptr<DirtyPages> make_copied(char *base, const char *&why) { return make<Copied>(base, why); }
std::unique_ptr<DirtyPages> make_pagemap(char *base, const char *&why) { return make<Entries>(base, why); }
std::unique_ptr<DirtyPages> make_compare(char *, const char *&) { return std::make_unique<Compare>(); }

} // namespace libtm::persist
