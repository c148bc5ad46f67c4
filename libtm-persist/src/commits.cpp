// SPDX-License-Identifier: MIT
#include "commits.hpp"

#include "pool.hpp"
#include "undisturbed.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
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

/** What was asked for in vain, one behind the other. */
void destroy(OnDurable *first)
{
    while (OnDurable *const it = first) {
        first = it->next;
        delete it;
    }
}

/** Functions of users that run in this thread now, called by us. */
__thread unsigned calling __attribute__((tls_model("initial-exec")));

void call(OnDurable *it)
{
    const Undisturbed undisturbed;
    ++calling;
    it->function(it->data);
    --calling;
    delete it;
}

/** Call `use(pool, from, bytes)` for each part of these bytes that lies in a pool: what is behind a pool may be anybody's. */
template <class Use> void each_pool(const void *address, std::size_t size, Use &&use)
{
    auto at = reinterpret_cast<std::uintptr_t>(address);
    for (const std::uintptr_t end = at + size; at < end;) {
        std::uintptr_t next = end;
        Pool *here = nullptr;
        for (const Place *place = places.load(std::memory_order_acquire); place && !here; place = place->next) {
            Pool *const pool = place->pool.load(std::memory_order_acquire);
            if (!pool || end <= place->low || at >= place->high) continue; // one that is gone may overlap one that is there
            if (at < place->low) next = std::min(next, place->low);
            else here = pool, next = std::min(end, place->high);
        }
        if (here) use(*here, reinterpret_cast<const void *>(at), next - at);
        at = next;
    }
}

/** What the commit of this thread has of the pool. Null: it has too many. */
Share *share_of(Pool &pool)
{
    for (unsigned i = 0; i < current.count; ++i)
        if (current.shares[i].pool == &pool) return &current.shares[i];
    if (current.count == most_shares) {
        current.too_many = true;
        return nullptr;
    }
    unsigned at = current.count++;
    for (; at > 0 && std::less<>()(&pool, current.shares[at - 1].pool); --at) current.shares[at] = current.shares[at - 1];
    current.shares[at] = {&pool, 0, 0};
    return &current.shares[at];
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
            each_pool(address, size, [](Pool &pool, const void *from, std::size_t bytes) {
                if (Share *const share = share_of(pool)) share->bytes += pool.bytes_of_frames(from, bytes);
            });
        },
        nullptr);
    unsigned locked = 0;
    const int fault = guarded([&] {
        if (current.too_many) throw Failure{ENOTSUP, {}, "transaction", 0, "more than 8 pools", "at most 8", {}};
        for (; locked < current.count; ++locked) current.shares[locked].pool->begin_transaction(current.shares[locked].bytes);
    });
    if (!fault) return 0;
    while (locked > 0) current.shares[--locked].pool->order_mutex().unlock();
    current.count = 0;
    // The transaction is rolled back, while EIO means that nobody knows.
    if (!must) return fault == EIO || fault == ESTALE ? ENOTRECOVERABLE : fault;
    // Memory will have what the journals cannot: no later commit may go there.
    current.fault = fault;
    tm_each_written(
        written,
        [](void *, void *address, std::size_t size) {
            each_pool(address, size, [](Pool &pool, const void *, std::size_t) { guarded([&] { pool.give_up(current.fault); }); });
        },
        nullptr);
    return 0;
}

void rolled_back()
{
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].pool->order_mutex().unlock();
    current.count = 0;
}

/** What was asked for, the oldest first. */
OnDurable *take_calls()
{
    OnDurable *first = nullptr;
    while (OnDurable *const it = current.newest) {
        current.newest = it->next;
        it->next = std::exchange(first, it);
    }
    return first;
}

void committed(const tm_written *written)
{
    if (current.count == 0) return;
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].ticket = current.shares[i].pool->next_ticket();
    tm_each_written(
        written,
        [](void *, void *address, std::size_t size) {
            each_pool(address, size, [](Pool &pool, const void *from, std::size_t bytes) { pool.append(from, bytes, share_of(pool)->ticket); });
        },
        nullptr);
    for (OnDurable *first = take_calls(); first;) { // here, so that they are in the order of commits
        OnDurable *const it = std::exchange(first, first->next);
        it->count = current.count;
        std::copy_n(current.shares, current.count, it->shares);
        it->shares[it->count - 1].pool->call_later(it);
    }
    for (unsigned i = 0; i < current.count; ++i) current.shares[i].pool->order_mutex().unlock();
}

