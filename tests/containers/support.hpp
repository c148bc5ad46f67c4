// SPDX-License-Identifier: MIT
/**
 * @file support.hpp
 * What the tests of the containers share: places for a container in plain memory and in a pool, values of all kinds, allocators that count and that fail.
 */
#pragma once

#include "create.hpp"
#include "files.hpp"
#include "pool.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <sys/mman.h>
#include <tm/pooled.hpp>
#include <utility>

namespace libtm::testing {

/** Rounds of a test, fewer where a sanitizer slows it down. */
inline constexpr int rounds(int plain) { return has_sanitizer ? plain / 8 : plain; }

/** While it is there, no transaction runs without orecs: for a transaction that waits for one of another thread. */
class SideBySide {
public:
    SideBySide() { set("0", "off"); }
    ~SideBySide() { set("1024", "auto"); }
    SideBySide(const SideBySide &) = delete;
    SideBySide &operator=(const SideBySide &) = delete;

private:
    static void set(const char *bias, const char *turns)
    {
        EXPECT_EQ(tm_config_set("bias", bias), 0);
        EXPECT_EQ(tm_config_set("turns", turns), 0);
    }
};

/** The allocated blocks that the file of a pool in use or closed has. */
inline std::size_t blocks_of(const std::string &path)
{
    std::size_t blocks = 0;
    tm_pool_attr attr{};
    attr.flags = TM_POOL_READ_ONLY | TM_POOL_ANYWHERE;
    const auto reading = persist::Pool::open(path, attr);
    const auto [begin, end] = reading->heap_range();
    EXPECT_EQ(persist::each_block(reading->image_base(), begin, end, [&](const persist::Block &) { ++blocks; }), "");
    return blocks;
}

/** Run `body` in a transaction that is rolled back. */
template <class Body> void roll_back_after(Body &&body)
{
    EXPECT_THROW(libtm::atomically([&] {
        body();
        libtm::cancel(1);
    }),
        libtm::error);
}

/** Counts the blocks that there are, in transactions; hands out rubbish; and fails when it is told to. */
struct watched_allocator {
    static inline libtm::var<long> blocks, bytes;
    static inline long calls = 0;   ///< of allocate()
    static inline long refused = 0; ///< the call that throws, counted from now on; 0: none
    void *allocate(const void *owner, std::size_t size) const
    {
        ++calls;
        if (refused && --refused == 0) throw std::bad_alloc{};
        blocks += 1;
        bytes += static_cast<long>(size);
        return std::memset(libtm::heap_allocator{}.allocate(owner, size), 0xdb, size); // nothing promises that it is zero
    }
    void deallocate(const void *owner, void *block, std::size_t size) const
    {
        blocks -= 1;
        bytes -= static_cast<long>(size);
        libtm::heap_allocator{}.deallocate(owner, block, size);
    }
};

/** Containers of one allocator. */
template <class Allocator> struct kind {
    using string = libtm::basic_string<Allocator>;
    template <class T> using vector = libtm::vector<T, Allocator>;
    template <class T> using queue = libtm::queue<T, Allocator>;
    template <class K, class V> using hash_map = libtm::hash_map<K, V, libtm::hash<K>, std::equal_to<>, Allocator>;
    template <class K, class V> using ordered_map = libtm::ordered_map<K, V, std::less<>, Allocator>;
};

/** Plain memory, zeroed, in which a T lives without ever having been constructed. */
class in_memory_place {
public:
    using containers = kind<watched_allocator>;
    static constexpr bool is_pool = false;
    template <class T> T &object()
    {
        if (!memory_) memory_.reset(static_cast<char *>(std::calloc(1, sizeof(T))));
        return *reinterpret_cast<T *>(memory_.get());
    }
    void reopen() {}
    /** What the container that has been there has left behind. */
    std::size_t blocks() { return static_cast<std::size_t>(watched_allocator::blocks); }

private:
    struct release {
        void operator()(char *block) const { std::free(block); }
    };
    std::unique_ptr<char, release> memory_;
};

/** A pool; each time that it is opened it is mapped at another address. */
class in_pool_place {
public:
    using containers = kind<libtm::pool_allocator>;
    static constexpr bool is_pool = true;
    in_pool_place() { open(); }
    ~in_pool_place()
    {
        pool_.reset();
        let_go();
    }
    in_pool_place(const in_pool_place &) = delete;
    in_pool_place &operator=(const in_pool_place &) = delete;
    template <class T> T &object() { return *pool_->data<T>(); }
    libtm::pool &pool() { return *pool_; }
    std::string path() const { return directory_ / "pool"; }
    void reopen()
    {
        char *const before = pool_->data();
        pool_->close();
        pool_.reset();
        let_go();
        constexpr std::size_t around = 1 << 20; // the recorded address is a page before the data
        occupied_ = ::mmap(before - around, 2 * around, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        occupied_size_ = 2 * around;
        open();
        EXPECT_NE(pool_->data(), before) << "it is at the same address";
    }
    std::size_t blocks()
    {
        pool_->wait();
        return blocks_of(path());
    }

private:
    void open()
    {
        tm_pool_attr how{};
        how.flags = TM_POOL_ANYWHERE | TM_POOL_NO_THREAD;
        how.durability = TM_DURABILITY_NONE;
        pool_ = std::make_unique<libtm::pool>(path(), 4096, how);
    }
    void let_go()
    {
        if (occupied_) ::munmap(occupied_, occupied_size_);
        occupied_ = nullptr;
    }

    Directory directory_{in_memory()};
    std::unique_ptr<libtm::pool> pool_;
    void *occupied_ = nullptr;
    std::size_t occupied_size_ = 0;
};

using places = ::testing::Types<in_memory_place, in_pool_place>;

/** The i-th value of a type, and a model of it from the standard library. */
template <class T> struct values;
template <> struct values<long> {
    using model = long;
    static long make(std::size_t i) { return static_cast<long>(i) - 5; }
    static bool same(long a, long b) { return a == b; }
};
template <class Allocator> struct values<libtm::basic_string<Allocator>> {
    using model = std::string;
    static std::string make(std::size_t i) { return std::to_string(i * 7919 % 1000) + std::string(i % 5 * 9, static_cast<char>('a' + i % 26)); }
    static bool same(const libtm::basic_string<Allocator> &a, const std::string &b) { return a.str() == b && a == b; }
};
template <class T, class Allocator> struct values<libtm::vector<T, Allocator>> {
    using model = std::vector<typename values<T>::model>;
    static bool same(const libtm::vector<T, Allocator> &a, const model &b)
    {
        return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto &x, const auto &y) { return values<T>::same(x, y); });
    }
};

} // namespace libtm::testing
