// SPDX-License-Identifier: MIT
// H3: memory of the user's for the logs: buffers are used, those of the calculated size are always enough, and nothing else is taken where that is forbidden.
#include "support.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <tm/stage.h>

namespace {

using namespace libtm;
using namespace libtm::test;

class LogTuning : public Modes {
protected:
    static constexpr std::size_t most = 64 * 1024;
    alignas(64) static inline unsigned char memory[most];
    std::vector<unsigned char> model;

    void SetUp() override
    {
        std::memset(memory, 1, sizeof memory);
        model.assign(memory, memory + sizeof memory);
    }
    void expect_model() const { EXPECT_EQ(std::memcmp(memory, model.data(), sizeof memory), 0); }

    /** Bytes around which nothing may be written. */
    struct Buffer {
        static constexpr std::size_t margin = 128;
        static constexpr unsigned char pattern = 0xA5;
        Buffer(std::size_t size, std::size_t offset) : size(size), bytes(size + offset + 2 * margin, pattern), begin(bytes.data() + margin + offset) {}
        bool intact() const
        {
            const auto is = [](unsigned char byte) { return byte == pattern; };
            return std::all_of(bytes.data(), static_cast<const unsigned char *>(begin), is) && std::all_of(static_cast<const unsigned char *>(begin + size), bytes.data() + bytes.size(), is);
        }
        bool used() const
        {
            return !std::all_of(begin, begin + size, [](unsigned char byte) { return byte == pattern; });
        }
        std::size_t size;
        std::vector<unsigned char> bytes;
        unsigned char *begin;
    };

    static void tune(tm_log_kind log, Buffer &buffer)
    {
        EXPECT_EQ(tm_log_append_buffer(log, buffer.begin, buffer.size), 0);
        EXPECT_EQ(tm_log_auto_alloc(log, 0), 0);
    }
    /** The kind of error with which a transaction ends; TM_ERROR_NONE: it commits. */
    template <class Block> static tm_error_kind outcome(Block block)
    {
        try {
            tx(block);
            return TM_ERROR_NONE;
        } catch (const error &e) {
            return e.kind();
        }
    }
};
TM_MODES_SUITE(LogTuning);

TEST_P(LogTuning, H3_a_buffer_of_the_calculated_size_holds_any_snapshots)
{
    Random random(7);
    for (std::uint64_t round = 0; round < scaled(1500) + 20; ++round) {
        std::vector<std::size_t> sizes(random.below(12) + 1), places(sizes.size());
        for (std::size_t &size : sizes) size = random.below(4) ? random.below(100) : random.below(5000);
        for (std::size_t i = 0; i < sizes.size(); ++i) places[i] = random.below(most - sizes[i]);
        Buffer buffer(tm_log_snapshots_max_size(sizes.data(), sizes.size()), random.below(64));
        const bool fails = random.below(4) == 0, restarts = random.below(4) == 0;
        const std::uint64_t seed = random();
        const auto kind = outcome([&] {
            Random choice(seed);
            tune(TM_LOG_SNAPSHOTS, buffer);
            std::vector<unsigned char> bytes;
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                const auto fill = static_cast<unsigned char>(round + i);
                bytes.assign(sizes[i] + 1, fill);
                switch (choice.below(4)) {
                case 0:
                    EXPECT_EQ(tm_privatize(memory + places[i], sizes[i], TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE), 0);
                    std::memset(memory + places[i], fill, sizes[i]);
                    break;
                case 1: tm_memset(memory + places[i], fill, sizes[i]); break;
                default: tm_store_bytes(memory + places[i], bytes.data(), sizes[i]);
                }
            }
            if (restarts && tm_attempt() == 1) restart();
            if (fails) cancel(1);
        });
        ASSERT_EQ(kind, fails ? TM_ERROR_ABORT : TM_ERROR_NONE) << "round " << round;
        ASSERT_TRUE(buffer.intact());
        if (!fails)
            for (std::size_t i = 0; i < sizes.size(); ++i) std::memset(model.data() + places[i], static_cast<unsigned char>(round + i), sizes[i]);
        ASSERT_EQ(std::memcmp(memory, model.data(), sizeof memory), 0) << "round " << round;
    }
}

