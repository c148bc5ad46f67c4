// SPDX-License-Identifier: MIT
// Random programs of transactions over a World, and running them with the recorder.
#pragma once

#include "c_block.h"
#include "support.hpp"
#include "world.hpp"

#include <vector>

namespace libtm::test {

/** What a transaction does next. */
struct Step {
    enum Kind : unsigned char {
        load,
        load_word, ///< with its neighbours
        load_many, ///< the same again, more often than a read-only transaction logs
        store,
        privatize_load,    ///< and load plainly
        privatize_store,   ///< and load and store plainly
        privatize_discard, ///< and store plainly
        nested,            ///< the next two steps are a block of their own
        restart,           ///< in the first attempt
        cancel,
        irrevocable
    } kind;
    unsigned char location;
    bool as_bytes;
    unsigned char pause; ///< before it: 0 none, 1 give the processor away, else spin
};

struct Transaction {
    enum Kind : unsigned char {
        usual,
        take,   ///< unless it is taken, take what the flag guards, for oneself or for another
        guarded ///< do the rest only if the flag says that nobody has taken it
    } kind = usual; ///< whoever finds that it has been taken for him uses it plainly and gives it back
    attr how{};
    bool in_c = false; ///< a block of the C interface
    unsigned heir = 0; ///< of `take`: how many threads further on
    std::vector<Step> steps;
};

using Program = std::vector<Transaction>; ///< of one thread

/** How long a history is and how its threads get in each other's way. */
struct Pace {
    unsigned transactions; ///< of each thread
    unsigned pauses;       ///< of 100 steps, how many have a pause before
    unsigned yields;       ///< of 16 pauses, how many give the processor away
    unsigned aborts;       ///< of 100 steps, how many end the attempt
};

/** Draws programs; the same for the same seed. */
class Programmer {
public:
    Programmer(std::uint64_t seed, Buffering buffering) : random_(seed), buffering_(buffering) {}

    Program operator()(const Layout &layout, Pace pace)
    {
        layout_ = &layout;
        pace_ = pace;
        Program program;
        for (unsigned i = 0; i < pace.transactions; ++i) program.push_back(layout.is_guarded ? guarded() : transaction(0));
        return program;
    }

private:
    bool chance(unsigned of_100) { return random_.below(100) < of_100; }

    Step step(Step::Kind kind, std::size_t first)
    {
        const auto location = static_cast<unsigned char>(first + random_.below(layout_->places.size() - first));
        const unsigned char pause = !chance(pace_.pauses) ? 0 : random_.below(16) < pace_.yields ? 1 : static_cast<unsigned char>(2 + random_.below(100));
        return {kind, location, chance(25), pause};
    }

    Step::Kind kind(bool writes, bool may_restart)
    {
        if (!writes) return chance(80) ? Step::load : Step::load_word;
        if (may_restart && chance(pace_.aborts)) return chance(50) ? Step::restart : Step::cancel;
        const auto n = random_.below(100);
        if (n < 36) return Step::load;
        if (n < 44) return Step::load_word;
        if (n < 84) return Step::store;
        if (n < 87) return Step::privatize_load;
        if (n < 91) return Step::privatize_store;
        if (n < 92) return Step::privatize_discard;
        if (n < 96) return Step::nested;
        return may_restart || n < 99 ? Step::store : Step::irrevocable;
    }

    /** Over the locations from `first` on. */
    Transaction transaction(std::size_t first)
    {
        Transaction tx;
        unsigned flags = 0;
        const auto n = random_.below(100);
        if (n < 15) flags = TM_READ_ONLY;
        else if (n < 27) flags = TM_READ_MOSTLY;
        else if (n < 29) flags = TM_IRREVOCABLE;
        if (chance(20)) flags |= TM_NO_QUIESCENCE;
        tx.how = make_attr(mode_of(buffering_, static_cast<unsigned>(random_.below(2))), flags);
        if (chance(8)) tx.how.max_retries = 1 + static_cast<unsigned>(random_.below(2));
        tx.in_c = chance(25);
        const bool may_restart = !(flags & TM_IRREVOCABLE) && chance(70);
        for (std::size_t count = 1 + random_.below(6); count; --count) tx.steps.push_back(step(kind(!(flags & TM_READ_ONLY), may_restart), first));
        if ((flags & (TM_READ_ONLY | TM_READ_MOSTLY)) && chance(25)) { // in the middle: what was read before is no longer in the log, what follows may be newer
            tx.steps.insert(tx.steps.begin(), {step(Step::load, first), step(Step::load_many, first), step(Step::load, first)});
            tx.steps[1].pause = 1;
        }
        if (chance(25))
            for (std::size_t i = first; i < layout_->places.size(); ++i) {
                tx.steps.push_back(step(Step::load, first));
                tx.steps.back().location = static_cast<unsigned char>(i);
            }
        return tx;
    }

    Transaction guarded()
    {
        Transaction tx = transaction(1);
        tx.kind = chance(35) ? Transaction::take : Transaction::guarded;
        if (tx.kind == Transaction::take) {
            tx.how = make_attr(tx.how.mode); // it needs the quiescence
            if (chance(50)) tx.heir = static_cast<unsigned>(random_.below(8));
        }
        return tx;
    }

    Random random_;
    Buffering buffering_;
    const Layout *layout_ = nullptr;
    Pace pace_{};
};

/** Runs the programs of one thread. */
class Runner {
public:
    Runner(World &world, unsigned me, unsigned threads) : world_(world), log_(world.recorder.log(me)), me_(me), threads_(threads), next_(1 + me) {}

