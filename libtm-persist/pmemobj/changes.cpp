// SPDX-License-Identifier: MIT
#include "changes.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sched.h>
#include <utility>

namespace libtm::pmemobj {

namespace {

/** Of the list of all Changes, and of what each of them keeps and adds. */
std::mutex open_mutex;
Changes *first_open = nullptr;

using Runs = std::vector<Run>;

/** Take [from, to) out of each run. */
void take_out(Runs &runs, std::uintptr_t from, std::uintptr_t to)
{
    Runs left;
    for (const auto &[begin, end] : runs) {
        if (to <= begin || end <= from) {
            left.emplace_back(begin, end);
            continue;
        }
        if (begin < from) left.emplace_back(begin, from);
        if (to < end) left.emplace_back(to, end);
    }
    runs.swap(left);
}

/** Take out of the runs what the entries of a map cover; `end_of` tells where one ends. The runs lie in [from, to). */
template <class Map, class EndOf> void take_out(Runs &runs, const Map &map, std::uintptr_t from, std::uintptr_t to, EndOf &&end_of)
{
    auto it = map.upper_bound(from);
    if (it != map.begin()) --it;
    for (; it != map.end() && it->first < to && !runs.empty(); ++it) take_out(runs, it->first, end_of(*it));
}

} // namespace

char *LogBuffer::none() const
{
    if (!may_allocate_) throw Refused{ENOMEM, "the transaction's log is full, and may not grow (pmemobj_tx_log_auto_alloc)"};
    return nullptr;
}

char *LogBuffer::take_some(std::size_t &size)
{
    for (Part &part : parts_)
        if (part.left) {
            size = std::min(size, part.left);
            part.left -= size;
            return std::exchange(part.at, part.at + size);
        }
    return none();
}

char *LogBuffer::take_all(std::size_t size)
{
    for (Part &part : parts_) {
        const std::size_t gap = -reinterpret_cast<std::uintptr_t>(part.at) % 8;
        if (part.left < gap + size) continue;
        char *const taken = part.at + gap;
        part.at = taken + size;
        part.left -= gap + size;
        return taken;
    }
    return none();
}

bool LogBuffer::has(const void *address, std::size_t size) const
{
    const char *const from = static_cast<const char *>(address);
    return std::any_of(given_.begin(), given_.end(), [&](const Part &part) { return from < part.at + part.left && part.at < from + size; });
}

Changes::Changes(PMEMobjpool &pool) : pool_(pool), holder_(tm_hold_begin())
{
    if (!holder_) throw Refused{errno, errno == EDEADLK ? "a transaction of libtm runs in this thread" : "out of memory"};
    const std::lock_guard lock(open_mutex);
    next_ = first_open;
    if (next_) next_->previous_ = this;
    first_open = this;
}

Changes::~Changes()
{
    undo();
    const std::lock_guard lock(open_mutex);
    (previous_ ? previous_->next_ : first_open) = next_;
    if (next_) next_->previous_ = previous_;
}

void Changes::hold(const Run &run)
{
    if (tm_hold(holder_, reinterpret_cast<void *>(run.first), run.second - run.first) != 0) throw std::bad_alloc();
}

/** What is kept already, and new objects. */
void Changes::take_out_mine(std::vector<Run> &runs) const
{
    if (runs.empty()) return;
    const std::uintptr_t from = runs.front().first, to = runs.back().second;
    take_out(runs, kept_, from, to, [](const auto &entry) { return entry.first + entry.second.size; });
    take_out(runs, fresh_, from, to, [](const auto &entry) { return entry.first + sizeof(Object) + entry.second->object->size; });
}

void Changes::keep(const void *address, std::size_t size, bool restores)
{
    const auto from = reinterpret_cast<std::uintptr_t>(address), to = from + size;
    if (size == 0) return;
    std::vector<Run> runs{{from, to}};
    take_out_mine(runs);
    for (const Run &run : runs) hold(run);
    // Who publishes some of it by itself is about to copy it: what the program stores next must not be in that.
    const auto is_being_published = [&] {
        for (const Changes *each = first_open; each; each = each->next_)
            for (const Run &run : each->added_)
                if (run.first < to && from < run.second) return true;
        return false;
    };
    std::unique_lock lock(open_mutex);
    while (is_being_published()) {
        lock.unlock();
        sched_yield();
        lock.lock();
    }
    for (Run &run : runs)
        while (run.first < run.second) {
            std::size_t part = run.second - run.first;
            Kept kept{part, nullptr, nullptr};
            if (restores) {
                kept.saved = snapshots.take_some(part);
                if (!kept.saved) {
                    kept.own = std::make_unique_for_overwrite<char[]>(part);
                    kept.saved = kept.own.get();
                }
                kept.size = part;
                std::memcpy(kept.saved, reinterpret_cast<const void *>(run.first), part);
            }
            kept_.emplace(run.first, std::move(kept));
            run.first += part;
        }
}

void Changes::add(std::vector<Run> runs)
{
    for (const Run &run : runs) hold(run);
    const std::lock_guard lock(open_mutex);
    for (const Run &run : runs) {
        Runs left{run};
        for (const Changes *each = first_open; each && !left.empty(); each = each->next_) each->take_out_mine(left);
        added_.insert(added_.end(), left.begin(), left.end());
    }
}

Changes::Intent &Changes::plan(tm_pool_change_kind kind, Object &object)
{
    plan_.reserve(plan_.size() + 1);
    void *const given = intents.take_all(sizeof(Intent));
    Intent *const made = given ? ::new (given) Intent{kind, &object} : &own_intents_.emplace_back(Intent{kind, &object});
    plan_.push_back(made);
    return *made;
}

Object &reserve_object(PMEMobjpool &pool, std::size_t size, std::uint64_t type, bool zeroed)
{
    if (size == 0) throw Refused{EINVAL, "an object has at least one byte"};
    if (size > PMEMOBJ_MAX_ALLOC_SIZE) throw Refused{ENOMEM, "an object has at most " + std::to_string(PMEMOBJ_MAX_ALLOC_SIZE) + " bytes"};
    size = (size + 15) / 16 * 16;
    void *const block = tm_pool_reserve(pool.pool, sizeof(Object) + size);
    if (!block) throw pool_refused();
    Object *const object = ::new (block) Object{type, size, 0, 0, Object::right_mark};
    if (zeroed) std::memset(object->data(), 0, size);
    return *object;
}

Object &Changes::allocate(std::size_t size, std::uint64_t type, bool zeroed)
{
    Object &made = reserve_object(pool_, size, type, zeroed);
    try {
        adopt(made);
    } catch (...) {
        tm_pool_cancel(pool_.pool, &made);
        throw;
    }
    return made;
}

void Changes::adopt(Object &object)
{
    Intent &made = plan(TM_POOL_ALLOCATED, object);
    const std::lock_guard lock(open_mutex);
    try {
        fresh_.emplace(reinterpret_cast<std::uintptr_t>(&object), &made);
    } catch (...) {
        made.kind = {};
        throw;
    }
}

void Changes::free(Object &object)
{
    if (const auto mine = fresh_.find(reinterpret_cast<std::uintptr_t>(&object)); mine != fresh_.end()) {
        mine->second->kind = {};
        const std::lock_guard lock(open_mutex);
        fresh_.erase(mine);
        tm_pool_cancel(pool_.pool, &object);
        return;
    }
    if (tm_pool_block_size(pool_.pool, &object) == 0 || going_.count(&object)) throw Refused{EINVAL, "the object is none, or has been freed before"};
    Intent &made = plan(TM_POOL_FREED, object);
    try {
        going_.insert(&object);
    } catch (...) {
        made.kind = {};
        throw;
    }
}

void Changes::publish()
{
    std::vector<tm_pool_change> all;
    all.reserve(kept_.size() + added_.size() + plan_.size());
    for (const auto &[from, kept] : kept_) all.push_back({TM_POOL_STORED, reinterpret_cast<void *>(from), kept.size});
    for (const auto &[from, to] : added_) all.push_back({TM_POOL_STORED, reinterpret_cast<void *>(from), to - from});
    for (const Intent *each : plan_)
        if (each->kind) all.push_back({each->kind, each->object, each->kind == TM_POOL_ALLOCATED ? sizeof(Object) + each->object->size : 0});
    const int code = tm_pool_publish(pool_.pool, all.data(), all.size(), holder_);
    {
        const std::lock_guard lock(open_mutex);
        added_.clear();
    }
    if (code == 0 || code == EIO) {
        holder_ = nullptr;
        if (code) throw Refused{EIO, tm_pool_error()->message};
    } else {
        const std::string message = tm_pool_error()->message;
        undo();
        throw Refused{code, message};
    }
}

void Changes::restore(std::uintptr_t from, const Kept &kept) const noexcept
{
    for (std::size_t at = 0; at < kept.size;) {
        std::size_t end = kept.size;
        bool is_spared = false;
        for (const Run &run : spared_) {
            if (run.second <= from + at || run.first >= from + end) continue;
            is_spared = run.first <= from + at;
            end = (is_spared ? run.second : run.first) - from;
        }
        end = std::min(end, kept.size);
        if (!is_spared) std::memcpy(reinterpret_cast<char *>(from) + at, kept.saved + at, end - at);
        at = end;
    }
}

void Changes::undo() noexcept
{
    if (!holder_) return;
    for (const auto &[from, kept] : kept_)
        if (kept.saved) restore(from, kept);
    for (const Intent *each : plan_)
        if (each->kind == TM_POOL_ALLOCATED) tm_pool_cancel(pool_.pool, each->object);
    tm_hold_end(std::exchange(holder_, nullptr));
}

} // namespace libtm::pmemobj
