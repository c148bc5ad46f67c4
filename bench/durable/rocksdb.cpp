// SPDX-License-Identifier: MIT
/**
 * @file rocksdb.cpp
 * RocksDB: a counter is a value of 8 bytes; one batch with sync=true per transaction. It is read before, under mutexes of the counters.
 */
#include "counters.hpp"
#include <algorithm>
#include <cstring>
#include <mutex>
#include <rocksdb/db.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>
#include <stdexcept>

namespace bench {
namespace {

void ask(const rocksdb::Status &status)
{
    if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

class rocks final : public counters {
public:
    explicit rocks(const std::string &path)
    {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.write_buffer_size = journal_bytes;
        options.recycle_log_file_num = 4;
        rocksdb::DB *opened = nullptr;
        ask(rocksdb::DB::Open(options, path, &opened));
        database_.reset(opened);
        rocksdb::WriteBatch batch;
        const std::uint64_t zero = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) {
            batch.Put(key(i), slice(zero));
            if (i % 4096 != 4095) continue;
            ask(database_->Write({}, &batch));
            batch.Clear();
        }
        ask(database_->Flush({}));
    }

    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        std::vector<std::uint32_t> locks(which.begin(), which.end());
        for (std::uint32_t &lock : locks) lock %= mutexes;
        std::ranges::sort(locks);
        locks.erase(std::unique(locks.begin(), locks.end()), locks.end());
        std::vector<std::unique_lock<std::mutex>> held;
        for (const std::uint32_t lock : locks) held.emplace_back(mutexes_[lock]);
        rocksdb::WriteBatch batch;
        for (const std::uint32_t i : which) batch.Put(key(i), slice(value_of(i) + 1));
        rocksdb::WriteOptions how;
        how.sync = true;
        ask(database_->Write(how, &batch));
    }
    std::uint64_t sum() override
    {
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) sum += value_of(i);
        return sum;
    }

private:
    static constexpr std::uint32_t mutexes = 4096;

    static rocksdb::Slice key(const std::uint32_t &i) { return {reinterpret_cast<const char *>(&i), sizeof i}; }
    static rocksdb::Slice slice(const std::uint64_t &value) { return {reinterpret_cast<const char *>(&value), sizeof value}; }
    std::uint64_t value_of(std::uint32_t i)
    {
        std::string bytes;
        ask(database_->Get({}, key(i), &bytes));
        std::uint64_t value;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    std::unique_ptr<rocksdb::DB> database_;
    std::mutex mutexes_[mutexes];
};

} // namespace

void add_rocksdb(catalogue &to)
{
    to.versions.push_back("RocksDB " + std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." + std::to_string(ROCKSDB_PATCH));
    to.variants.push_back({"rocksdb", wait_for::disk, [](const std::string &path) { return std::make_unique<rocks>(path); }});
}

} // namespace bench
