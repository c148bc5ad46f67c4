// SPDX-License-Identifier: MIT
// Workloads of several threads: their begin and end, the grace period, transactions that meet.
#include "checked.hpp"

#include <memory>
#include <thread>

namespace libtm::oom {

namespace {

/** A transaction of another thread that stays open, so that a grace period has someone to wait for; it ends when an allocation has failed, lest it be waited for in vain. */
class Neighbour {
public:
    Neighbour()
        : thread_([this] {
              while (!open_.raised()) {
                  try {
                      atomically([&] {
                          load(cell_.value);
                          open_.raise();
                          while (!end_.raised() && refused() == 0) std::this_thread::yield();
                      });
                  } catch (const error &) { // no memory for a context
                      if (refused() > 1000) open_.raise();
                  }
              }
          })
    {
        open_.await();
    }
    ~Neighbour()
    {
        end_.raise();
        thread_.join();
    }

private:
    Cell cell_;
    Flag open_, end_;
    std::thread thread_;
};

/** Without quiescence: what is freed is collected, and a batch of 64 waits for its grace period. */
void grace_period(Checked &c)
{
    c.knows_all_blocks = false;
    const auto neighbour = std::make_unique<Neighbour>();
    for (int round = 0; round < 4; ++round)
        c.step(
            "free without quiescence", TM_NO_QUIESCENCE,
            [&] {
                for (std::size_t i = 0; i < 50; ++i) {
                    tm_free(tm_load_ptr(&c.memory.blocks[i]));
                    void *const block = tm_malloc(39);
                    std::memset(block, 'g', 39);
                    tm_store_ptr(&c.memory.blocks[i], block);
                }
            },
            [&] {
                for (std::size_t i = 0; i < 50; ++i) c.model.blocks[i] = std::string(39, 'g');
            });
}

/** A thread that is ready to add 1 to a cell without any memory, when it is told to. */
class Overtaker {
public:
    explicit Overtaker(long &cell)
        : cell_(cell), thread_([this] {
              Cell own;
              for (int tries = 0; tries < 100 && !add_to(own.value); ++tries) {
              }
              ready_.raise();
              go_.await();
              if (!leaves_ && add_to(cell_)) ++added;
              done_.raise();
          })
    {
        ready_.await();
    }
    ~Overtaker()
    {
        leaves_ = !go_.raised();
        go_.raise();
        thread_.join();
    }
    /** Within a transaction of the caller. */
    void overtake()
    {
        go_.raise();
        done_.await();
    }
    long added = 0;

private:
    static bool add_to(long &cell)
    {
        try {
            atomically(make_attr(TM_MODE_DEFAULT, TM_NO_QUIESCENCE), [&] { store(cell, load(cell) + 1); });
            return true;
        } catch (const error &) {
            return false;
        }
    }
    long &cell_;
    bool leaves_ = false;
    Flag ready_, go_, done_;
    std::thread thread_;
};

/** The read for which the read log must grow is one of those that are validated. */
void overtaken(Checked &c)
{
    constexpr std::size_t full = 2048; // entries of a fresh read log
    long &overtaken_cell = c.memory.cells[100], &copy = c.memory.cells[4000];
    c.knows_all_blocks = false; // while it changes a cell, the model does not know it
    Overtaker overtaker(overtaken_cell);
    const long before = c.model.cells[100];
    attr how = c.how(0);
    bool committed = false;
    try {
        atomically(how, [&] {
            for (std::size_t i = 0; i < full; ++i) load(c.memory.cells[0]);
            const long seen = load(overtaken_cell);
            load(c.memory.cells[0]);
            overtaker.overtake();
            store(copy, seen);
        });
        committed = true;
    } catch (const error &e) {
        ++shared->errors;
        if (e.kind() != TM_ERROR_MEMORY || !refused()) violation("overtaken: error %d", e.kind());
    }
    c.model.cells[100] = before + overtaker.added;
    if (committed) c.model.cells[4000] = c.model.cells[100];
    c.check("overtaken");
}

/** Each thread moves money and blocks, and counts what it has committed. */
void transfers(Checked &c)
{
    c.knows_all_blocks = false;
    constexpr unsigned threads = 3;
    std::array<long, threads> commits{}; // each thread's own
    std::vector<std::thread> running;
    for (unsigned t = 0; t < threads; ++t)
        running.emplace_back([&c, &commits, t] {
            Random random(t + 1);
            attr how = c.how(t == 2 ? TM_NO_QUIESCENCE : 0);
            how.max_retries = 2; // often alone
            for (int round = 0; round < 30; ++round) {
                const std::size_t from = random.below(60), to = random.below(60), block = random.below(10);
                try {
                    atomically(how, [&] {
                        store(c.memory.cells[from * 4], load(c.memory.cells[from * 4]) - 1);
                        store(c.memory.cells[to * 4], load(c.memory.cells[to * 4]) + 1);
                        for (std::size_t i = 0; i < 80; ++i) store(c.memory.cells[1000 + i * 4 + t], load(c.memory.cells[1000 + i * 4 + t]) + 1);
                        tm_free(tm_load_ptr(&c.memory.blocks[block]));
                        void *const fresh = tm_malloc(45);
                        std::memset(fresh, 't', 45);
                        tm_store_ptr(&c.memory.blocks[block], fresh);
                    });
                    ++commits[t];
                } catch (const error &e) {
                    ++shared->errors;
                    if (e.kind() != TM_ERROR_MEMORY || !refused()) violation("a transfer ended with error %d", e.kind());
                }
            }
        });
    for (auto &thread : running) thread.join();

    long sum = 0;
    for (std::size_t i = 0; i < 60; ++i) {
        sum += c.memory.cells[i * 4];
        c.model.cells[i * 4] = c.memory.cells[i * 4];
    }
    if (sum != 0) violation("the transfers have lost %ld", sum);
    for (std::size_t i = 0; i < 10; ++i) {
        c.model.blocks[i].reset();
        if (c.memory.blocks[i]) c.model.blocks[i] = std::string(45, 't');
    }
    for (unsigned t = 0; t < threads; ++t)
        for (std::size_t i = 0; i < 80; ++i) c.model.cells[1000 + i * 4 + t] += commits[t];
    shared->steps += 30 * threads;
    c.check("transfers");
}

/** A thread whose first transaction finds no memory for a context gets an error, in C and in C++; its next tries again. */
void first_transactions(Checked &c)
{
    std::vector<std::thread> running;
    std::atomic<long> commits{0};
    for (int t = 0; t < 4; ++t)
        running.emplace_back([&] {
            for (int round = 0; round < 2; ++round)
                try {
                    atomically([&] { store(c.memory.cells[0], load(c.memory.cells[0]) + 1); });
                    ++commits;
                } catch (const error &e) {
                    ++shared->errors;
                    if (e.kind() != TM_ERROR_MEMORY || !refused()) violation("the first transaction ended with error %d", e.kind());
                    if (tm_last_error()->kind != TM_ERROR_MEMORY) violation("the error has been lost");
                }
            // Ends while it holds an open transaction: rolled back at its end.
            c_transaction(attr{}, [&] {
                tm_store_i64(&c.memory.cells[1], 99);
                tm_malloc(27);
                tm_malloc(27);
                tm_free(tm_load_ptr(&c.memory.blocks[60]));
                pthread_exit(nullptr);
            });
        });
    for (auto &thread : running) thread.join();
    c.model.cells[0] += commits;
    shared->steps += 12;
    c.check("first transactions");
}

} // namespace

std::vector<Workload> thread_workloads()
{
    return {{"grace_period", grace_period}, {"overtaken", overtaken}, {"transfers", transfers}, {"first_transactions", first_transactions}};
}

} // namespace libtm::oom
