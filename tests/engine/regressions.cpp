// SPDX-License-Identifier: MIT
// Defects that a review found, each named by what went wrong. Where it does not show by itself: what the engine did before.
#include "c_block.h"
#include "support.hpp"

#include <csetjmp>
#include <cstdio>
#include <new>
#include <pthread.h>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class Regression : public Modes {
protected:
    static inline Cell cell;
    void SetUp() override { cell.value = 0; }

    /** Runs `body` in a thread of its own and waits for its end, however it comes; cancels it once `cancel` is raised. */
    template <class Body> static void in_thread(Body body, const Flag *cancel = nullptr, const pthread_attr_t *settings = nullptr)
    {
        pthread_t thread;
        ASSERT_EQ(pthread_create(
                      &thread, settings,
                      [](void *b) -> void * {
                          (*static_cast<Body *>(b))();
                          return nullptr;
                      },
                      &body),
                  0);
        if (cancel) {
            cancel->await();
            pthread_cancel(thread);
        }
        pthread_join(thread, nullptr);
    }
};
TM_MODES_SUITE(Regression);

std::jmp_buf out;
Cell cell_of_jump;

/** Calls the function from a frame so large that what the caller calls next is surely above it on the stack. */
template <class Function> __attribute__((noinline)) void deep_down(Function function)
{
    char frame[65536];
    __asm__ volatile("" ::"r"(frame) : "memory"); // used as a whole: it is not made smaller
    function();
    __asm__ volatile("" ::"r"(frame) : "memory");
}

