// SPDX-License-Identifier: MIT
// Workloads: loads, stores, bytes, privatized memory, blocks. Each lets a log grow.
#include "checked.hpp"

#include <tm/hold.h>

namespace libtm::oom {

namespace {

long &at(Checked &c, std::size_t i) { return c.memory.cells[i]; }
void add(Checked &c, std::size_t i, long by) { tm_store_i64(&at(c, i), tm_load_i64(&at(c, i)) + by); }

void scalars(Checked &c)
{
    for (int round = 0; round < 3; ++round)
        c.step(
            "a transfer", 0,
            [&] {
                add(c, 0, -7);
                add(c, 100, 7);
                tm_store_u8(&c.memory.bytes[3], static_cast<std::uint8_t>(tm_load_u8(&c.memory.bytes[3]) + 1));
            },
            [&] {
                c.model.cells[0] -= 7;
                c.model.cells[100] += 7;
                ++c.model.bytes[3];
            });
}

/** 64, 128, 256 stripes are the chunks of the write log. */
void many_writes(Checked &c)
{
    for (const std::size_t count : {10u, 70u, 400u})
        c.step(
            "many writes", 0,
            [&] {
                for (std::size_t i = 0; i < count; ++i) add(c, i * 4, 1);
            },
            [&] {
                for (std::size_t i = 0; i < count; ++i) ++c.model.cells[i * 4];
            });
}

/** The read log holds 2048 entries, then 4096, then 8192. */
void read_and_write(Checked &c, unsigned flags)
{
    c.step(
        "many reads", flags,
        [&] {
            long sum = 1;
            for (int round = 0; round < 2; ++round)
                for (const long &cell : c.memory.cells) sum += tm_load_i64(&cell) != 0;
            add(c, 9, sum > 0);
        },
        [&] { ++c.model.cells[9]; });
}

void many_reads(Checked &c)
{
    read_and_write(c, 0);
    read_and_write(c, TM_READ_MOSTLY); // promoted: begins again with a whole read log
    c.step(
        "only reads", TM_READ_ONLY,
        [&] {
            for (const long &cell : c.memory.cells) tm_load_i64(&cell);
        },
        [] {});
}

void bytes(Checked &c)
{
    unsigned char text[2000];
    for (std::size_t i = 0; i < sizeof text; ++i) text[i] = static_cast<unsigned char>(i * 7);
    auto &b = c.memory.bytes;
    auto &m = c.model.bytes;
    c.step(
        "bytes", 0,
        [&] {
            tm_store_bytes(&b[13], text, sizeof text);
            tm_memcpy(&b[4001], &b[13], 1500);
            tm_memmove(&b[4007], &b[4001], 1500);
            tm_memset(&b[7000], 9, 1000);
        },
        [&] {
            std::memcpy(&m[13], text, sizeof text);
            std::memcpy(&m[4001], &m[13], 1500);
            std::memmove(&m[4007], &m[4001], 1500);
            std::memset(&m[7000], 9, 1000);
        });
}

void privatize(Checked &c)
{
    auto &b = c.memory.bytes;
    auto &m = c.model.bytes;
    c.step(
        "privatize", 0,
        [&] {
            tm_store_u8(&b[50], 5);
            tm_privatize(&b[0], 3000, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE);
            for (std::size_t i = 0; i < 3000; i += 3) ++b[i];
            tm_memset(&b[5000], 1, 500);
            tm_store_u8(&b[5400], 0xff);
            tm_privatize_until(&b[5000], 0xff, TM_PRIVATIZE_LOAD | TM_PRIVATIZE_STORE | TM_PRIVATIZE_DISCARD);
            std::memset(&b[5000], 77, 400);
            b[5400] = 0xff; // its store was dropped
        },
        [&] {
            m[50] = 5;
            for (std::size_t i = 0; i < 3000; i += 3) ++m[i];
            std::memset(&m[5000], 1, 500);
            std::memset(&m[5000], 77, 400);
            m[5400] = 0xff;
        });
}

constexpr std::size_t size_of(std::size_t i) { return 17 + 2 * (i % 50); }

/** In a transaction: a block of size_of(i), filled, takes the place of what is there. */
void put(Checked &c, std::size_t i, void *block)
{
    if (!block) return;
    std::memset(block, static_cast<int>(i), size_of(i));
    tm_free(tm_load_ptr(&c.memory.blocks[i]));
    tm_store_ptr(&c.memory.blocks[i], block);
}
void *make(std::size_t i)
{
    switch (i % 3) {
    case 0: return tm_malloc(size_of(i));
    case 1: return tm_calloc(1, size_of(i));
    default: return tm_aligned_alloc(64, size_of(i));
    }
}
std::string text_of(std::size_t i) { return std::string(size_of(i), static_cast<char>(i)); }

/** More than 16 made and retired: their lists grow, and from there on an index finds a block made here. */
void blocks(Checked &c)
{
    for (const std::size_t count : {4u, 40u, 40u})
        c.step(
            "blocks", 0,
            [&] {
                for (std::size_t i = 0; i < count; ++i) put(c, i, make(i));
                for (std::size_t i = 0; i < count; i += 2) { // made here and freed here
                    tm_free(tm_load_ptr(&c.memory.blocks[i]));
                    tm_store_ptr(&c.memory.blocks[i], nullptr);
                }
            },
            [&] {
                for (std::size_t i = 0; i < count; ++i) c.model.blocks[i] = text_of(i);
                for (std::size_t i = 0; i < count; i += 2) c.model.blocks[i].reset();
            });
}

void reallocate(Checked &c)
{
    auto &b = c.memory.blocks;
    c.step(
        "strings", 0,
        [&] {
            for (std::size_t i = 200; i < 203; ++i) tm_free(tm_load_ptr(&b[i]));
            tm_store_ptr(&b[200], tm_strdup("a string of 22 letters"));
            tm_store_ptr(&b[201], tm_strndup("a string of 22 letters and more", 22));
            auto *const array = static_cast<char *>(tm_reallocarray(nullptr, 3, 7));
            if (array) tm_memset(array, 'x', 21);
            tm_store_ptr(&b[202], array);
        },
        [&] {
            c.model.blocks[200] = c.model.blocks[201] = "a string of 22 letters";
            c.model.blocks[202] = std::string(21, 'x');
        });
    c.step(
        "reallocate", 0,
        [&] {
            if (!tm_load_ptr(&b[200])) return;
            for (std::size_t size = 101; size < 800; size += 200) tm_store_ptr(&b[200], tm_realloc(tm_load_ptr(&b[200]), size));
            tm_store_ptr(&b[202], tm_reallocarray(tm_load_ptr(&b[202]), 3, 9));
        },
        [] {});
}

/** Outside of a transaction a call that fails returns null and changes nothing. */
void outside(Checked &c)
{
    for (std::size_t i = 100; i < 106; ++i) {
        errno = 0;
        auto *const block = static_cast<char *>(make(i));
        if (!block && errno != ENOMEM) violation("null without ENOMEM");
        if (!block) continue;
        std::memset(block, static_cast<int>(i), size_of(i));
        tm_free(c.memory.blocks[i]);
        c.memory.blocks[i] = block;
        c.model.blocks[i] = text_of(i);
        c.check("outside");
        if (void *const larger = tm_realloc(block, 301)) c.memory.blocks[i] = static_cast<char *>(larger);
        c.check("realloc outside");
    }
    if (char *const copy = tm_strdup("22 letters are 23 bytes")) tm_free(copy);
}

/** The transaction lives on and does what is left to do. */
void null_on_oom(Checked &c)
{
    std::array<bool, 60> made{};
    c.step(
        "with TM_NULL_ON_OOM", TM_NULL_ON_OOM,
        [&] {
            for (std::size_t i = 0; i < made.size(); ++i) {
                errno = 0;
                void *const block = make(i);
                made[i] = block != nullptr;
                if (!block && errno != ENOMEM) violation("null without ENOMEM");
                put(c, i, block);
            }
            add(c, 17, 1);
        },
        [&] {
            for (std::size_t i = 0; i < made.size(); ++i)
                if (made[i]) c.model.blocks[i] = text_of(i);
            ++c.model.cells[17];
        });
}

/** A block of an attempt that restarts is kept for the next, which asks for others, too. */
/** Plain code that keeps transactions off, of the same thread; it holds what it can. */
void holds(Checked &c)
{
    tm_holder *const holder = tm_hold_begin();
    tm_hold(holder, c.memory.bytes.data(), Memory::bytes_size);
    tm_hold_end(holder);
    c.step(
        "after a holder", 0, [&] { add(c, 3, 1); }, [&] { c.model.cells[3] += 1; });
}

void kept(Checked &c)
{
    int attempts;
    attempts = 0;
    c.step(
        "a restart that keeps blocks", 0,
        [&] {
            const std::size_t count = attempts == 0 ? 30 : 50;
            const std::size_t first = attempts == 1 ? 10 : 0; // the second wants other sizes
            for (std::size_t i = first; i < count; ++i) {
                void *const block = make(i);
                if (attempts > 1) put(c, i, block);
            }
            if (attempts++ < 2) tm_restart();
        },
        [&] {
            for (std::size_t i = 0; i < 50; ++i) c.model.blocks[i] = text_of(i);
        });
}

/** The log of a thread that runs alone: without memory for it everything goes through orecs. */
void run_alone(Checked &c, const char *name)
{
    tm_config_set("bias", "1");
    for (int i = 0; i < 1100; ++i) // the context looks again
        c.step(
            name, 0,
            [&] {
                tm_store_i64(&c.memory.cells[0], tm_load_i64(&c.memory.cells[0]) + 1);
                tm_store_i64(&c.memory.cells[1], 7);
                if (i == 1099 && tm_attempt() == 1) tm_restart();
            },
            [&] {
                ++c.model.cells[0];
                c.model.cells[1] = 7;
            });
    tm_config_set("bias", "1024");
}

void biased(Checked &c) { run_alone(c, "biased"); }

void in_turns(Checked &c)
{
    tm_config_set("turns", "always");
    run_alone(c, "in_turns");
    tm_config_set("turns", "auto");
}

} // namespace

std::vector<Workload> memory_workloads()
{
    return {
        {"scalars", scalars},       {"many_writes", many_writes}, {"many_reads", many_reads}, {"bytes", bytes},
        {"privatize", privatize},   {"blocks", blocks},           {"reallocate", reallocate}, {"outside", outside},
        {"null_on_oom", null_on_oom}, {"holds", holds}, {"kept", kept}, {"biased", biased}, {"in_turns", in_turns},
    };
}

} // namespace libtm::oom
