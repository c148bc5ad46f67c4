// SPDX-License-Identifier: MIT
// Every way of finding changed pages, on a file and on a memfd: what was stored to is reported, and no more than the way can help.
#include "dirty.hpp"
#include "pagemap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 // Linux 6.13, of files 6.15
#endif

namespace {

using namespace libtm::persist;
using Pages = std::vector<std::size_t>;

const std::size_t page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
const std::size_t chunk_pages = page_size / 8; // what a page table maps

#ifdef __SANITIZE_THREAD__
constexpr bool under_tsan = true; // plain stores beside a scan are a race, and meant to be one
#else
constexpr bool under_tsan = false;
#endif

enum class Medium { file, memory };

/** A private mapping of a new file, with room to grow. It begins `skew` pages into a chunk. */
class Image {
public:
    Image(Medium medium, std::size_t pages, std::size_t skew = 3, std::size_t reserve = 0) : pages_(pages)
    {
        if (medium == Medium::memory) {
            file_ = memfd_create("image", MFD_CLOEXEC);
        } else {
            char name[] = "dirty-XXXXXX";
            file_ = mkostemp(name, O_CLOEXEC);
            unlink(name);
        }
        const std::size_t chunk = chunk_pages * page_size;
        size_ = (pages + skew + reserve) * page_size + chunk;
        whole_ = static_cast<char *>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        const auto address = reinterpret_cast<std::uintptr_t>(whole_);
        base_ = whole_ + (address + chunk - 1) / chunk * chunk - address + skew * page_size;
        extend(pages + reserve);
        map(0, pages);
    }
    ~Image()
    {
        munmap(whole_, size_);
        close(file_);
    }
    Image(const Image &) = delete;
    Image &operator=(const Image &) = delete;

    /** Written, not only allocated: a hole of a file may be mapped in a way of its own. */
    void extend(std::size_t pages)
    {
        const std::string content(page_size, 'x');
        for (std::size_t i = 0; i < pages; ++i)
            ASSERT_EQ(pwrite(file_, content.data(), page_size, static_cast<off_t>(i * page_size)), static_cast<ssize_t>(page_size));
    }
    void map(std::size_t first, std::size_t count)
    {
        void *at = base_ + first * page_size;
        ASSERT_EQ(mmap(at, count * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file_, static_cast<off_t>(first * page_size)), at) << strerror(errno);
    }
    char *page(std::size_t n) const { return base_ + n * page_size; }
    char *base() const { return base_; }
    std::size_t pages() const { return pages_; }
    int file() const { return file_; }

    void store(std::size_t n) const { *static_cast<volatile char *>(page(n) + n % page_size) = 'y'; }
    char load(std::size_t n) const { return *static_cast<volatile char *>(page(n) + n % page_size); }
    void give_back(std::size_t first, std::size_t count) const { ASSERT_EQ(madvise(page(first), count * page_size, MADV_DONTNEED), 0); }
    void populate() const { ASSERT_EQ(madvise(base_, pages_ * page_size, MADV_POPULATE_READ), 0); }

private:
    int file_;
    std::size_t pages_, size_;
    char *whole_, *base_;
};

/** The pages that a scan reports, after a look at how. */
Pages scan(DirtyPages &dirty, std::size_t first, std::size_t count)
{
    std::vector<PageRun> runs;
    EXPECT_EQ(dirty.scan({first, count}, runs), 0);
    Pages pages;
    for (const PageRun &run : runs) {
        EXPECT_GT(run.count, 0u);
        EXPECT_GE(run.first, pages.empty() ? first : pages.back() + 1) << "not ascending";
        EXPECT_LE(run.first + run.count, first + count);
        for (std::size_t i = 0; i < run.count; ++i) pages.push_back(run.first + i);
    }
    return pages;
}

/** Run `body` in a child; it returns 0, or what the test shall show. */
int in_child(const std::function<int()> &body)
{
    const pid_t child = fork();
    if (child == 0) _exit(body());
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/** Whether the kernel has what this way needs and permits it: then it must work. */
bool is_offered(const std::string &name)
{
    const auto exists = [](int fd) { return fd >= 0 && close(fd) == 0; };
    if (name == "compare") return true;
    if (name == "kpageflags") return geteuid() == 0 && exists(open("/proc/kpageflags", O_RDONLY));
    const int pagemap = open("/proc/self/pagemap", O_RDONLY);
    kernel::PagemapScan scan{};
    scan.size = sizeof scan;
    const bool scans = ioctl(pagemap, kernel::pagemap_scan, &scan) == 0;
    if (!exists(pagemap)) return false;
    if (name == "written" && scans) return exists(static_cast<int>(syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY)));
    return scans || name == "pagemap";
}

class Dirty : public testing::TestWithParam<std::tuple<const char *, Medium>> {
protected:
    const char *name() const { return std::get<0>(GetParam()); }
    Medium medium() const { return std::get<1>(GetParam()); }
    bool compares() const { return name() == std::string("compare"); }
    bool writes() const { return name() == std::string("written"); }