TEST_P(LogTuning, H3_a_buffer_that_is_too_small_ends_the_transaction)
{
    TM_SKIP_IF_SHAKEN();
    std::size_t least = 0; // bytes with which 100 stripes fit
    for (std::size_t stripes = 1; stripes <= 101; ++stripes) {
        const std::size_t size = 32 * (stripes - 1); // of the aligned range that takes one stripe less at every place
        if (size == 0) continue;
        Buffer buffer(tm_log_snapshots_max_size(&size, 1), 0);
        const auto kind = outcome([&] {
            tune(TM_LOG_SNAPSHOTS, buffer);
            tm_memset(memory + 64, 9, 3200);
        });
        EXPECT_TRUE(kind == TM_ERROR_NONE || kind == TM_ERROR_LOG_FULL);
        if (kind == TM_ERROR_NONE && !least) least = stripes;
        if (kind == TM_ERROR_LOG_FULL) {
            EXPECT_EQ(least, 0u);
            EXPECT_EQ(tm_last_error()->code, ENOBUFS);
            expect_model();
        }
        EXPECT_TRUE(buffer.intact());
    }
    EXPECT_GE(least, 99u);
    EXPECT_LE(least, 101u);
}

TEST_P(LogTuning, H3_without_a_buffer_a_log_that_may_not_allocate_holds_nothing)
{
    TM_SKIP_IF_SHAKEN();
    tx([&] { tm_memset(memory, 1, most); }); // the thread's log has memory
    EXPECT_EQ(outcome([&] {
        tm_log_auto_alloc(TM_LOG_SNAPSHOTS, 0);
        store(memory[0], static_cast<unsigned char>(2));
    }), TM_ERROR_LOG_FULL);
    EXPECT_EQ(outcome([&] {
        tm_log_auto_alloc(TM_LOG_INTENTS, 0);
        tm_malloc(33);
    }), TM_ERROR_LOG_FULL);
    EXPECT_EQ(outcome([&] {
        tm_log_auto_alloc(TM_LOG_INTENTS, 0);
        tm_log(nullptr, nullptr, nullptr, nullptr, 0);
    }), TM_ERROR_LOG_FULL);
    EXPECT_EQ(outcome([&] {
        tm_log_auto_alloc(TM_LOG_SNAPSHOTS, 0);
        tm_log_auto_alloc(TM_LOG_SNAPSHOTS, 1);
        tm_memset(memory, 1, most);
    }), TM_ERROR_NONE);
    EXPECT_EQ(outcome([&] { tm_memset(memory, 1, most), tm_free(tm_malloc(33)); }), TM_ERROR_NONE) << "each transaction begins anew";
    expect_model();
}

TEST_P(LogTuning, H3_buffers_are_used_before_memory_of_the_log)
{
    TM_SKIP_IF_SHAKEN();
    tx([&] { tm_memset(memory, 1, 64); });
    const std::size_t size = 3000;
    Buffer first(tm_log_snapshots_max_size(&size, 1), 3), second(tm_log_snapshots_max_size(&size, 1), 17), intents(tm_log_intents_max_size(3), 5);
    tx([&] {
        tm_memset(memory + 5000, 2, 700);
        EXPECT_EQ(tm_log_append_buffer(TM_LOG_SNAPSHOTS, first.begin, first.size), 0);
        EXPECT_EQ(tm_log_append_buffer(TM_LOG_SNAPSHOTS, second.begin, second.size), 0);
        EXPECT_EQ(tm_log_append_buffer(TM_LOG_INTENTS, intents.begin, intents.size), 0);
        tm_memset(memory, 2, 1000);
        EXPECT_TRUE(first.used());
        tm_memset(memory + 7000, 2, 20000); // more than both hold
        tm_free(tm_malloc(33));
        EXPECT_TRUE(intents.used());
    });
    std::memset(model.data(), 2, 1000);
    std::memset(model.data() + 5000, 2, 700);
    std::memset(model.data() + 7000, 2, 20000);
    expect_model();
    EXPECT_TRUE(first.intact() && second.intact() && intents.intact());
    const auto after = first.bytes;
    tx([&] { tm_memset(memory, 3, 5000); });
    EXPECT_EQ(first.bytes, after) << "forgotten at the end";
}

