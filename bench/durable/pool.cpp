// SPDX-License-Identifier: MIT
/**
 * @file pool.cpp
 * A pool of libtm-persist: durable transactions.
 */
#include "hash_map.hpp"
#include "stores.hpp"
#include <tm/persist.hpp>

namespace bench {
namespace {

/** Stores of a kind, in a pool. */
template <class Kind> class in_pool : public Kind {
public:
    in_pool(const std::string &path, std::size_t size, tm_mode mode, tm_durability durability) : pool_(path, size, attr())
    {
        how_.mode = mode;
        how_.durability = durability;
        for (std::size_t i = 0; i < size; i += 4096) static_cast<void>(*static_cast<volatile char *>(pool_.data() + i));
    }
    void settle() override { pool_.checkpoint(); }
    store::work_done done() override
    {
        const tm_pool_stats so_far = pool_.stat();
        return {so_far.bytes_journaled, so_far.syncs, so_far.groups};
    }

protected:
    libtm::pool pool_;
    tm_attr how_;

private:
    static tm_pool_attr attr()
    {
        tm_pool_attr attr;
        attr.journal = journal_bytes;
        return attr;
    }
};

class pool_counters final : public in_pool<counters> {
public:
    pool_counters(const std::string &path, tm_mode mode, tm_durability durability) : in_pool(path, count_of_counters * sizeof(std::uint64_t), mode, durability) {}

private:
    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        libtm::atomically(how_, [&] {
            for (const std::uint32_t i : which) libtm::store(at()[i], libtm::load(at()[i]) + 1);
        });
    }
    std::uint64_t sum() override
    {
        pool_.wait();
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) sum += at()[i];
        return sum;
    }
    std::uint64_t *at() const { return pool_.data<std::uint64_t>(); }
};

class pool_map final : public in_pool<map> {
public:
    pool_map(const std::string &path, tm_mode mode, tm_durability durability) : in_pool(path, hash_map::bytes, mode, durability) {}

private:
    void insert(unsigned, const map_key &key, const map_value &value) override
    {
        libtm::atomically(how_, [&] { entries_.insert(key, value); });
    }
    bool has(const map_key &key, const map_value &value) override { return entries_.has(key, value); }
    std::uint64_t size() override
    {
        pool_.wait();
        return entries_.size();
    }

    hash_map entries_{pool_};
};

} // namespace

void add_pool(catalogue &to)
{
    const auto add = [&](const char *name, wait_for waits, tm_mode mode, tm_durability durability) {
        to.counters.push_back(make_variant<pool_counters>(name, waits, mode, durability));
        to.maps.push_back(make_variant<pool_map>(name, waits, mode, durability));
    };
    add("pool", wait_for::disk, TM_WRITE_BACK, TM_DURABILITY_SYNC);
    add("pool-through", wait_for::disk, TM_WRITE_THROUGH, TM_DURABILITY_SYNC);
    add("pool-group", wait_for::disk, TM_WRITE_BACK, TM_DURABILITY_GROUP);
    add("pool", wait_for::nothing, TM_WRITE_BACK, TM_DURABILITY_ASYNC);
    add("pool-through", wait_for::nothing, TM_WRITE_THROUGH, TM_DURABILITY_ASYNC);
}

} // namespace bench
