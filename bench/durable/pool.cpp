// SPDX-License-Identifier: MIT
/**
 * @file pool.cpp
 * A pool of libtm-persist: durable transactions.
 */
#include "counters.hpp"
#include <stdexcept>
#include <tm/persist.hpp>

namespace bench {
namespace {

class pool final : public counters {
public:
    pool(const std::string &path, tm_mode mode, tm_durability durability) : pool_(path, count_of_counters * sizeof(std::uint64_t), attr())
    {
        how_.mode = mode;
        how_.durability = durability;
        for (std::uint32_t i = 0; i < count_of_counters; i += 512) static_cast<void>(*static_cast<volatile std::uint64_t *>(at() + i));
    }

    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        libtm::atomically(how_, [&] {
            for (const std::uint32_t i : which) libtm::store(at()[i], libtm::load(at()[i]) + 1);
        });
    }
    void settle() override { pool_.checkpoint(); }
    std::uint64_t journaled() override { return pool_.stat().bytes_journaled; }
    std::uint64_t sum() override
    {
        pool_.wait();
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) sum += at()[i];
        return sum;
    }

private:
    static tm_pool_attr attr()
    {
        tm_pool_attr attr;
        attr.journal = journal_bytes;
        return attr;
    }
    std::uint64_t *at() const { return pool_.data<std::uint64_t>(); }

    libtm::pool pool_;
    tm_attr how_;
};

} // namespace

void add_pool(catalogue &to)
{
    const auto add = [&](const char *name, wait_for waits, tm_mode mode, tm_durability durability) {
        to.variants.push_back({name, waits, [mode, durability](const std::string &path) { return std::make_unique<pool>(path, mode, durability); }});
    };
    add("pool", wait_for::disk, TM_WRITE_BACK, TM_DURABILITY_SYNC);
    add("pool-through", wait_for::disk, TM_WRITE_THROUGH, TM_DURABILITY_SYNC);
    add("pool-group", wait_for::disk, TM_WRITE_BACK, TM_DURABILITY_GROUP);
    add("pool", wait_for::nothing, TM_WRITE_BACK, TM_DURABILITY_ASYNC);
    add("pool-through", wait_for::nothing, TM_WRITE_THROUGH, TM_DURABILITY_ASYNC);
}

} // namespace bench