/** Memory of the process, in KiB. */
long resident()
{
    long size = 0, pages = 0;
    if (std::FILE *const file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%ld %ld", &size, &pages) != 2) pages = 0;
        std::fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}
bool sanitized()
{
    return under_tsan() || under_asan();
}

// Restarts of one's own

TEST_P(Regression, polling_with_tm_restart_does_not_run_alone)
{
    attr a = how();
    a.max_retries = 3;
    tm_stats before, after;
    tm_stats_get(&before);
    int attempts = 0;
    atomically(a, [&] {
        EXPECT_EQ(load(cell.value), 0);
        if (++attempts < 20) restart();
    });
    tm_stats_get(&after);
    EXPECT_EQ(attempts, 20);
    EXPECT_EQ(after.serial, before.serial);
}

TEST_P(Regression, polling_with_tm_restart_does_not_stop_the_writer_it_waits_for)
{
    Flag polled_long;
    std::thread consumer([&] {
        attr a = how();
        a.max_retries = 3;
        int attempts = 0;
        atomically(a, [&] {
            if (++attempts == 20) polled_long.raise();
            if (load(cell.value) == 0) restart();
            store(cell.value, 2L);
        });
    });
    polled_long.await();
    tx([] { store(cell.value, 1L); }); // hung
    consumer.join();
    EXPECT_EQ(cell.value, 2);
}

TEST_P(Regression, blocks_kept_for_the_next_attempt_are_bounded)
{
    if (sanitized()) GTEST_SKIP() << "a sanitizer keeps freed memory itself";
    attr a = how();
    a.max_retries = 1000000;
    const int last = 8000;
    long early = 0, late = 0;
    int attempts = 0;
    atomically(a, [&] {
        const int n = ++attempts;
        const std::size_t size = static_cast<std::size_t>(10000 + n % 7 * 16 + n % 2);
        void *const block = tm_malloc(size);
        std::memset(block, 1, size);
        if (n == last / 10) early = resident();
        if (n < last) restart();
        late = resident();
        tm_free(block);
    });
    EXPECT_EQ(attempts, last);
    EXPECT_LT(late - early, 16 * 1024); // each attempt left another 10 KB
}

// Irrevocable transactions

TEST_P(Regression, read_mostly_irrevocable_with_many_reads_then_a_store_runs_once)
{
    std::vector<Cell> cells(3000);
    int effects = 0;
    atomically(how(TM_READ_MOSTLY | TM_IRREVOCABLE), [&] {
        ++effects;
        long sum = 0;
        for (const Cell &each : cells) sum += load(each.value);
        store(cell.value, sum + 1);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Regression, read_only_irrevocable_is_refused)
{
    int effects = 0, recoveries = 0;
    const attr a = how(TM_READ_ONLY | TM_IRREVOCABLE);
    try {
        atomically(a, [&] { ++effects; });
        ADD_FAILURE() << "began";
    } catch (const error &e) {
        EXPECT_EQ(e.kind(), TM_ERROR_MISUSE);
    }
    c_transaction(a, [&] { ++effects; }, [&] {
        ++recoveries;
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    });
    EXPECT_EQ(effects, 0);
    EXPECT_EQ(recoveries, 1);
    EXPECT_FALSE(tm_in_transaction());
    std::thread([&] { tx([] { store(cell.value, 1L); }); }).join(); // nobody holds the token
    EXPECT_EQ(cell.value, 1);
}

TEST_P(Regression, double_free_in_an_irrevocable_transaction_is_recorded_and_does_not_roll_back)
{
    void *const before = tm_malloc(64);
    int effects = 0;
    atomically(how(TM_IRREVOCABLE), [&] {
        ++effects;
        store(cell.value, 7L);
        tm_free(before);
        EXPECT_NE(tm_last_error()->kind, TM_ERROR_FREE);
        tm_free(before);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_FREE);
        EXPECT_EQ(tm_last_error()->code, EINVAL);
        void *const made = tm_malloc(64);
        tm_free(made);
        tm_free(made);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 7);
}

TEST_P(Regression, tm_irrevocable_in_a_read_only_transaction_is_eperm)
{
    int attempts = 0;
    atomically(how(TM_READ_ONLY), [&] {
        ++attempts;
        EXPECT_EQ(load(cell.value), 0);
        EXPECT_EQ(tm_irrevocable(), EPERM);
        EXPECT_EQ(tm_last_error()->kind, TM_ERROR_READ_ONLY);
        EXPECT_EQ(load(cell.value), 0); // and it lives on
    });
    EXPECT_EQ(attempts, 1);
}

TEST_P(Regression, no_grow_does_not_roll_an_irrevocable_transaction_back)
{
    std::vector<Cell> cells(3000);
    int effects = 0;
    atomically(how(TM_NO_GROW | TM_IRREVOCABLE), [&] {
        ++effects;
        for (int i = 0; i < 30000; ++i) tm_free(tm_malloc(8)); // more than any log of this process holds
        for (Cell &each : cells) store(each.value, load(each.value) + 1);
        tm_log([](void *) { return ++cell.value, 0; }, nullptr, nullptr, nullptr, 0);
    });
    EXPECT_EQ(effects, 1);
    EXPECT_EQ(cell.value, 1);
    for (const Cell &each : cells) ASSERT_EQ(each.value, 1);
}

TEST_P(Regression, tm_log_reserve_makes_room_for_allocations)
{
    constexpr std::size_t count = 60000;
    int allocated = 0;
    atomically(how(TM_NO_GROW | TM_NULL_ON_OOM), [&] {
        ASSERT_EQ(tm_log_reserve(count, 8, 8), 0);
        for (std::size_t i = 0; i < count; ++i) {
            void *const block = tm_malloc(8); // ended with TM_ERROR_LOG_FULL
            allocated += block != nullptr;
            tm_free(block);
        }
    });
    EXPECT_EQ(allocated, static_cast<int>(count));
}

__attribute__((noinline)) void leave_irrevocable(const attr &a)
{
    if (setjmp(out) == 0) {
        c_transaction(a, [] {
            EXPECT_EQ(tm_irrevocable(), 0);
            tm_store_i64(&cell_of_jump.value, 1);
            tm_longjmp(out, 1);
        });
        ADD_FAILURE() << "went on";
    }
}

TEST_P(Regression, tm_longjmp_out_of_an_irrevocable_transaction_commits_it)
{
    for (const unsigned flags : {0u, unsigned{TM_IRREVOCABLE}}) {
        cell_of_jump.value = 0;
        leave_irrevocable(how(flags));
        ASSERT_FALSE(tm_in_transaction()); // and others waited for ever
        EXPECT_EQ(cell_of_jump.value, 1);
        const auto count = [] { tx([] { store(cell_of_jump.value, load(cell_of_jump.value) + 1); }); };
        std::thread(count).join();
        count();
        EXPECT_EQ(cell_of_jump.value, 3);
    }
}

// Threads that end in the middle

Flag in_finish, taken_over, looked_at;

TEST_P(Regression, thread_exit_in_finish_does_not_release_what_others_hold_by_now)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    for (const bool committed : {true, false}) {
        new (&in_finish) Flag;
        new (&taken_over) Flag;
        new (&looked_at) Flag;
        cell.value = 0;
        const attr a = how(TM_NO_QUIESCENCE);
        std::thread second([&] {
            in_finish.await();
            atomically(a, [] {
                store(cell.value, 100L);
                taken_over.raise();
                looked_at.await();
            });
        });
        in_thread([&a, committed] {
            c_transaction(a, [committed] {
                tm_store_i64(&cell.value, 1);
                tm_log(
                    nullptr, nullptr,
                    [](void *) {
                        in_finish.raise();
                        taken_over.await();
                        pthread_exit(nullptr);
                    },
                    nullptr, 0);
                if (!committed) tm_abort(1);
            });
        });
        // The first thread is gone, the second holds the cell: nobody gets it.
        attr patient = a;
        patient.max_retries = 1000000;
        try {
            atomically(patient, [] {
                if (tm_attempt() == 4) cancel(9);
                store(cell.value, load(cell.value) + 1000);
            });
            ADD_FAILURE() << "committed over the lock of another";
        } catch (const error &e) {
            EXPECT_EQ(e.code(), 9);
        }
        looked_at.raise();
        second.join();
        EXPECT_EQ(cell.value, 100);
    }
}

long *published;
Flag in_apply;

TEST_P(Regression, thread_end_in_apply_does_not_free_published_blocks)
{
    const attr a = how();
    for (const bool cancelled : {false, true}) {
        new (&in_apply) Flag;
        published = nullptr;
        static bool exits;
        exits = !cancelled;
        in_thread(
            [&a] {
                c_transaction(a, [] {
                    long *const block = static_cast<long *>(tm_malloc(4000));
                    block[0] = 42;
                    tm_store_ptr(&published, block);
                    tm_log(
                        [](void *) {
                            if (exits) pthread_exit(nullptr);
                            in_apply.raise();
                            for (;;) pthread_testcancel();
                            return 0;
                        },
                        nullptr, nullptr, nullptr, 0);
                });
            },
            cancelled ? &in_apply : nullptr);
        ASSERT_NE(published, nullptr); // past the point of no return
        // Whichever thread has the context now: its rollback freed the block, or handed it to the next attempt.
        std::atomic<int> taken{0};
        run_threads(8, [&](unsigned) {
            atomically(a, [&] {
                void *const block = tm_malloc(4000);
                if (tm_attempt() < 4) restart();
                if (block == published)
                    taken.fetch_add(1);
                else
                    tm_free(block);
            });
            atomically(a, [&] {
                if (tm_attempt() < 4) restart();
                void *const block = tm_malloc(4000);
                if (block == published)
                    taken.fetch_add(1);
                else
                    tm_free(block);
            });
        });
        ASSERT_EQ(taken.load(), 0);
        EXPECT_EQ(published[0], 42);
        tm_free(published);
    }
}

attr local_attr;
char *local_addr;
constexpr std::size_t local_size = 256;

__attribute__((noinline)) void leaves_its_block_by_return()
{
    char local[local_size];
    std::memset(local, 'A', sizeof local);
    local_addr = local;
    __asm__ volatile("" ::"r"(local) : "memory");
    tm_begin_with(&local_attr)
        tm_log_local(&local);
        std::memset(local, 'B', sizeof local);
        __asm__ volatile("" ::"r"(local) : "memory");
        return;
    tm_commit
    tm_end
}

TEST_P(Regression, tm_log_local_is_not_restored_into_a_dead_frame)
{
    if (under_asan()) GTEST_SKIP() << "looks at a dead frame";
    constexpr std::size_t stack_size = 1 << 20;
    void *const stack = mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(stack, MAP_FAILED);
    for (const bool begins_again : {false, true}) {
        pthread_attr_t settings;
        pthread_attr_init(&settings);
        ASSERT_EQ(pthread_attr_setstack(&settings, stack, stack_size), 0);
        local_attr = how();
        local_addr = nullptr;
        in_thread(
            [begins_again] {
                deep_down(leaves_its_block_by_return); // deeper than the frames of what follows
                if (begins_again) c_transaction(local_attr, [] { tm_store_i64(&cell.value, 1); });
            },
            nullptr, &settings);
        pthread_attr_destroy(&settings);
        const auto offset = static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(local_addr) - reinterpret_cast<std::uintptr_t>(stack));
        ASSERT_LT(offset, stack_size);
        EXPECT_EQ(std::string(static_cast<const char *>(stack) + offset, local_size), std::string(local_size, 'B'));
        EXPECT_EQ(cell.value, begins_again);
    }
    munmap(stack, stack_size);
}

TEST_P(Regression, transactions_in_the_destructor_of_a_key_leave_no_context_behind)
{
    if (sanitized()) GTEST_SKIP() << "measures memory";
    static attr a;
    a = how();
    pthread_key_t key;
    ASSERT_EQ(pthread_key_create(&key, [](void *) { atomically(a, [] { store(cell.value, load(cell.value) + 1); }); }), 0);
    long early = 0;
    constexpr int threads = 3000;
    for (int i = 0; i < threads; ++i) {
        in_thread([key] { pthread_setspecific(key, &cell); });
        if (i == threads / 10) early = resident();
    }
    EXPECT_LT(resident() - early, 8 * 1024);
    pthread_key_delete(key);
    EXPECT_EQ(cell.value, threads);
}

// Exceptions

TEST_P(Regression, swallowed_rollback_during_an_unrelated_exception_is_not_a_commit)
{
    static int attempts, went_on, commits;
    static attr a;
    for (const int after : {0, 1, 2}) { // nothing, a load, or a store comes after the swallowed one
        struct Guard {
            explicit Guard(int what) : after(what) {}
            Guard(const Guard &) = delete;
            Guard &operator=(const Guard &) = delete;
            ~Guard()
            {
                try {
                    atomically(a, [&] {
                        ++attempts;
                        try {
                            store(cell.value, load(cell.value) + 1);
                            if (tm_attempt() == 1) restart();
                            return;
                        } catch (...) { // forbidden, and survived
                        }
                        if (after == 1) load(cell.value);
                        if (after == 2) store(cell.value, 100L);
                        if (after != 0) ++went_on;
                    });
                    ++commits;
                } catch (...) {
                    ADD_FAILURE() << "threw";
                }
            }
            int after;
        };
        cell.value = attempts = went_on = commits = 0;
        a = how();
        try {
            const Guard guard(after);
            throw std::runtime_error("unrelated");
        } catch (const std::runtime_error &) {
        }
        EXPECT_EQ(attempts, 2);
        EXPECT_EQ(went_on, 0);
        EXPECT_EQ(commits, 1);
        EXPECT_EQ(cell.value, 1);
        EXPECT_FALSE(tm_in_transaction());
    }
}

TEST_P(Regression, commit_on_throw_with_a_prepare_that_restarts_lets_no_private_exception_out)
{
    static int attempts;
    attempts = 0;
    const tm_action restarts_first = {
        [](void *) {
            if (attempts == 1) tm_restart();
            return 0;
        },
        nullptr, nullptr, nullptr};
    try {
        atomically(how(TM_COMMIT_ON_THROW), [&] {
            ++attempts;
            store(cell.value, load(cell.value) + 1);
            tm_log_action(&restarts_first, nullptr, 0);
            throw 5;
        });
        ADD_FAILURE() << "no exception";
    } catch (int thrown) {
        EXPECT_EQ(thrown, 5);
    } catch (...) {
        ADD_FAILURE() << "a private exception";
    }
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(cell.value, 1);
    EXPECT_FALSE(tm_in_transaction());
}

// What a rollback leaves behind

/** One transaction reads a word before and after `spoil` runs in another thread, and must see one value. */
template <class Spoil> void expect_one_value(const attr &a, Cell &cell, Spoil spoil)
{
    for (const unsigned flags : {0u, unsigned{TM_READ_ONLY}}) {
        attr reading = a;
        reading.flags |= flags;
        cell.value = 1;
        std::atomic<int> torn{0};
        int attempts = 0;
        atomically(reading, [&] {
            const long first = load(cell.value);
            if (++attempts == 1) std::thread(spoil).join();
            if (load(cell.value) != first) torn.fetch_add(1);
        });
        EXPECT_EQ(torn.load(), 0);
    }
}

TEST_P(Regression, what_was_written_without_undo_is_not_read_by_an_older_attempt)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    expect_one_value(how(), cell, [] {
        try {
            atomically(how(TM_NO_QUIESCENCE), [] {
                EXPECT_EQ(tm_privatize(&cell, sizeof cell, TM_PRIVATIZE_STORE | TM_PRIVATIZE_NOUNDO), 0);
                cell.value = 77;
                cancel(1);
            });
        } catch (const error &) {
        }
    });
}

