// SPDX-License-Identifier: MIT
/**
 * @file allocation.cpp
 * tm_malloc and its family over the heap and the Allocations of the transaction.
 */
#include "access.hpp"
#include "algorithm.hpp"
#include "heap.hpp"
#include "tx.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <sched.h>

namespace libtm::engine {

namespace {

bool running(const Context &tx) { return tx.limit != 0; }
/** Whether a transaction runs that may allocate, and whose logs are its own. */
bool is_plain(const Context &tx) { return running(tx) && !tx.asks(TM_READ_ONLY) && !(tx.duties & duty_tuned); }

/** No memory: ends the transaction, or null with errno where it lives on. */
[[gnu::noinline]] void *out_of_memory(Context &tx, const char *operation)
{
    if (running(tx) && !tx.asks(TM_NULL_ON_OOM | returns_errors) && !tx.irrevocable()) fail(tx, TM_ERROR_MEMORY, operation);
    if (has_context()) record(tx, TM_ERROR_MEMORY, ENOMEM, operation, "no memory for the block; free some and restart");
    errno = ENOMEM;
    return nullptr;
}

template <bool zeroed = false> [[gnu::noinline]] void *allocate(Context &tx, std::size_t size, std::size_t alignment, const char *operation)
{
    if (size == 0) size = 1;
    if (!running(tx)) {
        before_load_outside(tx);
        void *const block = size > PTRDIFF_MAX ? nullptr : zeroed ? heap::allocate_zeroed(size) : heap::allocate(size, alignment);
        return block ? block : out_of_memory(tx, operation);
    }
    if (tx.asks(TM_READ_ONLY)) fail(tx, TM_ERROR_READ_ONLY, operation);
    if (size > PTRDIFF_MAX) return out_of_memory(tx, operation);
    tx.duties |= duty_allocations;
    void *block = tx.allocations.take_kept(size, alignment);
    if (block) {
        if (zeroed) std::memset(block, 0, size);
    } else {
        block = zeroed ? heap::allocate_zeroed(size) : heap::allocate(size, alignment);
        if (!block) return out_of_memory(tx, operation);
    }
    const Growth growth = tx.growth(TM_LOG_INTENTS);
    if (tx.allocations.add_made(block, size, alignment, growth, tx.actions.arena())) return block;
    heap::release(block);
    if (!growth.allocate || !growth.own) fail(tx, TM_ERROR_LOG_FULL, operation);
    return out_of_memory(tx, operation);
}

/**
 * Lock the stripes of a block that is to be freed, so that it conflicts with whoever uses it, and note in the first one that it is freed.
 * False: it has been freed before in this transaction.
 */
bool lock_freed(Context &tx, void *block, std::size_t size)
{
    constexpr std::size_t most = 32 * 1024; // bytes locked of a large block
    const auto start = reinterpret_cast<std::uintptr_t>(block);
    Stripe &first = *own_stripe(tx, base_of(start), "tm_free");
    const std::uint32_t granule = 1u << (Stripe::freed_shift + offset_of(start) / 8);
    if (first.flags & granule) return false;
    first.flags |= granule;
    for_each_stripe(start, std::min(size, most), [&](std::uintptr_t at, std::size_t) {
        // A stripe that is locked only is released with a new version: its readers meet a change.
        own_stripe(tx, base_of(at), "tm_free")->flags |= Stripe::released;
    });
    return true;
}

/** See to it that nobody uses a block that is to be freed. False: it has been freed before in this transaction. */
bool take_out(Context &tx, void *block)
{
    constexpr std::size_t few = 16; // blocks that are cheap to look through
    if (tx.duties & duty_alone) {
        if (tx.allocations.has_retired(block, heap::release, few)) return false;
        if (tx.alone && tx.allocations.retired() < few) return true; // nobody else runs
    }
    return lock_freed(tx, block, heap::usable_size(block));
}

void retire(Context &tx, void *object, void (*destroy)(void *), const char *operation)
{
    tx.duties |= duty_allocations;
    const Growth growth = tx.growth(TM_LOG_INTENTS);
    while (!tx.allocations.add_retired(object, destroy, growth, tx.actions.arena())) {
        if (!tx.irrevocable()) fail(tx, log_error(growth), operation);
        sched_yield(); // cannot roll back: wait for memory
    }
}

void free_block(Context &tx, void *block, const char *operation)
{
    if (!running(tx)) {
        if (has_context() && tx.state == State::unwinding) return before_load_outside(tx); // the rollback has freed what it had to
        return heap::release(block);
    }
    if (tx.asks(TM_READ_ONLY)) fail(tx, TM_ERROR_READ_ONLY, operation);
    using Free = Allocations::Free;
    Free result = tx.allocations.free_made(block, tx.closed_logs == 0);
    if (result == Free::not_made_here) {
        result = take_out(tx, block) ? Free::freed : Free::freed_before;
        if (result == Free::freed) retire(tx, block, heap::release, operation);
    }
    if (result != Free::freed_before) return;
    if (!tx.irrevocable()) fail(tx, TM_ERROR_FREE, operation);
    record(tx, TM_ERROR_FREE, EINVAL, operation, "the block has been freed before in this irrevocable transaction; the second call is ignored");
}

void *reallocate(Context &tx, void *old, std::size_t size, const char *operation)
{
    if (!old) return allocate(tx, size, heap::least_alignment, operation);
    void *const block = allocate(tx, size, heap::least_alignment, operation);
    if (!block) return nullptr;
    const std::size_t kept = std::min(size, heap::usable_size(old));
    load_bytes(tx, reinterpret_cast<std::uintptr_t>(old), block, kept); // the new block is still private
    free_block(tx, old, operation);
    return block;
}

char *duplicate(Context &tx, const char *string, std::size_t length, const char *operation)
{
    auto *const copy = static_cast<char *>(allocate(tx, length + 1, heap::least_alignment, operation));
    if (!copy) return nullptr;
    load_bytes(tx, reinterpret_cast<std::uintptr_t>(string), copy, length);
    copy[length] = 0;
    return copy;
}

} // namespace

} // namespace libtm::engine

