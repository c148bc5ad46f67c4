// SPDX-License-Identifier: MIT
// P19: an exception leaving the block acts once, as documented; thread exit, cancellation, longjmp out, exit() inside: rolled
// back, all others go on.
#include "c_block.h"
#include "support.hpp"

#include <csetjmp>
#include <cstdlib>
#include <pthread.h>
#include <stdexcept>
#include <unistd.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class Leaving : public Modes {
protected:
    static inline Cell cell;
    static inline int undone, finished;

    void SetUp() override
    {
        cell.value = 5;
        undone = finished = 0;
    }

    /** What each of the transactions does before it is left. */
    static void dirty()
    {
        tm_store_i64(&cell.value, 6);
        tm_malloc(100); // freed by the rollback: LeakSanitizer watches
        tm_log(nullptr, [](void *) { ++undone; }, [](void *) { ++finished; }, nullptr, 0);
        tm_store_i64(&cell.value, 7);
    }

    /** The place is as it was, and nobody holds it. */
    static void expect_rolled_back(const attr &a)
    {
        EXPECT_EQ(undone, 1);
        EXPECT_EQ(finished, 1);
        EXPECT_EQ(cell.value, 5);
        run_threads(3, [&](unsigned) {
            for (int i = 0; i < 100; ++i) atomically(a, [&] { store(cell.value, load(cell.value) + 1); });
        });
        EXPECT_EQ(cell.value, 305);
    }

    /** Runs `body` in a thread of its own and waits for its end, however it comes. */
    template <class Body> static void in_thread(Body body, bool cancelled = false)
    {
        pthread_t thread;
        ASSERT_EQ(pthread_create(
                      &thread, nullptr,
                      [](void *b) -> void * {
                          (*static_cast<Body *>(b))();
                          return nullptr;
                      },
                      &body),
                  0);
        if (cancelled) pthread_cancel(thread);
        pthread_join(thread, nullptr);
    }
};
TM_MODES_SUITE(Leaving);

std::jmp_buf out;

struct Counted {
    explicit Counted(int &destroyed) : destroyed_(destroyed) {}
    ~Counted() { ++destroyed_; }
    Counted(const Counted &) = delete;
    Counted &operator=(const Counted &) = delete;
    int &destroyed_;
};

TEST_P(Leaving, P19_exception_rolls_back_and_goes_on_to_the_caller)
{
    TM_SKIP_IF_SHAKEN();
    int destroyed = 0, attempts = 0;
    try {
        tx([&] {
            const Counted object(destroyed);
            ++attempts;
            dirty();
            throw std::runtime_error("mine");
        });
        ADD_FAILURE() << "no exception";
    } catch (const std::runtime_error &e) {
        EXPECT_STREQ(e.what(), "mine");
    }
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(attempts, 1);
    EXPECT_FALSE(tm_in_transaction());
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_exception_of_any_type)
{
    EXPECT_THROW(tx([&] {
                     dirty();
                     throw 42;
                 }),
                 int);
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_commit_on_throw_commits_once_and_goes_on_to_the_caller)
{
    TM_SKIP_IF_SHAKEN();
    int destroyed = 0, applied = 0;
    static int applies;
    applies = 0;
    EXPECT_THROW(atomically(how(TM_COMMIT_ON_THROW),
                            [&] {
                                const Counted object(destroyed);
                                store(cell.value, 9L);
                                tm_log([](void *) { return ++applies, 0; }, nullptr, nullptr, nullptr, 0);
                                throw std::logic_error("mine");
                            }),
                 std::logic_error);
    applied = applies;
    EXPECT_EQ(cell.value, 9);
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(applied, 1);
    EXPECT_FALSE(tm_in_transaction());
}

TEST_P(Leaving, P19_conflict_destroys_every_local_once_per_attempt)
{
    TM_SKIP_IF_SHAKEN();
    int destroyed = 0, attempts = 0;
    tx([&] {
        const Counted a(destroyed);
        const Counted b(destroyed);
        store(cell.value, load(cell.value) + 1);
        if (++attempts < 4) restart();
    });
    EXPECT_EQ(attempts, 4);
    EXPECT_EQ(destroyed, 8);
    EXPECT_EQ(cell.value, 6);
}

