// SPDX-License-Identifier: MIT
/**
 * @file pool.cpp
 * The front door of libtm-persist: how memory becomes durable.
 *
 * Words. The *image* is the memory of a pool: pages of the data file, mapped privately, so that stores stay in the process. The *journal* is a ring
 * of *groups*; each is what one or more commits have changed, as *frames* of absolute bytes, and it is valid as a whole or not at all. The *line* is what is committed in memory
 * and waits to be written (commits.hpp). A *checkpoint* applies the oldest groups to the data file. The data file's *header* says up to which group that has been done.
 *
 * A commit of the whole image (commit() below):
 * (a) becomes the only transaction, so that nobody's uncommitted value is in memory;
 * (b) asks the kernel which pages were stored to, copies those, finds what of them differs from the last commit (image.hpp), and closes the last batch of the line with it;
 * (c) lets the others go on; who comes first (make_durable()) takes the first batch, finds room in the ring, and writes the group;
 * (d) syncs the journal: the point of no return.
 * A transaction (transaction.cpp) adds the bytes that it has written to the last batch of the line (commits.cpp), while it holds them, and does (c) and (d) or leaves them to others.
 * What it has allocated and freed (heap_changes.cpp) goes there with it, as bits of the heap (heap.hpp) and as the content of new blocks.
 * A checkpoint (apply_some() below) runs beside commits. It never looks at the image:
 * (e) reads the oldest groups from the journal and writes their bytes to the data file (replay.hpp);
 * (f) syncs the data file;
 * (g) writes and syncs the header that says so; then, and not before, the ring may use the room again.
 * Recovery (recover() below) finds the valid groups behind the header's, and makes the last one durable: a failed sync before the crash may have left it in the page cache alone. Of the others the one
 * after each says that it was. Then the open goes on with that journal: it copies the groups into the image, and a checkpoint applies them some time. Where that cannot be, recovery is (e) to (g) for all of them.
 *
 * Invariants:
 * 1. No byte of a group is in the data file before the group is durable. (e) takes groups that (d) has synced.
 * 2. No byte of a group is destroyed before a durable header says that it is applied: (g), and the same at the end of a recovery that applies.
 * 3. The data file with the groups behind header.applied, in their order, is the last committed state; at every moment, and whatever part of a
 *    checkpoint has reached the disk, since every frame holds absolute bytes.
 * 4. Groups are bound to the pool, to their place and to the generation of the header, which grows at each open by a random step: no group of another
 *    file or of another life, past or to come, is ever taken for one. Which groups an open inherits from the one before, and their generation, is in its header.
 * 5. The groups, and the frames in each, are in the order of commits, and contain every commit between the first and the last of them.
 * 6. After any failed write or sync of either file the pool is poisoned: nothing more is written, and only the next open tells what counts.
 *
 *     no file --create--> closed --open--> open --close--> closed
 *                                 open --crash, poison--> open without a process --open: recover()--> open
 *
 * The state is that of the header. Closed: the data file is all. Open: the data file and the journal belong together.
 */
#include "pool.hpp"

#include "copy.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <sys/mman.h>
#include <sys/random.h>
#include <tm/tm.hpp>
#include <unistd.h>

