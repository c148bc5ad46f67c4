// SPDX-License-Identifier: MIT
/**
 * @file append.cpp
 * The calibration loop: 4 KiB appended to a file that was written before, and fdatasync. What it writes says which counters, and no more.
 */
#include "../pool/files.hpp"
#include "counters.hpp"
#include <cstring>
#include <fcntl.h>
#include <mutex>

namespace bench {
namespace {

class append final : public counters {
public:
    explicit append(const std::string &path) : file_(path, O_RDWR | O_CREAT) { file_.prewrite(journal_bytes); }

    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        const std::lock_guard lock(mutex_);
        std::memcpy(page_, which.data(), which.size_bytes());
        file_.write(page_, sizeof page_, at_);
        file_.sync_data();
        at_ = (at_ + sizeof page_) % journal_bytes;
        sum_ += which.size();
    }
    std::uint64_t sum() override { return sum_; }

private:
    std::mutex mutex_;
    file file_;
    std::size_t at_ = 0;
    std::uint64_t sum_ = 0;
    alignas(4096) char page_[4096] = {};
};

} // namespace

void add_append(catalogue &to)
{
    to.variants.push_back({"append", wait_for::disk, [](const std::string &path) { return std::make_unique<append>(path); }});
}

} // namespace bench