TEST_P(Regression, what_undo_stores_is_not_read_by_an_older_attempt)
{
    TM_SKIP_UNLESS_INDEPENDENT();
    expect_one_value(how(), cell, [] {
        try {
            atomically(how(TM_NO_QUIESCENCE), [] {
                store(cell.value, 5L);
                tm_log(nullptr, [](void *) { tm_store_i64(&cell.value, 88); }, nullptr, nullptr, 0);
                cancel(1);
            });
        } catch (const error &) {
        }
    });
    EXPECT_EQ(cell.value, 88);
}

// Arguments and places

TEST_P(Regression, tm_log_reserve_with_a_huge_count_is_enomem)
{
    int attempts = 0;
    tx([&] {
        ++attempts;
        store(cell.value, 1L);
        constexpr std::size_t wraps = std::size_t{1} << 58; // so many stripes of 64 bytes have 0 bytes
        for (const std::size_t count : {wraps - 1, wraps, wraps + 5000, wraps / 2 + 5000, SIZE_MAX / 2, SIZE_MAX}) {
            EXPECT_EQ(tm_log_reserve(0, 0, count), ENOMEM);
            EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MEMORY);
        }
        store(cell.value, load(cell.value) + 1);
    });
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(cell.value, 2);
}

__attribute__((noinline)) void leaves_its_recovery_by_return()
{
    tm_begin_with(&local_attr)
        tm_abort(1);
    tm_commit
        return;
    tm_end
}

TEST_P(Regression, tm_restart_after_a_recovery_block_that_was_left_is_misuse)
{
    local_attr = how();
    deep_down(leaves_its_recovery_by_return);
    tm_restart(); // jumped into the dead frame
    EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
    EXPECT_STREQ(tm_last_error()->operation, "tm_restart");
    EXPECT_FALSE(tm_in_transaction());
    tx([] { store(cell.value, 1L); });
    EXPECT_EQ(cell.value, 1);
}

} // namespace
