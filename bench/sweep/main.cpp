// SPDX-License-Identifier: MIT
/**
 * @file main.cpp
 * tm-sweep-bench [--rounds=N] [--window=MILLISECONDS] [--threads=N,...] [--design=quick|full] [options of Google Benchmark]: write-back against write-through. See ../program.hpp.
 *
 * `wb` and `wt` are blocks of C, `wb-cpp` and `wt-cpp` libtm::atomically, where a rollback is an exception; `mutex` is one std::mutex.
 */
#include "../libtm.hpp"
#include "../locks.hpp"
#include "../program.hpp"
#include "design.hpp"

namespace bench {
namespace {

struct restartable : structures::transactional {
    static void restart() { tm_restart(); }
};

/** What it calls does not return twice, so that the compiler may do with it as it likes. */
template <class Body> [[gnu::noinline]] std::int64_t call(Body &body) { return body(); }

template <tm_mode Mode> struct by_block : block<Mode> {
    using access = restartable;
    template <class Body> static std::int64_t run(Body body)
    {
        return block<Mode>::run([&body] { return call(body); });
    }
};

template <tm_mode Mode> struct by_lambda : lambda<Mode> {
    using access = restartable;
};

template <class Sync> void add(catalogue &to, const char *variant, const point &p, const std::function<bool(int)> &wanted)
{
    to.add<Sync, pairs<typename Sync::access>>(name_of(p), variant, p, wanted);
}

void add_point(catalogue &to, design which, const point &p)
{
    const auto by = [&](runner who) { return [=](int threads) { return is_in(which, p, who, threads); }; };
    add<by_block<TM_WRITE_BACK>>(to, "wb", p, by(runner::block));
    add<by_block<TM_WRITE_THROUGH>>(to, "wt", p, by(runner::block));
    add<by_lambda<TM_WRITE_BACK>>(to, "wb-cpp", p, by(runner::lambda));
    add<by_lambda<TM_WRITE_THROUGH>>(to, "wt-cpp", p, by(runner::lambda));
    // It cannot roll back.
    if (p.restarts == 0) add<one_mutex>(to, "mutex", p, by(runner::mutex));
}

void add_all(catalogue &to, design which)
{
    for (const unsigned shared : shared_words)
        for (const unsigned restarts : restart_shares)
            for (const unsigned again : again_shares)
                for (const unsigned reads : read_shares)
                    for (const unsigned accesses : sizes) add_point(to, which, {accesses, reads, shared, restarts, again});
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
    // Where a thread is alone, both modes do the same; and whether it has noticed would depend on what ran before.
    tm_config_set("bias", "0");
    tm_config_set("turns", "off");
    bench::design which = bench::design::full;
    const auto set = [&](const std::string &name, const std::string &value) {
        if (name != "--design" || (value != "quick" && value != "full")) return false;
        which = value == "quick" ? bench::design::quick : bench::design::full;
        return true;
    };
    return bench::run(argc, argv, {"tm-sweep-bench", "sweep", "[--design=quick|full] ", 50, bench::pairs<int>::most_threads, set, [&](bench::catalogue &to) { bench::add_all(to, which); }});
}