    std::unique_ptr<DirtyPages> choose(const Image &image, std::size_t probe = 0) const
    {
        const char *why = "";
        auto dirty = choose_dirty_pages(image.base(), image.pages(), probe, name(), &why);
        if (!dirty) reason_ = why;
        return dirty;
    }
    /** What a scan shall report of `image` when `changed` were stored to since the last, and `before` earlier. Both are ascending. */
    Pages expected(const Image &image, Pages changed, const Pages &before = {}) const
    {
        Pages all(compares() ? image.pages() : 0);
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
        if (compares()) return all;
        if (writes()) return changed;
        Pages both;
        std::set_union(changed.begin(), changed.end(), before.begin(), before.end(), std::back_inserter(both));
        return both;
    }
    mutable std::string reason_;
};
#define CHOOSE(dirty, image, ...)                                                                                                                    \
    const auto dirty = choose(image __VA_OPT__(, ) __VA_ARGS__);                                                                                      \
    if (!dirty && is_offered(name())) FAIL() << reason_;                                                                                              \
    if (!dirty) GTEST_SKIP() << reason_;                                                                                                              \
    static_assert(true)

TEST_P(Dirty, ReportsWhatWasStoredTo)
{
    const Image image(medium(), 3 * chunk_pages);
    CHOOSE(dirty, image);
    EXPECT_STREQ(dirty->name(), name());
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {}));
    const Pages first = {0, 7, 8, chunk_pages - 4, chunk_pages - 3, image.pages() - 1}, second = {1, 7, chunk_pages * 2};
    for (const std::size_t page : first) image.store(page);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, first));
    for (const std::size_t page : second) image.store(page);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, second, first));
}

// Pages that are not there, in a page table that is, look written to the kernel; once they are marked as protected, they look copied.
TEST_P(Dirty, ReportsNoPageThatWasOnlyReadOrNeverTouched)
{
    const Image image(medium(), 4 * chunk_pages);
    for (const std::size_t page : {std::size_t{5}, chunk_pages + 5}) image.load(page);
    CHOOSE(dirty, image);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {}));
    for (const std::size_t page : {std::size_t{6}, 2 * chunk_pages + 9}) image.load(page);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {}));
    Pages before;
    for (std::size_t page = 100; page < image.pages(); page += chunk_pages / 2) {
        image.store(page);
        image.load(page + 1);
        EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {page}, before));
        image.load(page - 1);
        before.push_back(page);
    }
}

TEST_P(Dirty, ReportsStoresToPagesThatWereInMemoryBefore)
{
    const Image image(medium(), 3 * chunk_pages);
    image.populate();
    CHOOSE(dirty, image, 17);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {}));
    image.store(chunk_pages);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {chunk_pages}));
}