TEST_P(LogTuning, H3_a_rollback_forgets_the_buffers)
{
    TM_SKIP_IF_SHAKEN();
    const std::size_t size = 3000;
    Buffer buffer(tm_log_snapshots_max_size(&size, 1), 1), intents(tm_log_intents_max_size(100), 1);
    std::vector<unsigned char> after;
    tx([&] {
        if (tm_attempt() == 1) {
            tune(TM_LOG_SNAPSHOTS, buffer);
            tune(TM_LOG_INTENTS, intents);
            tm_memset(memory, 2, 2000);
            for (int i = 0; i < 60; ++i) tm_malloc(33);
            restart();
        }
        after = buffer.bytes;
        const auto before = intents.bytes;
        tm_memset(memory, 3, 20000); // and it may allocate again
        for (int i = 0; i < 60; ++i) tm_free(tm_malloc(33));
        EXPECT_EQ(buffer.bytes, after);
        EXPECT_EQ(intents.bytes, before);
    });
    std::memset(model.data(), 3, 20000);
    expect_model();
}

/** Log entries that count. */
long applied, undone, finished;
const tm_action counting = {nullptr, [](void *) { return ++applied, 0; }, [](void *) { ++undone; }, [](void *) { ++finished; }};

TEST_P(LogTuning, H3_a_buffer_of_the_calculated_size_holds_any_intents)
{
    TM_SKIP_IF_SHAKEN();
    Random random(11);
    std::vector<void *> blocks; // of committed transactions
    for (std::uint64_t round = 0; round < scaled(600) + 20; ++round) {
        const std::size_t count = random.below(8) ? random.below(40) : random.below(3000);
        Buffer buffer(tm_log_intents_max_size(count), random.below(64));
        const bool fails = random.below(4) == 0, restarts = random.below(4) == 0;
        const std::size_t only = random.below(4); // a kind that comes more often, or alone
        const bool alone = random.below(3) == 0, largest = random.below(2) == 0;
        const std::uint64_t seed = random();
        std::vector<void *> made, left;
        long entries = 0;
        applied = undone = finished = 0;
        const auto kind = outcome([&] {
            Random choice(seed);
            tune(TM_LOG_INTENTS, buffer);
            made.clear();
            left = blocks;
            entries = 0;
            const char data[64] = {};
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t what = alone || choice.below(2) ? only : choice.below(4), size = largest ? sizeof data : choice.below(sizeof data + 1);
                if (what == 0) {
                    made.push_back(tm_malloc(33));
                } else if (what == 1 && !left.empty()) {
                    tm_free(left.back());
                    left.pop_back();
                } else if (what == 2) {
                    ++entries;
                    tm_log_action(&counting, data, size);
                } else {
                    ++entries;
                    tm_log(counting.apply, counting.undo, counting.finish, data, size);
                }
            }
            for (std::size_t i = 0; i < made.size(); i += 3) tm_free(made[i]); // no further intents: they are its own
            if (restarts && tm_attempt() == 1) restart();
            if (fails) cancel(1);
        });
        ASSERT_EQ(kind, fails ? TM_ERROR_ABORT : TM_ERROR_NONE) << "round " << round << " with " << count;
        ASSERT_TRUE(buffer.intact());
        ASSERT_EQ(applied, fails ? 0 : entries);
        if (!short_clock()) { // else it may restart by itself
            ASSERT_EQ(undone, (fails ? entries : 0) + (restarts ? entries : 0));
            ASSERT_EQ(finished, entries + (restarts ? entries : 0));
        }
        if (fails) continue;
        blocks = left;
        for (std::size_t i = 0; i < made.size(); ++i)
            if (i % 3) blocks.push_back(made[i]);
    }
    tx([&] { for (void *block : blocks) tm_free(block); });
}

