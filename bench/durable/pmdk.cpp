// SPDX-License-Identifier: MIT
/**
 * @file pmdk.cpp
 * PMDK's libpmemobj on an ordinary file: a transaction that snapshots each counter. It does not isolate, so one mutex does.
 */
#include "counters.hpp"
#include <libpmemobj.h>
#include <mutex>
#include <stdexcept>

namespace bench {
namespace {

class pmdk final : public counters {
public:
    explicit pmdk(const std::string &path) : pool_(pmemobj_create(path.c_str(), "counters", std::size_t{64} << 20, 0600))
    {
        if (!pool_) throw std::runtime_error(std::string("pmemobj_create: ") + pmemobj_errormsg());
        at_ = static_cast<std::uint64_t *>(pmemobj_direct(pmemobj_root(pool_, count_of_counters * sizeof(std::uint64_t))));
    }
    ~pmdk() override { pmemobj_close(pool_); }
    pmdk(const pmdk &) = delete;
    pmdk &operator=(const pmdk &) = delete;

    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        const std::lock_guard lock(mutex_);
        if (pmemobj_tx_begin(pool_, nullptr, TX_PARAM_NONE) != 0) throw std::runtime_error("pmemobj_tx_begin");
        for (const std::uint32_t i : which) {
            pmemobj_tx_add_range_direct(&at_[i], sizeof at_[i]);
            ++at_[i];
        }
        pmemobj_tx_commit();
        if (pmemobj_tx_end() != 0) throw std::runtime_error("pmemobj_tx_end");
    }
    std::uint64_t sum() override
    {
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < count_of_counters; ++i) sum += at_[i];
        return sum;
    }

private:
    std::mutex mutex_;
    PMEMobjpool *pool_;
    std::uint64_t *at_;
};

} // namespace

void add_pmdk(catalogue &to)
{
    to.versions.push_back("libpmemobj " + std::to_string(PMEMOBJ_MAJOR_VERSION) + "." + std::to_string(PMEMOBJ_MINOR_VERSION) + " (interface)");
    to.variants.push_back({"pmdk", wait_for::disk, [](const std::string &path) { return std::make_unique<pmdk>(path); }});
}

} // namespace bench
