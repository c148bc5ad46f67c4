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
 * Recovery (recover(), opening.cpp) finds the valid groups behind the header's, and makes the last one durable: a failed sync before the crash may have left it in the page cache alone. Of the others the one
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

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
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

/** The same file wherever the process goes. */
std::string absolute(std::string path, const tm_pool_attr &attr)
{
    return attr.storage ? path : std::filesystem::absolute(path).string();
}

std::uint64_t next_number()
{
    static std::atomic<std::uint64_t> last{0};
    return ++last;
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