// More than 512 regions in one answer would come with a stale walk_end: pages are reported twice.
TEST_P(Dirty, ReportsThousandsOfRunsOnceEach)
{
    const Image image(medium(), 8192);
    CHOOSE(dirty, image);
    Pages even, odd, all;
    for (std::size_t page = 0; page < image.pages(); ++page) {
        (page % 2 ? odd : even).push_back(page);
        all.push_back(page);
    }
    const auto stored_to = [&](const Pages &pages) {
        for (const std::size_t page : pages) image.store(page);
        return scan(*dirty, 0, image.pages());
    };
    EXPECT_EQ(stored_to(even), expected(image, even));
    EXPECT_EQ(stored_to(odd), expected(image, odd, even));
    EXPECT_EQ(stored_to(even), expected(image, even, all));
}

TEST_P(Dirty, ScansOnlyWhatItIsAskedFor)
{
    const Image image(medium(), 2 * chunk_pages + 10);
    CHOOSE(dirty, image);
    const auto one = [](std::size_t page) { return Pages{page}; };
    const Pages pages = {20, 21, chunk_pages, image.pages() - 1};
    for (const std::size_t page : pages) image.store(page);
    if (!compares()) {
        EXPECT_EQ(scan(*dirty, 22, chunk_pages - 22), Pages{});
    }
    EXPECT_EQ(scan(*dirty, 21, 1), one(21));
    EXPECT_EQ(scan(*dirty, chunk_pages, 1), one(chunk_pages));
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {20, image.pages() - 1}, {21, chunk_pages}));
    EXPECT_EQ(scan(*dirty, 5, 0), Pages{});
}

TEST_P(Dirty, ReportsAPageThatWasGivenBackWhenItIsStoredToAgain)
{
    for (const bool populated : {false, true}) {
        const Image image(medium(), 3 * chunk_pages);
        if (populated) image.populate();
        CHOOSE(dirty, image);
        const std::vector<PageRun> parts = {{5, 1}, {4, 4}, {0, chunk_pages - 3}, {chunk_pages / 2, 2 * chunk_pages}, {0, image.pages()}};
        for (const PageRun &part : parts) {
            const std::size_t middle = part.first + part.count / 2;
            for (int round = 0; round < 2; ++round) { // given back unprotected in the end
                for (std::size_t i = 0; i < part.count; ++i) image.store(part.first + i);
                if (round == 0) {
                    EXPECT_EQ(scan(*dirty, part.first, part.count).size(), part.count);
                }
            }
            image.give_back(part.first, part.count);
            image.load(part.first);
            ASSERT_EQ(dirty->watch(part), 0);
            EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {}));
            EXPECT_EQ(image.load(middle), 'x');
            image.store(middle);
            EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {middle}));
            image.give_back(middle, 1);
            ASSERT_EQ(dirty->watch({middle, 1}), 0);
        }
    }
}

TEST_P(Dirty, WatchesPagesMappedLaterDirectlyBehind)
{
    Image image(medium(), 40, 3, 3 * chunk_pages);
    CHOOSE(dirty, image);
    image.store(39);
    const std::vector<PageRun> growth = {{40, 1}, {41, 100}, {141, 2 * chunk_pages}};
    for (const PageRun &part : growth) {
        image.map(part.first, part.count);
        ASSERT_EQ(dirty->watch(part), 0);
    }
    const std::size_t pages = 141 + 2 * chunk_pages;
    const Pages changed = {39, 40, 100, 141, chunk_pages, pages - 1};
    for (const std::size_t page : changed) image.store(page);
    if (compares()) {
        EXPECT_EQ(scan(*dirty, 0, pages).size(), pages);
    } else {
        EXPECT_EQ(scan(*dirty, 0, pages), changed);
        EXPECT_EQ(scan(*dirty, 0, pages), writes() ? Pages{} : changed);
        image.store(41);
        EXPECT_EQ(scan(*dirty, 40, pages - 40).front(), writes() ? 41u : 40u);
    }
}

// The kernel's own stores fault in kernel mode, which an unprivileged userfaultfd does not serve; it must not need to.
TEST_P(Dirty, ReportsStoresOfSystemCalls)
{
    const Image image(medium(), 20);
    CHOOSE(dirty, image);
    for (int round = 0; round < 2; ++round) {
        ASSERT_EQ(pread(image.file(), image.page(9), page_size + 1, 0), static_cast<ssize_t>(page_size + 1));
        EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {9, 10}));
    }
}

