// SPDX-License-Identifier: MIT
// What the tests share: buffering modes and thread counts as parameters, threads that start together, scaled iteration counts.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <string>
#include <thread>
#include <tm/tm.hpp>
#include <tuple>
#include <vector>

namespace libtm::test {

/** How the threads of one test buffer: all write-back, all write-through, or every other one (all at once on the same data). */
enum class Buffering { write_back, write_through, mixed };

/** Attributes of a transaction; a helper because designated initialisers warn about the members they leave out. */
inline attr make_attr(tm_mode mode, unsigned flags = 0, const char *label = nullptr)
{
    attr a{};
    a.mode = mode;
    a.flags = flags;
    a.label = label;
    return a;
}

/** A deadline: so many ms from now. */
inline std::uint64_t in_ms(unsigned ms)
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec) + ms * std::uint64_t{1'000'000};
}

/** The mode of the given thread's transaction; with `mixed` it also alternates from one transaction to the next. */
inline tm_mode mode_of(Buffering buffering, unsigned turn)
{
    switch (buffering) {
    case Buffering::write_back: return TM_WRITE_BACK;
    case Buffering::write_through: return TM_WRITE_THROUGH;
    default: return turn % 2 ? TM_WRITE_THROUGH : TM_WRITE_BACK;
    }
}

/** Iterations: `count` in a plain build, fewer under a sanitizer. */
std::uint64_t scaled(std::uint64_t count);

/** Whether the build runs under the sanitizer that reports data races, or the one that reports memory errors. */
bool under_tsan();
bool under_asan();

/** An option of tm_config_get as text or number. */
std::string option(const char *name);
long number_option(const char *name);

/** Orchestrated tests hold one transaction open and wait for another: they need orecs that do not collide and a clock that lasts. */
inline bool few_orecs() { return number_option("orecs") < 12; }
inline bool short_clock() { return number_option("clock_bits") < 40; }
#define TM_SKIP_UNLESS_INDEPENDENT()                                                                                   \
    do {                                                                                                               \
        if (libtm::test::few_orecs() || libtm::test::short_clock())                                                    \
            GTEST_SKIP() << "needs independent orecs and a clock that does not overflow";                              \
    } while (0);                                                                                                       \
    TM_WITHOUT_BIAS()
/** Tests in which a transaction waits for one of another thread. */
#define TM_WITHOUT_BIAS() [[maybe_unused]] const libtm::test::Option nobody_has_the_bias("bias", "0"), nobody_waits_for_a_turn("turns", "off")
/** Tests that count attempts, or do in an attempt what no rollback undoes. */
#define TM_SKIP_IF_SHAKEN()                                                                                            \
    do {                                                                                                               \
        if (libtm::test::number_option("shake") > 0) GTEST_SKIP() << "needs attempts that fail for a reason";          \
    } while (0)
#define TM_SKIP_WITHOUT_QUIESCENCE()                                                                                   \
    do {                                                                                                               \
        if (libtm::test::option("quiescence") == "off") GTEST_SKIP() << "needs quiescence";                            \
    } while (0)

/** Sets an option for the life of the object. */
class Option {
public:
    Option(const char *name, const char *value) : name_(name), before_(option(name)) { EXPECT_EQ(tm_config_set(name, value), 0); }
    ~Option() { tm_config_set(name_, before_.c_str()); }
    Option(const Option &) = delete;
    Option &operator=(const Option &) = delete;

private:
    const char *name_;
    std::string before_;
};

/** Runs body(i) in `count` threads that begin together, and joins them. */
template <class Body> void run_threads(unsigned count, Body body)
{
    std::atomic<unsigned> waiting{count};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            waiting.fetch_sub(1);
            while (waiting.load() != 0) std::this_thread::yield();
            body(i);
        });
    for (auto &thread : threads) thread.join();
}

/** When not null: called by those who have waited for long, and may end the process. For tests that are run with failing allocations. */
extern void (*on_hopeless_wait)();

/** Waits, without limit (the harness has a watchdog), for another thread. */
template <class Condition> void wait_until(Condition condition)
{
    for (unsigned long looks = 1; !condition(); ++looks) {
        if (looks % 4096 == 0 && on_hopeless_wait) on_hopeless_wait();
        std::this_thread::yield();
    }
}

