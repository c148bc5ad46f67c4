// SPDX-License-Identifier: MIT
// Defects that a review found: threads, exceptions and frames that end in the middle of a transaction; memory written without undo.
#include "c_block.h"
#include "regression.hpp"

#include <new>
#include <stdexcept>
#include <sys/mman.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class RegressionLeaving : public RegressionModes {};
TM_MODES_SUITE(RegressionLeaving);

// Threads that end in the middle

Flag in_finish, taken_over, looked_at;

TEST_P(RegressionLeaving, thread_exit_in_finish_does_not_release_what_others_hold_by_now)
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

TEST_P(RegressionLeaving, thread_end_in_apply_does_not_free_published_blocks)
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

TEST_P(RegressionLeaving, tm_log_local_is_not_restored_into_a_dead_frame)
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

TEST_P(RegressionLeaving, transactions_in_the_destructor_of_a_key_leave_no_context_behind)
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

TEST_P(RegressionLeaving, swallowed_rollback_during_an_unrelated_exception_is_not_a_commit)
{
    TM_SKIP_IF_SHAKEN();
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

TEST_P(RegressionLeaving, commit_on_throw_with_a_prepare_that_restarts_lets_no_private_exception_out)
{
    TM_SKIP_IF_SHAKEN();
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

TEST_P(RegressionLeaving, what_was_written_without_undo_is_not_read_by_an_older_attempt)
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

TEST_P(RegressionLeaving, what_undo_stores_is_not_read_by_an_older_attempt)
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

TEST_P(RegressionLeaving, tm_log_reserve_with_a_huge_count_is_enomem)
{
    TM_SKIP_IF_SHAKEN();
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

TEST_P(RegressionLeaving, tm_restart_after_a_recovery_block_that_was_left_is_misuse)
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
