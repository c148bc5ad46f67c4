// SPDX-License-Identifier: MIT
/** P12 where transactions change a pool: what threads read and wrote there, in blocks of its heap and in memory beside it is recorded, and decided. See tests/history. */
#include "files.hpp"

#include <atomic>
#include <thread>
#include <tm/history.hpp>

using namespace libtm::testing;
using libtm::pool;
namespace history = libtm::history;

namespace {

constexpr unsigned threads = 3;
constexpr std::size_t words = 6;     ///< the last two are not in the pool
constexpr std::size_t locations = 8; ///< the last two are blocks of the heap, each filled once; who writes takes another one, and frees it

/** Threads go on together. */
class Barrier {
public:
    void wait()
    {
        const unsigned round = round_;
        if (++waiting_ == threads) {
            waiting_ = 0;
            ++round_;
            return;
        }
        while (round_ == round) std::this_thread::yield();
    }

private:
    std::atomic<unsigned> waiting_{0}, round_{0};
};

class Histories : public ::testing::TestWithParam<tm_durability> {};
constexpr const char *names[] = {"", "none", "async", "group", "sync"};
INSTANTIATE_TEST_SUITE_P(, Histories, ::testing::Values(TM_DURABILITY_NONE, TM_DURABILITY_ASYNC, TM_DURABILITY_GROUP, TM_DURABILITY_SYNC), [](const auto &info) { return names[info.param]; });

} // namespace

TEST_P(Histories, P12_of_transactions_over_pool_and_memory_are_opaque)
{
    const Directory directory{in_memory()};
    tm_pool_attr how{};
    how.journal = 16384;
    how.durability = GetParam();
    how.window = 1;
    pool made{directory / "pool", 3 * 4096, how};
    static std::uint64_t beside[2];
    // Two in one stripe, one over the page from them, one far away.
    std::uint64_t *const word = made.data<std::uint64_t>();
    std::uint64_t *const at[words] = {word, word + 1, word + 511, word + 1024, &beside[0], &beside[1]};
    std::uint64_t **const boxes = made.data<std::uint64_t *>() + 64;
    const auto read = [&](std::size_t location) -> std::uint64_t {
        if (location < words) return libtm::load(*at[location]);
        return *libtm::load(boxes[location - words]); // nobody else may have the block again before this transaction has ended
    };
    const auto write = [&](std::size_t location, std::uint64_t value) {
        if (location < words) return libtm::store(*at[location], value);
        std::uint64_t *&box = boxes[location - words], *const before = libtm::load(box), *const after = made.make<std::uint64_t>(value);
        if (value % 3) made.destroy(before);
        libtm::store(box, after);
        if (value % 3 == 0) made.destroy(before);
    };
    const int count = has_sanitizer ? 1000 : std::getenv("TM_TEST_LONG") ? 1000000 : 10000;
    history::Recorder recorder(threads, std::vector<history::Value>(locations));
    Barrier barrier;
    std::atomic<int> violations{0}, undecided{0};
    for (std::size_t i = 0; i < locations; ++i) libtm::atomically([&] { write(i, 0); });
    std::vector<std::thread> running;
    for (unsigned me = 0; me < threads; ++me)
        running.emplace_back([&, me] {
            Random random(me * 1000 + static_cast<unsigned>(GetParam()));
            auto &log = recorder.log(me);
            std::uint64_t written = 0;
            for (int number = 0; number < count; ++number) {
                barrier.wait();
                for (int i = 0; i < 3; ++i) {
                    tm_attr attr{};
                    attr.mode = random.below(2) ? TM_WRITE_BACK : TM_WRITE_THROUGH;
                    if (random.below(4) == 0) attr.flags = TM_NO_QUIESCENCE;
                    const std::uint64_t seed = random();
                    log.start();
                    try {
                        libtm::atomically(attr, [&] {
                            Random mine(seed);
                            log.attempt();
                            for (std::size_t left = 1 + mine.below(4); left > 0; --left) {
                                const auto location = static_cast<std::uint32_t>(mine.below(locations));
                                if (mine.below(2)) {
                                    log.read(location, read(location));
                                } else {
                                    const std::uint64_t value = ++written << 8 | (me + 1);
                                    log.write(location, value);
                                    write(location, value);
                                }
                                if (mine.below(4) == 0) std::this_thread::yield();
                            }
                            if (mine.below(10) == 0) libtm::cancel(1);
                        });
                        log.commit();
                    } catch (const libtm::error &error) {
                        if (error.code() != 1) throw;
                        log.abort();
                    }
                }
                barrier.wait();
                if (me != 0) continue;
                std::vector<history::Value> final;
                for (std::size_t i = 0; i < locations; ++i) final.push_back(libtm::atomically([&] { return read(i); }));
                const history::History run = recorder.history(final);
                const auto verdict = history::decide(run).verdict;
                undecided += verdict == history::Verdict::undecided;
                if (verdict == history::Verdict::violated && violations++ == 0) ADD_FAILURE() << "history " << number << "\n" << history::explain(run);
                recorder.restart(final);
            }
        });
    for (std::thread &thread : running) thread.join();
    EXPECT_EQ(undecided, 0);
    made.close();
    pool opened{directory / "pool"};
    EXPECT_EQ(tm_pool_block_size(opened.handle(), opened.data<std::uint64_t *>()[64]), 16u);
    EXPECT_EQ(opened.stat().heap_blocks, locations - words);
    std::printf("explored: %d histories over pools, %d violations\n", count, violations.load());
}