    void run(const Program &program)
    {
        for (const Transaction &tx : program) {
            mine_ = false;
            atomic(tx.how, tx.in_c, [&] { block(tx); });
            if (mine_) use_plainly(tx);
        }
    }

private:
    using Log = history::Log;

    /** The end of an attempt is seen as it unwinds; the end of its block bounds the begin of the next one. */
    struct Seen {
        Log &log;
        int before = std::uncaught_exceptions();
        ~Seen()
        {
            if (std::uncaught_exceptions() > before)
                log.abort();
            else
                log.mark();
        }
    };
    history::Value fresh()
    {
        const auto value = next_;
        next_ += threads_;
        return value;
    }

    /** Whether it has committed. */
    template <class Block> bool atomic(const attr &how, bool in_c, Block block)
    {
        log_.start();
        bool committed = true;
        if (in_c) {
            bool *const result = &committed;
            c_transaction(
                how,
                [&] {
                    log_.attempt();
                    block();
                },
                [result] { *result = false; });
        } else {
            try {
                atomically(how, [&] {
                    const Seen seen{log_};
                    log_.attempt();
                    block();
                });
            } catch (const error &) {
                committed = false;
            }
        }
        if (committed)
            log_.commit();
        else
            log_.abort();
        return committed;
    }

    static void pause(unsigned how)
    {
        if (how == 1) std::this_thread::yield();
        for (unsigned i = 1; i < how; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
    }

    history::Value load(std::size_t location, bool as_bytes)
    {
        const auto value = world_.load(location, as_bytes);
        log_.read(location, value);
        return value;
    }
    void load_many(std::size_t location)
    {
        const auto first = load(location, false);
        for (unsigned i = 0; i < 600; ++i)
            if (const auto value = world_.load(location, false); value != first) log_.read(location, value);
    }
    void store(std::size_t location, history::Value value, bool as_bytes)
    {
        log_.write(location, value);
        world_.store(location, value, as_bytes);
    }
    void plain_load(std::size_t location) { log_.read(location, world_.plain_load(location)); }
    void plain_store(std::size_t location)
    {
        const auto value = world_.fit(location, fresh());
        log_.write(location, value);
        world_.plain_store(location, value);
    }

    /** The flag's value: unique, and who owns what it guards, if it is taken. */
    history::Value flag(unsigned owner, bool taken) { return (fresh() * 16 + owner) * 2 + taken; }

    void block(const Transaction &tx)
    {
        mine_ = false;
        if (tx.kind != Transaction::usual) {
            const auto now = load(0, false);
            const bool taken = now % 2;
            mine_ = taken && now / 2 % 16 == me_;
            if (taken) return;
        }
        if (tx.kind == Transaction::take) {
            pause(tx.steps[0].pause);
            const unsigned owner = (me_ + tx.heir) % threads_;
            store(0, flag(owner, true), false);
            mine_ = owner == me_;
        } else {
            run(tx.steps.data(), tx.steps.data() + tx.steps.size());
        }
    }

    void run(const Step *step, const Step *end)
    {
        for (; step != end; ++step) {
            pause(step->pause);
            if (step->kind == Step::nested) {
                const Step *const inner_end = end - step > 3 ? step + 3 : end;
                atomically([&] { run(step + 1, inner_end); });
                step = inner_end - 1;
            } else {
                one(*step);
            }
        }
    }

    void one(const Step &step)
    {
        switch (step.kind) {
        case Step::load: load(step.location, step.as_bytes); break;
        case Step::load_word:
            if (!world_.load_word(step.location, [&](std::size_t location, history::Value value) { log_.read(location, value); }))
                load(step.location, step.as_bytes);
            break;
        case Step::load_many: load_many(step.location); break;
        case Step::store: store(step.location, world_.fit(step.location, fresh()), step.as_bytes); break;
        case Step::privatize_load:
            world_.privatize(step.location, TM_PRIVATIZE_LOAD);
            plain_load(step.location);
            break;
        case Step::privatize_store:
            world_.privatize(step.location, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
            plain_load(step.location);
            pause(step.pause);
            plain_store(step.location);
            break;
        case Step::privatize_discard:
            world_.privatize(step.location, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE | TM_PRIVATIZE_DISCARD);
            plain_store(step.location);
            break;
        case Step::restart:
            if (tm_attempt() > 1) break;
            count_own_abort();
            restart();
            break;
        case Step::cancel:
            count_own_abort();
            cancel(1);
            break;
        case Step::irrevocable: tm_irrevocable(); break;
        case Step::nested: break;
        }
    }

    void count_own_abort() { world_.user_aborts.fetch_add(1, std::memory_order_relaxed); }

    /** What a flag has privatized; then publish it again. The plain part is an attempt of its own, which cannot fail. */
    void use_plainly(const Transaction &tx)
    {
        log_.start();
        log_.attempt();
        for (const Step &step : tx.steps) {
            plain_load(step.location);
            pause(step.pause);
            if (step.kind != Step::load) plain_store(step.location);
        }
        log_.commit();
        atomic(make_attr(tx.how.mode), tx.in_c, [&] { store(0, flag(me_, false), false); });
    }

    World &world_;
    Log &log_;
    const unsigned me_, threads_;
    history::Value next_;
    bool mine_ = false; ///< the last attempt has found, or made, itself the owner of what the flag guards
};

} // namespace libtm::test