TEST_P(Dirty, WorksWithoutPrivileges)
{
    if (geteuid() != 0) GTEST_SKIP() << "has none anyhow";
    const Image probe(Medium::memory, 1);
    CHOOSE(privileged, probe);
    const int code = in_child([&] {
        // After setuid() what is in /proc belongs to root, unless one may look at the process.
        if (setgid(65534) != 0 || setuid(65534) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0) return 1;
        const Image image(Medium::memory, 20);
        const auto dirty = choose(image);
        if (!dirty) return name() == std::string("kpageflags") ? 0 : 2;
        if (pread(image.file(), image.page(9), page_size, 0) != static_cast<ssize_t>(page_size)) return 3;
        return scan(*dirty, 0, image.pages()) == expected(image, {9}) ? 0 : 4;
    });
    EXPECT_EQ(code, 0);
}

// The child holds a descriptor of its parent's page tables: if it used it, it would reset the parent's pages, and see nothing of its own.
TEST_P(Dirty, RefusesInTheChildOfAFork)
{
    const Image image(medium(), chunk_pages);
    CHOOSE(dirty, image);
    image.store(7);
    const int code = in_child([&] {
        std::vector<PageRun> runs;
        image.store(8);
        return dirty->scan({0, image.pages()}, runs);
    });
    EXPECT_EQ(code, compares() ? 0 : EPERM);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {7}));
    image.store(7);
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, {7}));
}

// A page that was copied and is not in memory has changes. Without swap space a guard stands for it: also an entry that is not present.
TEST_P(Dirty, ReportsPagesThatWereSwappedOut)
{
    const Image image(medium(), 2 * chunk_pages);
    CHOOSE(dirty, image);
    Pagemap pagemap(image.base());
    ASSERT_EQ(pagemap.open(), 0);
    image.store(chunk_pages); // settles its chunk, not that of the other page
    scan(*dirty, 0, image.pages());
    const Pages pages = {8, chunk_pages + 8};
    for (const std::size_t page : pages) {
        image.store(page);
        std::uint64_t entry = 0;
        madvise(image.page(page), page_size, MADV_PAGEOUT);
        ASSERT_EQ(pagemap.entries(page, 1, &entry), 0);
        if (entry & entry_present && madvise(image.page(page), page_size, MADV_GUARD_INSTALL) != 0) GTEST_SKIP() << "needs swap space, or guard pages of files";
        ASSERT_EQ(pagemap.entries(page, 1, &entry), 0);
        ASSERT_FALSE(entry & entry_present);
        EXPECT_TRUE(is_private_copy(entry));
    }
    EXPECT_EQ(scan(*dirty, 0, image.pages()), expected(image, pages, {chunk_pages}));
}

/**
 * One thread stores plainly, one atomically, to pages of their own; a third scans and copies what is reported, as a commit does. Values
 * only grow, so a page of which an older value was copied than the one that was there when the scan began was missed. The pages are
 * so many that one is seldom stored to again before the next scan, which would hide it.
 */
