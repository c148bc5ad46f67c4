// SPDX-License-Identifier: MIT
/**
 * @file crash_states.cpp
 * A structure in a pool, checked over every state that a crash can leave: accounts between which money moves, each transfer a commit. The
 * program runs once on files in memory; then each crash state is opened, and again after crashes in the recovery.
 *
 *     crash_states [STATE]     STATE: one that has failed, as it was printed; shown once more
 */
#include <cerrno>
#include <stdexcept>
#include <string>
#include <tm/crash.hpp>
#include <tm/persist.h>

namespace {

constexpr long accounts = 600; // more than a page
constexpr long opening = 100;
constexpr long transfers = 4;

struct bank {
    long transfers; // made so far
    long balances[accounts];
};

tm_pool_attr attributes(tm_storage *files)
{
    tm_pool_attr attr{};
    attr.flags = TM_POOL_NO_THREAD; // the run is the same each time, so that a state can be shown again
    attr.layout = "bank";
    attr.journal = 64 << 10; // small files are fast to open
    attr.storage = files;
    return attr;
}

void must(bool holds)
{
    if (!holds) throw std::runtime_error(tm_pool_error()->message ? tm_pool_error()->message : "failed");
}

void run(tm_storage *files, libtm::crash::Marks &marks)
{
    const tm_pool_attr attr = attributes(files);
    tm_pool *const pool = tm_pool_create("bank", sizeof(bank), &attr);
    must(pool);
    bank &b = *static_cast<bank *>(tm_pool_data(pool));
    for (long &balance : b.balances) balance = opening;
    must(tm_pool_commit(pool) == 0);
    marks("opened");
    for (long n = 1; n <= transfers; ++n) {
        b.balances[n] -= 10 * n; // two pages, so that a torn commit shows
        b.balances[accounts - n] += 10 * n;
        b.transfers = n;
        marks("begins", static_cast<unsigned long>(n));
        must(tm_pool_commit(pool) == 0);
        marks("returned", static_cast<unsigned long>(n));
    }
    must(tm_pool_close(pool) == 0);
}

/** Nothing, or what is wrong with an open bank. */
std::string audit(const bank &b, const libtm::crash::Moment &moment)
{
    const auto returned = static_cast<long>(moment.last("returned")), begun = static_cast<long>(moment.last("begins"));
    if (b.transfers < returned) return "transfer " + std::to_string(returned) + " is lost";
    if (b.transfers > begun) return "transfer " + std::to_string(b.transfers) + " was never made";
    for (long i = 0; i < accounts; ++i) {
        long expected = opening;
        if (i >= 1 && i <= b.transfers) expected -= 10 * i;
        if (accounts - i >= 1 && accounts - i <= b.transfers) expected += 10 * (accounts - i);
        if (b.balances[i] != expected) return "account " + std::to_string(i) + " has " + std::to_string(b.balances[i]);
    }
    return {};
}

std::string check(tm_storage *files, const libtm::crash::Moment &moment)
{
    const bool opened = moment.reached("opened", 0);
    const tm_pool_attr attr = attributes(files);
    tm_pool *const pool = tm_pool_open("bank", &attr);
    if (!pool) return !opened && tm_pool_error()->code == ENOENT ? "" : tm_pool_error()->message;
    std::string wrong = opened ? audit(*static_cast<bank *>(tm_pool_data(pool)), moment) : "";
    if (tm_pool_close(pool) != 0) wrong += " and the pool does not close";
    return wrong;
}

} // namespace

int main(int argc, char **argv)
{
    libtm::crash::Options options;
    options.name = "bank";
    options.recover_one_in = 4;
    options.most_recovery_states = 20'000;
    options.replay = argc > 1 ? argv[1] : "";
    return libtm::crash::explore(run, check, options).print();
}
