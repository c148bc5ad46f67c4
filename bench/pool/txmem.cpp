// SPDX-License-Identifier: MIT
/**
 * @file txmem.cpp
 * The baseline: TxMem's procedure for the commit of a whole image, written anew. Changed pages go to a journal file with their addresses, then to the
 * data file; the journal exists while the data file may be torn. No checksums, no threads, and no recovery here: only what its
 * commits cost. It is given what it can use: the fastest way to find the pages, one write for the journal, one for each run of pages.
 */
#include "dirty.hpp"
#include "store.hpp"
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/mman.h>
#include <unistd.h>

namespace bench {
namespace {

using detection = std::unique_ptr<dirty_pages> (*)(const mapping &);

class txmem : public store {
public:
    txmem(const site &where, detection detect) : path_(where.path), detect_(detect), data_(path_, O_RDWR | O_CREAT | O_EXCL), bytes_(where.bytes)
    {
        data_.prewrite(bytes_);
        map();
    }

    void commit(std::span<const change> changes) override
    {
        for (const change &c : changes) c.apply(image_->page(c.page));
        const std::vector<page_run> &runs = dirty_->find();
        write_journal(gather(runs));
        for (const page_run &run : runs) data_.write(image_->page(run.first), run.count * page_size, run.first * page_size);
        data_.sync();
        end_journal();
        dirty_->forget();
    }
    void reopen() override { map(); }
    const char *page(std::size_t number) override { return image_->page(number); }
    std::string note() override { return dirty_->name(); }

protected:
    virtual void write_journal(std::span<iovec> parts) = 0;
    virtual void end_journal() = 0;

    std::string journal_path() const { return path_ + "-journal"; }

private:
    void map()
    {
        dirty_.reset();
        image_.reset();
        image_.emplace(data_, bytes_, MAP_PRIVATE);
        dirty_ = detect_(*image_);
    }
    /** What the journal holds: how many runs, their addresses in whole pages, then the pages. */
    std::span<iovec> gather(const std::vector<page_run> &runs)
    {
        table_.assign(1, {runs.size(), 0});
        table_.insert(table_.end(), runs.begin(), runs.end());
        constexpr std::size_t per_page = page_size / sizeof(page_run);
        table_.resize((table_.size() + per_page - 1) / per_page * per_page);
        parts_.assign(1, {table_.data(), table_.size() * sizeof(page_run)});
        for (const page_run &run : runs) parts_.push_back({image_->page(run.first), run.count * page_size});
        return parts_;
    }

    std::string path_;
    detection detect_;
    file data_;
    std::size_t bytes_;
    std::optional<mapping> image_;
    std::unique_ptr<dirty_pages> dirty_;
    std::vector<page_run> table_;
    std::vector<iovec> parts_;
};

/** As TxMem does it. */
class journal_each_time final : public txmem {
public:
    journal_each_time(const site &where, detection detect)
        : txmem(where, detect), directory_(std::filesystem::path(where.path).parent_path(), O_RDONLY | O_DIRECTORY)
    {
    }

private:
    void write_journal(std::span<iovec> parts) override
    {
        file journal(journal_path(), O_WRONLY | O_CREAT | O_EXCL);
        journal.write(parts, 0);
        journal.sync();
    }
    void end_journal() override
    {
        check(unlink(journal_path().c_str()), "unlink");
        directory_.sync();
    }

    file directory_;
};

/** With one journal file that stays, long enough from the start: two syncs, and no change of the directory. */
class reused_journal final : public txmem {
public:
    reused_journal(const site &where, detection detect) : txmem(where, detect), journal_(journal_path(), O_RDWR | O_CREAT | O_EXCL)
    {
        journal_.prewrite(journal_bytes);
    }

private:
    void write_journal(std::span<iovec> parts) override
    {
        journal_.write(parts, 0);
        journal_.sync();
    }
    void end_journal() override {}

    file journal_;
};

} // namespace

void add_txmem(catalogue &to)
{
    to.variants.push_back({"txmem", false, [](const site &where) { return std::make_unique<journal_each_time>(where, watch); }});
    to.variants.push_back({"txmem-reused", true, [](const site &where) { return std::make_unique<reused_journal>(where, watch); }});
    if (geteuid() == 0 && access("/proc/kpageflags", R_OK) == 0)
        to.variants.push_back({"txmem-kpageflags", false, [](const site &where) { return std::make_unique<journal_each_time>(where, watch_kpageflags); }});
    else
        to.missing.push_back("txmem-kpageflags: needs root");
}

} // namespace bench