void stress(const Image &image, DirtyPages &dirty)
{
    const std::size_t pages = image.pages() - 2, hot = 40;
    const auto word = [&](std::size_t page) { return reinterpret_cast<std::uint64_t *>(image.page(page)); };
    const auto value_of = [&](std::size_t page) { return std::atomic_ref(*word(page)).load(); };
    std::vector<std::uint64_t> start(pages), copied(pages), due(pages);
    for (std::size_t page = 0; page < pages; ++page) start[page] = copied[page] = 0x7878787878787878;
    std::vector<std::atomic<std::uint64_t>> stored(pages);
    std::atomic<bool> stop{false};

    const auto store = [&](unsigned who) {
        std::mt19937 random(who);
        for (std::uint64_t value = 1; !stop.load(std::memory_order_relaxed); ++value) {
            // Some all the time, which are mostly unprotected, and all now and then; a pair in four never.
            const std::size_t page = random() % (value % 4 ? pages : hot) / 8 * 8 + random() % 3 * 2 + who;
            if (page >= pages) continue;
            const std::uint64_t next = start[page] + value;
            if (who == 0 && !under_tsan) *static_cast<volatile std::uint64_t *>(word(page)) = next;
            else std::atomic_ref(*word(page)).store(next);
            stored[page].store(next, std::memory_order_release);
        }
    };
    std::thread plain(store, 0), atomic(store, 1);
    std::size_t missed = 0;
    for (int round = dirty.forgets() ? 20000 : 400; round > 0; --round) {
        for (std::size_t page = 0; page < pages; ++page) due[page] = stored[page].load(std::memory_order_acquire);
        for (const std::size_t page : scan(dirty, 0, pages)) copied[page] = value_of(page);
        for (std::size_t page = 0; page < pages; ++page) missed += due[page] != 0 && copied[page] < due[page];
    }
    stop = true;
    plain.join();
    atomic.join();
    for (const std::size_t page : scan(dirty, 0, pages)) copied[page] = value_of(page);
    for (std::size_t page = 0; page < pages; ++page) missed += copied[page] != value_of(page);
    EXPECT_EQ(missed, 0u);
}

TEST_P(Dirty, MissesNoStoreBesideAScan)
{
    const Image image(medium(), 2 * chunk_pages);
    CHOOSE(dirty, image, image.pages() - 1);
    stress(image, *dirty);
}

TEST_P(Dirty, MissesNoStoreBesideAScanOfPagesInMemory)
{
    const Image image(medium(), 2 * chunk_pages);
    image.populate();
    CHOOSE(dirty, image, image.pages() - 1);
    stress(image, *dirty);
}

std::string print(const testing::TestParamInfo<Dirty::ParamType> &info)
{
    return std::string(std::get<0>(info.param)) + (std::get<1>(info.param) == Medium::file ? "_file" : "_memory");
}
INSTANTIATE_TEST_SUITE_P(Ways, Dirty,
                         testing::Combine(testing::Values("written", "copied", "pagemap", "kpageflags", "compare"), testing::Values(Medium::file, Medium::memory)),
                         print);

class DirtyWritten : public testing::TestWithParam<Medium> {
protected:
    static std::unique_ptr<DirtyPages> choose(const Image &image) { return choose_dirty_pages(image.base(), image.pages(), 0, "written", nullptr); }
};
INSTANTIATE_TEST_SUITE_P(Media, DirtyWritten, testing::Values(Medium::file, Medium::memory),
                         [](const auto &info) { return std::string(info.param == Medium::file ? "file" : "memory"); });

TEST_P(DirtyWritten, FailsAfterMremapAndAfterAnotherMapping)
{
    for (const bool populated : {false, true}) {
        Image image(GetParam(), 3 * chunk_pages);
        if (populated) image.populate();
        const auto dirty = choose(image);
        if (!dirty) GTEST_SKIP();
        const std::size_t length = 10 * page_size;
        void *elsewhere = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_EQ(mremap(image.page(20), length, length, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere), elsewhere);
        ASSERT_EQ(mremap(elsewhere, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, image.page(20)), image.page(20));
        image.store(22);
        std::vector<PageRun> runs;
        EXPECT_EQ(dirty->scan({0, image.pages()}, runs), EPERM);
        ASSERT_EQ(dirty->watch({20, 10}), 0);
        image.store(22);
        EXPECT_EQ(scan(*dirty, 20, 10), Pages{22});

        image.map(2 * chunk_pages, 5);
        image.store(2 * chunk_pages);
        EXPECT_EQ(dirty->scan({0, image.pages()}, runs), EPERM);
    }
}

