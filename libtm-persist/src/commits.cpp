// SPDX-License-Identifier: MIT
#include "commits.hpp"

#include "pool.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <pthread.h>
#include <tm/hooks.h>
#include <tm/tm.h>

namespace libtm::persist {

namespace {

/**
 * Addresses of a pool. Entries are never freed and their addresses never change, so that they can be read at any time; one is used again for a pool in the same
 * place.
 */
struct Place {
    std::uintptr_t low, high;
    std::atomic<Pool *> pool;
    Place *next;
};

std::mutex places_mutex; // of changes
std::atomic<Place *> places{nullptr};

/** The range of the hooks: from the lowest to the highest address of all pools. For the holder of the mutex. */
void tell_range()
{
    std::uintptr_t low = ~std::uintptr_t{0}, high = 0;
    for (const Place *place = places.load(std::memory_order_relaxed); place; place = place->next) {
        if (!place->pool.load(std::memory_order_relaxed)) continue;
        low = std::min(low, place->low);
        high = std::max(high, place->high);
    }
    tm_hooks_range(reinterpret_cast<void *>(low), reinterpret_cast<void *>(high));
}

/** The commit of this thread, from prepare() to ended(). Without a constructor or destructor: a transaction may end after those of the thread's other variables. */
struct Commit {
    Share shares[most_shares]; ///< in the order in which pools are locked: that of their addresses
    unsigned count;
    bool too_many;
    int fault;
    tm_durability durability;
    OnDurable *newest; ///< of what the running attempt has asked for
};
__thread Commit current __attribute__((tls_model("initial-exec")));

/** For who waits or uses files in the middle of a commit: these are points of cancellation, and errno is the program's. */
class Undisturbed {
public:
    Undisturbed() : errno_(errno) { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state_); }
    ~Undisturbed()
    {
        pthread_setcancelstate(state_, nullptr);
        errno = errno_;
    }
    Undisturbed(const Undisturbed &) = delete;
    Undisturbed &operator=(const Undisturbed &) = delete;

private:
    int errno_, state_ = PTHREAD_CANCEL_ENABLE;
};

Share *share_at(const void *address)
{
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    for (Place *place = places.load(std::memory_order_acquire); place; place = place->next) {
        if (at < place->low || at >= place->high) continue;
        Pool *const pool = place->pool.load(std::memory_order_acquire);
        if (!pool) continue; // one that is gone, whose place overlaps that of another one
        for (unsigned i = 0; i < current.count; ++i)
            if (current.shares[i].pool == pool) return &current.shares[i];
        if (current.count == most_shares) {
            current.too_many = true;
            return nullptr;
        }
        unsigned place_of = current.count++;
        for (; place_of > 0 && std::less<>()(pool, current.shares[place_of - 1].pool); --place_of) current.shares[place_of] = current.shares[place_of - 1];
        current.shares[place_of] = {pool, 0, 0};
        return &current.shares[place_of];
    }
    return nullptr;
}

int prepare(const tm_written *written, tm_durability durability, int must)
{
    current.count = 0;
    current.too_many = false;
    current.fault = 0;
    current.durability = durability;
    tm_each_written(
        written,
        [](void *, void *address, std::size_t size) {
            if (Share *const share = share_at(address)) share->bytes += share->pool->bytes_of_frames(address, size);
        },
        nullptr);
    unsigned locked = 0;
    const int fault = guarded([&] {
        if (current.too_many) throw Failure{ENOTSUP, {}, "transaction", 0, "more than 8 pools", "at most 8", {}};
        for (; locked < current.count; ++locked) current.shares[locked].pool->begin_transaction(current.shares[locked].bytes);
    });
    if (!fault) return 0;
    while (locked > 0) current.shares[--locked].pool->order_mutex().unlock();
    if (!must) return fault;
    // Memory will have what the journal cannot: no later commit may go there.
    for (unsigned i = 0; i < current.count; ++i) guarded([&] { current.shares[i].pool->give_up(fault); });
    current.count = 0;
    current.fault = EIO;
    return 0;
}

void rolled_back()
{
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].pool->order_mutex().unlock();
    current.count = 0;
}

/** What was asked for goes to a pool; without one it is durable as it is. */
void hand_over()
{
    OnDurable *first = nullptr;
    while (OnDurable *const it = current.newest) {
        current.newest = it->next;
        it->next = std::exchange(first, it);
    }
    while (OnDurable *const it = first) {
        first = it->next;
        it->count = current.count;
        std::copy_n(current.shares, current.count, it->shares);
        if (it->count) it->shares[it->count - 1].pool->call_later(it);
        else {
            it->function(it->data);
            delete it;
        }
    }
}

