// SPDX-License-Identifier: MIT
/**
 * @file sqlite.cpp
 * SQLite: a table of numbers; write-ahead log, synchronous=FULL, a connection for each thread.
 */
#include "counters.hpp"
#include <sqlite3.h>
#include <stdexcept>

namespace bench {
namespace {

class connection {
public:
    explicit connection(const std::string &path)
    {
        ask(sqlite3_open(path.c_str(), &database_));
        sqlite3_busy_timeout(database_, 60000);
        execute("PRAGMA cache_size=-65536");
        execute("PRAGMA wal_autocheckpoint=" + std::to_string(journal_bytes / 4096));
    }
    ~connection()
    {
        sqlite3_finalize(update_);
        sqlite3_close(database_);
    }
    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;

    void execute(const std::string &statement) { ask(sqlite3_exec(database_, statement.c_str(), nullptr, nullptr, nullptr)); }
    void add(std::span<const std::uint32_t> which)
    {
        if (!update_) ask(sqlite3_prepare_v2(database_, "UPDATE counters SET n=n+1 WHERE id=?", -1, &update_, nullptr));
        execute("BEGIN IMMEDIATE");
        for (const std::uint32_t i : which) {
            ask(sqlite3_bind_int64(update_, 1, i));
            if (sqlite3_step(update_) != SQLITE_DONE) ask(SQLITE_ERROR);
            sqlite3_reset(update_);
        }
        execute("COMMIT");
    }
    std::uint64_t sum()
    {
        sqlite3_stmt *query = nullptr;
        ask(sqlite3_prepare_v2(database_, "SELECT sum(n) FROM counters", -1, &query, nullptr));
        if (sqlite3_step(query) != SQLITE_ROW) ask(SQLITE_ERROR);
        const auto sum = static_cast<std::uint64_t>(sqlite3_column_int64(query, 0));
        sqlite3_finalize(query);
        return sum;
    }

private:
    void ask(int result) const
    {
        if (result != SQLITE_OK) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_));
    }
    sqlite3 *database_ = nullptr;
    sqlite3_stmt *update_ = nullptr;
};

class sqlite final : public counters {
public:
    explicit sqlite(const std::string &path) : path_(path)
    {
        connection &first = of(0);
        first.execute("PRAGMA journal_mode=WAL");
        first.execute("CREATE TABLE counters(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)");
        first.execute("WITH RECURSIVE all_of(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM all_of WHERE i+1<" + std::to_string(count_of_counters) + ") INSERT INTO counters SELECT i, 0 FROM all_of");
        first.execute("PRAGMA wal_checkpoint(RESTART)");
        for (unsigned i = 1; i < most_threads; ++i) of(i);
    }
    void add(unsigned thread, std::span<const std::uint32_t> which) override { of(thread).add(which); }
    void settle() override { of(0).execute("PRAGMA wal_checkpoint(RESTART)"); }
    std::uint64_t sum() override { return of(0).sum(); }

private:
    connection &of(unsigned thread)
    {
        if (!threads_[thread]) {
            threads_[thread] = std::make_unique<connection>(path_);
            threads_[thread]->execute("PRAGMA synchronous=FULL");
        }
        return *threads_[thread];
    }

    std::string path_;
    std::unique_ptr<connection> threads_[most_threads];
};

} // namespace

void add_sqlite(catalogue &to)
{
    to.versions.push_back(std::string("SQLite ") + sqlite3_libversion());
    to.variants.push_back({"sqlite", wait_for::disk, [](const std::string &path) { return std::make_unique<sqlite>(path); }});
}

} // namespace bench