TEST_P(LogTuning, H3_bad_buffers_are_refused)
{
    TM_SKIP_IF_SHAKEN();
    std::vector<unsigned char> bytes(4096);
    const auto append = [&](tm_log_kind log, void *addr, std::size_t size) { return tm_log_xappend_buffer(log, addr, size, TM_NO_ABORT); };
    tx([&] {
        for (const tm_log_kind log : {TM_LOG_SNAPSHOTS, TM_LOG_INTENTS}) {
            errno = 0;
            EXPECT_EQ(append(log, nullptr, 4096), EINVAL);
            EXPECT_EQ(errno, EINVAL);
            EXPECT_EQ(append(log, bytes.data(), 0), EINVAL);
            EXPECT_EQ(append(log, bytes.data(), 60), EINVAL);
            EXPECT_EQ(append(log, bytes.data(), SIZE_MAX), EINVAL);
            EXPECT_EQ(tm_last_error()->kind, TM_ERROR_MISUSE);
        }
        EXPECT_EQ(append(static_cast<tm_log_kind>(2), bytes.data(), 4096), EINVAL);
        EXPECT_EQ(append(TM_LOG_SNAPSHOTS, bytes.data(), 2048), 0);
        EXPECT_EQ(append(TM_LOG_SNAPSHOTS, bytes.data(), 2048), EINVAL) << "given already";
        EXPECT_EQ(append(TM_LOG_INTENTS, bytes.data() + 1000, 3000), EINVAL) << "to the other log";
        EXPECT_EQ(append(TM_LOG_INTENTS, bytes.data() + 2048, 2048), 0);
        tm_memset(memory, 1, 4000);
        EXPECT_EQ(append(TM_LOG_SNAPSHOTS, bytes.data(), 2048), EINVAL) << "in use";
        tm_log(nullptr, nullptr, nullptr, nullptr, 0);
        EXPECT_EQ(append(TM_LOG_INTENTS, bytes.data() + 2048, 2048), EINVAL);
    });
    EXPECT_EQ(outcome([&] { tm_log_append_buffer(TM_LOG_SNAPSHOTS, bytes.data(), 60); }), TM_ERROR_MISUSE) << "it ends the transaction";
    EXPECT_EQ(outcome([&] { tm_log_append_buffer(TM_LOG_SNAPSHOTS, bytes.data(), 4096); }), TM_ERROR_NONE);
}

TEST_P(LogTuning, H3_the_calculators_tell_when_it_is_too_much)
{
    const std::size_t huge[] = {SIZE_MAX / 2, SIZE_MAX / 2, SIZE_MAX};
    for (std::size_t count = 1; count <= 3; ++count) {
        errno = 0;
        EXPECT_EQ(tm_log_snapshots_max_size(huge, count), SIZE_MAX);
        EXPECT_EQ(errno, ERANGE);
    }
    EXPECT_EQ(tm_log_snapshots_max_size(huge + 2, 1), SIZE_MAX);
    errno = 0;
    EXPECT_EQ(tm_log_intents_max_size(SIZE_MAX), SIZE_MAX);
    EXPECT_EQ(errno, ERANGE);
    errno = 0;
    const std::size_t none = tm_log_snapshots_max_size(nullptr, 0);
    EXPECT_LT(none, 1000u);
    EXPECT_LT(tm_log_intents_max_size(0), 2000u);
    std::vector<unsigned char> bytes(2000);
    tx([&] {
        EXPECT_EQ(tm_log_append_buffer(TM_LOG_SNAPSHOTS, bytes.data(), none), 0) << "also the least one is accepted";
        EXPECT_EQ(tm_log_append_buffer(TM_LOG_INTENTS, bytes.data() + none, tm_log_intents_max_size(0)), 0);
        EXPECT_EQ(errno, 0);
    });
}

TEST_P(LogTuning, H3_an_irrevocable_transaction_grows_its_logs_all_the_same)
{
    TM_SKIP_IF_SHAKEN();
    const std::size_t size = 100;
    Buffer buffer(tm_log_snapshots_max_size(&size, 1), 0);
    atomically(how(TM_IRREVOCABLE), [&] {
        tune(TM_LOG_SNAPSHOTS, buffer);
        tm_log_auto_alloc(TM_LOG_INTENTS, 0);
        tm_memset(memory, 4, 10000);
        tm_free(tm_malloc(33));
        EXPECT_EQ(tm_log(nullptr, nullptr, nullptr, nullptr, 0), 0);
    });
    std::memset(model.data(), 4, 10000);
    expect_model();
    EXPECT_TRUE(buffer.used() && buffer.intact());
}

TEST_P(LogTuning, H3_a_thread_without_any_log_uses_the_buffer_first)
{
    TM_SKIP_IF_SHAKEN();
    const std::size_t size = 3000;
    for (int i = 0; i < 3; ++i)
        std::thread([&] {
            Buffer buffer(tm_log_snapshots_max_size(&size, 1), 40);
            atomically(how(i ? TM_READ_MOSTLY : 0), [&] {
                tune(TM_LOG_SNAPSHOTS, buffer);
                tm_memset(memory + i * 4000, 7, size);
            });
            EXPECT_TRUE(buffer.used() && buffer.intact());
            tx([&] { tm_memset(memory + i * 4000, 8, size); });
        }).join();
    for (int i = 0; i < 3; ++i) std::memset(model.data() + i * 4000, 8, size);
    expect_model();
}

} // namespace
