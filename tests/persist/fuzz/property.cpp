// SPDX-License-Identifier: MIT
#include "property.hpp"

#include "copy.hpp"
#include "mutate.hpp"
#include "storage.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <tm/persist.h>

namespace libtm::fuzz {

namespace {

using persist::Failure;

[[noreturn]] void wrong(const std::string &what) { throw std::runtime_error(what); }
void demand(bool holds, const std::string &what)
{
    if (!holds) wrong(what);
}

struct CloseLater {
    void operator()(tm_pool *pool) const { tm_pool_close(pool); }
};
using Pool = std::unique_ptr<tm_pool, CloseLater>;

/** One storage for all inputs: making its memory files costs more than an input. */
Storage &storage()
{
    static Storage one;
    return one;
}

std::uint64_t size_of(const Found &found) { return found.data.size() + found.journal.size(); }

/** The copy's target: checks where it is written. */
struct Target : persist::CopyTarget {
    const Verdict &verdict;
    std::vector<char> image;
    explicit Target(const Verdict &expected) : verdict(expected) {}
    void begin(const persist::Header &header) override
    {
        demand(header.image_size == verdict.image_size, "a copy of another size than the image's");
        image.assign(header.image_size, 0);
    }
    void write(std::uint64_t offset, const char *bytes, std::size_t size) override
    {
        demand(offset <= image.size() && size <= image.size() - offset, "a copy writes outside of its image");
        std::memcpy(image.data() + offset, bytes, size);
    }
};

void demand_explained(const char *file, const char *field, const char *message)
{
    demand(file && *file && field && *field && message && *message, std::string("an error that does not say what it is about: ") + (message ? message : ""));
}

void demand_code(int code, int expected, const char *who, const char *message, const Verdict &verdict)
{
    if (code != expected)
        wrong(std::string(who) + ": code " + std::to_string(code) + " (" + message + "), expected " + std::to_string(expected) + " " + verdict.why);
}

/** Run `body` with no more memory than P22 says. */
template <class Body> void within_memory(const Found &found, Body &&body)
{
    constexpr std::size_t constant = 4 << 20; // windows and batches, whatever the size of the files
    const std::size_t before = allocated();
    forget_peak();
    body();
    const std::size_t more = allocated_peak() - before;
    demand(more <= 2 * size_of(found) + constant, "allocates " + std::to_string(more) + " bytes for files of " + std::to_string(size_of(found)));
}

void demand_no_fault()
{
    demand(storage().fault().empty(), storage().fault());
}

/** `rounds`: how often all may be read. */
void permit(const Found &found, const Verdict &verdict, std::uint64_t rounds)
{
    const std::uint64_t blocks = size_of(found) / block;
    storage().permit(verdict.image_size, rounds * (100 + 10 * blocks), rounds * (200000 + 8 * size_of(found)));
}

void try_copy(const Found &found, const Verdict &verdict)
{
    storage().load(found);
    permit(found, verdict, 6);
    Target target(verdict);
    within_memory(found, [&] {
        try {
            const persist::Header header = persist::copy_committed(storage(), pool_path, target, {});
            demand_code(0, verdict.code, "copy", "", verdict);
            demand(header.applied == verdict.last, "a copy of group " + std::to_string(header.applied) + ", expected " + std::to_string(verdict.last));
        } catch (const Failure &failure) {
            demand_explained(failure.file.c_str(), failure.field.c_str(), failure.message().c_str());
            demand_code(failure.code, verdict.code, "copy", failure.message().c_str(), verdict);
        }
    });
    demand_no_fault();
    demand(verdict.code || target.image == verdict.image, "a copy with other bytes");
    demand(storage().unchanged(found), "a copy changes the files");
}

/** Whether the address is one that nobody else takes, so that opening must not fail for it. */
bool is_mappable(const Verdict &verdict)
{
    constexpr std::uint64_t begin = 0x7ea000000000, end = begin + (1ull << 36);
    return verdict.base >= begin && verdict.base < end && verdict.reserve <= end - verdict.base;
}

const char *image_of(tm_pool *pool) { return static_cast<const char *>(tm_pool_data(pool)) - page; }

void demand_image(tm_pool *pool, const std::vector<char> &image, const char *when)
{
    tm_pool_stats stats{};
    demand(tm_pool_stat(pool, &stats) == 0 && stats.size == tm_pool_size(pool) && stats.size + stats.heap_size == image.size() - page, std::string("another size ") + when);
    if (std::memcmp(image_of(pool), image.data(), image.size()) == 0) return;
    std::size_t at = 0;
    while (image_of(pool)[at] == image[at]) ++at;
    wrong(std::string("other bytes ") + when + ", the first at " + std::to_string(at));
}

/** What the files in the storage mean, by the oracle. */
void demand_files(const std::vector<char> &image, const char *when)
{
    const Verdict verdict = judge(storage().files());
    demand(verdict.code == 0, std::string("files that are refused ") + when + ": " + verdict.why);
    demand(verdict.image == image, std::string("files with other bytes ") + when);
}

/** Nothing if it is refused, as expected. */
Pool open(const Found &found, const Verdict &verdict, unsigned flags, Totals *totals = nullptr)
{
    tm_pool_attr attr{};
    attr.storage = &storage();
    attr.flags = flags | TM_POOL_NO_THREAD;
    attr.journal = 4 * block;
    const bool writes = !(flags & (TM_POOL_READ_ONLY | TM_POOL_THROWAWAY));
    const int expected = writes ? verdict.writer_code : verdict.code;
    Pool pool;
    within_memory(found, [&] { pool.reset(tm_pool_open(pool_path, &attr)); });
    demand_no_fault();
    if (pool) {
        demand_code(0, expected, "open", "", verdict);
        demand_image(pool.get(), verdict.image, "after the open");
        return pool;
    }
    const tm_pool_failure &error = *tm_pool_error();
    demand_explained(error.file, error.field, error.message);
    const bool no_address = verdict.copy >= 0 && !is_mappable(verdict) && (error.code == EADDRINUSE || error.code == ENOMEM);
    if (!no_address) demand_code(error.code, expected, "open", error.message, verdict);
    // What is wrong with the files is found before they are written to; a name or an address that is taken, perhaps not.
    if (verdict.code) demand(storage().unchanged(found), "a refused open changes the files");
    else demand_files(verdict.image, "after an open that failed");
    if (totals) ++(no_address ? totals->unmappable : totals->refused);
    return pool;
}

/** Store somewhere, as a user may, in all but the directory. */
void store(tm_pool *pool, std::vector<char> &image, std::uint64_t random)
{
    for (int i = 0; i < 3 && tm_pool_size(pool); ++i) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const std::uint64_t at = (random >> 20) % tm_pool_size(pool);
        char *const byte = static_cast<char *>(tm_pool_data(pool)) + at;
        *byte = static_cast<char>(*byte + 1 + i);
        image[page + at] = *byte;
    }
}

/** The library finds the blocks that the oracle finds, and no others. */
void demand_blocks(tm_pool *pool, const Verdict &verdict)
{
    if (verdict.heap == 0) return;
    const auto blocks = blocks_of(verdict.image, verdict.heap);
    for (std::uint64_t at = verdict.heap; at < verdict.image_size; at += 16) {
        const std::size_t found = tm_pool_block_size(pool, image_of(pool) + at);
        const auto expected = blocks ? blocks->find(at) : decltype(blocks->end()){};
        demand(found == (blocks && expected != blocks->end() ? expected->second : 0), "another block at " + std::to_string(at));
        if (!blocks) demand_code(tm_pool_error()->code, EBADMSG, "heap", tm_pool_error()->message, verdict);
    }
}

void try_writer(const Found &found, const Verdict &verdict, std::uint64_t variety, Totals &totals)
{
    storage().load(found);
    permit(found, verdict, 2);
    Pool pool = open(found, verdict, variety & 1 ? TM_POOL_ANYWHERE : 0, &totals);
    if (!pool) return;
    ++totals.opened;
    totals.replayed += !verdict.groups.empty();
    tm_pool_stats stats{};
    demand(tm_pool_stat(pool.get(), &stats) == 0 && stats.sequence == verdict.last && stats.recovered == verdict.groups.size(), "figures that are not the oracle's");
    demand_blocks(pool.get(), verdict);
    if (verdict.near_end) return; // the next header would not count: nobody has written 2^62 of them
    demand_files(verdict.image, "after the open");
    for (const char *name : {"x", "fuzz"})
        if (!tm_pool_root(pool.get(), name) && tm_pool_error()->code) demand(*tm_pool_error()->message, "an error without words");

    std::vector<char> image = verdict.image;
    store(pool.get(), image, variety);
    if (tm_pool_commit(pool.get()) != 0) wrong(std::string("a commit fails: ") + tm_pool_error()->message);
    demand_files(image, "after a commit");
    const Found crashed = storage().files();
    if (variety & 2) {
        store(pool.get(), image, ~variety);
        if (tm_pool_commit(pool.get()) != 0) wrong(std::string("a second commit fails: ") + tm_pool_error()->message);
    }
    if (tm_pool_close(pool.release()) != 0) wrong(std::string("the close fails: ") + tm_pool_error()->message);
    demand_no_fault();
    demand_files(image, "after the close");

    // Once more, from where a crash or the close has left it.
    const Found next = variety & 4 ? crashed : storage().files();
    const Verdict again = judge(next);
    storage().load(next);
    permit(next, again, 2);
    pool = open(next, again, TM_POOL_ANYWHERE);
    if (pool && tm_pool_close(pool.release()) != 0) wrong(std::string("the second close fails: ") + tm_pool_error()->message);
    demand_no_fault();
}

} // namespace

