// SPDX-License-Identifier: MIT
/** M12, M13: in every state that a crash may leave, the blocks that are allocated are those that a first part of the transactions, and of what plain code has published, has allocated and not freed, with what is in them. */
#include "blocks.hpp"
#include "script.hpp"
#include "shelf.hpp"

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

struct Plan {
    const char *name;
    std::uint64_t transactions;
    std::uint64_t journal;
    tm_durability others;       ///< of all but each third one, which is waited for
    std::uint64_t abandon_each; ///< as a kill of the process
    std::uint64_t commit_each;  ///< the whole image
};

tm_pool_attr attr_for(tm_storage *files, std::uint64_t journal)
{
    tm_pool_attr attr{};
    attr.storage = files;
    attr.journal = journal;
    attr.flags = TM_POOL_NO_THREAD;
    return attr;
}

Shelf &shelf_of(const Pool &pool) { return *reinterpret_cast<Shelf *>(pool.data()); }

tm_attr how_for(std::uint64_t number, tm_durability durability)
{
    tm_attr how{};
    how.mode = number / 2 % 2 ? TM_WRITE_THROUGH : TM_WRITE_BACK;
    how.durability = durability;
    return how;
}

/** One that changes the heap and is rolled back. */
void change_in_vain(Pool &pool, std::uint64_t number)
{
    if (number % 8 == 1) {
        rearrange_plainly(pool.handle(), shelf_of(pool), number + 1000, true);
        return;
    }
    try {
        libtm::atomically(how_for(number, TM_DURABILITY_DEFAULT), [&] {
            rearrange(pool.handle(), shelf_of(pool), number + 1000);
            libtm::cancel(1);
        });
    } catch (const libtm::error &error) {
        if (error.code() != 1) throw;
    }
}

void run(const Plan &plan, tm_storage *files, crash::Marks &marks)
{
    Inspector inspector(files, marks.disk().storage());
    const tm_pool_attr attr = attr_for(inspector.storage(), plan.journal);
    auto pool = Pool::create(pool_path, page, attr);
    marks("created");
    const std::uint64_t transactions = is_quick() ? plan.transactions / 2 : plan.transactions;
    for (std::uint64_t number = 1; number <= transactions; ++number) {
        const bool is_plain = number % 5 == 1, is_durable = number % 3 == 0 || is_plain;
        if (number % 4 == 1) change_in_vain(*pool, number);
        marks("begins", number);
        if (is_plain) rearrange_plainly(pool->handle(), shelf_of(*pool), number);
        else libtm::atomically(how_for(number, is_durable ? TM_DURABILITY_SYNC : plan.others), [&] { rearrange(pool->handle(), shelf_of(*pool), number); });
        if (is_durable) marks("returned", number);
        if (plan.commit_each && number % plan.commit_each == 0) {
            pool->commit();
            marks("returned", number);
        }
        if (plan.abandon_each && number % plan.abandon_each == 0) {
            pool->wait(0);
            marks("returned", number);
            pool.reset();
            pool = Pool::open(pool_path, attr);
        }
    }
    pool->close();
    marks("returned", transactions);
    EXPECT_EQ(inspector.violation(), "");
}

std::string check_on(tm_storage *files, std::uint64_t least, std::uint64_t most, bool may_be_missing)
{
    try {
        auto pool = Pool::open(pool_path, attr_for(files, 8 * page));
        const std::uint64_t done = shelf_of(*pool).done;
        if (done < least || done > most) return std::to_string(done) + " transactions are there, not " + std::to_string(least) + " to " + std::to_string(most);
        if (const std::string wrong = wrong_with(pool->data(), shelf_of(*pool), blocks_in(*pool)); !wrong.empty()) return wrong;
        // It can be used, and what is free is not what is allocated.
        for (std::uint64_t number = done + 1; number <= done + 3; ++number) libtm::atomically([&] { rearrange(pool->handle(), shelf_of(*pool), number); });
        pool->close();
        pool.reset();
        pool = Pool::open(pool_path, attr_for(files, 8 * page));
        return wrong_with(pool->data(), shelf_of(*pool), blocks_in(*pool));
    } catch (const Failure &failure) {
        return failure.code == ENOENT && may_be_missing ? "" : "the pool does not open: " + failure.message();
    } catch (const std::exception &wrong) {
        return wrong.what();
    }
}

