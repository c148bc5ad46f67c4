// SPDX-License-Identifier: MIT
/**
 * @file lmdb.cpp
 * LMDB: a counter is a value of 8 bytes, a map the database itself; synchronous as by default, or MDB_WRITEMAP with MDB_NOSYNC.
 */
#include "stores.hpp"
#include <cstring>
#include <lmdb.h>
#include <stdexcept>

namespace bench {
namespace {

void ask(int result, const char *what)
{
    if (result != 0) throw std::runtime_error(std::string(what) + ": " + mdb_strerror(result));
}

/** An environment with one database. */
class lmdb {
public:
    lmdb(const std::string &path, unsigned flags, unsigned database_flags)
    {
        ask(mdb_env_create(&environment_), "mdb_env_create");
        ask(mdb_env_set_mapsize(environment_, std::size_t{1} << 30), "mdb_env_set_mapsize");
        ask(mdb_env_set_maxreaders(environment_, 2 * most_threads), "mdb_env_set_maxreaders");
        ask(mdb_env_open(environment_, path.c_str(), MDB_NOSUBDIR | flags, 0600), "mdb_env_open");
        transact(0, [&](MDB_txn *transaction) { ask(mdb_dbi_open(transaction, nullptr, database_flags, &database_), "mdb_dbi_open"); });
    }
    ~lmdb() { mdb_env_close(environment_); }
    lmdb(const lmdb &) = delete;
    lmdb &operator=(const lmdb &) = delete;

    /** A transaction; of MDB_RDONLY nothing is left to commit. */
    template <class Body> void transact(unsigned flags, Body &&body)
    {
        MDB_txn *transaction = nullptr;
        ask(mdb_txn_begin(environment_, nullptr, flags, &transaction), "mdb_txn_begin");
        body(transaction);
        ask(mdb_txn_commit(transaction), "mdb_txn_commit");
    }
    void put(MDB_txn *transaction, MDB_val key, MDB_val value, unsigned flags) { ask(mdb_put(transaction, database_, &key, &value, flags), "mdb_put"); }
    /** False: there is no such key. */
    bool get(MDB_txn *transaction, MDB_val key, MDB_val &value)
    {
        const int result = mdb_get(transaction, database_, &key, &value);
        if (result != MDB_NOTFOUND) ask(result, "mdb_get");
        return result == 0;
    }
    std::uint64_t entries(MDB_txn *transaction)
    {
        MDB_stat stat;
        ask(mdb_stat(transaction, database_, &stat), "mdb_stat");
        return stat.ms_entries;
    }
    void sync() { ask(mdb_env_sync(environment_, 1), "mdb_env_sync"); }

private:
    MDB_env *environment_ = nullptr;
    MDB_dbi database_ = 0;
};

template <class T> MDB_val bytes_of(const T &object) { return {sizeof object, const_cast<T *>(&object)}; }

class lmdb_counters final : public counters {
public:
    lmdb_counters(const std::string &path, unsigned flags) : in_(path, flags, MDB_INTEGERKEY)
    {
        in_.transact(0, [&](MDB_txn *transaction) {
            const std::uint64_t zero = 0;
            for (std::uint32_t i = 0; i < count_of_counters; ++i) in_.put(transaction, bytes_of(i), bytes_of(zero), MDB_APPEND);
        });
        in_.sync();
    }

private:
    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        in_.transact(0, [&](MDB_txn *transaction) {
            for (const std::uint32_t &i : which) {
                const std::uint64_t number = get(transaction, i) + 1;
                in_.put(transaction, bytes_of(i), bytes_of(number), 0);
            }
        });
    }
    std::uint64_t sum() override
    {
        std::uint64_t sum = 0;
        in_.transact(MDB_RDONLY, [&](MDB_txn *transaction) {
            for (std::uint32_t i = 0; i < count_of_counters; ++i) sum += get(transaction, i);
        });
        return sum;
    }
    std::uint64_t get(MDB_txn *transaction, const std::uint32_t &i)
    {
        MDB_val value{};
        if (!in_.get(transaction, bytes_of(i), value)) throw std::runtime_error("LMDB: a counter is gone");
        std::uint64_t number;
        std::memcpy(&number, value.mv_data, sizeof number);
        return number;
    }

    lmdb in_;
};

class lmdb_map final : public map {
public:
    lmdb_map(const std::string &path, unsigned flags) : in_(path, flags, 0) {}

private:
    void insert(unsigned, const map_key &key, const map_value &value) override
    {
        in_.transact(0, [&](MDB_txn *transaction) { in_.put(transaction, bytes_of(key), bytes_of(value), MDB_NOOVERWRITE); });
    }
    bool has(const map_key &key, const map_value &value) override
    {
        bool same = false;
        in_.transact(MDB_RDONLY, [&](MDB_txn *transaction) {
            MDB_val found{};
            same = in_.get(transaction, bytes_of(key), found) && found.mv_size == sizeof value && std::memcmp(found.mv_data, &value, sizeof value) == 0;
        });
        return same;
    }
    std::uint64_t size() override
    {
        std::uint64_t entries = 0;
        in_.transact(MDB_RDONLY, [&](MDB_txn *transaction) { entries = in_.entries(transaction); });
        return entries;
    }

    lmdb in_;
};

} // namespace

void add_lmdb(catalogue &to)
{
    to.versions.push_back("LMDB " + std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) + "." + std::to_string(MDB_VERSION_PATCH));
    const auto add = [&](wait_for waits, unsigned flags) {
        to.counters.push_back(make_variant<lmdb_counters>("lmdb", waits, flags));
        to.maps.push_back(make_variant<lmdb_map>("lmdb", waits, flags));
    };
    add(wait_for::disk, 0);
    add(wait_for::nothing, MDB_WRITEMAP | MDB_NOSYNC);
}

} // namespace bench