int ended()
{
    const Commit mine = current; // what is called may commit too
    if (mine.fault) {
        destroy(take_calls());
        return EIO;
    }
    for (OnDurable *first = take_calls(); first;) call(std::exchange(first, first->next)); // no pool: it is as durable as it will be
    int fault = 0;
    for (unsigned i = 0; i < mine.count; ++i)
        if (guarded([&] { mine.shares[i].pool->after_transaction(mine.shares[i].ticket, mine.durability); })) fault = EIO; // whatever it was: nobody knows what is durable
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

void no_longer_attend_to(Pool &gone) noexcept
{
    const std::lock_guard lock(places_mutex);
    for (Place *place = places.load(std::memory_order_relaxed); place; place = place->next) {
        Pool *const pool = place->pool.load(std::memory_order_relaxed);
        if (pool == &gone) place->pool.store(nullptr, std::memory_order_relaxed);
        else if (pool) pool->forget_shares_of(gone);
    }
    tell_range();
}

bool is_called_back() { return calling != 0; }

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
        leave_calls_to_worker();
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
        leave_calls_to_worker();
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
    const auto leave_out_whole = [&](Failure &&failure) {
        batch.whole->failure = std::move(failure);
        batch.whole = nullptr;
        return batch.frames.count > 0;
    };
    const auto no_memory = [] { return Failure{ENOMEM, {}, "memory", 0, {}, {}, {}}; };
    for (;;) {
        Group &group = batch.listing.front();
        try {
            static_cast<Span &>(group) = place(batch.group_bytes());
        } catch (Failure &failure) {
            if (is_poisoned_) throw;
            if (!batch.whole || !is_want(failure.code)) poison(failure);
            if (leave_out_whole(std::move(failure))) continue;
            return false;
        } catch (const std::bad_alloc &) { // of a checkpoint
            if (!batch.whole) std::this_thread::sleep_for(std::chrono::milliseconds(10)); // too late to refuse a transaction
            else if (!leave_out_whole(no_memory())) return false;
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
            if (!batch.whole) throw;
            if (!leave_out_whole(no_memory())) return false;
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
    bool is_written = false;
    try {
        is_written = write(batch);
    } catch (const std::bad_alloc &) { // there is no way back, and what comes later must not count without this
        poison({ENOMEM, path_, "memory", 0, {}, {}, {}});
    }
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
    if (is_due_set_ && !(flags_ & TM_POOL_NO_THREAD)) return;
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

bool Pool::call_later(OnDurable *call) noexcept
{
    const auto ticket_of = [](const OnDurable *one) { return one->shares[one->count - 1].ticket; };
    const std::lock_guard lock(mutex_);
    if (ticket_of(call) <= durable_) return false;
    OnDurable *before = last_call_ && ticket_of(last_call_) <= ticket_of(call) ? last_call_ : nullptr;
    if (!before)
        for (OnDurable *at = calls_; at && ticket_of(at) <= ticket_of(call); at = at->next) before = at;
    call->next = before ? std::exchange(before->next, call) : calls_.exchange(call);
    if (!call->next) last_call_ = call;
    return true;
}

/** Take the first call if it is durable here, and wait for it in other pools if need be. True: it is to be made now. `call` is null: there is none. */
bool Pool::take_call(OnDurable *&call)
{
    const std::lock_guard others(places_mutex); // none of them goes meanwhile
    {
        const std::lock_guard lock(mutex_);
        call = calls_;
        if (call && call->shares[call->count - 1].ticket > durable_) call = nullptr;
        if (!call) return false;
        calls_ = call->next;
        if (!call->next) last_call_ = nullptr;
    }
    while (--call->count)
        if (call->shares[call->count - 1].pool->call_later(call)) return false;
    return true;
}

/** Make the calls that are due, unless somebody does. Nothing is locked. */
void Pool::call_durable() noexcept
{
    if (!calls_.load(std::memory_order_relaxed)) return;
    const Undisturbed undisturbed;
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(is_calling_, true)) return;
    }
    for (;;) {
        OnDurable *next;
        if (take_call(next)) call(next);
        if (next) continue;
        const std::lock_guard lock(mutex_);
        // One that has become due since finds that we are at it.
        if (OnDurable *const first = calls_; first && first->shares[first->count - 1].ticket <= durable_) continue;
        is_calling_ = false;
        return;
    }
}

/** Who holds something that the user's function may want does not call it. */
void Pool::leave_calls_to_worker()
{
    if (!calls_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    has_due_calls_ = true;
    work_to_do_.notify_one();
}

void Pool::forget_shares_of(const Pool &gone) noexcept
{
    const std::lock_guard lock(mutex_);
    for (OnDurable *call = calls_; call; call = call->next) {
        Share *const end = std::remove_if(call->shares, call->shares + call->count - 1, [&](const Share &share) { return share.pool == &gone; });
        *end = call->shares[call->count - 1];
        call->count = static_cast<unsigned>(end - call->shares) + 1;
    }
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
    // So that what follows cannot end the transaction.
    if (const int fault = tm_log_reserve(1, 0, 0)) return fault;
    if (const int fault = tm_hooks_install(&hooks)) return fault;
    auto *const it = new (std::nothrow) OnDurable{function, data, current.newest};
    if (!it) return ENOMEM;
    if (const int fault = tm_hooks_call()) {
        delete it;
        return fault;
    }
    tm_log(nullptr, forget_newest, nullptr, nullptr, 0);
    current.newest = it;
    return 0;
}
