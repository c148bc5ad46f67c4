// SPDX-License-Identifier: MIT
#include "threads.hpp"

#include "annotate.hpp"
#include "config.hpp"
#include "context.hpp"

#include <cstdlib>
#include <new>
#include <sched.h>

namespace libtm::engine {

constinit Registry registry;

void Patience::wait()
{
    // Pausing costs 40 to 140 cycles, depending on the processor: a few looks without it catch what is about to end.
    if (yields())
        sched_yield();
    else if (looks_ >= 8)
        annotate::pause();
    ++looks_;
}

Context *Registry::acquire()
{
    for (Context *context = first(); context; context = context->next_context)
        if (!context->in_use.load(std::memory_order_relaxed) && !context->in_use.exchange(true, std::memory_order_acquire)) return context;

    auto *const context = new (std::align_val_t{alignof(Context)}, std::nothrow) Context;
    if (!context) return nullptr;
    if (!context->allocate_read_log() || !number(*context)) {
        std::free(context->read_begin);
        operator delete(context, std::align_val_t{alignof(Context)});
        return nullptr;
    }
    context->next_context = first_.load(std::memory_order_relaxed);
    while (!first_.compare_exchange_weak(context->next_context, context, std::memory_order_seq_cst)) {
    }
    return context;
}

/** Last of all: a number that is given to a context that is not made is lost. */
bool Registry::number(Context &context)
{
    Word slot = slots_.load(std::memory_order_relaxed);
    do
        if (slot >> slot_bits) return false;
    while (!slots_.compare_exchange_weak(slot, slot + 1, std::memory_order_relaxed));
    context.take_slot(slot);
    return true;
}

void Registry::release(Context &context) { context.in_use.store(false, std::memory_order_release); }

bool wait_until_passed(const Context &self)
{
    bool waited = false;
    for (const Context *other = registry.first(); other; other = other->next_context) {
        if (other == &self) continue;
        const Word before = other->activity.look();
        if (Activity::is_idle(before)) continue;
        waited = true;
        Patience patience;
        while (!Activity::passed(before, other->activity.look())) patience.wait();
    }
    return waited;
}

bool GracePeriod::start(const Context &self)
{
    seen_.clear();
    for (const Context *other = registry.first(); other; other = other->next_context) {
        const Word word = other->activity.look();
        if (other != &self && !Activity::is_idle(word) && !seen_.push({other, word})) return false;
    }
    return true;
}

bool GracePeriod::over()
{
    while (!seen_.empty()) {
        const Seen &seen = seen_.back();
        if (!Activity::passed(seen.word, seen.context->activity.look())) return false;
        seen_.pop_back();
    }
    return true;
}

} // namespace libtm::engine
