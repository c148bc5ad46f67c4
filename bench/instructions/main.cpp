// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-instructions [--company | --built]: what bench/check counts the instructions of, under valgrind's callgrind. By itself it does the same and says nothing.
 *
 * Each piece of work is done `times` times to warm up and as often again to be counted, and then dumped under its name, "wb read 64". --company: with
 * a second thread, which has run a transaction and sleeps, and without the bias: as in programs whose threads run transactions at the same time. Otherwise the thread
 * has the bias. --built: how it was compiled.
 */
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <structures/hash_map.hpp>
#include <thread>
#include <tm/tm.hpp>
#include <valgrind/callgrind.h>

namespace {

constexpr int times = 256;

/** A word in each of 512 stripes of 32 bytes; and its neighbour. */
constexpr int stripes = 512, words_per_stripe = 4;
alignas(64) std::uint64_t words[stripes * words_per_stripe];
std::uint64_t &word(int i) { return words[i * words_per_stripe]; }
std::uint64_t &neighbour(int i) { return words[i * words_per_stripe + 1]; }

volatile std::uint64_t seen;

template <class Work> void repeat(Work work)
{
    for (int i = 0; i < times; ++i) work(i);
}

/** As it is, without doing it before. */
template <class Work> void count_now(const std::string &name, Work work)
{
    CALLGRIND_TOGGLE_COLLECT;
    repeat(work);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT(name.c_str());
}

template <class Work> void count(const std::string &name, Work work)
{
    repeat(work);
    count_now(name, work);
}

template <tm_mode Mode, unsigned Flags = 0> constexpr tm_attr attributes{Flags, Mode, 0, TM_DURABILITY_DEFAULT, 0, nullptr, {}};

/** Reads of the words, in one transaction. */
template <tm_mode Mode, unsigned Flags> void count_reads(const std::string &name)
{
    for (const int n : {64, 512})
        count(name + " " + std::to_string(n), [n](int) {
            seen = libtm::atomically(attributes<Mode, Flags>, [n] {
                std::uint64_t sum = 0;
                for (int i = 0; i < n; ++i) sum += libtm::load(word(i));
                return sum;
            });
        });
}

/** Writes of the words, after which `then(i)` is done for each of them, in one transaction. */
template <tm_mode Mode, class Then> void count_writes(const std::string &name, int n, Then then)
{
    count(name + " " + std::to_string(n), [n, then](int time) {
        libtm::atomically(attributes<Mode>, [=] {
            for (int i = 0; i < n; ++i) libtm::store(word(i), static_cast<std::uint64_t>(time));
            for (int i = 0; i < n; ++i) then(i);
        });
    });
}

template <tm_mode Mode> void count_map(const std::string &mode)
{
    constexpr std::uint64_t elements = 4 * times;
    structures::hash_map<structures::transactional, std::uint64_t, std::uint64_t> map(elements);
    for (std::uint64_t key = 0; key < elements; ++key) map.insert(2 * key, key);
    const auto in_transaction = [&](auto work) {
        return [&map, work](int i) { seen = libtm::atomically(attributes<Mode>, [&] { return work(map, static_cast<std::uint64_t>(i)); }); };
    };
    const auto insert = in_transaction([](auto &to, std::uint64_t i) { return to.insert(2 * i + 1, i).second; });
    const auto erase = in_transaction([](auto &from, std::uint64_t i) { return from.erase(2 * i + 1); });
    count(mode + " lookup", in_transaction([](auto &in, std::uint64_t i) { return in.find(8 * i) != nullptr; }));
    // Each finds something to do.
    repeat(insert);
    repeat(erase);
    count_now(mode + " insert", insert);
    count_now(mode + " erase", erase);
}

template <tm_mode Mode> void count_mode(const std::string &mode)
{
    count(mode + " empty", [](int) { libtm::atomically(attributes<Mode>, [] {}); });
    count(mode + " block", [](int) {
        tm_begin_with((&attributes<Mode>))
        tm_commit
        tm_end
    });
    count_reads<Mode, 0>(mode + " read");
    const auto nothing = [](int) {};
    count_writes<Mode>(mode + " write", 64, nothing);
    count_writes<Mode>(mode + " write", 512, nothing);
    count_writes<Mode>(mode + " write-again", 64, [](int i) { libtm::store(word(i), std::uint64_t{1}); });
    count_writes<Mode>(mode + " write-neighbour", 64, [](int i) { libtm::store(neighbour(i), std::uint64_t{1}); });
    count_writes<Mode>(mode + " write-read", 64, [](int i) { seen = libtm::load(word(i)); });
    count(mode + " malloc-free", [](int) { libtm::atomically(attributes<Mode>, [] { tm_free(tm_malloc(64)); }); });
    count_map<Mode>(mode);
}

/** A thread that has run a transaction. */
class company {
public:
    company()
    {
        std::unique_lock hold(mutex_);
        changed_.wait(hold, [this] { return ready_; });
    }
    ~company()
    {
        {
            const std::lock_guard hold(mutex_);
            leave_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

private:
    void stay()
    {
        libtm::atomically([] { libtm::store(word(0), std::uint64_t{1}); });
        std::unique_lock hold(mutex_);
        ready_ = true;
        changed_.notify_all();
        changed_.wait(hold, [this] { return leave_; });
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool ready_ = false, leave_ = false;
    std::thread thread_{&company::stay, this};
};

void count_all()
{
    count("nothing", [](int i) { seen = static_cast<std::uint64_t>(i); });
    count_mode<TM_WRITE_BACK>("wb");
    count_mode<TM_WRITE_THROUGH>("wt");
    count("ro empty", [](int) { libtm::atomically(attributes<TM_WRITE_BACK, TM_READ_ONLY>, [] {}); });
    count_reads<TM_WRITE_BACK, TM_READ_ONLY>("ro read");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 1) {
        for (int i = 0; i < 10'000; ++i) libtm::atomically([] {}); // until it has the bias
        count_all();
        return 0;
    }
    if (argc == 2 && std::strcmp(argv[1], "--company") == 0) {
        tm_config_set("bias", "0");
        tm_config_set("turns", "off"); // whether there are any would depend on the time
        const company other;
        count_all();
        return 0;
    }
    if (argc == 2 && std::strcmp(argv[1], "--built") == 0) {
        std::printf("compiler: %s\nbuild: %s\n", __VERSION__, BUILT);
        return 0;
    }
    std::fprintf(stderr, "usage: tm-instructions [--company | --built]\n");
    return 2;
}