namespace libtm::persist {

namespace {

constexpr std::uint64_t sync_bytes = 512 << 10; ///< of the data file, that a checkpoint syncs at once if no commit is bigger
constexpr std::uint64_t most_twins = 256 << 20; ///< bytes of twins that make a checkpoint due

/** Run `body` while no other transaction does. It must not throw. What a transaction may call must not wait for a mutex that is held here. */
template <class Body> void alone(const char *label, Body &&body)
{
    tm_attr attr{};
    attr.flags = TM_IRREVOCABLE;
    attr.label = label;
    try {
        libtm::atomically(attr, body);
    } catch (const libtm::error &error) {
        throw Failure{error.code() ? error.code() : ENOMEM, {}, label, 0, error.what(), {}, {}};
    }
}

std::uint64_t journal_size(const tm_pool_attr &attr, std::uint64_t image_size)
{
    if (attr.journal) return std::max(attr.journal, 4 * block_size);
    return std::clamp<std::uint64_t>(4 * image_size, 1 << 20, 64 << 20);
}

/** The same file wherever the process goes. */
std::string absolute(std::string path, const tm_pool_attr &attr)
{
    return attr.storage ? path : std::filesystem::absolute(path).string();
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

std::uint64_t next_number()
{
    static std::atomic<std::uint64_t> last{0};
    return ++last;
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

std::string detection_option()
{
    char value[32] = "auto";
    tm_config_get("detection", value, sizeof value);
    return value;
}

Pool::Pool(std::string path, const tm_pool_attr &attr)
    : path_(absolute(std::move(path), attr)), storage_(attr.storage ? *attr.storage : *tm_storage_system()), flags_(attr.flags), keep_(attr.keep),
      durability_(attr.durability == TM_DURABILITY_DEFAULT ? TM_DURABILITY_SYNC : attr.durability), interval_(attr.interval ? attr.interval : 10), window_(attr.window ? attr.window : 100),
      line_(1), spare_(1), number_(next_number())
{
}

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
    Left left{File::open_if_there(storage_, journal_path(path_), TM_STORAGE_WRITE), {}, 0};
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
    left.head = chain.end();
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
    if (!left.groups.empty()) header_.header.applied = left.groups.back().sequence;
    header_.header.tail = left.head;
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
        journal_ = Journal(std::move(left->journal), next.header, std::move(left->groups), left->head);
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

void Pool::demand_usable() const
{
    if (!is_ours()) throw Failure{EPERM, path_, "process", 0, "a child of the one that opened the pool", "that one", "Open the pool in the child, after the parent has closed it"};
}

void Pool::demand_unpoisoned() const
{
    if (poison_.code) throw Failure{EIO, path_, "poisoned", 0, poison_.message(), {}, "Close the pool and open it again: then it is recovered"};
}

void Pool::demand_journaled() const
{
    demand_usable();
    if (!data_) throw Failure{EROFS, path_, "pool", 0, flags_ & TM_POOL_THROWAWAY ? "open to be thrown away" : "open for reading", {}, {}};
}

void Pool::demand_writable()
{
    demand_journaled();
    if (tm_in_transaction()) throw Failure{EDEADLK, path_, "transaction", 0, "inside of one", "outside", "Call it after the transaction has committed"};
    const std::lock_guard lock(mutex_);
    demand_unpoisoned();
}

void Pool::poison(const Failure &failure)
{
    {
        const std::lock_guard lock(mutex_);
        if (!poison_.code) {
            poison_.code = failure.code; // this at least, if there is no memory for the rest
            try {
                poison_ = failure;
            } catch (const std::bad_alloc &) {
            }
            is_poisoned_ = true;
        }
        durable_some_.notify_all();
    }
    Failure told;
    try {
        told = failure;
        if (told.found.empty()) told.found = strerrordesc_np(failure.code);
        told.remedy = "The pool is poisoned: close it and open it again, then it is recovered";
    } catch (const std::bad_alloc &) { // less is said
    }
    told.code = failure.code == ESTALE ? ESTALE : EIO;
    throw told;
}

void Pool::commit()
{
    demand_writable();
    std::uint64_t arrived;
    {
        const std::lock_guard lock(mutex_);
        arrived = captures_;
    }
    const Calls calls(*this);
    const std::lock_guard commit_lock(commit_mutex_);
    {
        const std::lock_guard lock(mutex_);
        demand_unpoisoned();
        if (durable_capture_ > arrived) { // it began after we had come, so it has what we stored
            ++counts_.commits;
            return;
        }
    }
    or_poison([&] { commit_now(); });
}

/** For the holder of the commit mutex. */
void Pool::commit_now()
{
    demand_whole();
    Whole whole;
    const std::uint64_t ticket = capture(whole);
    make_durable(ticket);
    if (whole.failure.code) {
        const std::lock_guard order(order_mutex_);
        image_.give_up(whole.changed);
        throw whole.failure;
    }
    {
        const std::lock_guard order(order_mutex_);
        image_.committed(whole.changed, ticket);
        const std::lock_guard lock(mutex_);
        durable_capture_ = captures_;
        ++counts_.commits;
        counts_.pages += whole.changed.pages.size();
        counts_.pages_compared += whole.changed.compared;
        twin_bytes_ = image_.release_twins(applied_ticket_, 2 * whole.changed.pages.size() + 16);
    }
    trim_if_too_much();
}

/** Give copies of pages back, if there are more than the user wants. For the holder of the commit mutex. What is committed is durable, whatever comes of this. */
void Pool::trim_if_too_much()
{
    if (!keep_) return;
    {
        const std::lock_guard order(order_mutex_);
        if (image_.private_bytes() <= keep_) return;
    }
    try {
        trim_now();
    } catch (const Failure &failure) {
        if (failure.code != ENOMEM) throw;
    } catch (const std::bad_alloc &) {
    }
}

/** That nobody has cut off the data file. For the holder of the commit mutex. */
void Pool::demand_whole()
{
    const std::uint64_t there = data_.size();
    if (there < image_offset + image_size_)
        poison({ESTALE, path_, "size", 0, std::to_string(there) + " bytes", std::to_string(image_offset + image_size_), {}});
}

/** Find what has changed, and put it into the line. Returns the ticket: of this commit, or if nothing has changed of the one before. */
std::uint64_t Pool::capture(Whole &whole)
{
    std::uint64_t applied;
    {
        const std::lock_guard lock(mutex_);
        ++captures_;
        applied = applied_ticket_;
    }
    std::list<Batch> next(1);
    std::list<Group> listing(1);
    std::uint64_t ticket = 0;
    bool had_memory = true;
    alone("tm_pool_commit", [&]() noexcept {
        const std::lock_guard order(order_mutex_); // there is nobody else but one who writes
        ticket = last_ticket_ + 1;
        try {
            whole.changed = image_.capture(data_, applied);
        } catch (const std::bad_alloc &) {
            had_memory = false;
            return;
        }
        if (whole.changed.changes.empty()) {
            --ticket;
            return;
        }
        Batch &batch = line_.back();
        batch.ticket = last_ticket_ = ticket;
        batch.whole = &whole;
        if (batch.listing.empty()) batch.listing.swap(listing);
        line_.splice(line_.end(), next);
        open_bytes_ = 0;
    });
    if (!had_memory) throw std::bad_alloc();
    return ticket;
}

/** Find room in the ring, if need be by a checkpoint, or by making it longer. */
Span Pool::place(std::uint64_t bytes)
{
    std::unique_lock lock(mutex_);
    if (bytes <= journal_.usual_bytes()) journal_.shrink();
    for (bool has_waited = false;; has_waited = true) {
        demand_unpoisoned();
        if (const std::optional<Span> span = journal_.place(bytes)) return *span;
        if (journal_.groups().empty()) {
            journal_.extend_for(bytes);
            continue;
        }
        counts_.stalls += !has_waited;
        // Here, and not by the worker, which may be waiting for us.
        const std::uint64_t before = applied_, round = flags_ & TM_POOL_NO_THREAD ? ~0ull : journal_.size() / 4;
        lock.unlock();
        apply_some(round, before);
        lock.lock();
    }
}

bool Pool::wants_checkpoint() const
{
    if (poison_.code || journal_.groups().empty()) return false;
    return journal_.used() > journal_.size() / 4 || twin_bytes_ > most_twins;
}

/**
 * A round of a checkpoint: the oldest groups, up to `limit` bytes of them, unless another round has gone beyond group `before` meanwhile. False: there were none. A commit
 * that syncs meanwhile waits for what the data file syncs, so that is never much more at once than the biggest commit.
 */
bool Pool::apply_some(std::uint64_t limit, std::uint64_t before)
{
    const std::lock_guard checkpoint_lock(checkpoint_mutex_);
    std::vector<Group> groups;
    std::uint64_t biggest = sync_bytes;
    {
        const std::lock_guard lock(mutex_);
        demand_unpoisoned();
        if (applied_ > before) return true;
        std::uint64_t bytes = 0;
        for (const Group &span : journal_.groups()) {
            if (!groups.empty() && bytes + span.bytes > limit) break;
            groups.push_back(span);
            bytes += span.bytes;
            biggest = std::max(biggest, span.bytes);
        }
    }
    if (groups.empty()) return false;
    try {
        Header header; // a copy: it may be grown meanwhile, which these groups need not know
        {
            const std::lock_guard header_lock(header_mutex_);
            header = header_.header;
        }
        GroupReader reader(journal_.file(), header);
        Applier applier(reader, data_, page_size_, biggest);
        for (const Span &span : groups) {
            const std::optional<GroupHeader> group = reader.header_at(span.offset, span.sequence);
            if (!group || !reader.body_is_valid(*group))
                throw Failure{EIO, journal_.file().path(), "group " + std::to_string(span.sequence), span.offset, "not what was written", {}, {}};
            applier.add(*group);
        }
        applier.flush();
        data_.sync();
        const std::lock_guard header_lock(header_mutex_);
        header_.header.applied = groups.back().sequence;
        header_.header.tail = groups.back().end();
        write_header(data_, header_);
        const std::lock_guard lock(mutex_);
        journal_.let_go(groups.back().sequence);
        applied_ = groups.back().sequence;
        applied_ticket_ = groups.back().ticket;
        counts_.bytes_applied += applier.bytes_written();
        ++counts_.checkpoints;
    } catch (const Failure &failure) {
        poison(failure);
    }
    return true;
}

void Pool::apply_all()
{
    while (apply_some(~0ull)) {}
}

/** The thread that makes checkpoints, and makes durable what nobody waits for. */
void Pool::work()
{
    using std::chrono::steady_clock;
    const auto is_due = [&] { return is_due_set_ && steady_clock::now() >= due_ && !poison_.code; };
    const auto calls = [&] { return has_due_calls_ && !poison_.code; };
    std::unique_lock lock(mutex_);
    for (;;) {
        if (stops_) return;
        const bool syncs = is_due(), applies = wants_checkpoint();
        if (!syncs && !applies && !calls()) {
            if (is_due_set_ && !poison_.code) work_to_do_.wait_until(lock, due_);
            else work_to_do_.wait(lock);
            continue;
        }
        const std::uint64_t round = journal_.size() / 4;
        if (syncs) is_due_set_ = false;
        has_due_calls_ = false;
        lock.unlock();
        try {
            if (syncs) make_durable(last_ticket_);
            if (applies) apply_some(round);
        } catch (const Failure &) { // the pool is poisoned, and says so when it is used
        } catch (const std::bad_alloc &) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10)); // nothing has changed
        }
        call_durable();
        lock.lock();
    }
}

void Pool::checkpoint()
{
    demand_writable();
    const Calls calls(*this);
    make_durable(last_transaction_);
    apply_all();
}

void Pool::trim()
{
    demand_writable();
    const Calls calls(*this);
    const std::lock_guard commit_lock(commit_mutex_);
    or_poison([&] { trim_now(); });
}

void Pool::trim_now()
{
    // Most of it beside the others, the rest alone: a page is given back only when the data file has all that is committed of it, and no group is left to change it.
    make_durable(last_ticket_);
    apply_all();
    std::exception_ptr failed;
    alone("tm_pool_trim", [&]() noexcept {
        try {
            make_durable(last_ticket_);
            apply_all();
            const std::lock_guard order(order_mutex_); // others may ask how much there is
            image_.trim(data_);
        } catch (...) {
            failed = std::current_exception();
        }
    });
    if (failed) std::rethrow_exception(failed);
    const std::lock_guard lock(mutex_);
    twin_bytes_ = 0;
}

void Pool::grow(std::uint64_t size)
{
    demand_writable();
    const std::uint64_t page = page_size_;
    const std::lock_guard commit_lock(commit_mutex_);
    const std::lock_guard grow_lock(grow_mutex_);
    if (size > most_image) throw Failure{ENOBUFS, path_, "size", 0, std::to_string(size), {}, {}};
    const std::uint64_t wanted = page + rounded_up(size, page);
    if (wanted <= page + this->size()) return;
    if (heap_begin_) throw Failure{ENOTSUP, path_, "heap", 0, "one behind the memory", "none", "Make the memory as long as it will be before the first block is allocated"};
    if (wanted > image_.reserve())
        throw Failure{ENOBUFS, path_, "reserve", 0, std::to_string(image_.reserve()) + " bytes of address space", std::to_string(wanted), "Open the pool with a larger tm_pool_attr.reserve"};
    {
        const std::lock_guard lock(mutex_);
        demand_unpoisoned(); // perhaps since we came
    }
    or_poison([&] { grow_now(wanted, 0); });
}

std::pair<std::uint64_t, std::uint64_t> Pool::grow_heap(std::uint64_t bytes)
{
    const std::lock_guard grow_lock(grow_mutex_);
    {
        const std::lock_guard lock(mutex_);
        demand_unpoisoned();
    }
    const std::uint64_t now = image_.size();
    if (bytes > image_.reserve() - now)
        throw Failure{ENOBUFS, path_, "reserve", 0, std::to_string(image_.reserve()) + " bytes of address space", std::to_string(now + bytes), "Open the pool with a larger tm_pool_attr.reserve"};
    or_poison([&] { grow_now(now + bytes, heap_begin_ ? heap_begin_.load() : now); });
    return heap_range();
}

/** To `wanted` bytes of image, with the heap there. For the holder of the growth mutex, while nobody commits the whole image. */
void Pool::grow_now(std::uint64_t wanted, std::uint64_t heap)
{
    demand_whole();
    std::uint64_t end; // in the file; behind the image if an earlier call has failed for want of memory
    {
        const std::lock_guard header_lock(header_mutex_);
        end = image_offset + header_.header.image_size;
    }
    try {
        if (data_.size() > end) data_.truncate(end); // what somebody has put there must not become memory
        if (image_offset + wanted > end) data_.reserve(end, image_offset + wanted - end);
    } catch (const Failure &) {
        try {
            data_.truncate(end);
        } catch (const Failure &) { // a file that is longer than it says does no harm
        }
        throw;
    }
    try {
        data_.sync(); // the space, before the header that promises it
        const std::lock_guard header_lock(header_mutex_);
        // An earlier growth may have failed after this; then what it was for is not there, and the heap may begin elsewhere.
        header_.header.image_size = header_.header.heap == heap ? std::max(header_.header.image_size, wanted) : wanted;
        header_.header.heap = heap;
        header_.header.reserve = std::max(header_.header.reserve, wanted); // this open may have asked for more than the recorded one
        write_header(data_, header_);
    } catch (const Failure &failure) { // of whatever code: these may be durable or not
        poison(failure);
    }
    image_.grow(data_, wanted);
    watched_->set_size(wanted);
    const std::lock_guard lock(mutex_);
    heap_begin_.store(heap, std::memory_order_relaxed);
    image_size_.store(wanted, std::memory_order_release); // (2) synchronizes with (1) in size()
}

void Pool::close()
{
    demand_usable();
    if (!data_) return;
    stop_worker();
    // What is called may commit, too.
    for (std::uint64_t last = ~0ull; last != last_ticket_;) {
        last = last_ticket_;
        make_durable(last);
        call_durable();
    }
    no_longer_attend_to(*this);
    demand_unpoisoned();
    apply_all();
    const std::lock_guard header_lock(header_mutex_);
    header_.header.state = Header::closed;
    header_.header.inherited = header_.header.inherited_generation = 0;
    // Both copies: from now on either of them may be lost.
    for (int copy = 0; copy < 2; ++copy) write_header(data_, header_);
    journal_.file().close();
    // It comes back after a crash, perhaps; nobody minds.
    storage_.remove(&storage_, journal_path(path_).c_str());
}

void Pool::stop_worker()
{
    if (!worker_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stops_ = true;
        work_to_do_.notify_all();
    }
    worker_.join();
}

Pool::~Pool()
{
    no_longer_attend_to(*this);
    stop_worker();
    while (OnDurable *const never = calls_) {
        calls_ = never->next;
        delete never;
    }
}

tm_pool_stats Pool::stats()
{
    demand_usable();
    const Heap::Figures heap = heap_.figures(); // its mutex comes before
    // Not the commit mutex: its holder may be waiting for the transaction that asks. The order mutex is held for a moment only.
    const std::lock_guard order(order_mutex_);
    const std::lock_guard header_lock(header_mutex_);
    const std::lock_guard lock(mutex_);
    const Header &header = header_.header;
    tm_pool_stats stats = counts_;
    std::copy(header.uuid.begin(), header.uuid.end(), stats.uuid);
    std::memcpy(stats.layout, header.layout, sizeof stats.layout);
    stats.layout_version = header.layout_version;
    stats.page_size = header.page_size;
    stats.base = header.base;
    stats.reserve = image_.reserve();
    stats.size = size();
    stats.heap_size = heap_begin_ ? image_size_ - heap_begin_ : 0;
    stats.heap_blocks = heap.blocks;
    stats.heap_bytes = heap.bytes;
    stats.generation = header.generation;
    stats.sequence = data_ ? journal_.last() : header.applied;
    stats.applied = applied_;
    stats.journal_size = journal_.size();
    stats.journal_used = journal_.used();
    stats.syncs = data_.syncs() + journal_.file().syncs();
    stats.detection = image_.detection();
    stats.warning = data_ ? storage_.weakness(&storage_, data_.handle()) : nullptr;
    stats.poisoned = poison_.code;
    stats.transactions = transactions_;
    stats.private_bytes = data_ ? image_.private_bytes() : 0;
    return stats;
}

} // namespace libtm::persist