void committed(const tm_written *written)
{
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].ticket = current.shares[i].pool->next_ticket();
    if (current.count)
        tm_each_written(
            written,
            [](void *, void *address, std::size_t size) {
                if (const Share *const share = share_at(address)) share->pool->append(address, size, share->ticket);
            },
            nullptr);
    if (current.count) hand_over(); // in the order of commits
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].pool->order_mutex().unlock();
}

int ended()
{
    const Commit mine = current; // what is called may commit too
    if (mine.count == 0) hand_over();
    int fault = mine.fault;
    for (unsigned i = 0; i < mine.count; ++i)
        if (const int code = guarded([&] { mine.shares[i].pool->after_transaction(mine.shares[i].ticket, mine.durability); }); code && !fault) fault = code;
    return fault;
}

constexpr tm_hooks hooks = {prepare, rolled_back, committed, ended};

/** A rollback undoes from the newest on. */
void forget_newest(void *)
{
    OnDurable *const gone = current.newest;
    current.newest = gone->next;
    delete gone;
}

} // namespace

void attend_to(Pool &pool, const char *base, std::uint64_t size)
{
    const std::lock_guard lock(places_mutex);
    if (tm_hooks_install(&hooks) != 0) throw Failure{EBUSY, {}, "hooks of libtm", 0, "those of another library", "none", {}};
    const auto low = reinterpret_cast<std::uintptr_t>(base);
    Place *place = places.load(std::memory_order_relaxed);
    while (place && (place->low != low || place->high != low + size)) place = place->next;
    if (!place) {
        place = new Place{low, low + size, nullptr, places.load(std::memory_order_relaxed)};
        places.store(place, std::memory_order_release);
    }
    place->pool.store(&pool, std::memory_order_release);
    tell_range();
}

void no_longer_attend_to(Pool &pool) noexcept
{
    const std::lock_guard lock(places_mutex);
    for (Place *place = places.load(std::memory_order_relaxed); place; place = place->next) {
        Pool *mine = &pool;
        place->pool.compare_exchange_strong(mine, nullptr, std::memory_order_relaxed);
    }
    tell_range();
}

std::uint64_t Pool::bytes_of_frames(const void *address, std::size_t size) const
{
    std::uint64_t bytes = 0;
    each_page(address, size, [&](std::uint64_t, const char *, std::uint32_t part) { bytes += frame_bytes(part); });
    return bytes;
}

void Pool::begin_transaction(std::uint64_t bytes)
{
    demand_usable(); // before the mutex: in a forked child nobody would give it back
    std::unique_lock order(order_mutex_);
    for (;;) {
        if (is_poisoned_) {
            const std::lock_guard lock(mutex_);
            demand_unpoisoned();
        }
        const Batch &open = line_.back();
        if (open.frames.count == 0 || group_bytes(open.frames.bytes.size() + bytes) <= journal_.usual_bytes() / 2) break;
        const std::uint64_t ticket = open.ticket;
        order.unlock();
        make_durable(ticket);
        order.lock();
    }
    if (group_bytes(bytes) > journal_.usual_bytes()) make_long(order, group_bytes(bytes));
    Batch &open = line_.back();
    std::vector<char> &room = open.frames.bytes;
    if (room.capacity() - room.size() < bytes) room.reserve(std::max<std::uint64_t>(room.size() + bytes, 2 * room.capacity()));
    if (open.listing.empty()) open.listing.emplace_back();
    order.release();
}

/** Make the ring so long that a group of so many bytes fits, the next one: nobody else adds to the line before the order mutex is given back. */
void Pool::make_long(std::unique_lock<std::mutex> &order, std::uint64_t bytes)
{
    const auto is_mine = [&] {
        const std::lock_guard lock(mutex_);
        demand_unpoisoned();
        if (durable_ != last_ticket_ || is_writing_) return false;
        is_writing_ = true;
        return true;
    };
    const Undisturbed undisturbed;
    while (!is_mine()) {
        order.unlock();
        make_durable(last_ticket_);
        std::this_thread::yield(); // who writes takes the order mutex once more
        order.lock();
    }
    const Writing writing(*this);
    or_poison([&] { place(bytes); });
}

