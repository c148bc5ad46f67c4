// SPDX-License-Identifier: MIT
/**
 * @file append.cpp
 * The calibration: bare appends to a prewritten file, each with fdatasync(2). What a device can do at most.
 */
#include "files.hpp"
#include "store.hpp"
#include <algorithm>
#include <fcntl.h>

namespace bench {
namespace {

class append final : public store {
public:
    /** At most so many pages of a commit are written. */
    append(const site &where, std::size_t most) : file_(where.path, O_RDWR | O_CREAT | O_EXCL), most_(most), blocks_(slots), written_(slots)
    {
        file_.prewrite(slots * page_size);
    }

    void commit(std::span<const change> changes) override
    {
        changes = changes.first(std::min(changes.size(), most_));
        if (next_ + changes.size() > slots) next_ = 0;
        for (std::size_t i = 0; i < changes.size(); ++i) {
            changes[i].apply(blocks_[i].bytes);
            written_[next_ + i] = changes[i];
        }
        file_.write(blocks_[0].bytes, changes.size() * page_size, next_ * page_size);
        file_.sync_data();
        next_ += changes.size();
    }
    void reopen() override {}
    const char *page(std::size_t number) override
    {
        file_.read(blocks_[0].bytes, page_size, number * page_size);
        return blocks_[0].bytes;
    }
    std::string damage(const work &) override
    {
        for (std::size_t i = 0; i < slots; ++i) {
            std::uint64_t first;
            std::memcpy(&first, page(i), sizeof first);
            if (first != (written_[i].version ? content::first(written_[i].page, written_[i].version) : 0)) return "block " + std::to_string(i) + " is not what was written";
        }
        return {};
    }

private:
    static constexpr std::size_t slots = journal_bytes / page_size;
    struct alignas(64) block {
        char bytes[page_size];
    };

    file file_;
    std::size_t most_, next_ = 0;
    std::vector<block> blocks_;
    std::vector<change> written_;
};

} // namespace

void add_append(catalogue &to)
{
    to.variants.push_back({"append", true, [](const site &where) { return std::make_unique<append>(where, 1); }});
    to.variants.push_back({"append-all", false, [](const site &where) { return std::make_unique<append>(where, SIZE_MAX); }});
}

} // namespace bench
