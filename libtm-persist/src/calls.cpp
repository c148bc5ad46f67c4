// SPDX-License-Identifier: MIT
/**
 * @file calls.cpp
 * Functions that are called when a transaction is durable: tm_on_durable().
 */
#include "commits.hpp"

#include "places.hpp"
#include "pool.hpp"
#include "undisturbed.hpp"

#include <algorithm>
#include <mutex>

namespace libtm::persist {

namespace {

/** Functions of users that run in this thread now, called by us. */
__thread unsigned calling __attribute__((tls_model("initial-exec")));

} // namespace

bool is_called_back() { return calling != 0; }

void call(OnDurable *it)
{
    const Undisturbed undisturbed;
    ++calling;
    it->function(it->data);
    --calling;
    delete it;
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
