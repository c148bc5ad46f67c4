// SPDX-License-Identifier: MIT
// Workloads: the action log, reservations, nesting, exceptions, irrevocable transactions, objects that are retired.
#include "checked.hpp"

#include <cerrno>
#include <functional>
#include <pthread.h>
#include <stdexcept>
#include <thread>

namespace libtm::oom {

namespace {

void add(Checked &c, std::size_t i, long by) { tm_store_i64(&c.memory.cells[i], tm_load_i64(&c.memory.cells[i]) + by); }

/** An entry counts what it does at once, or at the commit; its number tells the order. */
struct Entry {
    long *entries;
    long number;
    unsigned char filling[600];
};
long entries_logged, entries_finished; // in this transaction
long next_applied, next_undone;

int apply_late(void *data)
{
    const auto &entry = *static_cast<Entry *>(data);
    if (entry.number < next_applied) violation("applied out of order");
    next_applied = entry.number;
    ++*entry.entries;
    return 0;
}
void undo_early(void *data)
{
    const auto &entry = *static_cast<Entry *>(data);
    if (entry.number > next_undone) violation("undone out of order");
    next_undone = entry.number;
    --*entry.entries;
}
void count_finish(void *) { ++entries_finished; }

const tm_action late = {nullptr, apply_late, nullptr, count_finish};

void forget_entries()
{
    entries_logged = entries_finished = next_applied = 0;
    next_undone = 1000;
}

/** As action.h advises: first logged, then done. Not logged, in an irrevocable transaction: not done. */
void do_early(Checked &c, long number, std::size_t size)
{
    Entry entry{&c.memory.entries, number, {}};
    if (tm_log(nullptr, undo_early, count_finish, &entry, size)) return;
    ++entries_logged;
    ++c.memory.entries;
}
void do_late(Checked &c, long number, std::size_t size)
{
    Entry entry{&c.memory.entries, number, {}};
    if (!tm_log_action(&late, &entry, size)) ++entries_logged;
}

/** The arena's chunks hold 4096 bytes; one entry needs a larger one. */
void actions(Checked &c)
{
    for (const long count : {2, 30}) {
        forget_entries();
        const auto log_all = [&] {
            for (long i = 0; i < count; ++i) {
                add(c, static_cast<std::size_t>(i), 1);
                if (i % 2)
                    do_early(c, i, 16 + static_cast<std::size_t>(i) * 15);
                else
                    do_late(c, i, sizeof(Entry));
            }
        };
        static std::array<char, 6000> large;
        c.step(
            "actions", 0,
            [&] {
                forget_entries();
                log_all();
                tm_log(nullptr, nullptr, nullptr, large.data(), large.size());
            },
            [&] {
                for (long i = 0; i < count; ++i) ++c.model.cells[static_cast<std::size_t>(i)];
                c.model.entries += count;
            });
        if (entries_finished != entries_logged) violation("%ld entries finished, %ld logged", entries_finished, entries_logged);
    }
}

/** Locals are restored by a rollback, also by the one that ends the transaction. */
void locals(Checked &c)
{
    std::array<long, 100> local{};
    int attempts = 0;
    const bool committed = c.step(
        "locals", 0,
        [&] {
            if (tm_log_local(&local)) violation("tm_log_local refused");
            local[7] = 1;
            local[99] += 5;
            add(c, 1, 1);
            if (attempts++ == 0) tm_restart();
            std::array<char, 5000> more; // of an inner frame: not kept
            tm_log_local(&more);
        },
        [&] { ++c.model.cells[1]; });
    if (local[7] != committed || local[99] != (committed ? 5 : 0)) violation("locals: not restored");
}

/** What a reservation has granted cannot run out of memory. */
void reserve(Checked &c)
{
    for (const std::size_t count : {20u, 200u, 600u}) {
        bool granted = false;
        const bool committed = c.step(
            "reserve", TM_NO_GROW,
            [&] {
                granted = false;
                forget_entries();
                const int code = tm_log_reserve(8, 8 * 400, count);
                if (code && code != ENOMEM) violation("tm_log_reserve: code %d", code);
                if (code) return;
                granted = true;
                for (std::size_t i = 0; i < count; ++i) add(c, i * 4, 1);
                for (long i = 0; i < 8; ++i) do_early(c, i, 400);
            },
            [&] {
                for (std::size_t i = 0; i < count && granted; ++i) ++c.model.cells[i * 4];
                c.model.entries += granted ? 8 : 0;
            });
        if (!committed && granted) violation("out of memory in spite of a reservation");
    }
}

/** The lists of blocks begin in memory that the user has lent, and grow out of it. */
void lent(Checked &c)
{
    static std::array<char, 4096> buffer;
    c.step(
        "lent", 0,
        [&] {
            if (tm_log_append_buffer(TM_LOG_INTENTS, buffer.data(), buffer.size())) violation("lent: refused");
            for (int i = 0; i < 200; ++i) tm_free(tm_malloc(47));
            add(c, 2, 1);
        },
        [&] { ++c.model.cells[2]; });
}

/** A transaction that runs alone, since it must begin again and `max_retries` is 0, gives the token back when it ends out of memory: another takes it. */
void alone(Checked &c)
{
    const Option option("max_retries", "0");
    for (int round = 0; round < 2; ++round)
        c.step(
            "alone", TM_READ_MOSTLY,
            [&] {
                for (const long &cell : c.memory.cells) tm_load_i64(&cell);
                for (std::size_t i = 0; i < 100; ++i) add(c, i * 4, 1);
                for (long i = 0; i < 3; ++i) tm_free(tm_malloc(47));
            },
            [&] {
                for (std::size_t i = 0; i < 100; ++i) ++c.model.cells[i * 4];
            });
    std::thread([&] {
        c.step(
            "alone, another thread", 0, [&] { add(c, 3, 1); }, [&] { ++c.model.cells[3]; });
    }).join();
}

/** The inner block's failure is the outermost one's. */
void nested(Checked &c)
{
    c.step(
        "nested", 0,
        [&] {
            add(c, 0, 1);
            atomically([&] {
                for (std::size_t i = 0; i < 100; ++i) add(c, i * 4, 1);
                c_transaction(attr{}, [&] {
                    for (std::size_t i = 0; i < 20; ++i) {
                        tm_free(tm_load_ptr(&c.memory.blocks[i]));
                        void *const block = tm_malloc(21);
                        std::memset(block, 'n', 21);
                        tm_store_ptr(&c.memory.blocks[i], block);
                    }
                    add(c, 1, 1);
                });
                do_early(c, 0, 16);
            });
        },
        [&] {
            ++c.model.cells[0];
            for (std::size_t i = 0; i < 100; ++i) ++c.model.cells[i * 4];
            ++c.model.cells[1];
            for (std::size_t i = 0; i < 20; ++i) c.model.blocks[i] = std::string(21, 'n');
            ++c.model.entries;
        });
}

/** A user's exception leaves the block, rolled back or committed; or the transaction is out of memory before. */
void exceptions(Checked &c)
{
    for (const unsigned flags : {0u, static_cast<unsigned>(TM_COMMIT_ON_THROW)}) {
        bool thrown = false, failed = false;
        try {
            atomically(c.how(flags), [&] {
                for (std::size_t i = 0; i < 80; ++i) add(c, i * 4, 1);
                tm_free(tm_load_ptr(&c.memory.blocks[5]));
                void *const block = tm_malloc(33);
                std::memset(block, 'e', 33);
                tm_store_ptr(&c.memory.blocks[5], block);
                throw std::length_error("the user's");
            });
        } catch (const error &e) {
            failed = e.kind() == TM_ERROR_MEMORY;
            ++shared->errors;
        } catch (const std::length_error &) {
            thrown = true;
        }
        if (!thrown && !failed) violation("the exception has been lost");
        if (thrown && flags) {
            for (std::size_t i = 0; i < 80; ++i) ++c.model.cells[i * 4];
            c.model.blocks[5] = std::string(33, 'e');
        }
        c.check("exceptions");
    }
}

/**
 * An irrevocable transaction cannot end out of memory. A store or a free for which a log must grow waits for memory; a block is null, an
 * entry is refused, and the transaction lives on.
 */
void irrevocable_step(Checked &c, const char *what, unsigned flags, bool in_place)
{
    const Patience patience;
    std::array<bool, 40> made{};
    bool is_irrevocable = false;
    const bool committed = c.step(
        what, flags,
        [&] {
            forget_entries();
            is_irrevocable = !in_place;
            add(c, 2, 1);
            if (in_place && tm_irrevocable()) violation("tm_irrevocable refused");
            is_irrevocable = true;
            for (std::size_t i = 0; i < 100; ++i) add(c, i * 4, 1);
            for (const long &cell : c.memory.cells) tm_load_i64(&cell);
            for (std::size_t i = 0; i < made.size(); ++i) {
                void *const block = tm_malloc(19);
                made[i] = block != nullptr;
                if (!block) continue;
                std::memset(block, 'i', 19);
                tm_free(tm_load_ptr(&c.memory.blocks[i]));
                tm_store_ptr(&c.memory.blocks[i], block);
            }
            for (long i = 0; i < 10; ++i) do_late(c, i, sizeof(Entry));
        },
        [&] {
            ++c.model.cells[2];
            for (std::size_t i = 0; i < 100; ++i) ++c.model.cells[i * 4];
            for (std::size_t i = 0; i < made.size(); ++i)
                if (made[i]) c.model.blocks[i] = std::string(19, 'i');
            c.model.entries += entries_logged;
        });
    if (!committed && is_irrevocable) violation("%s: an irrevocable transaction has ended", what);
    if (committed && entries_finished != entries_logged) violation("%ld entries finished, %ld logged", entries_finished, entries_logged);
}

/** What TM_NO_GROW forbids, an irrevocable one does all the same. */
void irrevocable_no_grow(Checked &c) { irrevocable_step(c, "irrevocable, TM_NO_GROW", TM_IRREVOCABLE | TM_NO_GROW, false); }

void irrevocable(Checked &c)
{
    irrevocable_step(c, "irrevocable", TM_IRREVOCABLE, false);
    irrevocable_step(c, "irrevocable in place", 0, true);
    irrevocable_step(c, "irrevocable in place, without a read log", TM_READ_MOSTLY, true);
}

std::atomic<long> destroyed;
void destroy_object(void *object)
{
    ++destroyed;
    tm_free(object);
}

/** Each retired object is destroyed exactly once after a commit and never after a rollback. */
void retire(Checked &c)
{
    c.knows_all_blocks = false;
    for (const std::size_t count : {5u, 40u}) {
        void *objects[40];
        for (std::size_t i = 0; i < count; ++i) objects[i] = tm_malloc(51);
        destroyed = 0;
        long retired = 0;
        const bool committed = c.step(
            "retire", 0,
            [&] {
                retired = 0;
                for (std::size_t i = 0; i < count; ++i) {
                    if (!objects[i]) continue;
                    tm_retire(objects[i], destroy_object);
                    ++retired;
                }
                add(c, 4, 1);
            },
            [&] { ++c.model.cells[4]; });
        if (destroyed != (committed ? retired : 0)) violation("%ld objects destroyed, %ld retired", destroyed.load(), retired);
        for (std::size_t i = 0; i < count && !committed; ++i) tm_free(objects[i]);
    }
}

} // namespace

/** Blocks with stages in each other, more than need no memory, and locks: those of the begin, or one by one. */
void stages_with(Checked &c, bool by_begin)
{
    constexpr int most = 40;
    static std::array<pthread_mutex_t, most> mutexes;
    std::array<tm_lock_ref, most> locks{};
    for (std::size_t i = 0; i < most; ++i) {
        mutexes[i] = PTHREAD_MUTEX_INITIALIZER;
        locks[i] = {TM_LOCK_MUTEX, &mutexes[i]};
    }
    const attr mode = c.how(0);
    tm_stages how{};
    how.attr = &mode;
    how.locks = locks.data();
    how.lock_count = by_begin ? most : 0;
    const std::uint64_t before = refused();
    int left = 0;
    std::function<int(int)> block = [&](int depth) {
        return staged(how, [&](tm_stage_kind stage) {
            if (stage != TM_STAGE_WORK) return void(++left);
            add(c, static_cast<std::size_t>(depth), 1);
            tm_xlock(TM_LOCK_MUTEX, &mutexes[static_cast<std::size_t>(depth)], 0);
            if (depth + 1 < most) block(depth + 1);
        });
    };
    const int code = block(0);
    if (code && (code != ENOMEM || refused() == before)) violation("stages: ended with code %d", code);
    if (left < 2) violation("stages: the parts have not run");
    if (tm_stage() != TM_STAGE_NONE) violation("stages: the blocks have not ended");
    if (!code)
        for (std::size_t i = 0; i < most; ++i) ++c.model.cells[i];
    c.check("stages");
    for (auto &mutex : mutexes)
        if (pthread_mutex_trylock(&mutex) || pthread_mutex_unlock(&mutex)) violation("stages: a lock is still held");
}
void stages(Checked &c) { stages_with(c, false); }
void stages_by_begin(Checked &c) { stages_with(c, true); }

/** Blocks that must not begin where they do, in each other: more than need no memory. */
void stages_refused(Checked &c)
{
    const attr mode = c.how(0);
    tm_stages how{};
    how.attr = &mode;
    const std::uint64_t before = refused();
    std::function<void(int)> block = [&](int depth) {
        const int code = staged(how, [&](tm_stage_kind stage) {
            if (stage == TM_STAGE_WORK) violation("stages: a refused block works");
            if (stage == TM_STAGE_ONABORT && depth < 12) block(depth + 1);
        });
        if (code != EPERM && (code != ENOMEM || refused() == before)) violation("stages: a refused block ended with code %d", code);
    };
    const int code = staged(how, [&](tm_stage_kind stage) {
        if (stage == TM_STAGE_WORK) add(c, 0, 1);
        if (stage == TM_STAGE_ONCOMMIT) block(0);
    });
    if (code && (code != ENOMEM || refused() == before)) violation("stages: ended with code %d", code);
    if (!code) ++c.model.cells[0];
    if (tm_stage() != TM_STAGE_NONE) violation("stages: the blocks have not ended");
    c.check("stages");
}

/** What finds no memory for its counters runs all the same, uncounted. More labels than a thread has room for. */
void labels(Checked &c)
{
    constexpr std::size_t count = 80;
    const auto name = [](std::size_t i) { return "label " + std::to_string(i); };
    const auto counted = [&] {
        std::uint64_t all = 0;
        for (std::size_t i = 0; i <= count; ++i) {
            tm_label_stats stats;
            tm_label_stats_get(i < count ? name(i).c_str() : TM_LABEL_OTHERS, &stats);
            if (stats.attempts.count != stats.commits) violation("labels: not all distributions count the same");
            all += stats.commits;
        }
        return all;
    };
    const std::uint64_t before = refused(), counted_before = counted();
    std::uint64_t commits = 0;
    for (int round = 0; round < 3; ++round)
        for (std::size_t i = 0; i < count; ++i) {
            const std::string label = name(i);
            attr a = c.how(0);
            a.label = label.c_str();
            if (round == 2) a.mode = TM_MODE_AUTO;
            errno = 77;
            try {
                atomically(a, [&] {
                    if (errno != 77) violation("labels: the begin has changed errno");
                    add(c, i, 1);
                });
                ++c.model.cells[i];
                ++commits;
            } catch (const error &e) {
                if (e.kind() != TM_ERROR_MEMORY || refused() == before) violation("labels: ended with error %d", e.kind());
                ++shared->errors;
            }
        }
    const std::uint64_t grown = counted() - counted_before;
    if (grown > commits || (grown < commits && refused() == before))
        violation("labels: %lu of %lu counted", static_cast<unsigned long>(grown), static_cast<unsigned long>(commits));
    c.check("labels");
}

std::vector<Workload> control_workloads()
{
    return {
        {"actions", actions},       {"locals", locals},           {"reserve", reserve}, {"lent", lent}, {"alone", alone}, {"nested", nested},
        {"exceptions", exceptions}, {"stages", stages}, {"stages_by_begin", stages_by_begin}, {"stages_refused", stages_refused}, {"irrevocable", irrevocable}, {"irrevocable_no_grow", irrevocable_no_grow}, {"retire", retire}, {"labels", labels},
    };
}

} // namespace libtm::oom
