// SPDX-License-Identifier: MIT
#include "engine_state.hpp"

#include "../src/alone.hpp"
#include "../src/context.hpp"
#include "../src/fence.hpp"
#include "../src/orec.hpp"
#include "../src/turns.hpp"

#include <cstdlib>
#include <cstring>

namespace libtm::explore::engine_state {

using namespace libtm::engine;

namespace {

tm_context *const idle = tm_self_; // before the first transaction of the process
Context *contexts[max_threads];
unsigned table_size = ~0u; // log2

void set_default(const char *name, const char *value)
{
    const char *const conf = std::getenv("TM_CONF");
    if (!conf || !std::strstr(conf, name)) tm_config_set(name, value);
}

void make_contexts()
{
    tm_context *const mine = tm_self_;
    for (auto &context : contexts) {
        tm_self_ = idle;
        if (!make_context() || !alone::make_undo_log(self())) std::abort(); // a tool for tests: no memory, no test
        context = &self();
    }
    tm_self_ = mine;
}

std::string thread_of(Word slot)
{
    for (unsigned i = 0; i < max_threads; ++i)
        if (contexts[i] && slot_of(contexts[i]->lock_tag) == slot) return "thread " + std::to_string(i);
    return "slot " + std::to_string(slot);
}

bool is_orec(std::uintptr_t addr)
{
    const auto base = reinterpret_cast<std::uintptr_t>(orec_table.base);
    return addr >= base && addr <= base + orec_table.mask;
}

template <class T> bool is(std::uintptr_t addr, const T &object) { return addr == reinterpret_cast<std::uintptr_t>(&object); }

Context *owner_of(std::uintptr_t addr)
{
    for (Context *const context : contexts) {
        const auto base = reinterpret_cast<std::uintptr_t>(context);
        if (addr >= base && addr < base + sizeof(Context)) return context;
    }
    return nullptr;
}

std::string orec_text(Word w)
{
    if (is_locked(w)) return "locked by " + thread_of(slot_of(w));
    const Word incarnation = w & incarnation_max;
    return "version " + std::to_string(version_of(w)) + (incarnation ? " incarnation " + std::to_string(incarnation) : "");
}

std::string activity_text(Word w)
{
    return "begins " + std::to_string(w >> 23) + (w >> 1 & ((1u << 22) - 1) ? " bumps " + std::to_string(w >> 1 & ((1u << 22) - 1)) : "") +
           (w & 1 ? " active" : " idle");
}

} // namespace

void prepare(const Options &options)
{
    set_default("spin", "1");
    set_default("wait", "2"); // the second look of a wait gives way
    char turns[16];
    tm_config_get("turns", turns, sizeof turns);
    if (!std::strcmp(turns, "auto")) tm_config_set("turns", "off"); // it depends on what time it is
    if (!contexts[0]) make_contexts();
    fence::works(); // asks the kernel when it is called first, which no schedule should be the one to do
    if (table_size != options.orecs) orec_table.create(table_size = options.orecs);
    clock.last = (Word{1} << options.clock_bits) - 8;
}

void reset(const Options &options)
{
    orec_table.reset();
    clock.now.store(options.clock_start, std::memory_order_relaxed);
    clock.token_holder.store(nullptr, std::memory_order_relaxed);
    clock.bias_holder.store(nullptr, std::memory_order_relaxed);
    new (&turns::turn) turns::Turn;
    for (Context *context = registry.first(); context; context = context->next_context) { // with that of the holders
        context->orecs = orec_table.base;
        context->orec_mask = orec_table.mask;
        context->random = 1;
        context->quiet = {};
        context->last = {};
        context->takes_turns = false;
        context->writes.clear(); // a transaction alone leaves it closed
        new (&context->activity) Activity; // what others have begun decides who gets the bias
    }
}

void settle()
{
    for (Context *const context : contexts) context->allocations.at_thread_exit(*context);
}

void drop_contexts()
{
    for (Context *const context : contexts) {
        context->activity.leave(); // or everybody waits for it
        context->holds_orecs.store(false, std::memory_order_relaxed);
        context->has_turn = false;
    }
    make_contexts();
}

tm_context *context_of(unsigned thread) { return contexts[thread]; }

std::string name_of(std::uintptr_t addr)
{
    if (is_orec(addr)) return "orec " + std::to_string((addr - reinterpret_cast<std::uintptr_t>(orec_table.base)) / sizeof(Orec));
    if (is(addr, clock.now)) return "clock";
    if (is(addr, clock.token_holder)) return "token";
    if (is(addr, clock.bias_holder)) return "bias";
    if (is(addr, turns::turn)) return "the turn";
    const Context *const context = owner_of(addr);
    if (!context) return {};
    const std::string thread = thread_of(slot_of(context->lock_tag));
    if (is(addr, context->activity)) return "activity of " + thread;
    if (is(addr, context->holds_orecs)) return "holds_orecs of " + thread;
    if (is(addr, context->birth)) return "birth of " + thread;
    return "context of " + thread;
}

std::string value_of(std::uintptr_t addr, std::uint64_t value)
{
    if (is_orec(addr)) return orec_text(value);
    if (is(addr, clock.now)) return std::to_string(value & ~Clock::flags) + (value & Clock::stop ? " stopped" : "") + (value & Clock::biased ? " biased" : "") + (value & Clock::wanted ? " wanted" : "") + (value & Clock::in_turns ? " in turns" : "");
    if (is(addr, clock.token_holder) || is(addr, clock.bias_holder)) return value ? thread_of(slot_of(reinterpret_cast<const Context *>(value)->lock_tag)) : "nobody";
    const Context *const context = owner_of(addr);
    if (context && is(addr, context->activity)) return activity_text(value);
    return std::to_string(static_cast<std::int64_t>(value));
}

} // namespace libtm::explore::engine_state