TEST_P(Leaving, P19_swallowed_restart_is_thrown_again_by_the_next_call)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0, went_on = 0;
    tx([&] {
        ++attempts;
        store(cell.value, load(cell.value) + 1);
        if (attempts == 1) {
            try {
                restart();
            } catch (...) { // forbidden, and survived
            }
            load(cell.value);
            ++went_on;
        } else if (attempts == 2) {
            try {
                restart();
            } catch (...) {
            }
            store(cell.value, 100L);
            ++went_on;
        } else if (attempts == 3) {
            try {
                restart();
            } catch (...) {
            } // and no call at all after it: found at the end of the block
        }
    });
    EXPECT_EQ(attempts, 4);
    EXPECT_EQ(went_on, 0);
    EXPECT_EQ(cell.value, 6);
}

TEST_P(Leaving, P19_exception_beside_a_swallowed_restart)
{
    TM_SKIP_IF_SHAKEN();
    int attempts = 0;
    tx([&] {
        store(cell.value, load(cell.value) + 1);
        if (++attempts == 1) {
            try {
                restart();
            } catch (...) {
                throw std::runtime_error("computed from a snapshot that is gone");
            }
        }
    });
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(cell.value, 6);
}

TEST_P(Leaving, P19_thread_returns_out_of_a_c_block)
{
    in_thread([a = how()] {
        if (setjmp(out) == 0)
            c_transaction(a, [&] {
                dirty();
                longjmp(out, 1);
            });
        // The thread ends with the transaction still open.
    });
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_pthread_exit_in_a_c_block)
{
    in_thread([a = how()] {
        c_transaction(a, [&] {
            dirty();
            pthread_exit(nullptr);
        });
    });
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_pthread_exit_in_a_cpp_block)
{
    TM_SKIP_IF_SHAKEN();
    int destroyed = 0;
    in_thread([a = how(), &destroyed] {
        atomically(a, [&] {
            const Counted object(destroyed);
            dirty();
            pthread_exit(nullptr);
        });
    });
    EXPECT_EQ(destroyed, 1);
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_cancellation_in_a_c_block)
{
    in_thread(
        [a = how()] {
            c_transaction(a, [&] {
                dirty();
                for (;;) {
                    pthread_testcancel();
                    std::this_thread::yield();
                }
            });
        },
        true);
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_cancellation_in_a_cpp_block)
{
    TM_SKIP_IF_SHAKEN();
    int destroyed = 0;
    in_thread(
        [a = how(), &destroyed] {
            atomically(a, [&] {
                const Counted object(destroyed);
                atomically([&] { dirty(); }); // a nested one on the way
                for (;;) {
                    pthread_testcancel();
                    std::this_thread::yield();
                }
            });
        },
        true);
    EXPECT_EQ(destroyed, 1);
    expect_rolled_back(how());
}

/** Calls the function from a frame so large that the caller's next calls are surely above it on the stack. */
template <class Function> __attribute__((noinline)) void deep_down(Function function)
{
    volatile char frame[8192];
    frame[0] = 0;
    function();
    frame[8191] = frame[0];
}

