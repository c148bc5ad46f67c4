// SPDX-License-Identifier: MIT
// A9, A10: what a rollback restores besides memory: errno, the signal mask, the floating-point environment, locals.
// That a C local declared tm_save keeps its value, and the others go back, is in c/locals.c.
#include "c_block.h"
#include "support.hpp"

#include <cfenv>
#include <csignal>

namespace {

using namespace libtm;
using namespace libtm::test;

class Restore : public Modes {};
TM_MODES_SUITE(Restore);

TEST_P(Restore, A10_errno_goes_back_to_its_value_at_the_begin)
{
    errno = 17;
    int attempts = 0;
    tx([&] {
        EXPECT_EQ(errno, 17);
        errno = 4;
        if (++attempts < 3) restart();
    });
    EXPECT_EQ(errno, 4); // a commit keeps it
    errno = 17;
    EXPECT_THROW(tx([] {
                     errno = 5;
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(errno, 17);
}

TEST_P(Restore, A10_saved_errno_is_what_a_rollback_restores)
{
    errno = 17;
    struct Local {
        int attempts = 0, seen = 0;
    } local;
    c_transaction(how(), [&] {
        if (++local.attempts == 2) local.seen = errno;
        errno = 20;
        tm_save_errno();
        errno = 21;
        if (local.attempts == 1) tm_restart();
    });
    EXPECT_EQ(local.seen, 20);
}

TEST_P(Restore, A10_commit_forgets_the_saved_errno)
{
    tx([] {
        errno = 33;
        tm_save_errno();
    });
    errno = 1;
    int attempts = 0;
    tx([&] {
        EXPECT_EQ(errno, 1);
        errno = 2;
        if (++attempts == 1) restart();
    });
}

TEST_P(Restore, A10_signal_mask)
{
    sigset_t before, blocked, now;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &blocked, &before);
    int attempts = 0;
    tx([&] {
        pthread_sigmask(SIG_SETMASK, nullptr, &now);
        EXPECT_FALSE(sigismember(&now, SIGUSR1));
        EXPECT_EQ(tm_save_sigmask(), 0);
        pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
        if (++attempts == 1) restart();
    });
    pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_TRUE(sigismember(&now, SIGUSR1)); // a commit keeps it
    pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
    EXPECT_THROW(tx([&] {
                     tm_save_sigmask();
                     pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
                     cancel(1);
                 }),
                 error);
    pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_FALSE(sigismember(&now, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_P(Restore, A10_first_saved_signal_mask_counts)
{
    sigset_t usr1, now;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    EXPECT_THROW(tx([&] {
                     tm_save_sigmask();
                     pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
                     tm_save_sigmask();
                     cancel(1);
                 }),
                 error);
    pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_FALSE(sigismember(&now, SIGUSR1));
}

TEST_P(Restore, A10_floating_point_environment)
{
    ASSERT_EQ(std::fegetround(), FE_TONEAREST);
    int attempts = 0;
    tx([&] {
        EXPECT_EQ(std::fegetround(), FE_TONEAREST);
        EXPECT_EQ(tm_save_fenv(), 0);
        std::fesetround(FE_UPWARD);
        if (++attempts == 1) restart();
    });
    EXPECT_EQ(std::fegetround(), FE_UPWARD); // a commit keeps it
    std::fesetround(FE_TONEAREST);
    std::feclearexcept(FE_ALL_EXCEPT);
    EXPECT_THROW(tx([] {
                     tm_save_fenv();
                     std::feraiseexcept(FE_DIVBYZERO);
                     std::fesetround(FE_DOWNWARD);
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
    EXPECT_EQ(std::fetestexcept(FE_DIVBYZERO), 0);
}

TEST_P(Restore, A10_outside_of_a_transaction_is_eperm)
{
    int local = 1;
    EXPECT_EQ(tm_save_sigmask(), EPERM);
    EXPECT_EQ(tm_save_fenv(), EPERM);
    EXPECT_EQ(tm_log_local(&local), EPERM);
    tm_save_errno(); // no effect
    // And nothing is left behind for the next transaction.
    errno = 3;
    EXPECT_THROW(tx([] {
                     errno = 4;
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(errno, 3);
}

TEST_P(Restore, A9_logged_locals_are_restored)
{
    long counter = 10, kept = 0;
    unsigned char bytes[100];
    std::memset(bytes, 1, sizeof bytes);
    tx([&] {
        EXPECT_EQ(counter, 10);
        for (unsigned char byte : bytes) EXPECT_EQ(byte, 1);
        tm_log_local(&counter);
        EXPECT_EQ(tm_log_local_bytes(bytes + 3, 90), 0);
        counter += 5;
        tm_log_local(&counter); // the older copy counts in the end
        counter += 5;
        std::memset(bytes + 3, 2, 90);
        if (++kept < 3) restart();
    });
    EXPECT_EQ(counter, 20); // a commit keeps it
    EXPECT_EQ(kept, 3);
    EXPECT_EQ(bytes[2], 1);
    EXPECT_EQ(bytes[3], 2);
    counter = 1;
    EXPECT_THROW(tx([&] {
                     tm_log_local(&counter);
                     counter = 2;
                     cancel(1);
                 }),
                 error);
    EXPECT_EQ(counter, 1);
}

__attribute__((noinline)) long log_a_local_of_mine(long value)
{
    volatile long mine = value;
    tm_log_local_bytes(const_cast<long *>(&mine), sizeof mine);
    mine = mine + 1;
    return mine;
}

__attribute__((noinline)) bool restart_over_other_locals(bool now)
{
    volatile unsigned char stack[512]; // lies where the gone local lay
    for (volatile unsigned char &byte : stack) byte = 0x77;
    if (now) tm_restart();
    bool right = true;
    for (volatile unsigned char &byte : stack) right = right && byte == 0x77;
    return right;
}

TEST_P(Restore, A9_locals_of_a_frame_that_is_gone_are_left_alone)
{
    struct Local {
        int attempts = 0;
        bool right = true;
    } local;
    c_transaction(how(), [&] {
        ++local.attempts;
        EXPECT_EQ(log_a_local_of_mine(local.attempts), local.attempts + 1);
        local.right = restart_over_other_locals(local.attempts < 3) && local.right;
    });
    EXPECT_EQ(local.attempts, 3);
    EXPECT_TRUE(local.right);
}

} // namespace
