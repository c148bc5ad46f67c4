// SPDX-License-Identifier: MIT
// B5, F1 to F3: a transaction reads its own writes at any size, alignment and overlap, byte-exact. Random operations run beside
// a plain array that does the same; then the transaction commits or aborts, and memory is compared.
#include "support.hpp"

#include <algorithm>

namespace {

using namespace libtm;
using namespace libtm::test;

constexpr std::size_t arena = 256;

/** Shared memory and its model. */
struct Twin {
    alignas(32) unsigned char memory[arena];
    unsigned char model[arena];
};

int sign(int value) { return (value > 0) - (value < 0); }

/** One random operation on both. */
void operate(Twin &t, Random &random)
{
    unsigned char bytes[arena];
    const std::size_t size = random.below(4) ? 1 + random.below(24) : random.below(arena / 2);
    const std::size_t at = random.below(arena - size), other = random.below(arena - size);
    const auto scalar = [&](auto zero) {
        using T = decltype(zero);
        const std::size_t index = random.below(arena / sizeof(T)) * sizeof(T);
        auto &place = *reinterpret_cast<T *>(&t.memory[index]);
        if (random.below(2)) {
            const T value = load(place);
            ASSERT_EQ(std::memcmp(&value, &t.model[index], sizeof value), 0);
        } else {
            T value;
            const std::uint64_t bits = random();
            std::memcpy(&value, &bits, sizeof value);
            store(place, value);
            std::memcpy(&t.model[index], &value, sizeof value);
        }
    };
    switch (random.below(14)) {
    case 0: return scalar(std::uint8_t{});
    case 1: return scalar(std::uint16_t{});
    case 2: return scalar(std::uint32_t{});
    case 3: return scalar(std::uint64_t{});
    case 4:
    case 5:
        tm_load_bytes(&t.memory[at], bytes, size);
        ASSERT_EQ(std::memcmp(bytes, &t.model[at], size), 0) << at << '+' << size;
        break;
    case 6:
    case 7:
        for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(random());
        tm_store_bytes(&t.memory[at], bytes, size);
        std::memcpy(&t.model[at], bytes, size);
        break;
    case 8: {
        const auto byte = static_cast<unsigned char>(random());
        ASSERT_EQ(tm_memset(&t.memory[at], byte, size), &t.memory[at]);
        std::memset(&t.model[at], byte, size);
        break;
    }
    case 9:
        ASSERT_EQ(tm_memmove(&t.memory[at], &t.memory[other], size), &t.memory[at]);
        std::memmove(&t.model[at], &t.model[other], size);
        break;
    case 10:
        if (at + size <= other || other + size <= at) {
            ASSERT_EQ(tm_memcpy(&t.memory[at], &t.memory[other], size), &t.memory[at]);
            std::memcpy(&t.model[at], &t.model[other], size);
        }
        break;
    case 11:
        ASSERT_EQ(sign(tm_memcmp(&t.memory[at], &t.memory[other], size)), sign(std::memcmp(&t.model[at], &t.model[other], size)));
        break;
    case 12: {
        const std::size_t end = at + random.below(arena - at);
        store(t.memory[end], static_cast<unsigned char>(0));
        t.model[end] = 0;
        const auto length = static_cast<std::size_t>(std::find(&t.model[at], &t.model[end], 0) - &t.model[at]);
        ASSERT_EQ(tm_strlen(reinterpret_cast<const char *>(&t.memory[at])), length);
        break;
    }
    default: {
        static const unsigned flags[] = {TM_PRIVATIZE_LOAD, TM_PRIVATIZE_STORE, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE};
        const unsigned how = flags[random.below(3)];
        ASSERT_EQ(tm_privatize(&t.memory[at], size, how), 0);
        if (how & TM_PRIVATIZE_LOAD) {
            ASSERT_EQ(std::memcmp(&t.memory[at], &t.model[at], size), 0);
        }
        if (how & TM_PRIVATIZE_STORE)
            for (std::size_t i = 0; i < size; ++i) t.memory[at + i] = t.model[at + i] = static_cast<unsigned char>(random());
        break;
    }
    }
}

class Bytes : public Modes {};
TM_MODES_SUITE(Bytes);

TEST_P(Bytes, B5_random_operations_against_a_model)
{
    Twin twin;
    Random random(7);
    for (unsigned char &byte : twin.memory) byte = static_cast<unsigned char>(random());
    std::memcpy(twin.model, twin.memory, arena);
    for (std::uint64_t round = 0; round < scaled(20000); ++round) {
        unsigned char before[arena];
        std::memcpy(before, twin.model, arena);
        const std::size_t operations = 1 + random.below(random.below(8) ? 12 : 100);
        const bool commits = random.below(2);
        unsigned restarts = random.below(5) ? 0 : 1;
        try {
            tx([&] {
                std::memcpy(twin.model, before, arena);
                for (std::size_t i = 0; i < operations; ++i) {
                    if (random.below(10) == 0)
                        atomically([&] { operate(twin, random); });
                    else
                        operate(twin, random);
                }
                if (restarts && restarts--) restart();
                if (!commits) cancel(1);
            });
        } catch (const error &e) {
            ASSERT_EQ(e.kind(), TM_ERROR_ABORT);
            std::memcpy(twin.model, before, arena);
        }
        ASSERT_EQ(std::memcmp(twin.memory, twin.model, arena), 0) << "round " << round << (commits ? " committed" : " aborted");
        if (HasFatalFailure()) return;
    }
}

TEST_P(Bytes, B5_every_size_at_every_offset)
{
    alignas(32) unsigned char memory[128], expected[128];
    unsigned char bytes[128], seen[128];
    for (std::size_t size = 0; size <= 70; ++size)
        for (std::size_t at = 0; at < 33; ++at) {
            std::memset(memory, 0x11, sizeof memory);
            std::memset(expected, 0x11, sizeof expected);
            for (std::size_t i = 0; i < size; ++i) expected[at + i] = bytes[i] = static_cast<unsigned char>(i + at + 0x20);
            tx([&] {
                tm_store_bytes(&memory[at], bytes, size);
                tm_load_bytes(memory, seen, sizeof memory);
                ASSERT_EQ(std::memcmp(seen, expected, sizeof seen), 0) << size << " at " << at;
                ASSERT_EQ(tm_memcmp(&memory[at], bytes, size), 0);
            });
            ASSERT_EQ(std::memcmp(memory, expected, sizeof memory), 0) << size << " at " << at;
        }
}

TEST_P(Bytes, B5_overlapping_moves_in_both_directions)
{
    for (std::size_t shift = 1; shift < 40; ++shift) {
        alignas(32) unsigned char memory[160], model[160];
        for (std::size_t i = 0; i < sizeof memory; ++i) memory[i] = model[i] = static_cast<unsigned char>(i);
        tx([&] {
            tm_memmove(memory + 10 + shift, memory + 10, 100);
            tm_memmove(memory + 5, memory + 5 + shift, 100);
        });
        std::memmove(model + 10 + shift, model + 10, 100);
        std::memmove(model + 5, model + 5 + shift, 100);
        ASSERT_EQ(std::memcmp(memory, model, sizeof memory), 0) << shift;
    }
}

TEST_P(Bytes, F1_scalars_of_each_type)
{
    struct {
        std::uint8_t u8 = 1;
        std::uint16_t u16 = 2;
        std::uint32_t u32 = 3;
        std::uint64_t u64 = 4;
        std::int8_t i8 = -1;
        std::int16_t i16 = -2;
        std::int32_t i32 = -3;
        std::int64_t i64 = -4;
        float f = 1.5F;
        double d = -2.5;
        void *p = nullptr;
    } s;
    tx([&] {
        tm_store_u8(&s.u8, static_cast<std::uint8_t>(tm_load_u8(&s.u8) + 254));
        tm_store_u16(&s.u16, static_cast<std::uint16_t>(tm_load_u16(&s.u16) - 3));
        tm_store_u32(&s.u32, tm_load_u32(&s.u32) - 4);
        tm_store_u64(&s.u64, tm_load_u64(&s.u64) - 5);
        tm_store_i8(&s.i8, static_cast<std::int8_t>(tm_load_i8(&s.i8) - 1));
        tm_store_i16(&s.i16, static_cast<std::int16_t>(tm_load_i16(&s.i16) - 1));
        tm_store_i32(&s.i32, tm_load_i32(&s.i32) - 1);
        tm_store_i64(&s.i64, tm_load_i64(&s.i64) - 1);
        tm_store_float(&s.f, tm_load_float(&s.f) * 2);
        tm_store_double(&s.d, tm_load_double(&s.d) * 2);
        tm_store_ptr(&s.p, &s);
        EXPECT_EQ(tm_load_ptr(&s.p), &s);
        EXPECT_EQ(tm_load_i8(&s.i8), -2);
        EXPECT_EQ(tm_load_u64(&s.u64), UINT64_MAX);
    });
    EXPECT_EQ(s.u8, 255);
    EXPECT_EQ(s.u16, UINT16_MAX);
    EXPECT_EQ(s.u32, UINT32_MAX);
    EXPECT_EQ(s.u64, UINT64_MAX);
    EXPECT_EQ(s.i8, -2);
    EXPECT_EQ(s.i16, -3);
    EXPECT_EQ(s.i32, -4);
    EXPECT_EQ(s.i64, -5);
    EXPECT_EQ(s.f, 3.0F);
    EXPECT_EQ(s.d, -5.0);
    EXPECT_EQ(s.p, &s);
}

TEST_P(Bytes, F2_objects_of_any_trivially_copyable_type)
{
    struct Odd {
        char name[13];
        double value;
        bool operator==(const Odd &) const = default;
    };
    Odd shared{"first", 1.0};
    const Odd next{"second", 2.0};
    enum class Color : char { red, green } color = Color::red;
    bool flag = false;
    tx([&] {
        EXPECT_EQ(load(shared), (Odd{"first", 1.0}));
        store(shared, next);
        EXPECT_EQ(load(shared), next);
        store(shared.value, 3.0);
        EXPECT_EQ(load(shared).value, 3.0);
        store(color, Color::green);
        store(flag, !load(flag));
    });
    EXPECT_STREQ(shared.name, "second");
    EXPECT_EQ(shared.value, 3.0);
    EXPECT_EQ(color, Color::green);
    EXPECT_TRUE(flag);
}

TEST_P(Bytes, F1_outside_of_a_transaction_plain_accesses)
{
    long value = 1;
    unsigned char bytes[40] = {}, seen[40];
    store(value, load(value) + 1);
    EXPECT_EQ(value, 2);
    tm_memset(bytes, 7, 40);
    tm_load_bytes(bytes, seen, 40);
    EXPECT_EQ(std::memcmp(bytes, seen, 40), 0);
    EXPECT_EQ(tm_memcmp(bytes, seen, 40), 0);
    EXPECT_EQ(bytes[39], 7);
    EXPECT_EQ(tm_strlen("four"), 4u);
    tm_memmove(bytes, bytes + 1, 39);
    EXPECT_FALSE(tm_in_transaction());
}

class BytesConcurrent : public Concurrent {};
TM_CONCURRENT_SUITE(BytesConcurrent);

/** The bytes of all threads alternate in the same stripes; each thread's own must be as its model says. */
TEST_P(BytesConcurrent, B5_interleaved_bytes_of_several_threads)
{
    constexpr std::size_t piece = 5, size = 480;
    struct {
        alignas(32) unsigned char memory[size];
    } s{};
    const auto rounds = each(20000);
    run_threads(threads(), [&](unsigned me) {
        Random random(me);
        std::array<unsigned char, size> model{}, before{};
        const std::size_t pieces = size / piece / threads();
        const auto mine = [&] { return (random.below(pieces) * threads() + me) * piece; };
        for (std::uint64_t i = 0; i < rounds; ++i) {
            const bool commits = random.below(3);
            before = model;
            try {
                atomically(how(static_cast<unsigned>(me + i)), [&] {
                    model = before;
                    for (int k = 0; k < 6; ++k) {
                        const std::size_t at = mine(), length = 1 + random.below(piece);
                        unsigned char bytes[piece];
                        switch (random.below(4)) {
                        case 0:
                            tm_load_bytes(&s.memory[at], bytes, length);
                            ASSERT_EQ(std::memcmp(bytes, &model[at], length), 0);
                            break;
                        case 1:
                            tm_memset(&s.memory[at], static_cast<int>(i), length);
                            std::memset(&model[at], static_cast<int>(i), length);
                            break;
                        case 2: {
                            const std::size_t to = mine();
                            tm_memmove(&s.memory[to], &s.memory[at], length);
                            std::memmove(&model[to], &model[at], length);
                            break;
                        }
                        default:
                            tm_privatize(&s.memory[at], length, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
                            ASSERT_EQ(std::memcmp(&s.memory[at], &model[at], length), 0);
                            std::memset(&s.memory[at], static_cast<int>(i + 1), length);
                            std::memset(&model[at], static_cast<int>(i + 1), length);
                        }
                    }
                    if (!commits) cancel(1);
                });
            } catch (const error &) {
                model = before;
            }
        }
        for (std::size_t at = me * piece; at + piece <= pieces * threads() * piece; at += threads() * piece)
            EXPECT_EQ(std::memcmp(&s.memory[at], &model[at], piece), 0) << at;
    });
}

} // namespace