TEST_P(Leaving, P19_bare_longjmp_is_rolled_back_by_the_next_begin)
{
    static Cell other;
    other.value = 0;
    const attr a = how();
    if (setjmp(out) == 0)
        deep_down([&] {
            c_transaction(a, [&] {
                dirty();
                longjmp(out, 1);
            });
        });
    c_transaction(a, [&] { tm_store_i64(&other.value, tm_load_i64(&other.value) + 1); });
    EXPECT_EQ(other.value, 1);
    EXPECT_FALSE(tm_in_transaction());
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_bare_longjmp_then_a_cpp_block)
{
    const attr a = how();
    if (setjmp(out) == 0)
        deep_down([&] {
            c_transaction(a, [&] {
                dirty();
                c_transaction(a, [&] { longjmp(out, 1); });
            });
        });
    EXPECT_EQ(atomically(a, [&] { return load(cell.value); }), 5);
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_bare_longjmp_then_the_same_block_again)
{
    TM_SKIP_IF_SHAKEN();
    const attr a = how();
    static int rounds;
    rounds = 0;
    const auto block = [&] {
        if (rounds++ == 0) {
            dirty();
            longjmp(out, 1);
        }
        tm_store_i64(&cell.value, tm_load_i64(&cell.value) + 1);
    };
    setjmp(out);
    c_transaction(a, block); // the same begin at the same depth, for the second time
    EXPECT_FALSE(tm_in_transaction());
    EXPECT_EQ(cell.value, 6);
    EXPECT_EQ(undone, 1);
}

TEST_P(Leaving, P19_tm_longjmp_rolls_back_first)
{
    const attr a = how();
    if (setjmp(out) == 0) {
        c_transaction(a, [&] {
            dirty();
            c_transaction(a, [&] { tm_longjmp(out, 1); });
        });
        ADD_FAILURE() << "went on";
    }
    EXPECT_FALSE(tm_in_transaction());
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_abandon_forgets_the_transaction)
{
    const attr a = how();
    if (setjmp(out) == 0)
        c_transaction(a, [&] {
            dirty();
            tm_abandon();
            EXPECT_FALSE(tm_in_transaction());
            EXPECT_EQ(cell.value, 5);
            longjmp(out, 1);
        });
    tm_abandon(); // outside: no effect
    expect_rolled_back(how());
}

TEST_P(Leaving, P19_others_go_on_while_threads_come_and_go)
{
    static Cell shared;
    shared.value = 0;
    const auto rounds = scaled(600);
    const attr a = how();
    run_threads(4, [&](unsigned me) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            if (me % 2) {
                atomically(a, [&] { store(shared.value, load(shared.value) + 1); });
            } else {
                in_thread([&a, i] {
                    c_transaction(a, [&] {
                        tm_store_i64(&shared.value, tm_load_i64(&shared.value) + 100);
                        if (i % 2) pthread_exit(nullptr);
                        tm_abort(1);
                    });
                });
            }
        }
    });
    EXPECT_EQ(shared.value, static_cast<long>(2 * rounds));
}

TEST_P(Leaving, P19_transaction_in_a_destructor_at_thread_end)
{
    struct AtEnd {
        ~AtEnd()
        {
            atomically([] { store(cell.value, load(cell.value) + 10); });
        }
    };
    in_thread([a = how()] {
        thread_local AtEnd before; // its destructor runs after that of whatever the engine registers below
        (void)&before;
        atomically(a, [] { store(cell.value, load(cell.value) + 1); });
    });
    EXPECT_EQ(cell.value, 16);
}

Cell exit_cell;

/** Runs at exit(), after the transaction was rolled back: the value is the old one, and another thread is not stopped. */
void verify_and_exit()
{
    bool right = true;
    std::thread([&] {
        const long before = atomically([] {
            const long value = load(exit_cell.value);
            store(exit_cell.value, value + 1);
            return value;
        });
        right = before == 5;
    }).join();
    _exit(right && exit_cell.value == 6 ? 42 : 1);
}

TEST_P(Leaving, P19_exit_in_a_transaction_stops_nobody)
{
    const attr a = how();
    const auto child = [&](bool cpp) {
        exit_cell.value = 5;
        std::atexit(verify_and_exit);
        if (cpp)
            atomically(a, [] {
                store(exit_cell.value, 7L);
                std::exit(3);
            });
        else
            c_transaction(a, [] {
                tm_store_i64(&exit_cell.value, 7);
                std::exit(3);
            });
    };
    EXPECT_EXIT(child(true), ::testing::ExitedWithCode(42), "");
    EXPECT_EXIT(child(false), ::testing::ExitedWithCode(42), "");
}

} // namespace
