// SPDX-License-Identifier: MIT
/**
 * @file append.cpp
 * The calibration loop, whatever a transaction is: 4 KiB appended to a file that was written before, and fdatasync.
 */
#include "../pool/files.hpp"
#include "stores.hpp"
#include <cstring>
#include <fcntl.h>
#include <mutex>

namespace bench {
namespace {

class append final : public store {
public:
    explicit append(const std::string &path) : file_(path, O_RDWR | O_CREAT) { file_.prewrite(journal_bytes); }

    void transaction(unsigned, unsigned) override
    {
        const std::lock_guard lock(mutex_);
        ++done_;
        std::memcpy(page_, &done_, sizeof done_);
        file_.write(page_, sizeof page_, at_);
        file_.sync_data();
        at_ = (at_ + sizeof page_) % journal_bytes;
    }
    void check() override {} // it keeps nothing

private:
    std::mutex mutex_;
    file file_;
    std::size_t at_ = 0;
    std::uint64_t done_ = 0;
    alignas(4096) char page_[4096] = {};
};

} // namespace

void add_append(catalogue &to)
{
    for (auto *stores : {&to.counters, &to.maps}) stores->push_back(make_variant<append>("append", wait_for::disk));
}

} // namespace bench
