// SPDX-License-Identifier: MIT
/**
 * @file mapped.cpp
 * A shared mapping and msync(2). Durable, but not atomic: a crash in the middle, and at any time before, leaves some of the pages new and some old.
 */
#include "files.hpp"
#include "store.hpp"
#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <sys/mman.h>

namespace bench {
namespace {

class mapped final : public store {
public:
    explicit mapped(const site &where) : file_(where.path, O_RDWR | O_CREAT | O_EXCL), bytes_(where.bytes)
    {
        file_.prewrite(bytes_);
        reopen();
    }

    void commit(std::span<const change> changes) override
    {
        for (const change &c : changes) c.apply(image_->page(c.page));
        // One call for all: each costs a flush of the device, and pages between that are not dirty cost next to nothing.
        const auto [first, last] = std::ranges::minmax(changes, {}, &change::page);
        check(msync(image_->page(first.page), (last.page - first.page + std::size_t{1}) * page_size, MS_SYNC), "msync");
    }
    void reopen() override
    {
        image_.reset();
        image_.emplace(file_, bytes_, MAP_SHARED);
    }
    const char *page(std::size_t number) override { return image_->page(number); }

private:
    file file_;
    std::size_t bytes_;
    std::optional<mapping> image_;
};

} // namespace

void add_mapped(catalogue &to)
{
    to.variants.push_back({"msync", true, [](const site &where) { return std::make_unique<mapped>(where); }});
}

} // namespace bench
