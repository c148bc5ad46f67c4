// SPDX-License-Identifier: MIT
/** N6, P2: transactions of several threads, each of another durability: every state that a crash may leave is what a first part of them has made, with all that have returned as durable. */
#include "script.hpp"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <thread>
#include <tm/tm.hpp>

using namespace libtm::testing;
using libtm::persist::Failure;
using libtm::persist::Pool;
namespace crash = libtm::crash;

namespace {

constexpr std::size_t page = 4096;
constexpr std::uint64_t threads = 3, each = 4, most = threads * each;

/** What is in the pool: who has done which transaction, over the edge of the first page. */
struct Log {
    static constexpr std::size_t first = page - 5 * sizeof(std::uint64_t);
    std::uint64_t &count;
    std::uint64_t *done;

    explicit Log(const Pool &pool) : count(*reinterpret_cast<std::uint64_t *>(pool.data())), done(reinterpret_cast<std::uint64_t *>(pool.data() + first)) {}
};

tm_pool_attr attr_for(tm_storage *files, tm_durability durability)
{
    tm_pool_attr attr{};
    attr.storage = files;
    attr.journal = 8 * page;
    attr.flags = TM_POOL_NO_THREAD;
    attr.durability = durability;
    return attr;
}

/** Threads that begin together; `turn` makes runs different. */
void run(tm_storage *files, crash::Marks &marks, unsigned turn)
{
    const auto pool = Pool::create(pool_path, 2 * page, attr_for(files, TM_DURABILITY_SYNC));
    marks("created");
    const Log log(*pool);
    std::vector<std::thread> running;
    for (std::uint64_t thread = 0; thread < threads; ++thread)
        running.emplace_back([&, thread] {
            for (std::uint64_t i = 0; i < each; ++i) {
                tm_attr how{};
                how.mode = turn % 3 == 0 ? TM_WRITE_BACK : turn % 3 == 1 ? TM_WRITE_THROUGH : (thread + i) % 2 ? TM_WRITE_BACK : TM_WRITE_THROUGH;
                how.durability = static_cast<tm_durability>((turn + thread * 3 + i * 7) % (TM_DURABILITY_SYNC + 1));
                marks("begins");
                const std::uint64_t number = libtm::atomically(how, [&] {
                    const std::uint64_t next = libtm::load(log.count) + 1;
                    libtm::store(log.count, next);
                    libtm::store(log.done[next], thread + 1);
                    return next;
                });
                if (how.durability == TM_DURABILITY_DEFAULT || how.durability >= TM_DURABILITY_GROUP) marks("returned", number);
                else if (i == 2) {
                    pool->wait(0);
                    marks("returned", number);
                } else if (i == 3 && thread == 0) {
                    pool->commit();
                    marks("returned", number);
                }
            }
        });
    for (std::thread &thread : running) thread.join();
    pool->close();
    marks("returned", most);
}

std::string check(tm_storage *files, const crash::Moment &moment)
{
    try {
        const auto pool = Pool::open(pool_path, attr_for(files, TM_DURABILITY_SYNC));
        const Log log(*pool);
        std::uint64_t least = 0, begun = 0;
        for (const crash::Mark &mark : moment.marks) {
            if (mark.what == "returned") least = std::max(least, mark.number);
            begun += mark.what == "begins";
        }
        const std::uint64_t count = log.count;
        if (count < least || count > begun) return std::to_string(count) + " transactions are there, of " + std::to_string(begun) + " and not less than " + std::to_string(least);
        for (std::uint64_t i = 1; i <= most; ++i)
            if ((log.done[i] != 0) != (i <= count) || log.done[i] > threads) return "transaction " + std::to_string(i) + " of " + std::to_string(count) + " is " + std::to_string(log.done[i]);
        libtm::atomically([&] { libtm::store(log.done[0], std::uint64_t{1}); });
        return {};
    } catch (const Failure &failure) {
        return failure.code == ENOENT && !moment.reached("created", 0) ? "" : "the pool does not open: " + failure.message();
    }
}

} // namespace

TEST(CrashStates, N6_of_transactions_of_several_threads)
{
    for (unsigned turn = 0; turn < (is_quick() ? 3 : 30); ++turn) {
        crash::Options options;
        options.bounds = {1024, 128, 256};
        options.most_recovery_states = is_quick() ? 200 : 1000;
        explore("threads, run " + std::to_string(turn), [turn](tm_storage *files, crash::Marks &marks) { run(files, marks, turn); }, check, options);
    }
}
