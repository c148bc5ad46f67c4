// SPDX-License-Identifier: MIT
/**
 * @file sqlite.cpp
 * SQLite: a table of numbers, or of keys and values; write-ahead log, synchronous=FULL, a connection for each thread.
 */
#include "stores.hpp"
#include <map>
#include <sqlite3.h>
#include <stdexcept>

namespace bench {
namespace {

/** A connection, and the statements that were prepared for it. */
class connection {
public:
    explicit connection(const std::string &path)
    {
        ask(sqlite3_open(path.c_str(), &database_));
        sqlite3_busy_timeout(database_, 60000);
        execute("PRAGMA cache_size=-65536");
        execute("PRAGMA wal_autocheckpoint=" + std::to_string(journal_bytes / 4096));
        execute("PRAGMA synchronous=FULL");
    }
    ~connection()
    {
        for (const auto &[text, statement] : prepared_) sqlite3_finalize(statement);
        sqlite3_close(database_);
    }
    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;

    void execute(const std::string &statement) { ask(sqlite3_exec(database_, statement.c_str(), nullptr, nullptr, nullptr)); }
    /** Run a statement, each time the same string, with these in the place of its question marks; the first number of the result, if there is one. */
    template <class... Args> std::int64_t run(const char *text, const Args &...args)
    {
        sqlite3_stmt *&statement = prepared_[text];
        if (!statement) ask(sqlite3_prepare_v2(database_, text, -1, &statement, nullptr));
        int place = 0;
        (ask(bind(statement, ++place, args)), ...);
        const int result = sqlite3_step(statement);
        const std::int64_t number = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        if (result != SQLITE_ROW && result != SQLITE_DONE) ask(result);
        sqlite3_reset(statement);
        return number;
    }

private:
    static int bind(sqlite3_stmt *statement, int place, std::uint32_t number) { return sqlite3_bind_int64(statement, place, number); }
    template <class T, std::size_t size> static int bind(sqlite3_stmt *statement, int place, const std::array<T, size> &bytes) { return sqlite3_bind_blob(statement, place, &bytes, sizeof bytes, SQLITE_STATIC); }
    void ask(int result) const
    {
        if (result != SQLITE_OK) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_));
    }
    sqlite3 *database_ = nullptr;
    std::map<const char *, sqlite3_stmt *> prepared_;
};

/** A database, with a connection for each thread. */
class sqlite {
public:
    /** `statements` make the tables. */
    sqlite(const std::string &path, std::initializer_list<std::string> statements)
    {
        for (unsigned i = 0; i < most_threads; ++i) {
            threads_[i] = std::make_unique<connection>(path);
            if (i > 0) continue;
            of(0).execute("PRAGMA journal_mode=WAL");
            for (const std::string &statement : statements) of(0).execute(statement);
            settle();
        }
    }
    connection &of(unsigned thread) { return *threads_[thread]; }
    void settle() { of(0).execute("PRAGMA wal_checkpoint(RESTART)"); }

private:
    std::unique_ptr<connection> threads_[most_threads];
};

class sqlite_counters final : public counters {
public:
    explicit sqlite_counters(const std::string &path)
        : in_(path, {"CREATE TABLE counters(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
                     "WITH RECURSIVE all_of(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM all_of WHERE i+1<" + std::to_string(count_of_counters) + ") INSERT INTO counters SELECT i, 0 FROM all_of"})
    {
    }
    void settle() override { in_.settle(); }

private:
    void add(unsigned thread, std::span<const std::uint32_t> which) override
    {
        connection &mine = in_.of(thread);
        mine.run("BEGIN IMMEDIATE");
        for (const std::uint32_t i : which) mine.run("UPDATE counters SET n=n+1 WHERE id=?", i);
        mine.run("COMMIT");
    }
    std::uint64_t sum() override { return static_cast<std::uint64_t>(in_.of(0).run("SELECT sum(n) FROM counters")); }

    sqlite in_;
};

class sqlite_map final : public map {
public:
    /** The log is long already, as it is once it has been used for a while. */
    explicit sqlite_map(const std::string &path)
        : in_(path, {"CREATE TABLE filler AS SELECT zeroblob(" + std::to_string(journal_bytes / 2) + ")", "DROP TABLE filler", "VACUUM",
                     "CREATE TABLE entries(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"})
    {
    }
    void settle() override { in_.settle(); }

private:
    void insert(unsigned thread, const map_key &key, const map_value &value) override { in_.of(thread).run("INSERT INTO entries VALUES(?,?)", key, value); }
    bool has(const map_key &key, const map_value &value) override { return in_.of(0).run("SELECT count(*) FROM entries WHERE key=? AND value=?", key, value) == 1; }
    std::uint64_t size() override { return static_cast<std::uint64_t>(in_.of(0).run("SELECT count(*) FROM entries")); }

    sqlite in_;
};

} // namespace

void add_sqlite(catalogue &to)
{
    to.versions.push_back(std::string("SQLite ") + sqlite3_libversion());
    to.counters.push_back(make_variant<sqlite_counters>("sqlite", wait_for::disk));
    to.maps.push_back(make_variant<sqlite_map>("sqlite", wait_for::disk));
}

} // namespace bench