/** What one thread raises and others wait for. */
class Flag {
public:
    void raise() { raised_.store(true, std::memory_order_release); }
    bool raised() const { return raised_.load(std::memory_order_acquire); }
    void await() const
    {
        wait_until([this] { return raised(); });
    }

private:
    std::atomic<bool> raised_{false};
};

/** A small generator (xorshift64*), one per thread, the same numbers in every run. */
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x1234567u) {}
    std::uint64_t operator()()
    {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545f4914f6cdd1du;
    }
    /** A number below `limit`. */
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>((*this)() >> 33) % limit; }

private:
    std::uint64_t state_;
};

/** An integer on a stripe of its own. */
struct alignas(64) Cell {
    long value = 0;
};

/**
 * Make the running transaction lose against another: it reads the cell, another thread changes it, it reads the cell again and restarts. Only
 * before its first write, and not while it runs alone or the clock may overflow: then the other could not commit.
 */
inline void be_overtaken(Cell &cell)
{
    libtm::load(cell.value);
    std::thread([&] {
        const auto overtake = make_attr(TM_MODE_DEFAULT, TM_NO_QUIESCENCE); // it must not wait for us, who wait for it
        libtm::atomically(overtake, [&] { libtm::store(cell.value, libtm::load(cell.value) + 1); });
    }).join();
    libtm::load(cell.value);
}

/** Commits that were alone, by the bias or by turns. */
inline std::uint64_t alone_so_far()
{
    tm_stats stats;
    tm_stats_get(&stats);
    return stats.alone;
}

/** Runs transactions until one has been alone. */
inline void become_alone()
{
    const std::uint64_t before = alone_so_far();
    for (int i = 0; i < 200000 && alone_so_far() == before; ++i) libtm::atomically([] {});
    ASSERT_GT(alone_so_far(), before);
}

/** One thread, each buffering mode, and the one that chooses. */
class Modes : public ::testing::TestWithParam<tm_mode> {
protected:
    static attr how(unsigned flags = 0, const char *label = nullptr) { return make_attr(GetParam(), flags, label); }
    template <class Block> static auto tx(Block &&block) { return atomically(how(), std::forward<Block>(block)); }
};

/** Each buffering of threads, each number of threads. */
class Concurrent : public ::testing::TestWithParam<std::tuple<Buffering, unsigned>> {
protected:
    static unsigned threads() { return std::get<1>(GetParam()); }
    static Buffering buffering() { return std::get<0>(GetParam()); }
    static attr how(unsigned turn, unsigned flags = 0) { return make_attr(mode_of(buffering(), turn), flags); }
    /** Iterations for each thread when `count` are to be done in all. */
    static std::uint64_t each(std::uint64_t count) { return scaled(count) / threads() + 1; }
};

inline std::string mode_name(const ::testing::TestParamInfo<tm_mode> &info)
{
    return info.param == TM_WRITE_BACK ? "write_back" : info.param == TM_WRITE_THROUGH ? "write_through" : "automatic";
}
inline std::string concurrent_name(const ::testing::TestParamInfo<std::tuple<Buffering, unsigned>> &info)
{
    static const char *const names[] = {"write_back", "write_through", "mixed"};
    return std::string(names[static_cast<int>(std::get<0>(info.param))]) + "_" + std::to_string(std::get<1>(info.param));
}

#define TM_MODES_SUITE(suite)                                                                                          \
    INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(TM_WRITE_BACK, TM_WRITE_THROUGH, TM_MODE_AUTO), libtm::test::mode_name)
#define TM_CONCURRENT_SUITE(suite)                                                                                     \
    INSTANTIATE_TEST_SUITE_P(, suite,                                                                                  \
                             ::testing::Combine(::testing::Values(libtm::test::Buffering::write_back,                  \
                                                                  libtm::test::Buffering::write_through,               \
                                                                  libtm::test::Buffering::mixed),                      \
                                                ::testing::Values(1u, 2u, 8u)),                                        \
                             libtm::test::concurrent_name)

} // namespace libtm::test
