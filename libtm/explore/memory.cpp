// SPDX-License-Identifier: MIT
#include "memory.hpp"

#include <algorithm>
#include <bit>

namespace libtm::explore {

namespace {

constexpr unsigned most_readable = 4; // messages that a load chooses from
constexpr std::size_t most_cells = 1 << 16;

std::uint8_t mask_of(std::uintptr_t addr, std::size_t size) { return static_cast<std::uint8_t>(((1u << size) - 1) << (addr & 7)); }

} // namespace

void Memory::begin_run(bool weak)
{
    if (cells_.size() > most_cells) cells_.clear();
    ++run_;
    weak_ = weak;
    fences_ = {};
    for (unsigned i = 0; i < max_threads; ++i) {
        view_[i] = {};
        view_[i].at[i] = 1;
    }
}

Cell &Memory::cell(std::uintptr_t addr)
{
    Cell &cell = cells_[addr & ~std::uintptr_t{7}];
    if (cell.run == run_) return cell;
    if (cell.program != program_) {
        cell.program = program_;
        cell.accessed_by = cell.written_by = 0;
    }
    cell.address = addr & ~std::uintptr_t{7};
    cell.run = run_;
    cell.size = 0;
    cell.mixed = cell.freed = false;
    cell.messages.clear();
    cell.seen = {};
    cell.stores = cell.last_sc = 0;
    cell.users = 0;
    cell.accesses = {};
    return cell;
}

bool Memory::note(Cell &cell, unsigned thread, bool writes)
{
    const auto bit = static_cast<std::uint8_t>(1u << thread);
    const bool news = !(cell.accessed_by & bit) || (writes && !(cell.written_by & bit));
    cell.accessed_by |= bit;
    if (writes) cell.written_by |= bit;
    return news;
}

unsigned Memory::readable(const Cell &cell, unsigned thread, Order order) const
{
    if (!weak_ || cell.mixed) return 1;
    const auto last = static_cast<std::uint32_t>(cell.messages.size() - 1);
    std::uint32_t oldest = cell.seen[thread];
    if (order == Order::seq_cst) oldest = std::max(oldest, cell.last_sc);
    unsigned count = 1;
    for (std::uint32_t i = last; i > oldest && count < most_readable; --i, ++count)
        if (knows(thread, cell.messages[i].thread, cell.messages[i].time)) break;
    return count;
}

std::uint64_t Memory::load(Cell &cell, unsigned thread, Order order, unsigned back)
{
    const auto at = static_cast<std::uint32_t>(cell.messages.size() - 1 - back);
    const Message &message = cell.messages[at];
    cell.seen[thread] = at;
    if (acquires(order) && message.has_view) view_[thread].join(message.view);
    return message.value;
}

void Memory::store(Cell &cell, unsigned thread, Order order, std::uint64_t value, bool rmw)
{
    Message message{value, view_[thread].at[thread], static_cast<std::uint8_t>(thread), releases(order), {}};
    if (releases(order)) message.view = view_[thread];
    if (rmw && cell.messages.back().has_view) { // it continues the release sequence
        message.has_view = true;
        message.view.join(cell.messages.back().view);
    }
    if (!weak_ && !cell.messages.empty()) cell.messages.clear(); // nobody sees what was before
    cell.messages.push_back(message);
    cell.seen[thread] = static_cast<std::uint32_t>(cell.messages.size() - 1);
    if (order == Order::seq_cst) cell.last_sc = cell.seen[thread];
    if (releases(order)) ++view_[thread].at[thread];
}

void Memory::fence(unsigned thread, Order order)
{
    if (acquires(order)) view_[thread].join(fences_);
    if (releases(order)) {
        fences_.join(view_[thread]);
        ++view_[thread].at[thread];
    }
}

void Memory::fence_all()
{
    for (unsigned thread = 0; thread < max_threads; ++thread) {
        fences_.join(view_[thread]);
        ++view_[thread].at[thread];
    }
    for (VectorClock &view : view_) view.join(fences_);
}

const char *Memory::check(Cell &cell, unsigned thread, std::uint8_t bytes, Cell::Kind kind)
{
    static constexpr bool conflict[Cell::kinds][Cell::kinds] = {
        // plain read, plain write, atomic read, atomic write
        {false, true, false, true}, // a plain read
        {true, true, true, true},   // a plain write
        {false, true, false, false},
        {true, true, false, false},
    };
    if (cell.freed) return "access to memory that has been freed";
    const auto me = static_cast<std::uint8_t>(1u << thread);
    for (unsigned others = cell.users & ~me; others; others &= others - 1) {
        const auto other = static_cast<unsigned>(std::countr_zero(others));
        for (unsigned theirs = 0; theirs < Cell::kinds; ++theirs) {
            const Cell::Access &access = cell.accesses[other][theirs];
            if (conflict[kind][theirs] && (access.bytes & bytes) && !knows(thread, other, access.time)) return "data race";
        }
    }
    cell.users |= me;
    Cell::Access &mine = cell.accesses[thread][kind];
    const std::uint32_t now = view_[thread].at[thread];
    mine.bytes = mine.time == now ? mine.bytes | bytes : bytes;
    mine.time = now;
    return nullptr;
}

const char *Memory::plain(Cell &cell, std::uintptr_t addr, std::size_t size, unsigned thread, bool writes)
{
    return check(cell, thread, mask_of(addr, size), writes ? Cell::plain_write : Cell::plain_read);
}

const char *Memory::atomic(Cell &cell, std::uintptr_t addr, unsigned size, unsigned thread, bool writes, std::uint64_t value)
{
    const auto offset = static_cast<std::uint8_t>(addr & 7);
    const char *const wrong = check(cell, thread, mask_of(addr, size), writes ? Cell::atomic_write : Cell::atomic_read);
    if (cell.size == 0) {
        cell.size = static_cast<std::uint8_t>(size);
        cell.offset = offset;
    } else if (cell.size != size || cell.offset != offset) {
        cell.mixed = true;
    }
    // What plain code, or the C library, has written since is known to whoever may look.
    if (cell.messages.empty() || cell.messages.back().value != value || cell.mixed) {
        Message before{value, 0, static_cast<std::uint8_t>(thread), false, {}};
        if (cell.mixed && !cell.messages.empty()) before.has_view = cell.messages.back().has_view, before.view = cell.messages.back().view;
        cell.messages.push_back(before);
    }
    return wrong;
}

void Memory::set_freed(std::uintptr_t addr, std::size_t size, bool freed)
{
    for (std::uintptr_t at = addr & ~std::uintptr_t{7}; at < addr + size; at += 8) cell(at).freed = freed;
}

} // namespace libtm::explore
