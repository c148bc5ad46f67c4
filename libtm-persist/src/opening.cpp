// SPDX-License-Identifier: MIT
/**
 * @file opening.cpp
 * From files to an open pool, and what a crash has left: the words and invariants are those of pool.cpp.
 *
 * An open after a crash *goes on* with the journal that it finds, where it can (recover()): what the groups hold is copied into the image, and a checkpoint applies them some time. Its header says which groups it *inherits* from the
 * open before, and their generation. Where it cannot, it applies them at once, and the journal is made anew.
 */
#include "copy.hpp"
#include "pool.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/mman.h>
#include <sys/random.h>

namespace libtm::persist {

namespace {

std::uint64_t journal_size(const tm_pool_attr &attr, std::uint64_t image_size)
{
    if (attr.journal) return std::max(attr.journal, 4 * block_size);
    return std::clamp<std::uint64_t>(4 * image_size, 1 << 20, 64 << 20);
}

/**
 * Not just the next one: beside a data file that was restored from a copy may lie a journal of generations that the copy has yet to come to, whose groups
 * would then fit behind those of another history.
 */
std::uint64_t later_generation(std::uint64_t now)
{
    std::uint32_t step = 0;
    if (::getrandom(&step, sizeof step, 0) != static_cast<ssize_t>(sizeof step)) throw call_failed(errno, {}, "getrandom");
    return now + 1 + step / 2;
}

void demand_layout(const Header &header, const std::string &path, const tm_pool_attr &attr)
{
    if (!attr.layout) return;
    const auto text = [](const char *name, std::uint32_t version) { return "\"" + std::string(name) + "\" version " + std::to_string(version); };
    if (std::strcmp(attr.layout, header.layout) == 0 && attr.layout_version == header.layout_version) return;
    throw Failure{ENOTSUP, path, "layout", offsetof(Header, layout), text(header.layout, header.layout_version), text(attr.layout, attr.layout_version),
                  "Open it with the program that made it, or convert it"};
}

Failure has_changed(const GroupReader &reader, const Span &span)
{
    return {EIO, reader.journal().path(), "group " + std::to_string(span.sequence), span.offset, "other bytes than a moment ago", {}, "Somebody else writes to the journal, or it cannot be read"};
}

/** Address space for an existing pool. */
Region region_for(const Header &header, const std::string &path, const tm_pool_attr &attr)
{
    const std::uint64_t size = std::max(rounded_up(attr.reserve, header.page_size), header.reserve);
    if (Region region = Region::at(header.base, size)) return region;
    if (attr.flags & TM_POOL_ANYWHERE) return Region::at(0, size);
    throw Failure{EADDRINUSE, path, "base", offsetof(Header, base), to_hex(header.base) + " is in use", std::to_string(size) + " free bytes there",
                  "Open it before what is mapped there, or with TM_POOL_ANYWHERE if it holds no raw pointers"};
}

} // namespace

std::unique_ptr<Pool> Pool::open(const std::string &path, const tm_pool_attr &attr)
{
    if (attr.flags & (TM_POOL_READ_ONLY | TM_POOL_THROWAWAY)) return open_copy(path, attr);
    std::unique_ptr<Pool> pool(new Pool(path, attr));
    try {
        pool->data_ = File::open(pool->storage_, pool->path_, TM_STORAGE_WRITE);
    } catch (const Failure &failure) {
        if (failure.code != EROFS) throw;
        tm_pool_attr reading = attr;
        reading.flags |= TM_POOL_READ_ONLY;
        return open_copy(path, reading);
    }
    demand_plain(pool->data_);
    pool->data_.lock();
    pool->open_data(attr);
    return pool;
}

/** From a locked file to an open pool. */
void Pool::open_data(const tm_pool_attr &attr)
{
    if (data_.info().links == 2) storage_.remove(&storage_, temporary_name(path_).c_str()); // a creation's, see demand_plain()
    header_ = read_header(data_);
    const Header &header = header_.header;
    demand_layout(header, path_, attr);
    const std::uint64_t there = data_.size();
    if (there < image_offset + header.image_size)
        throw Failure{EBADMSG, path_, "size", 0, std::to_string(there) + " bytes", std::to_string(image_offset + header.image_size), "The file has been cut off: restore it from a backup"};
    map_image(attr);
    // What is refused is left as it is: the header is settled when the journal has been read.
    std::optional<Left> left;
    if (header.state == Header::open) left = recover(attr);
    else {
        if (header_.is_alone) demand_no_newer_journal();
        settle_header(data_, header_);
    }
    start(attr, std::move(left));
}

void Pool::map_image(const tm_pool_attr &attr)
{
    const Header &header = header_.header;
    watched_.reset();
    image_ = Image();
    image_ = Image(region_for(header, path_, attr), data_, header.image_size, header.page_size, detection_option().c_str());
    watched_ = std::make_unique<Watched>(reinterpret_cast<std::uint64_t>(image_.base()), header.image_size, path_);
    watched_->add(data_);
}

/** Find what the data file does not contain. Nothing: it does now, and the journal is to be made anew. */
std::optional<Pool::Left> Pool::recover(const tm_pool_attr &attr)
{
    Header &header = header_.header;
    Left left{File::open_if_there(storage_, journal_path(path_), TM_STORAGE_WRITE), {}};
    const File &journal = left.journal;
    if (journal) demand_plain(journal);
    if (!journal || owner_of(journal, header.uuid) != Owner::ours)
        throw Failure{EBADMSG, journal_path(path_), "journal", 0, journal ? "another file" : "none", "the journal of " + to_text(header.uuid),
                      "The pool was not closed, so it needs its journal: put it beside the pool"};
    GroupReader reader(journal, header);
    Chain chain(reader, header.applied, header.tail);
    // Inherited groups cannot be inherited again, beside this open's: a header has two generations. A file of another length may have blocks that were never written.
    bool goes_on = header.inherited <= header.applied && journal.size() == Journal::file_bytes(journal_size(attr, header.image_size)) && image_.can_load();
    while (const std::optional<Span> span = chain.next()) {
        left.groups.push_back({*span, ++durable_});
        if (!goes_on) continue;
        try {
            load(reader, left.groups.back());
        } catch (const Failure &failure) {
            if (failure.file != data_.path()) throw;
            goes_on = false; // perhaps the groups have all of what cannot be read
            map_image(attr);
        }
    }
    chain.demand_complete(left.groups);
    last_ticket_ = durable_;
    counts_.recovered = left.groups.size();
    if (!goes_on) {
        apply_left(reader, left);
        return std::nullopt;
    }
    image_.end_load();
    make_durable_again(reader, left);
    sync_directory(storage_, journal.path()); // somebody may have put the files there
    write_in_place(data_, header_);
    return left;
}

GroupHeader Pool::header_of(GroupReader &reader, const Span &span)
{
    if (const std::optional<GroupHeader> group = reader.header_at(span.offset, span.sequence)) return *group;
    throw has_changed(reader, span);
}

/** Into the image. */
void Pool::load(GroupReader &reader, const Group &group)
{
    const GroupHeader header = header_of(reader, group);
    std::vector<std::uint64_t> pages;
    reader.each_frame(header, [&](const Frame &frame, const char *) {
        const std::uint64_t page = frame.offset / header_.header.page_size * header_.header.page_size;
        if (!image_.is_loaded(page) && (pages.empty() || pages.back() != page)) pages.push_back(page);
    });
    image_.expect(data_, pages);
    reader.each_frame(header, [&](const Frame &frame, const char *bytes) { image_.load(frame.offset, bytes, frame.bytes, group.ticket); });
}

/** What was read may be in the page cache alone, but for groups of which a later one says that they were durable. So may the size, which is made durable by changing it. */
void Pool::make_durable_again(GroupReader &reader, const Left &left)
{
    const std::uint64_t size = left.journal.size();
    left.journal.truncate(size + block_size);
    left.journal.truncate(size);
    Journal::write_first_block(left.journal, reader.header().uuid);
    const std::uint64_t durable = left.groups.empty() ? 0 : header_of(reader, left.groups.back()).durable;
    std::vector<char> chunk(1 << 20);
    for (const Span &span : left.groups)
        for (std::uint64_t at = span.offset; span.sequence > durable && at < span.end(); at += chunk.size()) {
            const std::size_t count = std::min<std::uint64_t>(chunk.size(), span.end() - at);
            left.journal.read(chunk.data(), count, at);
            left.journal.write(chunk.data(), count, at);
        }
    // What was written is what was read now, which must be what was found to be valid.
    reader.forget();
    if (!left.groups.empty() && !reader.body_is_valid(header_of(reader, left.groups.back()))) throw has_changed(reader, left.groups.back());
    left.journal.sync();
}

/** Into the data file. */
void Pool::apply_left(GroupReader &reader, const Left &left)
{
    settle_header(data_, header_);
    make_durable_again(reader, left);
    Applier applier(reader, data_, header_.header.page_size);
    for (const Group &group : left.groups) applier.add(header_of(reader, group));
    applier.flush();
    data_.sync();
    counts_.bytes_applied = applier.bytes_written();
    // Before the journal is used again, or made shorter.
    if (!left.groups.empty()) {
        header_.header.applied = left.groups.back().sequence;
        header_.header.tail = left.groups.back().end();
    }
    write_header(data_, header_);
}

/** The header says that the pool is closed, but a newer one may be damaged that said it was not: then there are groups of its generation. */
void Pool::demand_no_newer_journal() const
{
    const File journal = File::open_if_there(storage_, journal_path(path_), TM_STORAGE_READ);
    if (!journal) return;
    demand_plain(journal);
    if (owner_of(journal, header_.header.uuid) != Owner::ours) return;
    GroupReader reader(journal, header_.header);
    Chain(reader, header_.header.applied, header_.header.tail).demand_complete();
}

/** From what is committed, in the data file and what is left, to an open pool. */
void Pool::start(const tm_pool_attr &attr, std::optional<Left> left)
{
    ReadHeader next = header_;
    next.header.generation = later_generation(next.header.generation);
    next.header.state = Header::open;
    next.header.inherited = left && !left->groups.empty() ? left->groups.back().sequence : 0;
    next.header.inherited_generation = next.header.inherited ? header_.header.generation : 0;
    if (left) {
        journal_ = Journal(std::move(left->journal), next.header, std::move(left->groups));
    } else {
        journal_ = Journal(storage_, journal_path(path_), next.header, journal_size(attr, next.header.image_size), header_.header.state == Header::open);
        next.header.tail = journal_.head();
    }
    write_header(data_, next);
    header_ = next;
    page_size_ = header_.header.page_size;
    applied_ = header_.header.applied;
    image_size_ = header_.header.image_size;
    heap_begin_ = header_.header.heap;
    watched_->add(journal_.file());
    attend_to(*this, image_.base(), image_.reserve());
    if (!(flags_ & TM_POOL_NO_THREAD)) {
        // Signals are the program's: none is handled on a thread that it does not know of.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            worker_ = std::thread([this] { work(); });
        } catch (const std::system_error &) {
            flags_ |= TM_POOL_NO_THREAD; // the commits will do it
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
}

std::unique_ptr<Pool> Pool::open_copy(const std::string &path, const tm_pool_attr &attr)
{
    /** The copy's memory is the target. */
    struct Target : CopyTarget {
        Pool &pool;
        const tm_pool_attr &attr;
        Target(Pool &of, const tm_pool_attr &how) : pool(of), attr(how) {}
        void begin(const Header &header) override
        {
            demand_layout(header, pool.path_, attr);
            pool.image_ = Image(); // an earlier attempt's
            pool.image_ = Image(region_for(header, pool.path_, attr), header.image_size, header.page_size);
        }
        void write(std::uint64_t offset, const char *bytes, std::size_t size) override { std::memcpy(pool.image_.base() + offset, bytes, size); }
    };
    std::unique_ptr<Pool> pool(new Pool(path, attr));
    Target target(*pool, attr);
    pool->header_.header = copy_committed(pool->storage_, pool->path_, target, {});
    pool->page_size_ = pool->header_.header.page_size;
    pool->applied_ = pool->header_.header.applied;
    pool->image_size_ = pool->image_.size();
    pool->heap_begin_ = pool->header_.header.heap;
    if (attr.flags & TM_POOL_READ_ONLY) ::mprotect(pool->image_.base(), pool->image_size_, PROT_READ);
    pool->watched_ = std::make_unique<Watched>(reinterpret_cast<std::uint64_t>(pool->image_.base()), pool->image_size_, pool->path_);
    return pool;
}

} // namespace libtm::persist
