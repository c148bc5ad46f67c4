// SPDX-License-Identifier: MIT
/**
 * @file lmdb.cpp
 * LMDB: a counter is a value of 8 bytes; synchronous as by default, or MDB_WRITEMAP with MDB_NOSYNC.
 */
#include "counters.hpp"
#include <cstring>
#include <lmdb.h>
#include <stdexcept>

namespace bench {
namespace {

void ask(int result, const char *what)
{
    if (result != 0) throw std::runtime_error(std::string(what) + ": " + mdb_strerror(result));
}

class lmdb final : public counters {
public:
    lmdb(const std::string &path, unsigned flags)
    {
        ask(mdb_env_create(&environment_), "mdb_env_create");
        ask(mdb_env_set_mapsize(environment_, std::size_t{1} << 30), "mdb_env_set_mapsize");
        ask(mdb_env_set_maxreaders(environment_, 2 * most_threads), "mdb_env_set_maxreaders");
        ask(mdb_env_open(environment_, path.c_str(), MDB_NOSUBDIR | flags, 0600), "mdb_env_open");
        MDB_txn *const transaction = begin(0);
        ask(mdb_dbi_open(transaction, nullptr, MDB_INTEGERKEY, &counters_), "mdb_dbi_open");
        std::uint64_t zero = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) {
            MDB_val key{sizeof i, &i}, value{sizeof zero, &zero};
            ask(mdb_put(transaction, counters_, &key, &value, MDB_APPEND), "mdb_put");
        }
        ask(mdb_txn_commit(transaction), "mdb_txn_commit");
        ask(mdb_env_sync(environment_, 1), "mdb_env_sync");
    }
    ~lmdb() override { mdb_env_close(environment_); }
    lmdb(const lmdb &) = delete;
    lmdb &operator=(const lmdb &) = delete;

    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        MDB_txn *const transaction = begin(0);
        for (std::uint32_t i : which) {
            MDB_val key{sizeof i, &i}, value{};
            ask(mdb_get(transaction, counters_, &key, &value), "mdb_get");
            std::uint64_t number;
            std::memcpy(&number, value.mv_data, sizeof number);
            ++number;
            value = {sizeof number, &number};
            ask(mdb_put(transaction, counters_, &key, &value, 0), "mdb_put");
        }
        ask(mdb_txn_commit(transaction), "mdb_txn_commit");
    }
    std::uint64_t sum() override
    {
        MDB_txn *const transaction = begin(MDB_RDONLY);
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) {
            MDB_val key{sizeof i, &i}, value{};
            ask(mdb_get(transaction, counters_, &key, &value), "mdb_get");
            std::uint64_t number;
            std::memcpy(&number, value.mv_data, sizeof number);
            sum += number;
        }
        mdb_txn_abort(transaction);
        return sum;
    }

private:
    MDB_txn *begin(unsigned flags)
    {
        MDB_txn *transaction = nullptr;
        ask(mdb_txn_begin(environment_, nullptr, flags, &transaction), "mdb_txn_begin");
        return transaction;
    }
    MDB_env *environment_ = nullptr;
    MDB_dbi counters_ = 0;
};

} // namespace

void add_lmdb(catalogue &to)
{
    to.versions.push_back("LMDB " + std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) + "." + std::to_string(MDB_VERSION_PATCH));
    to.variants.push_back({"lmdb", wait_for::disk, [](const std::string &path) { return std::make_unique<lmdb>(path, 0); }});
    to.variants.push_back({"lmdb", wait_for::nothing, [](const std::string &path) { return std::make_unique<lmdb>(path, MDB_WRITEMAP | MDB_NOSYNC); }});
}

} // namespace bench
