// SPDX-License-Identifier: MIT
#include "dirty.hpp"
#include "pagemap.hpp"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace libtm::persist {
namespace {

struct Choice {
    const char *name;
    std::unique_ptr<DirtyPages> (*make)(char *base, const char *&why);
    bool automatic, tested;
};
constexpr Choice choices[] = { // the fastest first
    {"written", make_written, true, true},        {"copied", make_copied, true, true},     {"pagemap", make_pagemap, true, true},
    {"kpageflags", make_kpageflags, false, true}, {"compare", make_compare, true, false},
};

/** Stores to one page of the image, and looks whether that is noticed. */
class SelfTest {
public:
    SelfTest(DirtyPages &pages, char *base, std::size_t probe)
        : pages_(pages), probe_(probe), size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), page_(base + probe * size_) {}

    /** What is wrong, or nullptr. The page is clean afterwards. */
    const char *run()
    {
        const char *wrong = stores();
        // Also when it failed: the next one is tried on the same page.
        if (madvise(page_, size_, MADV_DONTNEED) != 0) return "a page cannot be given back";
        if (wrong) return wrong;
        if (pages_.watch({probe_, 1}) != 0) return "a page that was given back cannot be watched";
        return reports(false, "a page is reported that was given back");
    }

private:
    const char *stores()
    {
        if (const char *wrong = reports(false, "a page is reported that nobody stored to")) return wrong;
        // Twice: a forgetting one may catch no more than the first store.
        for (int round = 0; round < 2; ++round) {
            volatile char *byte = page_;
            *byte = *byte;
            if (const char *wrong = reports(true, "a store is not reported")) return wrong;
            if (pages_.forgets())
                if (const char *wrong = reports(false, "a store is reported twice")) return wrong;
        }
        return nullptr;
    }

    const char *reports(bool expected, const char *otherwise)
    {
        std::vector<PageRun> changed;
        if (pages_.scan({probe_, 1}, changed) != 0) return "the kernel does not know how to find changed pages this way, or does not permit it";
        const bool is = changed.size() == 1 && changed[0].first == probe_ && changed[0].count == 1;
        return (expected ? is : changed.empty()) ? nullptr : otherwise;
    }

    DirtyPages &pages_;
    std::size_t probe_, size_;
    char *page_;
};

} // namespace

const char *self_test(DirtyPages &pages, char *base, std::size_t probe) { return SelfTest(pages, base, probe).run(); }

std::unique_ptr<DirtyPages> choose_dirty_pages(char *base, std::size_t pages, std::size_t probe, const char *wanted, const char **why)
{
    const bool any = !wanted || std::strcmp(wanted, "auto") == 0;
    const char *wrong = "there is no way of finding changed pages of that name";
    for (const Choice &choice : choices) {
        if (any ? !choice.automatic : std::strcmp(wanted, choice.name) != 0) continue;
        auto made = choice.make(base, wrong);
        if (!made) continue;
        if (made->watch({0, pages}) != 0) wrong = "the kernel does not watch this mapping";
        else wrong = choice.tested ? self_test(*made, base, probe) : nullptr;
        if (!wrong) return made;
    }
    if (why) *why = wrong;
    return nullptr;
}

} // namespace libtm::persist
