// SPDX-License-Identifier: MIT
#include "commits.hpp"

#include "pool.hpp"
#include "undisturbed.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <tm/tm.h>

namespace libtm::persist {

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
void Pool::make_long(std::unique_lock<OrderMutex> &order, std::uint64_t bytes)
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

void Pool::after_transaction(std::uint64_t ticket, tm_durability durability, bool may_call)
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
    if (may_call) call_durable();
    else leave_calls_to_worker();
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

} // namespace libtm::persist
