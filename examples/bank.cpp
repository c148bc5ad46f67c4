// SPDX-License-Identifier: MIT
/**
 * @file bank.cpp
 * The bank again, in C++: libtm::var makes it impossible to forget a transactional access, libtm::atomically returns what its
 * block returns, and an exception that leaves the block undoes it.
 *
 *     bank++ [THREADS [TRANSFERS]]
 */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <thread>
#include <tm/tm.hpp>
#include <tm/var.hpp>
#include <vector>

namespace {

constexpr long opening = 1000;

struct account {
    libtm::var<long> balance = opening;
};

struct insufficient_funds : std::runtime_error {
    insufficient_funds() : std::runtime_error("insufficient funds") {}
};

void withdraw(account &from, long amount)
{
    if (from.balance < amount) throw insufficient_funds{};
    from.balance -= amount;
}

void deposit(account &to, long amount)
{
    to.balance += amount;
}

/** One transaction of two calls, each of which could also be one of its own. */
void transfer(account &from, account &to, long amount)
{
    libtm::atomically([&] {
        deposit(to, amount);
        withdraw(from, amount); // if it throws, the deposit is undone
    });
}

long audit(const std::vector<account> &accounts)
{
    libtm::attr read_only{};
    read_only.flags = TM_READ_ONLY;
    return libtm::atomically(read_only, [&] {
        long sum = 0;
        for (const account &a : accounts) sum += a.balance;
        return sum;
    });
}

} // namespace

int main(int argc, char **argv)
{
    const long threads = argc > 1 ? std::atol(argv[1]) : 4;
    const long transfers = argc > 2 ? std::atol(argv[2]) : 10000;
    if (argc > 3 || threads < 1 || threads > 256 || transfers < 1) {
        std::fprintf(stderr, "Usage: bank++ [THREADS [TRANSFERS]]\n");
        return 2;
    }
    std::vector<account> accounts(64);
    const long money = opening * static_cast<long>(accounts.size());
    std::atomic<long> refused{0}, wrong{0};
    std::atomic<bool> running{true};

    std::vector<std::thread> tellers;
    for (long t = 0; t < threads; ++t)
        tellers.emplace_back([&, t] {
            std::minstd_rand random(static_cast<unsigned>(t) + 1);
            for (long i = 0; i < transfers; ++i) {
                account &from = accounts[random() % accounts.size()];
                account &to = accounts[random() % accounts.size()];
                try {
                    transfer(from, to, static_cast<long>(random() % (3 * opening)));
                } catch (const insufficient_funds &) {
                    ++refused;
                }
            }
        });
    std::thread auditor([&] {
        while (running)
            if (audit(accounts) != money) ++wrong;
    });
    for (std::thread &t : tellers) t.join();
    running = false;
    auditor.join();

    for (const account &a : accounts)
        if (a.balance < 0) ++wrong;
    std::printf("%ld transfers, %ld refused; the accounts hold %ld of %ld\n", threads * transfers, refused.load(), audit(accounts), money);
    if (audit(accounts) != money || wrong) {
        std::fprintf(stderr, "bank++: %ld wrong audits or overdrawn accounts\n", wrong.load());
        return 1;
    }
    return 0;
}
