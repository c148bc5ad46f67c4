// SPDX-License-Identifier: MIT
#include "worker.hpp"

#include "shelf.hpp"

#include <chrono>
#include <cstdio>
#include <mutex>
#include <thread>
#include <tm/config.h>

namespace libtm::testing {

namespace {

/** At something, as long as it lives. */
class At {
public:
    At(Ledger &ledger, Activity activity) : count_(ledger.at[activity]) { ++count_; }
    ~At() { --count_; }
    At(const At &) = delete;
    At &operator=(const At &) = delete;

private:
    std::atomic<int> &count_;
};

void raise_to(std::atomic<std::uint64_t> &number, std::uint64_t to)
{
    std::uint64_t now = number;
    while (now < to && !number.compare_exchange_weak(now, to)) {}
}

/** A pool in use by some threads. */
class Use {
public:
    Use(pool &in, const Setting &setting, Ledger &ledger) : pool_(in), content_(setting.seed), has_heap_(setting.has_heap), ledger_(ledger) {}

    /** Does this and that until told to stop. */
    void run(std::uint64_t seed, const std::atomic<bool> &stop)
    {
        Random random(seed);
        while (!stop) {
            const std::size_t what = random.below(100);
            if (has_heap_ && what < 25) shelve(random);
            else if (what < 60) step(random);
            else if (what < 75) wait();
            else if (what < 90) commit();
            else if (what < 94) scribble(random);
            else if (what < 97) checkpoint();
            else trim();
        }
    }

private:
    /** The next step, as a transaction of any durability. */
    void step(Random &random)
    {
        const At at(ledger_, stepping);
        const bool is_slow = random.below(8) == 0;
        const std::size_t size = pool_.size();
        tm_attr how{};
        how.durability = static_cast<tm_durability>(random.below(TM_DURABILITY_SYNC + 1));
        const std::uint64_t done = atomically(how, [&]() -> std::uint64_t {
            const std::uint64_t number = load(last()) + 1;
            if (Content::needed(number) > size) return 0;
            raise_to(ledger_.begun, number);
            store(last(), number);
            for (const Content::Edit &edit : content_.edits(number)) {
                tm_store_bytes(pool_.data() + edit.offset, edit.bytes.data(), edit.bytes.size());
                if (is_slow) std::this_thread::yield(); // what is in memory now must not be committed
            }
            return number;
        });
        if (done) {
            const bool is_durable = how.durability == TM_DURABILITY_DEFAULT || how.durability >= TM_DURABILITY_GROUP;
            if (is_durable) raise_to(ledger_.acknowledged, done);
            return;
        }
        const At growing_too(ledger_, growing);
        pool_.grow(size + Content::page);
    }

    /** Blocks of the heap come and go; the shelf is one of them. */
    void shelve(Random &random)
    {
        const At at(ledger_, shelving);
        if (auto *const shelf = random.below(3) == 0 ? pool_.root<Shelf>("shelf") : nullptr) { // by plain code
            const std::lock_guard lock(plain_code_);
            raise_to(ledger_.shelf_acknowledged, rearrange_plainly(pool_.handle(), *shelf, 0, false, [&](std::uint64_t number) { raise_to(ledger_.shelf_begun, number); }));
            return;
        }
        tm_attr how{};
        how.durability = static_cast<tm_durability>(random.below(TM_DURABILITY_SYNC + 1));
        const std::uint64_t done = atomically(how, [&] {
            auto *shelf = pool_.root<Shelf>("shelf");
            if (!shelf) pool_.set_root("shelf", shelf = pool_.make<Shelf>());
            const std::uint64_t number = load(shelf->done) + 1;
            raise_to(ledger_.shelf_begun, number);
            rearrange(pool_.handle(), *shelf, number);
            return number;
        });
        if (how.durability == TM_DURABILITY_DEFAULT || how.durability >= TM_DURABILITY_GROUP) raise_to(ledger_.shelf_acknowledged, done);
    }

    void commit()
    {
        const At at(ledger_, committing);
        const std::uint64_t number = atomically([&] { return load(last()); });
        pool_.commit();
        ++ledger_.commits;
        raise_to(ledger_.acknowledged, number);
    }

    void wait()
    {
        const At at(ledger_, committing);
        const std::uint64_t number = atomically([&] { return load(last()); });
        pool_.wait();
        raise_to(ledger_.acknowledged, number);
    }

    /** A transaction that comes to nothing. */
    void scribble(Random &random)
    {
        const std::string garbage(1 + random.below(5000), '\xee');
        try {
            atomically([&] {
                store(last(), load(last()) + 1000000);
                tm_store_bytes(pool_.data() + Content::first_byte + random.below(Content::first_size - 6000), garbage.data(), garbage.size());
                std::this_thread::yield();
                cancel(ECANCELED);
            });
        } catch (const error &cancelled) {
            if (cancelled.code() != ECANCELED) throw;
        }
    }

    void checkpoint()
    {
        const At at(ledger_, checkpointing);
        pool_.checkpoint();
    }

    void trim()
    {
        const At at(ledger_, trimming);
        pool_.trim();
    }

    std::uint64_t &last() { return *pool_.data<std::uint64_t>(); }

    pool &pool_;
    Content content_;
    const bool has_heap_;
    Ledger &ledger_;
    std::mutex plain_code_; ///< plain code keeps plain code away
};

pool open_or_create(const Setting &setting, Ledger &ledger)
{
    try {
        const At at(ledger, opening);
        return pool(setting.path, setting.attr());
    } catch (const pool_error &failure) {
        if (failure.code() != ENOENT) throw;
    }
    const At at(ledger, creating);
    pool made(setting.path, setting.has_heap ? Content::last_size : Content::first_size, setting.attr());
    ledger.created = 1;
    return made;
}

/** Open, work for a while, close. */
void work_once(const Setting &setting, Ledger &ledger, Random &random)
{
    pool made = open_or_create(setting, ledger);
    ledger.created = 1;
    {
        Use use(made, setting, ledger);
        std::atomic<bool> stop{false};
        std::vector<std::thread> threads;
        const auto guarded = [&](std::uint64_t seed) {
            try {
                use.run(seed, stop);
            } catch (const std::exception &failure) {
                std::snprintf(ledger.failure, sizeof ledger.failure, "%s", failure.what());
                stop = true;
            }
        };
        for (unsigned i = 1; i < setting.threads; ++i) threads.emplace_back(guarded, random());
        std::thread timer([&, until = std::chrono::steady_clock::now() + std::chrono::milliseconds(random.below(20))] {
            while (!stop && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            stop = true;
        });
        guarded(random());
        for (std::thread &thread : threads) thread.join();
        timer.join();
    }
    const At at(ledger, closing);
    made.close();
}

} // namespace

std::uint64_t random_seed()
{
    return static_cast<std::uint64_t>(::getpid()) ^ static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

void work(const Setting &setting, Ledger &ledger, std::uint64_t random_seed)
{
    try {
        tm_config_set("mode", setting.mode);
        Random random(random_seed);
        while (!ledger.failure[0]) work_once(setting, ledger, random);
    } catch (const std::exception &failure) {
        std::snprintf(ledger.failure, sizeof ledger.failure, "%s", failure.what());
    }
}

} // namespace libtm::testing
