// SPDX-License-Identifier: MIT
#include "actions.hpp"

#include "context.hpp"
#include "heap.hpp"

#include <algorithm>
#include <cstring>

namespace libtm::engine {

void *Actions::add(const tm_action &action, bool own, std::size_t size, Growth growth)
{
    if (size > PTRDIFF_MAX / 2) return nullptr;
    const std::size_t head = sizeof(Entry) + (own ? sizeof(tm_action) : 0);
    static_assert(sizeof(Entry) % 16 == 0 && sizeof(tm_action) % 16 == 0, "the data is aligned to 16");
    auto *const bytes = static_cast<char *>(arena_.allocate(head + size, growth));
    if (!bytes) return nullptr;
    auto *const entry = reinterpret_cast<Entry *>(bytes);
    *entry = {&action, nullptr, last_, bytes + head};
    if (own) entry->action = static_cast<tm_action *>(std::memcpy(bytes + sizeof(Entry), &action, sizeof action));
    (last_ ? last_->next : first_) = entry;
    last_ = entry;
    return entry->data;
}

bool Actions::reserve(std::size_t entries, std::size_t bytes)
{
    std::size_t total;
    constexpr std::size_t per_entry = sizeof(Entry) + sizeof(tm_action) + 15;
    if (__builtin_mul_overflow(entries, per_entry, &total) || __builtin_add_overflow(total, bytes, &total) || total > PTRDIFF_MAX) return false;
    return arena_.reserve(total);
}

int Actions::prepare()
{
    for (Entry *entry = first_; entry; entry = entry->next)
        if (entry->action->prepare)
            if (const int code = entry->action->prepare(entry->data)) return code;
    return 0;
}

int Actions::apply()
{
    int first_failure = 0;
    for (Entry *entry = first_; entry; entry = entry->next)
        if (entry->action->apply) {
            const int code = entry->action->apply(entry->data);
            if (!first_failure) first_failure = code;
        }
    return first_failure;
}

void Actions::undo()
{
    for (Entry *entry = last_; entry; entry = entry->previous)
        if (entry->action->undo) entry->action->undo(entry->data);
}

void Actions::finish()
{
    while (Entry *const entry = first_) { // taken out first: the thread may end in the function
        first_ = entry->next;
        if (entry->action->finish) entry->action->finish(entry->data);
    }
    last_ = nullptr;
    arena_.clear();
}

void *Allocations::take_kept(std::size_t size, std::size_t alignment)
{
    // A retried attempt mostly asks for the same blocks in the same order.
    if (kept_next_ == kept_.size()) return nullptr;
    const Made &next = kept_[kept_next_];
    if (next.size != size || next.alignment != alignment) return nullptr;
    ++kept_next_;
    return next.block;
}

namespace {
/** Room for one more in a log that is tuned: in memory of the lender's, if it has any. */
template <class T> [[gnu::noinline]] bool make_room(List<T> &list, Growth growth, Arena &lender)
{
    constexpr std::size_t least = 16;
    if (!list.borrowed() || list.full()) {
        const std::size_t capacity = std::max(least, 2 * list.size());
        if (void *const room = lender.lend(capacity * sizeof(T))) {
            list.move_into(room, capacity);
            return true;
        }
        return growth.own; // push() makes room
    }
    return true;
}
} // namespace

bool Allocations::add_made(void *block, std::size_t size, std::size_t alignment, Growth growth, Arena &lender)
{
    static_assert(sizeof(Made) * 4 == most_per_block && (sizeof(Made) + sizeof(Retired)) * 16 == most_for_lists);
    if (__builtin_expect(growth.tuned, 0) && !make_room(made_, growth, lender)) return false;
    return made_.push({block, size, static_cast<std::uint32_t>(alignment), false}, growth.allocate);
}

namespace {
/** Multiplicative hashing (Knuth) of a block's address, whose last 4 bits say nothing. */
std::size_t hash(const void *block) { return (reinterpret_cast<std::uintptr_t>(block) >> 4) * 0x9E3779B97F4A7C15u >> 20; }
} // namespace

Allocations::Made *Allocations::find(void *block, bool may_index)
{
    constexpr std::size_t few = 16;
    if (made_.size() <= few || !may_index || !index_all()) {
        for (std::size_t i = made_.size(); i-- > 0;)
            if (made_[i].block == block) return &made_[i];
        return nullptr;
    }
    const std::size_t mask = index_.size() - 1;
    for (std::size_t at = hash(block) & mask;; at = (at + 1) & mask) {
        if (!index_[at]) return nullptr;
        if (made_[index_[at] - 1].block == block) return &made_[index_[at] - 1];
    }
}

bool Allocations::index_all()
{
    if (index_.size() < made_.size() * 2) {
        std::size_t size = 64;
        while (size < made_.size() * 4) size *= 2;
        index_.clear();
        indexed_ = 0;
        if (!index_.resize_zeroed(size)) return false;
    }
    const std::size_t mask = index_.size() - 1;
    for (; indexed_ < made_.size(); ++indexed_) {
        std::size_t at = hash(made_[indexed_].block) & mask;
        while (index_[at]) at = (at + 1) & mask;
        index_[at] = static_cast<std::uint32_t>(indexed_ + 1);
    }
    return true;
}

Allocations::Free Allocations::free_made(void *block, bool may_index)
{
    Made *const made = find(block, may_index);
    if (!made) return Free::not_made_here;
    if (made->freed) return Free::freed_before;
    made->freed = true;
    return Free::freed;
}

bool Allocations::has_retired(const void *object, void (*destroy)(void *), std::size_t most) const
{
    const Retired *const end = retired_.begin() + std::min(most, retired_.size());
    return std::any_of(retired_.begin(), end, [&](const Retired &one) { return one.object == object && one.destroy == destroy; });
}

bool Allocations::add_retired(void *object, void (*destroy)(void *), Growth growth, Arena &lender)
{
    if (__builtin_expect(growth.tuned, 0) && !make_room(retired_, growth, lender)) return false;
    return retired_.push({object, destroy}, growth.allocate);
}

void Allocations::commit()
{
    for (const Made &made : made_)
        if (made.freed) heap::release(made.block);
    made_.settle();
    index_.clear();
    indexed_ = 0;
    release_kept();
}

void Allocations::destroy_retired(Context &tx, bool nobody_sees_it)
{
    if (nobody_sees_it)
        destroy_all(retired_);
    else if (!retired_.empty())
        destroy_later(tx);
}

void Allocations::destroy_retired_alone()
{
    if (!collecting_.empty() || !waiting_.empty())
        destroy_all_lists();
    else if (!retired_.empty())
        destroy_all(retired_);
}

[[gnu::noinline]] void Allocations::destroy_all_lists()
{
    // Not what the transactions retire that `destroy` may run: they may have company.
    List<Retired> collecting, waiting;
    collecting.swap(collecting_);
    waiting.swap(waiting_);
    destroy_all(retired_);
    destroy_all(collecting);
    destroy_all(waiting);
    collecting.release();
    waiting.release();
}

void Allocations::roll_back()
{
    retired_.settle();
    index_.clear();
    indexed_ = 0;
    if (made_.borrowed()) { // the list must not outlive the attempt
        release_kept();
        for (const Made &made : made_) heap::release(made.block);
        made_.release();
        return;
    }
    // What this attempt did not take over from the one before it is kept as well, within limits.
    const std::size_t most = 2 * made_.size() + 16;
    for (; kept_next_ < kept_.size(); ++kept_next_) {
        const Made &kept = kept_[kept_next_];
        if (made_.size() >= most || !made_.push(kept)) heap::release(kept.block);
    }
    kept_.clear();
    kept_next_ = 0;
    made_.swap(kept_);
}

void Allocations::release_kept()
{
    for (; kept_next_ < kept_.size(); ++kept_next_) {
        const Made &kept = kept_[kept_next_];
        heap::release(kept.block);
    }
    kept_.clear();
    kept_next_ = 0;
}

void Allocations::destroy_all(List<Retired> &retired)
{
    const Retired *dead = retired.begin(); // blocks first, where they are: their end runs nothing else
    for (; dead != retired.end() && dead->destroy == heap::release; ++dead) heap::release(dead->object);
    if (dead == retired.end()) {
        retired.settle();
        return;
    }
    List<Retired> mine; // `destroy` may run transactions, which retire more
    mine.swap(retired);
    for (; dead != mine.end(); ++dead) dead->destroy(dead->object);
    mine.settle();
    if (retired.empty()) mine.swap(retired);
    mine.release();
}

void Allocations::destroy_later(Context &tx)
{
    constexpr std::size_t batch = 64;
    if (!collecting_.reserve(retired_.size())) { // no memory to wait with: wait here
        wait_until_passed(tx);
        destroy_all(retired_);
        return;
    }
    for (const Retired &dead : retired_) collecting_.push(dead, false); // reserved
    retired_.settle();
    if (!waiting_.empty() && grace_.over()) destroy_all(waiting_);
    if (waiting_.empty() && collecting_.size() >= batch) {
        if (!grace_.start(tx)) return;
        waiting_.swap(collecting_);
    }
}

void Allocations::at_thread_exit(const Context &self)
{
    release_kept();
    if (!waiting_.empty() && grace_.over()) destroy_all(waiting_);
    if (waiting_.empty() && !collecting_.empty() && grace_.start(self)) {
        waiting_.swap(collecting_);
        if (grace_.over()) destroy_all(waiting_);
    }
}

} // namespace libtm::engine
