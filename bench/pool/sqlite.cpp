// SPDX-License-Identifier: MIT
/**
 * @file sqlite.cpp
 * SQLite: a table of page numbers and blobs of 4 KiB; one transaction per commit, write-ahead log, synchronous=FULL. The log may be as
 * long as the pool's journal before it is checkpointed, and the cache holds all of the table.
 */
#include "store.hpp"
#include <filesystem>
#include <sqlite3.h>
#include <stdexcept>

namespace bench {
namespace {

class sqlite final : public store {
public:
    enum class log { checkpointed, kept };

    /** Creates it if there is none. */
    sqlite(const site &where, log what) : where_(where), log_(what)
    {
        const bool is_new = !std::filesystem::exists(where_.path);
        open();
        if (is_new) create();
    }
    ~sqlite() override { close(); }
    sqlite(const sqlite &) = delete;
    sqlite &operator=(const sqlite &) = delete;

    void commit(std::span<const change> changes) override
    {
        execute("BEGIN IMMEDIATE");
        for (const change &c : changes) {
            if (c.what == extent::word) fetch(c.page);
            c.apply(buffer_);
            ask(sqlite3_bind_blob(update_, 1, buffer_, page_size, SQLITE_STATIC), "bind");
            ask(sqlite3_bind_int64(update_, 2, c.page), "bind");
            step(update_, SQLITE_DONE);
        }
        execute("COMMIT");
    }
    void settle() override
    {
        // RESTART, not TRUNCATE: a log that stays as long as it was needs no new blocks.
        execute("PRAGMA wal_checkpoint(RESTART)");
    }
    std::size_t pending() override
    {
        std::error_code not_yet;
        const auto size = std::filesystem::file_size(where_.path + "-wal", not_yet);
        return not_yet ? 0 : size;
    }
    void reopen() override
    {
        close();
        open();
    }
    const char *page(std::size_t number) override
    {
        fetch(static_cast<std::uint32_t>(number));
        return buffer_;
    }

private:
    void ask(int result, const char *what) const
    {
        if (result != SQLITE_OK) throw std::runtime_error(std::string("SQLite: ") + what + ": " + sqlite3_errmsg(database_));
    }
    void execute(const std::string &statement) const { ask(sqlite3_exec(database_, statement.c_str(), nullptr, nullptr, nullptr), statement.c_str()); }
    void step(sqlite3_stmt *statement, int expected) const
    {
        if (sqlite3_step(statement) != expected) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(database_));
        if (expected == SQLITE_DONE) sqlite3_reset(statement);
    }
    void fetch(std::uint32_t number)
    {
        ask(sqlite3_bind_int64(select_, 1, number), "bind");
        step(select_, SQLITE_ROW);
        std::memcpy(buffer_, sqlite3_column_blob(select_, 0), page_size);
        sqlite3_reset(select_);
    }

    void open()
    {
        ask(sqlite3_open(where_.path.c_str(), &database_), "open");
        execute("PRAGMA cache_size=-" + std::to_string(where_.bytes / 1024 * 5 / 4 + 4096));
        execute("PRAGMA synchronous=FULL");
        execute("PRAGMA wal_autocheckpoint=" + std::to_string(log_ == log::kept ? 0 : journal_bytes / page_size));
        execute("CREATE TABLE IF NOT EXISTS pages(number INTEGER PRIMARY KEY, content BLOB NOT NULL)");
        ask(sqlite3_prepare_v2(database_, "UPDATE pages SET content=? WHERE number=?", -1, &update_, nullptr), "prepare");
        ask(sqlite3_prepare_v2(database_, "SELECT content FROM pages WHERE number=?", -1, &select_, nullptr), "prepare");
    }
    void create()
    {
        execute("PRAGMA synchronous=OFF");
        execute("WITH RECURSIVE all_of(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM all_of WHERE n+1<" + std::to_string(where_.pages()) +
                ") INSERT INTO pages SELECT n, zeroblob(4096) FROM all_of");
        execute("PRAGMA synchronous=FULL");
        execute("PRAGMA journal_mode=WAL");
        if (log_ == log::kept) return;
        // The log at its full length, two pages for each of the table: it is overwritten from now on.
        execute("UPDATE pages SET content=zeroblob(4096) WHERE number<" + std::to_string(journal_bytes / page_size / 2));
        settle();
    }
    void close()
    {
        sqlite3_finalize(update_);
        sqlite3_finalize(select_);
        sqlite3_close(database_);
        update_ = select_ = nullptr;
        database_ = nullptr;
    }

    site where_;
    log log_;
    sqlite3 *database_ = nullptr;
    sqlite3_stmt *update_ = nullptr, *select_ = nullptr;
    alignas(64) char buffer_[page_size];
};

} // namespace

void add_sqlite(catalogue &to)
{
    to.versions.push_back(std::string("SQLite ") + sqlite3_libversion());
    to.variants.push_back({"sqlite", true, [](const site &where) { return std::make_unique<sqlite>(where, sqlite::log::checkpointed); }});
    const auto create = [](const site &where, std::size_t) { return std::make_unique<sqlite>(where, sqlite::log::kept); };
    // Reading the table is what makes it look at the log.
    const auto open = [](const site &where) {
        auto result = std::make_unique<sqlite>(where, sqlite::log::kept);
        result->page(0);
        return result;
    };
    to.recoverables.push_back({"sqlite", create, open});
    to.recoverables.push_back({"sqlite-settled", create, [open](const site &where) {
                                   auto result = open(where);
                                   result->settle();
                                   return result;
                               }});
}

} // namespace bench