std::string check(tm_storage *files, const crash::Moment &moment)
{
    Inspector inspector(files, files);
    const std::string wrong = check_on(inspector.storage(), moment.last("returned"), moment.last("begins"), !moment.reached("created", 0));
    return wrong.empty() ? inspector.violation() : wrong;
}

crash::Options options()
{
    crash::Options options;
    options.bounds = {256, 32, 64};
    options.recovery_bounds = {16, 4, 8};
    options.most_recovery_states = is_quick() ? 200 : 800;
    options.recover = [](tm_storage *files) {
        try {
            Pool::open(pool_path, attr_for(files, 8 * page));
        } catch (const Failure &) { // check() says so
        }
    };
    return options;
}

/** The heap grows by few chunks at a time, so that it grows often. */
class CrashStatesOfHeaps : public ::testing::Test {
protected:
    CrashStatesOfHeaps() { libtm::persist::least_growth = libtm::persist::chunk_size; }
    ~CrashStatesOfHeaps() override { libtm::persist::least_growth = 16 * libtm::persist::chunk_size; }
};

} // namespace

TEST_F(CrashStatesOfHeaps, M13_of_blocks_that_come_and_go)
{
    for (const Plan &plan : {Plan{"heap", 12, 1 << 20, TM_DURABILITY_NONE, 0, 0}, Plan{"heap with a small journal", 12, 16 * page, TM_DURABILITY_SYNC, 0, 0},
                             Plan{"heap in several lives", 15, 1 << 18, TM_DURABILITY_ASYNC, 4, 0}, Plan{"heap and commits of the whole image", 12, 1 << 20, TM_DURABILITY_NONE, 7, 2}})
        if (!is_quick() || plan.abandon_each) explore(plan.name, [&](tm_storage *files, crash::Marks &marks) { run(plan, files, marks); }, check, options());
}

/** Blocks of all threads come and go, in one list of slots, so that the order is known. */
TEST_F(CrashStatesOfHeaps, M13_of_blocks_of_several_threads)
{
    constexpr std::uint64_t threads = 3;
    const std::uint64_t each = is_quick() ? 2 : 4;
    for (unsigned turn = 0; turn < (is_quick() ? 1 : 3); ++turn) {
        const auto together = [&](tm_storage *files, crash::Marks &marks) {
            const auto pool = Pool::create(pool_path, page, attr_for(files, 1 << 18));
            marks("created");
            std::vector<std::thread> running;
            for (std::uint64_t thread = 0; thread < threads; ++thread)
                running.emplace_back([&, thread] {
                    for (std::uint64_t i = 0; i < each; ++i) {
                        const auto durability = static_cast<tm_durability>((turn + thread * 3 + i * 7) % (TM_DURABILITY_SYNC + 1));
                        marks("begins");
                        if (thread == 2) { // plain code
                            marks("returned", rearrange_plainly(pool->handle(), shelf_of(*pool)));
                            continue;
                        }
                        const std::uint64_t number = libtm::atomically(how_for(turn + thread + i, durability), [&] {
                            const std::uint64_t next = libtm::load(shelf_of(*pool).done) + 1;
                            rearrange(pool->handle(), shelf_of(*pool), next);
                            return next;
                        });
                        if (durability == TM_DURABILITY_DEFAULT || durability >= TM_DURABILITY_GROUP) marks("returned", number);
                    }
                });
            for (std::thread &thread : running) thread.join();
            pool->close();
            marks("returned", threads * each);
        };
        explore("heap, threads, run " + std::to_string(turn), together,
                [](tm_storage *files, const crash::Moment &moment) {
                    std::uint64_t least = 0, begun = 0;
                    for (const crash::Mark &mark : moment.marks) {
                        if (mark.what == "returned") least = std::max(least, mark.number);
                        begun += mark.what == "begins";
                    }
                    return check_on(files, least, begun, !moment.reached("created", 0));
                },
                options());
    }
}
