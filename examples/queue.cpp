// SPDX-License-Identifier: MIT
/**
 * @file queue.cpp
 * Producers and consumers with a queue of bounded length: a structure written without a thought of threads
 * (structures/queue.hpp) and two variables, put together into one transaction.
 *
 *     queue [PRODUCERS [CONSUMERS [ITEMS]]]
 *
 * A transaction cannot wait for another one to happen: what it waits for would never become visible to it. So a producer that
 * finds the queue full, or a consumer that finds it empty, commits, backs off, and looks again.
 */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <structures/queue.hpp>
#include <thread>
#include <tm/tm.hpp>
#include <tm/var.hpp>
#include <vector>

namespace {

struct item {
    int producer;
    int number;
};

/** Waits longer each time, up to a millisecond. */
class backoff {
public:
    void wait()
    {
        if (wait_ < std::chrono::microseconds(4))
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(wait_);
        wait_ = std::min(2 * wait_, std::chrono::microseconds(1000));
    }
    void reset() { wait_ = std::chrono::microseconds(1); }

private:
    std::chrono::microseconds wait_{1};
};

constexpr long capacity = 128;

structures::queue<structures::transactional, item> queue;
libtm::var<long> length;    // of the queue
libtm::var<long> producing; // producers that are not done

void produce(int producer, int items)
{
    backoff full;
    for (int number = 0; number < items;) {
        const bool pushed = libtm::atomically([&] {
            if (length >= capacity) return false;
            queue.push({producer, number});
            ++length;
            return true;
        });
        if (pushed) {
            ++number;
            full.reset();
        } else {
            full.wait();
        }
    }
    libtm::atomically([] { --producing; });
}

/** Returns what it took, in that order. */
std::vector<item> consume()
{
    struct {
        std::optional<item> taken;
        bool finished;
    } look;
    std::vector<item> all;
    backoff empty;
    for (;;) {
        // That the queue is empty and that nobody produces any more must be seen at one moment.
        look = libtm::atomically([] {
            decltype(look) now{queue.pop(), false};
            if (now.taken)
                --length;
            else
                now.finished = producing == 0;
            return now;
        });
        if (look.finished) return all;
        if (look.taken) {
            all.push_back(*look.taken);
            empty.reset();
        } else {
            empty.wait();
        }
    }
}

} // namespace

int main(int argc, char **argv)
{
    const int producers = argc > 1 ? std::atoi(argv[1]) : 2;
    const int consumers = argc > 2 ? std::atoi(argv[2]) : 2;
    const int items = argc > 3 ? std::atoi(argv[3]) : 10000;
    if (argc > 4 || producers < 1 || producers > 256 || consumers < 1 || consumers > 256 || items < 1) {
        std::fprintf(stderr, "Usage: queue [PRODUCERS [CONSUMERS [ITEMS]]]\n");
        return 2;
    }
    producing = producers;
    std::vector<std::vector<item>> taken(static_cast<std::size_t>(consumers));
    std::vector<std::thread> threads;
    for (std::vector<item> &mine : taken) threads.emplace_back([&mine] { mine = consume(); });
    for (int p = 0; p < producers; ++p) threads.emplace_back(produce, p, items);
    for (std::thread &t : threads) t.join();

    // Every item came out once, and to each consumer those of one producer came in order.
    bool good = length == 0 && queue.empty();
    std::vector<std::vector<char>> seen(static_cast<std::size_t>(producers), std::vector<char>(static_cast<std::size_t>(items)));
    std::size_t total = 0;
    for (const std::vector<item> &mine : taken) {
        std::vector<int> last(static_cast<std::size_t>(producers), -1);
        for (const item &i : mine) {
            const auto p = static_cast<std::size_t>(i.producer);
            good = good && i.number > last[p] && !seen[p][static_cast<std::size_t>(i.number)];
            seen[p][static_cast<std::size_t>(i.number)] = 1;
            last[p] = i.number;
        }
        total += mine.size();
    }
    good = good && total == static_cast<std::size_t>(producers) * static_cast<std::size_t>(items);
    std::printf("%zu items through a queue of %ld, %s\n", total, capacity, good ? "each once and in order" : "NOT each once and in order");
    return good ? 0 : 1;
}
