// SPDX-License-Identifier: MIT
/**
 * @file rocksdb.cpp
 * RocksDB: a counter is a value of 8 bytes; one batch with sync=true per transaction. It is read before, under mutexes of the counters. A map is the database itself;
 * an insertion does not look whether the key is there.
 */
#include "stores.hpp"
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

std::unique_ptr<rocksdb::DB> open(const std::string &path)
{
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = journal_bytes;
    options.recycle_log_file_num = 4;
    rocksdb::DB *opened = nullptr;
    ask(rocksdb::DB::Open(options, path, &opened));
    return std::unique_ptr<rocksdb::DB>(opened);
}

rocksdb::WriteOptions synchronous()
{
    rocksdb::WriteOptions how;
    how.sync = true;
    return how;
}

template <class T> rocksdb::Slice bytes_of(const T &object) { return {reinterpret_cast<const char *>(&object), sizeof object}; }

template <class Use> void each_value(rocksdb::DB &database, Use &&use)
{
    const std::unique_ptr<rocksdb::Iterator> it(database.NewIterator({}));
    for (it->SeekToFirst(); it->Valid(); it->Next()) use(it->value());
    ask(it->status());
}

class rocks_counters final : public counters {
public:
    explicit rocks_counters(const std::string &path) : database_(open(path))
    {
        rocksdb::WriteBatch batch;
        const std::uint64_t zero = 0;
        // In the order of their bytes, which is several times as fast.
        for (std::uint32_t low = 0; low < 1 << 16; ++low) {
            for (std::uint32_t high = 0; high < count_of_counters >> 16; ++high) {
                const std::uint32_t i = high << 16 | (low & 255) << 8 | low >> 8;
                batch.Put(bytes_of(i), bytes_of(zero));
            }
            if (low % 256 != 255) continue;
            ask(database_->Write({}, &batch));
            batch.Clear();
        }
        ask(database_->Flush({}));
    }

private:
    static constexpr std::uint32_t mutexes = 4096;

    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        std::vector<std::uint32_t> locks(which.begin(), which.end());
        for (std::uint32_t &lock : locks) lock %= mutexes;
        std::ranges::sort(locks);
        locks.erase(std::unique(locks.begin(), locks.end()), locks.end());
        std::vector<std::unique_lock<std::mutex>> held;
        for (const std::uint32_t lock : locks) held.emplace_back(mutexes_[lock]);
        // What is in the batch is not yet read: a counter that comes twice is one change by 2.
        std::vector<std::uint32_t> sorted(which.begin(), which.end());
        std::ranges::sort(sorted);
        rocksdb::WriteBatch batch;
        for (auto from = sorted.begin(); from != sorted.end();) {
            const auto to = std::upper_bound(from, sorted.end(), *from);
            const std::uint64_t value = value_of(*from) + static_cast<std::uint64_t>(to - from);
            batch.Put(bytes_of(*from), bytes_of(value));
            from = to;
        }
        ask(database_->Write(synchronous(), &batch));
    }
    std::uint64_t sum() override
    {
        std::uint64_t sum = 0;
        each_value(*database_, [&](const rocksdb::Slice &bytes) { sum += number_of(bytes); });
        return sum;
    }
    std::uint64_t value_of(const std::uint32_t &i)
    {
        std::string bytes;
        ask(database_->Get({}, bytes_of(i), &bytes));
        return number_of(bytes);
    }
    static std::uint64_t number_of(const rocksdb::Slice &bytes)
    {
        std::uint64_t number;
        std::memcpy(&number, bytes.data(), sizeof number);
        return number;
    }

    std::unique_ptr<rocksdb::DB> database_;
    std::mutex mutexes_[mutexes];
};

class rocks_map final : public map {
public:
    explicit rocks_map(const std::string &path) : database_(open(path)) {}

private:
    void insert(unsigned, const map_key &key, const map_value &value) override { ask(database_->Put(synchronous(), bytes_of(key), bytes_of(value))); }
    bool has(const map_key &key, const map_value &value) override
    {
        std::string bytes;
        const rocksdb::Status status = database_->Get({}, bytes_of(key), &bytes);
        if (!status.IsNotFound()) ask(status);
        return status.ok() && bytes_of(value) == rocksdb::Slice(bytes);
    }
    std::uint64_t size() override
    {
        std::uint64_t entries = 0;
        each_value(*database_, [&](const rocksdb::Slice &) { ++entries; });
        return entries;
    }

    std::unique_ptr<rocksdb::DB> database_;
};

} // namespace

void add_rocksdb(catalogue &to)
{
    to.versions.push_back("RocksDB " + std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." + std::to_string(ROCKSDB_PATCH));
    to.counters.push_back(make_variant<rocks_counters>("rocksdb", wait_for::disk));
    to.maps.push_back(make_variant<rocks_map>("rocksdb", wait_for::disk));
}

} // namespace bench
