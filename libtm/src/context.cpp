// SPDX-License-Identifier: MIT
#include "context.hpp"

#include "annotate.hpp"
#include "tx.hpp"

#include <cerrno>
#include <cstdlib>
#include <pthread.h>

namespace libtm::engine {

namespace {

constexpr std::size_t read_log_size = 2048;

/** What a thread has before its first transaction. Its limit of 0 sends every access, its depth every begin, to the slow path. */
alignas(64) constinit char idle_orec[sizeof(Orec)] = {-1, -1, -1, -1, -1, -1, -1, -1};
/** As large as a Context, since self() takes it for one. */
struct alignas(Context) IdleContext : tm_context {
    char rest[sizeof(Context) - sizeof(tm_context)];
};
constinit IdleContext idle_context = {{0, idle_orec, 0, nullptr, nullptr, ~std::uint64_t{0}, {}, nullptr, 0, nullptr}, {}};

pthread_mutex_t start_mutex = PTHREAD_MUTEX_INITIALIZER;
bool has_key = false, watches_exit = false, started = false;
pthread_key_t exit_key; ///< its destructor runs when a thread with a context ends

void abandon_what_runs(Context &tx)
{
    tx.frame_is_gone = true;
    if (tx.state != State::idle || tx.has_stages()) abandon(tx);
    tx.frame_is_gone = false;
}

/** Holders of the thread are their owner's to end, but it is no longer one that holds. */
void forget_holders(Context &tx)
{
    if (!tx.holders) return;
    annotate::plain_writes_end();
    tx.holders = 0;
    tx.depth = 0;
    tx.in_action = false;
}

void at_thread_exit(void *context)
{
    tm_self_ = static_cast<Context *>(context);
    Context &tx = self();
    abandon_what_runs(tx);
    tx.allocations.at_thread_exit(tx);
    forget_holders(tx);
    tm_self_ = &idle_context;
    registry.release(tx);
}

/** exit() runs no destructors of keys, but this, in the thread that has called it. */
void at_exit()
{
    if (has_context()) abandon_what_runs(self());
}

/** Options are read and the table of orecs is made with the first context of the process. What has failed is tried again by the next, what has not is not. */
bool start_process()
{
    pthread_mutex_lock(&start_mutex);
    if (!started) {
        config.start();
        clock.last = (Word{1} << get(config.clock_bits)) - 8;
        if (!orec_table.base) orec_table.create(get(config.orecs));
        if (!has_key) has_key = pthread_key_create(&exit_key, at_thread_exit) == 0;
        if (!watches_exit) watches_exit = std::atexit(at_exit) == 0;
        started = orec_table.base && has_key && watches_exit;
    }
    const bool ok = started;
    pthread_mutex_unlock(&start_mutex);
    return ok;
}

} // namespace

Context::Context() : tm_context{0, orec_table.base, orec_table.mask, nullptr, nullptr, 0, {}, nullptr, 0, nullptr}
{
    quiet.begin_round(get(config.bias));
}

void Context::take_slot(Word slot)
{
    lock_tag = tag_of_slot(slot);
    random = slot * 2654435761 + 1;
}

bool Context::allocate_read_log()
{
    read_begin = static_cast<std::uint64_t **>(std::malloc(read_log_size * sizeof *read_begin));
    if (!read_begin) return false;
    read_next = read_begin;
    read_end = read_capacity = read_begin + read_log_size;
    return true;
}

__thread bool first_begin_failed = false;

bool has_context() { return tm_self_ != &idle_context; }

bool make_context()
{
    if (!start_process()) return false;
    Context *const context = registry.acquire();
    if (!context) return false;
    if (pthread_setspecific(exit_key, context) != 0) {
        registry.release(*context);
        return false;
    }
    context->errno_address = &errno;
    tm_self_ = context;
    return true;
}

} // namespace libtm::engine

__thread tm_context *tm_self_ = &libtm::engine::idle_context;
