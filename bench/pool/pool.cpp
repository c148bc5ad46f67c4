// SPDX-License-Identifier: MIT
/**
 * @file pool.cpp
 * A pool of libtm-persist: plain stores, then tm_pool_commit(); or transactions.
 */
#include "files.hpp"
#include "store.hpp"
#include <filesystem>
#include <stdexcept>
#include <tm/persist.hpp>
#include <utility>

namespace bench {
namespace {

void ask(int result)
{
    if (result != 0) throw std::runtime_error(std::string("pool: ") + tm_pool_error()->message);
}

tm_pool *ask(tm_pool *pool)
{
    if (!pool) throw std::runtime_error(std::string("pool: ") + tm_pool_error()->message);
    return pool;
}

class pool : public store {
public:
    /** Takes it over. */
    pool(const site &where, tm_pool *opened) : where_(where), pool_(opened) {}
    ~pool() override { tm_pool_close(pool_); }
    pool(const pool &) = delete;
    pool &operator=(const pool &) = delete;

    template <class Pool = pool> static std::unique_ptr<pool> create(const site &where, const tm_pool_attr *attr)
    {
        auto result = std::make_unique<Pool>(where, ask(tm_pool_create(where.path.c_str(), where.bytes, attr)));
        touch(result->data(), where.bytes);
        return result;
    }

    void commit(std::span<const change> changes) override
    {
        for (const change &c : changes) c.apply(data() + c.page * page_size);
        ask(tm_pool_commit(pool_));
    }
    void settle() override { ask(tm_pool_checkpoint(pool_)); }
    std::size_t pending() override { return stats().journal_used; }
    void reopen() override
    {
        ask(tm_pool_close(std::exchange(pool_, nullptr)));
        pool_ = ask(tm_pool_open(where_.path.c_str(), nullptr));
    }
    const char *page(std::size_t number) override { return data() + number * page_size; }
    std::map<std::string, double> count() override
    {
        const tm_pool_stats s = stats();
        const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
        return {{"stalls", number(s.stalls)}, {"checkpoints", number(s.checkpoints)}, {"syncs", number(s.syncs)}, {"journaled", number(s.bytes_journaled)}, {"applied", number(s.bytes_applied)}};
    }
    std::string note() override { return stats().detection; }

protected:
    char *data() const { return static_cast<char *>(tm_pool_data(pool_)); }

private:
    tm_pool_stats stats() const
    {
        tm_pool_stats result;
        ask(tm_pool_stat(pool_, &result));
        return result;
    }

    site where_;
    tm_pool *pool_;
};

/** The words of a commit are stored in a transaction. */
class transactions final : public pool {
public:
    using pool::pool;

    void commit(std::span<const change> changes) override
    {
        libtm::atomically([&] {
            for (const change &c : changes) libtm::store(*reinterpret_cast<std::uint64_t *>(data() + c.page * page_size), content::first(c.page, c.version));
        });
    }
};

} // namespace

void add_pool(catalogue &to)
{
    const auto with_journal = [](const site &where, std::size_t journal, unsigned flags) {
        tm_pool_attr attr;
        attr.flags = flags;
        attr.journal = journal;
        return pool::create(where, &attr);
    };
    to.variants.push_back({"pool", true, [with_journal](const site &where) { return with_journal(where, journal_bytes, 0); }});
    for (const auto &[name, durability] : {std::pair{"transactions", TM_DURABILITY_SYNC}, std::pair{"transactions-soon", TM_DURABILITY_ASYNC}})
        to.variants.push_back({name, true,
                               [durability](const site &where) {
                                   tm_pool_attr attr;
                                   attr.journal = journal_bytes;
                                   attr.durability = durability;
                                   return pool::create<transactions>(where, &attr);
                               },
                               true});
    // Room for the journal's own frames, and no checkpoint ever.
    const auto to_crash = [with_journal](const site &where, std::size_t journal) { return with_journal(where, journal / 4 * 5, TM_POOL_NO_THREAD); };
    const auto open = [](const site &where) {
        tm_pool_attr attr;
        attr.journal = std::filesystem::file_size(where.path + "-journal") - page_size; // as it was made
        auto result = std::make_unique<pool>(where, ask(tm_pool_open(where.path.c_str(), &attr)));
        static_cast<void>(*const_cast<const volatile char *>(result->page(0)));
        return result;
    };
    to.recoverables.push_back({"pool", to_crash, open});
}

} // namespace bench
