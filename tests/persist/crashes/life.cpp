// SPDX-License-Identifier: MIT
#include "life.hpp"

#include "blocks.hpp"
#include "create.hpp"
#include "shelf.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tm/tm.hpp>
#include <vector>

namespace libtm::testing {

using persist::Failure;
using persist::Pool;

namespace {

constexpr std::uint64_t journal_bytes = 4 * 4096;
constexpr int most_attempts = 3; ///< one fault, and what it leaves behind

struct Edit {
    std::size_t offset, count;
};

/** What commit `number` stores, with bytes of its own. */
std::vector<Edit> edits_of(std::uint64_t number)
{
    constexpr std::size_t page = Life::page;
    switch (number) {
    case 2: return {{page, page}};                          // a page
    case 3: return {{page - 32, 64}, {3 * page + 100, 10}}; // lines of three pages
    case 9: return {{0, 6 * page}};                         // more than the journal
    case 11: return {{2 * page, page}, {4 * page, 2 * page}};
    case 13: return {{6 * page, 2 * page}}; // after the growth
    case 17: return {{0, 6 * page}};        // a transaction that is more than the journal
    default: return {{64 * (number % 60) + page * (number % 5), 8}};
    }
}

void store(char *memory, std::uint64_t number)
{
    for (const Edit &edit : edits_of(number)) std::memset(memory + edit.offset, static_cast<int>(number), edit.count);
}

/** Whether it is a transaction, rather than a commit of the whole image. */
bool is_transaction(std::uint64_t number) { return number == 5 || number == 7 || number == 12 || number == 14 || number >= 16; }

/** What the pool has said last, perhaps with another code. */
[[noreturn]] void throw_last(int code)
{
    const tm_pool_failure &it = *tm_pool_error();
    throw Failure{code, it.file ? it.file : "", it.field ? it.field : "", it.offset, it.found ? it.found : "", it.expected ? it.expected : "", it.remedy ? it.remedy : ""};
}

/** The error of a transaction as that of its pool. */
[[noreturn]] void throw_last(const libtm::error &error)
{
    if (error.kind() != TM_ERROR_POOL) throw error;
    const tm_pool_failure &it = *tm_pool_error();
    if (it.code != error.code() && error.code() != EIO && error.code() != ENOTRECOVERABLE) throw Life::Violation("a transaction fails with another code than its pool");
    throw_last(error.code() == ENOTRECOVERABLE ? EIO : error.code());
}

/** What it stores, in one or the other mode; its error as that of the pool. */
void run(char *memory, std::uint64_t number)
{
    tm_attr how{};
    how.mode = number % 2 ? TM_WRITE_THROUGH : TM_WRITE_BACK;
    try {
        libtm::atomically(how, [&] {
            for (const Edit &edit : edits_of(number)) tm_memset(memory + edit.offset, static_cast<int>(number), edit.count);
        });
    } catch (const libtm::error &error) {
        throw_last(error);
    }
}

bool is_space(int code) { return code == ENOSPC || code == EFBIG || code == EDQUOT; }

} // namespace

Life::Life(tm_storage &files, Options options, Progress *progress) : files_(files), options_(std::move(options)), progress_(progress ? *progress : own_) {}
Life::~Life() = default;

std::string Life::image(std::uint64_t number)
{
    std::string image(last_size, '\0');
    for (std::uint64_t i = 1; i <= number; ++i) store(image.data(), i);
    return image;
}

std::uint64_t Life::number_of(std::string_view memory, std::uint64_t least, std::uint64_t most)
{
    std::uint64_t found = commits + 1;
    for (std::uint64_t i = 0; i <= commits; ++i)
        if (const std::string all = image(i); memory == std::string_view(all).substr(0, memory.size())) {
            found = i;
            if (i >= least && i <= most && (memory.size() == last_size || i < 13)) return i;
        }
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    throw Violation(found > commits ? "the image is of no commit, it must be of " + range : "the image is of commit " + std::to_string(found) + ", not of " + range);
}

tm_pool_attr Life::attr(unsigned flags) const
{
    tm_pool_attr attr{};
    attr.storage = &files_;
    attr.journal = journal_bytes;
    attr.flags = options_.flags | flags;
    return attr;
}

/** That the user can make something of it. */
void Life::told(const Failure &failure)
{
    ++failures_;
    const std::string message = failure.message();
    if (options_.code == 0) throw Violation("what must go on has failed: " + message);
    if (failure.code != options_.code && failure.code != EIO) throw Violation("another code than " + std::to_string(options_.code) + ": " + std::to_string(failure.code) + ", " + message);
    if (message.find(options_.path) == message.npos) throw Violation("the file is not named: " + message);
}

void Life::demand_no_handles(const char *what)
{
    if (options_.handles && options_.handles() != (pool_ ? 2 : 0)) throw Violation(std::string(what) + " has left " + std::to_string(options_.handles()) + " handles open");
}

std::string Life::wrong_with_heap(Pool &pool, const Progress &progress)
{
    const auto *const shelf = static_cast<const Shelf *>(pool.root("shelf"));
    if (!shelf) {
        if (progress.shelved) return "the shelf is lost";
        return pool.heap().figures().blocks ? "a block is allocated, and nothing names it" : "";
    }
    if (shelf->done < progress.shelved || shelf->done > progress.shelved_begun)
        return std::to_string(shelf->done) + " transactions of the heap are there, not " + std::to_string(progress.shelved) + " to " + std::to_string(progress.shelved_begun);
    return wrong_with(pool.data(), *shelf, blocks_in(pool));
}

void Life::demand_image(std::uint64_t least)
{
    committed_ = number_of({pool_->data(), pool_->size()}, least, progress_.begun);
    if (const std::string wrong = wrong_with_heap(*pool_, progress_); !wrong.empty()) throw Violation(wrong);
}

void Life::create()
{
    for (int attempt = 0;; ++attempt) {
        try {
            pool_ = Pool::create(options_.path, first_size, attr());
            break;
        } catch (const Failure &failure) {
            // A name that was given although the call said it was not.
            if (failure.code == EEXIST && failures_ > 0) {
                open();
                break;
            }
            told(failure);
            demand_no_handles("a failed creation");
            if (attempt == most_attempts) throw Violation("the creation fails for ever: " + failure.message());
        }
    }
    progress_.created = 1;
    demand_image(0);
}

void Life::open()
{
    for (int attempt = 0;; ++attempt) {
        try {
            pool_ = Pool::open(options_.path, attr());
            break;
        } catch (const Failure &failure) {
            told(failure);
            demand_no_handles("a failed open");
            if (attempt == most_attempts) throw Violation("the open fails for ever: " + failure.message());
        }
    }
    demand_image(progress_.returned);
}

/** A call of an open pool. When this returns, the call has. */
void Life::step(const char *what, const std::function<void()> &body)
{
    for (int attempt = 0;; ++attempt) {
        try {
            body();
            return;
        } catch (const Failure &failure) {
            told(failure);
            if (attempt == most_attempts) throw Violation(std::string(what) + " fails for ever: " + failure.message());
            if (pool_->stats().poisoned) {
                if (failure.code != EIO) throw Violation(std::string(what) + " has poisoned the pool and says " + failure.message());
                demand_poisoned(what);
                pool_.reset();
                open();
            } else if (!is_space(failure.code)) {
                throw Violation(std::string(what) + " has failed, and the pool is not poisoned: " + failure.message());
            }
        }
    }
}

void Life::demand_poisoned(const char *what)
{
    const std::uint64_t before = options_.changes ? options_.changes() : 0;
    const std::pair<const char *, std::function<void()>> calls[] = {
        {"commit", [&] { pool_->commit(); }},   {"checkpoint", [&] { pool_->checkpoint(); }},
        {"trim", [&] { pool_->trim(); }},       {"grow", [&] { pool_->grow(pool_->size() + 1); }},
        {"transaction", [&] {
             const std::string memory(pool_->data(), pool_->size());
             try {
                 run(pool_->data(), commits + 1);
             } catch (const Failure &) {
                 if (memory != std::string_view(pool_->data(), pool_->size())) throw Violation("P3: a poisoned pool has refused a transaction, and memory has changed");
                 throw;
             }
         }},
        {"close", [&] { pool_->close(); }},
    };
    for (const auto &[name, call] : calls) {
        try {
            call();
        } catch (const Failure &failure) {
            if (failure.code != EIO) throw Violation(std::string("P3: after a failed ") + what + " a " + name + " says " + failure.message());
            continue;
        }
        throw Violation(std::string("P3: after a failed ") + what + " a " + name + " returns");
    }
    if (options_.changes && options_.changes() != before) throw Violation(std::string("P3: after a failed ") + what + " the pool has written something");
}

/** The next one. */
void Life::commit()
{
    const std::uint64_t number = progress_.begun + 1;
    progress_.begun = number;
    step(is_transaction(number) ? "transaction" : "commit", [&] {
        if (!is_transaction(number)) {
            store(pool_->data(), number);
            return pool_->commit();
        }
        const std::string before(pool_->data(), pool_->size());
        try {
            run(pool_->data(), number);
        } catch (const Failure &failure) {
            if (is_space(failure.code) && before != std::string_view(pool_->data(), pool_->size())) throw Violation("P11: a transaction that was refused has changed memory");
            throw;
        }
    });
    progress_.returned = number;
    committed_ = number;
    demand_image(number);
}

/** The next transaction that changes the heap; the shelf is in it, too. */
void Life::shelve()
{
    const std::uint64_t number = progress_.shelved_begun + 1;
    progress_.shelved_begun = number;
    step("transaction of the heap", [&] {
        const auto *const before = static_cast<const Shelf *>(pool_->root("shelf"));
        if (before && before->done == number) return; // it was poisoned, but it is there
        try {
            if (before && number % 3 == 1) {
                rearrange_plainly(pool_->handle(), *static_cast<Shelf *>(pool_->root("shelf")), number);
                return;
            }
            libtm::atomically([&] {
                auto *shelf = static_cast<Shelf *>(pool_->root("shelf"));
                if (!shelf) {
                    shelf = static_cast<Shelf *>(tm_pool_calloc(pool_->handle(), 1, sizeof(Shelf)));
                    demand_told(shelf);
                    pool_->set_root("shelf", shelf);
                }
                rearrange(pool_->handle(), *shelf, number);
            });
        } catch (const libtm::error &error) {
            throw_last(error);
        } catch (const pool_error &error) {
            throw_last(error.code());
        }
    });
    progress_.shelved = number;
    demand_image(committed_);
}

void Life::read_copy(const std::string &path, unsigned how)
{
    for (int attempt = 0;; ++attempt) {
        try {
            // The writer's address is taken, if there is one.
            const std::unique_ptr<Pool> copy = Pool::open(path, attr(how | TM_POOL_ANYWHERE));
            number_of({copy->data(), copy->size()}, committed_, committed_);
            return;
        } catch (const Failure &failure) {
            told(failure);
            demand_no_handles("a failed open for reading");
            if (attempt == most_attempts) throw Violation("the open for reading fails for ever: " + failure.message());
        }
    }
}

void Life::back_up()
{
    const std::string copy = options_.path + ".copy";
    for (int attempt = 0;; ++attempt) {
        try {
            persist::backup(options_.path, copy, attr(), {});
            break;
        } catch (const Failure &failure) {
            if (failure.code == EEXIST && failures_ > 0) break; // named although the call said it was not
            told(failure);
            demand_no_handles("a failed backup");
            if (attempt == most_attempts) throw Violation("the backup fails for ever: " + failure.message());
        }
    }
    read_copy(copy, TM_POOL_THROWAWAY);
    for (int attempt = 0; files_.remove(&files_, copy.c_str()) != -ENOENT;)
        if (++attempt > most_attempts) throw Violation("the copy cannot be removed");
}

void Life::close()
{
    try {
        pool_->close();
        pool_.reset();
    } catch (const Failure &failure) {
        told(failure);
        pool_.reset();
        demand_no_handles("a failed close");
        open();
        return close();
    }
    demand_no_handles("a close");
}

void Life::live()
{
    create();
    for (int i = 1; i <= 3; ++i) commit();
    step("stat", [&] { pool_->stats(); });
    step("checkpoint", [&] { pool_->checkpoint(); });
    for (int i = 4; i <= 8; ++i) commit(); // round the ring
    commit();                              // longer than the journal
    commit();                              // which has its size again
    step("trim", [&] { pool_->trim(); });
    commit();
    step("growth", [&] { pool_->grow(7 * page); });
    step("growth", [&] { pool_->grow(last_size); });
    commit(); // 12
    commit();
    read_copy(options_.path, TM_POOL_READ_ONLY);
    back_up();
    pool_.reset(); // as a kill
    open();
    commit();
    commit();
    read_copy(options_.path, TM_POOL_READ_ONLY);
    pool_.reset();
    read_copy(options_.path, TM_POOL_READ_ONLY); // what nobody has recovered
    open();
    commit();
    close();
    read_copy(options_.path, TM_POOL_READ_ONLY);
    back_up();
    open();
    while (progress_.begun < commits) commit();
    for (int i = 0; i < 4; ++i) shelve();
    pool_.reset();
    open();
    for (int i = 0; i < 4; ++i) shelve();
    step("commit", [&] { pool_->commit(); });
    shelve();
    close();
}

} // namespace libtm::testing