// A store breaks the one entry of a huge page up; what is not there afterwards has not been stored to.
TEST_P(DirtyWritten, ReportsOnePageOfAHugeOne)
{
    const std::size_t pages = 4 * chunk_pages;
    const Image image(GetParam(), pages, 0);
    fsync(image.file());
    posix_fadvise(image.file(), 0, 0, POSIX_FADV_DONTNEED); // to be read again, as huge pages
    madvise(image.base(), pages * page_size, MADV_HUGEPAGE);
    const auto dirty = choose(image);
    if (!dirty) GTEST_SKIP();
    Pagemap pagemap(image.base());
    ASSERT_EQ(pagemap.open(), 0);
    const auto is_huge = [&](std::size_t page) {
        bool huge = false;
        const PageQuery query = {0, 0, kernel::page_huge, 0, kernel::page_huge};
        EXPECT_EQ(pagemap.scan({page, 1}, query, [&](PageRun, std::uint64_t) { huge = true; }), 0);
        return huge;
    };
    const std::size_t page = 2 * chunk_pages + 77;
    image.load(page);
    if (!is_huge(page)) GTEST_SKIP() << "no huge pages of files here";
    for (int round = 0; round < 3; ++round) EXPECT_EQ(scan(*dirty, 0, pages), Pages{});
    EXPECT_TRUE(is_huge(page));
    for (const std::size_t changed : {page, page + 1, page}) {
        image.store(changed);
        EXPECT_EQ(scan(*dirty, 0, pages), Pages{changed});
        EXPECT_EQ(scan(*dirty, 0, pages), Pages{});
    }
}

TEST_P(DirtyWritten, LeavesNoProtectionBehind)
{
    const Image image(GetParam(), 2 * chunk_pages);
    auto dirty = choose(image);
    if (!dirty) GTEST_SKIP();
    image.populate();
    image.store(1);
    scan(*dirty, 0, image.pages());
    dirty.reset();
    for (const char *name : {"copied", "pagemap"}) {
        const auto other = choose_dirty_pages(image.base(), image.pages(), 5, name, nullptr);
        ASSERT_TRUE(other);
        EXPECT_EQ(scan(*other, 0, image.pages()), Pages{1});
    }
}

TEST(ChooseDirtyPages, TakesOneThatWorksAndLeavesTheProbeClean)
{
    for (const char *wanted : {static_cast<const char *>(nullptr), "auto"}) {
        const Image image(Medium::file, 30);
        const char *why = nullptr;
        const auto dirty = choose_dirty_pages(image.base(), image.pages(), 29, wanted, &why);
        ASSERT_TRUE(dirty);
        EXPECT_STRNE(dirty->name(), "kpageflags");
        Pagemap pagemap(image.base());
        std::uint64_t entry = 0;
        ASSERT_EQ(pagemap.open(), 0);
        ASSERT_EQ(pagemap.entries(29, 1, &entry), 0);
        EXPECT_FALSE(entry & entry_present);
    }
}

TEST(ChooseDirtyPages, SaysWhyNot)
{
    const Image image(Medium::memory, 3);
    const char *why = nullptr;
    EXPECT_FALSE(choose_dirty_pages(image.base(), 3, 2, "softdirty", &why));
    ASSERT_TRUE(why);
    EXPECT_STRNE(why, "");
    EXPECT_FALSE(choose_dirty_pages(image.base(), 3, 2, "", nullptr));
}

TEST(ChooseDirtyPages, KeepsDescriptorsFrom0To2Free)
{
    for (const char *name : {"written", "copied", "pagemap", "kpageflags"}) {
        const Image image(Medium::memory, 3);
        const int code = in_child([&] {
            for (int fd = 0; fd < 3; ++fd) close(fd);
            const Image own(Medium::memory, 3); // takes 0
            const auto is_open = [](int fd) { return fcntl(fd, F_GETFD) != -1; };
            std::vector<bool> before(64);
            for (int fd = 0; fd < 64; ++fd) before[static_cast<std::size_t>(fd)] = is_open(fd);
            const auto dirty = choose_dirty_pages(own.base(), 3, 2, name, nullptr);
            if (!dirty) return 77;
            for (int fd = 0; fd < 64; ++fd)
                if (is_open(fd) && !before[static_cast<std::size_t>(fd)] && (fd < 3 || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))) return 1;
            own.store(1);
            return scan(*dirty, 0, 3) == Pages{1} ? 0 : 3;
        });
        EXPECT_TRUE(code == 0 || code == 77) << name << ' ' << code;
    }
}

