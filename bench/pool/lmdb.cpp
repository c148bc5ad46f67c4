// SPDX-License-Identifier: MIT
/**
 * @file lmdb.cpp
 * LMDB: a page is a value of 4 KiB, its number the key; one transaction per commit, synchronous as by default. LMDB keeps such a value
 * in two pages of its own, as its header does not fit beside it.
 */
#include "store.hpp"
#include <lmdb.h>
#include <stdexcept>

namespace bench {
namespace {

void ask(int result, const char *what)
{
    if (result != 0) throw std::runtime_error(std::string(what) + ": " + mdb_strerror(result));
}

MDB_val value(const void *data, std::size_t size)
{
    return {size, const_cast<void *>(data)};
}

class lmdb final : public store {
public:
    explicit lmdb(const site &where) : where_(where)
    {
        open(MDB_NOSYNC);
        MDB_txn *const transaction = begin(0);
        const std::vector<char> zero(page_size);
        for (std::size_t i = 0; i < where_.pages(); ++i) {
            MDB_val key = value(&i, sizeof i), content = value(zero.data(), page_size);
            ask(mdb_put(transaction, pages_, &key, &content, MDB_APPEND), "mdb_put");
        }
        ask(mdb_txn_commit(transaction), "mdb_txn_commit");
        ask(mdb_env_sync(environment_, 1), "mdb_env_sync");
        reopen();
    }
    ~lmdb() override { close(); }
    lmdb(const lmdb &) = delete;
    lmdb &operator=(const lmdb &) = delete;

    void commit(std::span<const change> changes) override
    {
        MDB_txn *const transaction = begin(0);
        for (const change &c : changes) {
            const std::size_t number = c.page;
            MDB_val key = value(&number, sizeof number), content = value(buffer_, page_size);
            if (c.what == extent::word) {
                ask(mdb_get(transaction, pages_, &key, &content), "mdb_get");
                std::memcpy(buffer_, content.mv_data, page_size);
                c.apply(buffer_);
                content = value(buffer_, page_size);
                ask(mdb_put(transaction, pages_, &key, &content, 0), "mdb_put");
            } else {
                ask(mdb_put(transaction, pages_, &key, &content, MDB_RESERVE), "mdb_put");
                c.apply(static_cast<char *>(content.mv_data));
            }
        }
        ask(mdb_txn_commit(transaction), "mdb_txn_commit");
    }
    void reopen() override
    {
        close();
        open(0);
    }
    const char *page(std::size_t number) override
    {
        MDB_txn *const transaction = begin(MDB_RDONLY);
        MDB_val key = value(&number, sizeof number), content{};
        const int result = mdb_get(transaction, pages_, &key, &content);
        if (result == 0) std::memcpy(buffer_, content.mv_data, page_size);
        mdb_txn_abort(transaction);
        ask(result, "mdb_get");
        return buffer_;
    }

private:
    void open(unsigned flags)
    {
        ask(mdb_env_create(&environment_), "mdb_env_create");
        // Two pages per value, as many again that a transaction has replaced, and the tree.
        ask(mdb_env_set_mapsize(environment_, 5 * where_.bytes + (std::size_t{64} << 20)), "mdb_env_set_mapsize");
        ask(mdb_env_open(environment_, where_.path.c_str(), MDB_NOSUBDIR | flags, 0600), "mdb_env_open");
        MDB_txn *const transaction = begin(0);
        ask(mdb_dbi_open(transaction, nullptr, MDB_INTEGERKEY, &pages_), "mdb_dbi_open");
        ask(mdb_txn_commit(transaction), "mdb_txn_commit");
    }
    void close()
    {
        if (environment_) mdb_env_close(environment_);
        environment_ = nullptr;
    }
    MDB_txn *begin(unsigned flags)
    {
        MDB_txn *transaction = nullptr;
        ask(mdb_txn_begin(environment_, nullptr, flags, &transaction), "mdb_txn_begin");
        return transaction;
    }

    site where_;
    MDB_env *environment_ = nullptr;
    MDB_dbi pages_ = 0;
    alignas(64) char buffer_[page_size];
};

} // namespace

void add_lmdb(catalogue &to)
{
    to.variants.push_back({"lmdb", true, [](const site &where) { return std::make_unique<lmdb>(where); }});
    int major = 0, minor = 0, patch = 0;
    mdb_version(&major, &minor, &patch);
    to.versions.push_back("LMDB " + std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch));
}

} // namespace bench