using namespace libtm::engine;

extern "C" {

void *tm_malloc(size_t size)
{
    Context &tx = self();
    if (__builtin_expect(is_plain(tx) && tx.allocations.has_room_for_made() && size - 1 < PTRDIFF_MAX, 1)) { // as allocate(), in half the instructions
        tx.duties |= duty_allocations;
        void *const block = heap::allocate(size, heap::least_alignment);
        if (__builtin_expect(!block, 0)) return out_of_memory(tx, "tm_malloc");
        tx.allocations.put_made(block, size, heap::least_alignment);
        return block;
    }
    return allocate(tx, size, heap::least_alignment, "tm_malloc");
}

void *tm_calloc(size_t count, size_t size)
{
    std::size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return out_of_memory(self(), "tm_calloc");
    return allocate<true>(self(), bytes, heap::least_alignment, "tm_calloc");
}

void *tm_aligned_alloc(size_t alignment, size_t size)
{
    if (!std::has_single_bit(alignment) || alignment > (std::size_t{1} << 31)) {
        if (has_context()) record(self(), TM_ERROR_MISUSE, EINVAL, "tm_aligned_alloc", "the alignment is not a power of two up to 2^31");
        errno = EINVAL;
        return nullptr;
    }
    return allocate(self(), size, std::max(alignment, heap::least_alignment), "tm_aligned_alloc");
}

void *tm_realloc(void *block, size_t size)
{
    return reallocate(self(), block, size, "tm_realloc");
}

void *tm_reallocarray(void *block, size_t count, size_t size)
{
    std::size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return out_of_memory(self(), "tm_reallocarray");
    return reallocate(self(), block, bytes, "tm_reallocarray");
}

char *tm_strdup(const char *string)
{
    return duplicate(self(), string, tm_strlen(string), "tm_strdup");
}

char *tm_strndup(const char *string, size_t size)
{
    std::size_t length = 0;
    while (length < size && tm_load_i8(reinterpret_cast<const std::int8_t *>(string) + length)) ++length;
    return duplicate(self(), string, length, "tm_strndup");
}

void tm_free(void *block)
{
    if (!block) return;
    Context &tx = self();
    if (is_plain(tx) && tx.alone && tx.allocations.has_room_for_first()) { // as free_block(): nobody uses it, and it is the first
        tx.duties |= duty_allocations;
        return tx.allocations.put_retired(block, heap::release);
    }
    free_block(tx, block, "tm_free");
}

int tm_retire(void *object, void (*destroy)(void *object))
{
    Context &tx = self();
    if (!running(tx)) {
        if (has_context() && tx.state == State::unwinding)
            before_load_outside(tx);
        else
            destroy(object);
        return 0;
    }
    if (tx.asks(TM_READ_ONLY)) fail(tx, TM_ERROR_READ_ONLY, "tm_retire");
    retire(tx, object, destroy, "tm_retire");
    return 0;
}
}