/** From now on `call` fails with `code`; if `request` is not 0, only with that as its second argument. */
bool forbid(long call, unsigned long request, int code)
{
    const auto arguments = static_cast<unsigned>(offsetof(seccomp_data, args[1]));
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, request ? arguments : static_cast<unsigned>(offsetof(seccomp_data, nr))),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(request ? request : static_cast<unsigned long>(call)), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(code)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(ChooseDirtyPages, TakesTheNextBestWhereTheKernelIsOlderOrForbidsIt)
{
    const int code = in_child([] {
        const Image image(Medium::memory, 30);
        const auto chosen = [&] {
            const auto dirty = choose_dirty_pages(image.base(), 30, 29, "auto", nullptr);
            if (!dirty) return std::string("none");
            image.store(3);
            const Pages pages = scan(*dirty, 0, 30);
            image.give_back(3, 1);
            return pages == Pages{3} || pages.size() == 30 ? std::string(dirty->name()) : "broken";
        };
        const auto refuses = [&](const char *name) {
            const char *why = nullptr;
            return !choose_dirty_pages(image.base(), 30, 29, name, &why) && why;
        };
        if (!forbid(SYS_userfaultfd, 0, EPERM)) return 77;
        if (!refuses("written")) return 1;
        if (is_offered("copied") && chosen() != "copied") return 2;
        if (!forbid(SYS_ioctl, kernel::pagemap_scan, ENOTTY)) return 77;
        if (!refuses("copied")) return 3;
        if (is_offered("pagemap") && chosen() != "pagemap") return 4;
        if (!forbid(SYS_openat, 0, ENOENT)) return 77; // no /proc
        if (!refuses("pagemap") || !refuses("written")) return 5;
        return chosen() == "compare" ? 0 : 6;
    });
    if (code == 77) GTEST_SKIP() << "no seccomp filters here";
    EXPECT_EQ(code, 0);
}

/** What kernels, or we, could get wrong. */
class Wrong : public DirtyPages {
public:
    Wrong(bool forgets, std::vector<bool> answers) : forgets_(forgets), answers_(std::move(answers)) {}
    const char *name() const override { return "wrong"; }
    bool forgets() const override { return forgets_; }
    int watch(PageRun) override { return 0; }
    int scan(PageRun pages, std::vector<PageRun> &changed) override
    {
        if (answers_.at(std::min(asked_, answers_.size() - 1))) changed.push_back(pages);
        ++asked_;
        return 0;
    }

private:
    bool forgets_;
    std::vector<bool> answers_;
    std::size_t asked_ = 0;
};

TEST(DirtySelfTest, FindsWhoIsWrong)
{
    const Image image(Medium::memory, 3);
    const auto accepts = [&](bool forgets, std::vector<bool> answers) {
        Wrong way(forgets, std::move(answers));
        return self_test(way, image.base(), 1) == nullptr;
    };
    EXPECT_TRUE(accepts(true, {false, true, false, true, false, false}));
    EXPECT_TRUE(accepts(false, {false, true, true, false}));
    EXPECT_FALSE(accepts(true, {false})) << "accepts the command and reports nothing, as soft-dirty does";
    EXPECT_FALSE(accepts(false, {false}));
    EXPECT_FALSE(accepts(true, {true}));
    EXPECT_FALSE(accepts(false, {true}));
    EXPECT_FALSE(accepts(true, {false, true, true})) << "does not forget";
    EXPECT_FALSE(accepts(true, {false, true, false})) << "notices only the first store";
    EXPECT_FALSE(accepts(true, {false, true, false, true, true})) << "forgets once";
    EXPECT_FALSE(accepts(true, {false, true, false, true, false, true})) << "keeps what was given back";
    EXPECT_FALSE(accepts(false, {false, true, true, true}));
}

} // namespace