std::string try_files(const Found &found, Totals &totals)
{
    ++totals.inputs;
    const std::uint64_t variety = crc(crc(0, found.data.data(), std::min<std::size_t>(found.data.size(), 2 * block)), found.journal.data(), found.journal.size());
    try {
        const Verdict verdict = judge(found);
        try_copy(found, verdict);
        if (variety % 16 < 2) {
            storage().load(found);
            permit(found, verdict, 6);
            open(found, verdict, variety & 1 ? TM_POOL_READ_ONLY : TM_POOL_THROWAWAY);
            demand(storage().unchanged(found), "opening to read changes the files");
        }
        try_writer(found, verdict, variety >> 4, totals);
    } catch (const std::runtime_error &error) {
        return error.what();
    }
    return {};
}

std::vector<std::pair<std::string, Files>> made_by_the_library()
{
    std::vector<std::pair<std::string, Files>> all;
    const auto keep = [&](const char *name) {
        const Found found = storage().files();
        Files files;
        files.data_size = found.data.size();
        std::copy_n(found.data.begin(), files.headers.size(), files.headers.begin());
        files.has_journal = found.has_journal;
        files.journal = found.journal;
        all.emplace_back(name, files);
    };
    // The library does not make the data file here, as it is derived: begin with a closed pool.
    Random random(1);
    Files first;
    do first = compose(random);
    while (judge({first.data(), false, {}}).code || first.data_size < image_at + 4 * page);
    first.has_journal = false;
    first.fill = 0;
    storage().load({first.data(), false, {}});
    tm_pool_attr attr{};
    attr.storage = &storage();
    attr.flags = TM_POOL_NO_THREAD;
    attr.journal = 4 * block;
    storage().permit(get64(first.header(0) + header::image_size), ~0ull, ~0ull);
    Pool pool(tm_pool_open(pool_path, &attr));
    demand(static_cast<bool>(pool), tm_pool_error()->message);
    keep("open");
    std::vector<char> image(image_of(pool.get()), image_of(pool.get()) + tm_pool_size(pool.get()) + page);
    for (int i = 1; i <= 3; ++i) {
        store(pool.get(), image, static_cast<std::uint64_t>(i));
        demand(tm_pool_commit(pool.get()) == 0, tm_pool_error()->message);
        if (i != 2) keep(i == 1 ? "one-group" : "three-groups");
    }
    store(pool.get(), image, 9);
    demand(tm_pool_commit(pool.get()) == 0, tm_pool_error()->message);
    keep("wrapped");
    demand(tm_pool_close(pool.release()) == 0, tm_pool_error()->message);
    keep("closed");
    return all;
}

} // namespace libtm::fuzz