std::uint64_t Pool::next_ticket() noexcept
{
    ++transactions_;
    const std::uint64_t ticket = last_ticket_ + 1;
    line_.back().ticket = last_transaction_ = last_ticket_ = ticket;
    return ticket;
}

void Pool::append(const void *address, std::size_t size, std::uint64_t ticket) noexcept
{
    Frames &frames = line_.back().frames;
    each_page(address, size, [&](std::uint64_t offset, const char *from, std::uint32_t part) {
        frames.add(offset, from, part);
        image_.changed(offset, part, ticket);
    });
    open_bytes_.store(frames.bytes.size(), std::memory_order_relaxed);
}

/** Write the batch and sync it. False: nothing is left to be written, since it was for the whole image and there was no room for that. */
bool Pool::write(Batch &batch)
{
    const auto leave_out_whole = [&](const Failure &failure) {
        batch.whole->failure = failure;
        batch.whole = nullptr;
        return batch.frames.count > 0;
    };
    const Failure no_memory{ENOMEM, {}, "memory", 0, {}, {}, {}};
    for (;;) {
        Group &group = batch.listing.front();
        try {
            static_cast<Span &>(group) = place(batch.group_bytes());
        } catch (const Failure &failure) {
            if (is_poisoned_) throw;
            if (!batch.whole || !is_want(failure.code)) poison(failure);
            if (leave_out_whole(failure)) continue;
            return false;
        } catch (const std::bad_alloc &) { // of a checkpoint
            if (!batch.whole) std::this_thread::sleep_for(std::chrono::milliseconds(10)); // too late to refuse a transaction
            else if (!leave_out_whole(no_memory)) return false;
            continue;
        }
        try {
            group.ticket = batch.ticket;
            journal_.write(group, batch.frames, batch.whole ? std::span<const Change>(batch.whole->changed.changes) : std::span<const Change>());
            journal_.sync();
            return true;
        } catch (const Failure &failure) {
            poison(failure);
        } catch (const std::bad_alloc &) { // before the first byte was written
            if (!leave_out_whole(no_memory)) return false;
        }
    }
}

/** Write the first batch of the line. For who has set is_writing_. */
void Pool::write_next()
{
    std::list<Batch> taken;
    {
        const std::lock_guard order(order_mutex_);
        if (line_.size() == 1) { // the open one
            line_.splice(line_.end(), spare_);
            open_bytes_ = 0;
            is_due_set_ = false;
        }
        taken.splice(taken.begin(), line_, line_.begin());
    }
    Batch &batch = taken.front();
    const bool is_written = write(batch);
    {
        const std::lock_guard lock(mutex_);
        durable_ = batch.ticket;
        if (is_written) {
            counts_.bytes_journaled += batch.listing.front().bytes;
            ++counts_.groups;
            journal_.push(batch.listing);
        }
        if (wants_checkpoint()) work_to_do_.notify_one();
    }
    constexpr std::size_t kept_bytes = 4 << 20;
    if (batch.frames.bytes.capacity() > kept_bytes) batch.frames = {};
    batch.frames.bytes.clear();
    batch.frames.count = 0;
    batch.whole = nullptr;
    const std::lock_guard order(order_mutex_);
    if (spare_.empty()) spare_.swap(taken);
}

/** Wait until the commit `ticket` is durable; who finds nobody writing writes, for all that have come meanwhile. */
void Pool::make_durable(std::uint64_t ticket)
{
    std::unique_lock lock(mutex_);
    if (durable_ >= ticket) return;
    const Undisturbed undisturbed;
    while (durable_ < ticket) {
        if (is_writing_) { // what is being written may be ours: not to be left before that has ended
            durable_some_.wait(lock);
            continue;
        }
        demand_unpoisoned();
        is_writing_ = true;
        lock.unlock();
        {
            const Writing writing(*this);
            write_next();
        }
        lock.lock();
    }
}

Pool::Writing::~Writing()
{
    const std::lock_guard lock(pool_.mutex_);
    pool_.is_writing_ = false;
    pool_.durable_some_.notify_all();
}

void Pool::wait(std::uint64_t ticket)
{
    demand_usable();
    if (!data_) return;
    if (tm_in_transaction()) throw Failure{EDEADLK, path_, "transaction", 0, "inside of one", "outside", "Wait after the transaction has committed"};
    const std::uint64_t last = last_ticket_;
    if (ticket > last) throw Failure{EINVAL, path_, "ticket", 0, std::to_string(ticket), "at most " + std::to_string(last), "Give one that tm_pool_ticket() has returned"};
    make_durable(ticket ? ticket : last);
    call_durable();
}

/** The worker, or without one a later commit, makes durable what waits. */
void Pool::set_due(std::uint64_t ticket)
{
    using std::chrono::steady_clock;
    if (is_due_set_.load(std::memory_order_relaxed) && !(flags_ & TM_POOL_NO_THREAD)) return;
    std::unique_lock lock(mutex_);
    if (!is_due_set_) {
        due_ = steady_clock::now() + interval_;
        is_due_set_ = true;
        work_to_do_.notify_one();
    } else if ((flags_ & TM_POOL_NO_THREAD) && steady_clock::now() >= due_) {
        lock.unlock();
        make_durable(ticket);
    }
}

void Pool::after_transaction(std::uint64_t ticket, tm_durability durability)
{
    switch (durability == TM_DURABILITY_DEFAULT ? durability_ : durability) {
    case TM_DURABILITY_NONE: break;
    case TM_DURABILITY_ASYNC: set_due(ticket); break;
    case TM_DURABILITY_GROUP: {
        const Undisturbed undisturbed;
        std::unique_lock lock(mutex_);
        durable_some_.wait_for(lock, window_, [&] { return durable_ >= ticket || poison_.code; });
    }
        [[fallthrough]];
    default: make_durable(ticket);
    }
    if (open_bytes_.load(std::memory_order_relaxed) > std::min<std::uint64_t>(journal_.usual_bytes() / 4, most_waiting)) make_durable(ticket);
    call_durable();
    if (!keep_) return;
    std::unique_lock commits(commit_mutex_, std::try_to_lock);
    if (!commits) return;
    const Undisturbed undisturbed;
    try {
        or_poison([&] { trim_if_too_much(); });
    } catch (const Failure &) { // the pool is poisoned, and says so when it is used next; the transaction is what it was
    }
}

void Pool::give_up(int fault)
{
    poison({fault, path_, "an irrevocable transaction", 0, "that could not be journaled", {}, {}});
}

/** For the holder of the order mutex, or after the transaction of the call is durable in another pool. */
void Pool::call_later(OnDurable *call) noexcept
{
    const auto ticket_of = [](const OnDurable *one) { return one->shares[one->count - 1].ticket; };
    const std::lock_guard lock(mutex_);
    OnDurable *before = last_call_ && ticket_of(last_call_) <= ticket_of(call) ? last_call_ : nullptr;
    if (!before)
        for (OnDurable *at = calls_; at && ticket_of(at) <= ticket_of(call); at = at->next) before = at;
    call->next = before ? std::exchange(before->next, call) : calls_.exchange(call);
    if (!call->next) last_call_ = call;
}

/** Make the calls that are due, unless somebody does. Nothing is locked. */
void Pool::call_durable() noexcept
{
    if (!calls_.load(std::memory_order_relaxed)) return;
    const Undisturbed undisturbed;
    std::unique_lock lock(mutex_);
    if (is_calling_) return;
    is_calling_ = true;
    for (OnDurable *it; (it = calls_) && it->shares[it->count - 1].ticket <= durable_;) {
        calls_ = it->next;
        if (!it->next) last_call_ = nullptr;
        lock.unlock();
        if (--it->count) {
            Pool &other = *it->shares[it->count - 1].pool;
            other.call_later(it);
            other.call_durable();
        } else {
            it->function(it->data);
            delete it;
        }
        lock.lock();
    }
    is_calling_ = false;
}

} // namespace libtm::persist

extern "C" int tm_on_durable(void (*function)(void *), void *data)
{
    using namespace libtm::persist;
    if (!function) return guarded([] { throw Failure{EINVAL, {}, "function", 0, "NULL", "one to call", {}}; });
    if (!tm_in_transaction()) {
        function(data);
        return 0;
    }
    if (const int fault = tm_log_reserve(1, 0, 0)) return fault; // so that what follows cannot end the transaction
    auto *const it = new (std::nothrow) OnDurable{function, data, current.newest};
    if (!it) return ENOMEM;
    if (const int fault = tm_hooks_install(&hooks)) {
        delete it;
        return fault;
    }
    tm_log(nullptr, forget_newest, nullptr, nullptr, 0);
    current.newest = it;
    return tm_hooks_call();
}
