// SPDX-License-Identifier: MIT
/**
 * @file tx.cpp
 * Transactions of libpmemobj: one for a thread, with a level for each begin in it.
 *
 *                 begin                 commit               process              process
 *     NONE ----------------> WORK ----------------> ONCOMMIT ----------> FINALLY ----------> NONE
 *       \                      \  abort, error                          /
 *        \ begin fails          `--------------> ONABORT --------------'            end takes the level away, from any stage but WORK
 *         `----------------------------------------'
 *
 * Each level has a stage of its own; that of the innermost is the thread's. The Changes are the outermost level's: they are published by its commit, undone by its abort. An inner level that ends with an error
 * aborts the one around it.
 */
#include "tx.hpp"

#include "atomic.hpp"
#include "locks.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <utility>
#include <deque>
#include <optional>
#include <pthread.h>
#include <wchar.h>

namespace libtm::pmemobj {

namespace {

struct Level {
    pobj_tx_stage stage = TX_STAGE_WORK;
    pobj_tx_failure_behavior failure = POBJ_TX_FAILURE_ABORT;
    bool is_refused = false; ///< begun where that is not allowed: what is around it goes on as if nothing had been
    bool has_env = false;
    jmp_buf env;
};

struct Lock {
    pobj_tx_param type;
    void *place;
};

struct Tx : ThreadState {
    PMEMobjpool *pool = nullptr;
    std::deque<Level> levels; ///< the outermost first
    std::optional<Changes> changes;
    std::vector<Lock> locks;
    pmemobj_tx_callback callback = nullptr;
    void *callback_argument = nullptr;
    void *user_data = nullptr;
    int error = 0; ///< of the transaction, or the last one

    ~Tx() // a thread that ends in a transaction
    {
        changes.reset();
        release_locks();
    }
    void release_locks() noexcept
    {
        for (; !locks.empty(); locks.pop_back()) {
            const Lock &lock = locks.back();
            if (lock.type == TX_PARAM_MUTEX) pthread_mutex_unlock(&ready(*pool, *static_cast<PMEMmutex *>(lock.place)));
            else pthread_rwlock_unlock(&ready(*pool, *static_cast<PMEMrwlock *>(lock.place)));
        }
    }
};

/** Of the calling thread; null before its first call. */
__thread Tx *mine __attribute__((tls_model("initial-exec")));

/** Throws std::bad_alloc. */
Tx &have_mine()
{
    static const pthread_key_t key = [] {
        pthread_key_t made;
        if (pthread_key_create(&made, [](void *it) {
                delete static_cast<Tx *>(it);
                mine = nullptr;
            }) != 0)
            throw std::bad_alloc();
        return made;
    }();
    if (mine) return *mine;
    auto made = std::make_unique<Tx>();
    if (pthread_setspecific(key, made.get()) != 0) throw std::bad_alloc();
    return *(mine = made.release());
}

pobj_tx_stage stage() { return !mine || mine->levels.empty() ? TX_STAGE_NONE : mine->levels.back().stage; }

const char *name_of(pobj_tx_stage stage)
{
    constexpr const char *names[] = {"TX_STAGE_NONE", "TX_STAGE_WORK", "TX_STAGE_ONCOMMIT", "TX_STAGE_ONABORT", "TX_STAGE_FINALLY"};
    return names[stage];
}

/** Whether the stage is that of work; else the call is refused. */
bool is_work(const char *call)
{
    if (stage() == TX_STAGE_WORK) return true;
    guarded([&] { throw Refused{EINVAL, std::string(call) + " is for TX_STAGE_WORK, and the stage is " + name_of(stage())}; });
    return false;
}

void tell()
{
    if (mine->callback && mine->levels.size() == 1) mine->callback(mine->pool, mine->levels.back().stage, mine->callback_argument);
}

/** The innermost level fails. Jumps where it has somewhere to go. */
void abort_with(int code)
{
    Level &level = mine->levels.back();
    level.stage = TX_STAGE_ONABORT;
    mine->error = code;
    if (mine->levels.size() == 1) mine->changes.reset();
    errno = code;
    tell();
    if (level.has_env) longjmp(level.env, code);
}

/** What has failed in the stage of work. */
int failed(int code, std::uint64_t flags)
{
    if (!(flags & POBJ_FLAG_TX_NO_ABORT) && mine->levels.back().failure == POBJ_TX_FAILURE_ABORT) abort_with(code);
    errno = code;
    return code;
}

/** Take the lock for the transaction, unless that has it. Throws. */
void lock(pobj_tx_param type, void *place)
{
    if (type != TX_PARAM_MUTEX && type != TX_PARAM_RWLOCK) throw Refused{EINVAL, "a lock is a TX_PARAM_MUTEX or a TX_PARAM_RWLOCK"};
    if (!place) throw Refused{EINVAL, "there is no lock"};
    if (std::any_of(mine->locks.begin(), mine->locks.end(), [&](const Lock &held) { return held.place == place; })) return;
    mine->locks.reserve(mine->locks.size() + 1);
    mine->changes->spare(place, sizeof(PMEMmutex)); // who waits for it is noted in it
    const int code = type == TX_PARAM_MUTEX ? pthread_mutex_lock(&ready(*mine->pool, *static_cast<PMEMmutex *>(place))) : pthread_rwlock_wrlock(&ready(*mine->pool, *static_cast<PMEMrwlock *>(place)));
    if (code) throw Refused{code, std::string("the lock was not taken: ") + std::strerror(code)};
    mine->locks.push_back({type, place});
}

void set_callback(pmemobj_tx_callback callback, void *argument)
{
    if (mine->callback && (mine->callback != callback || mine->callback_argument != argument)) throw Refused{EINVAL, "the transaction has a callback"};
    mine->callback = callback;
    mine->callback_argument = argument;
}

void take_parameters(va_list arguments)
{
    for (;;) {
        const int type = va_arg(arguments, int);
        switch (type) {
        case TX_PARAM_NONE: return;
        case TX_PARAM_MUTEX:
        case TX_PARAM_RWLOCK: lock(static_cast<pobj_tx_param>(type), va_arg(arguments, void *)); break;
        case TX_PARAM_CB: {
            const pmemobj_tx_callback callback = va_arg(arguments, pmemobj_tx_callback);
            set_callback(callback, va_arg(arguments, void *));
            break;
        }
        default: throw Refused{EINVAL, "a parameter of a transaction is a TX_PARAM_ value"};
        }
    }
}

/** Begin in the stage `before`, which is NONE or WORK. */
void begin(pobj_tx_stage before, PMEMobjpool *pool, va_list arguments)
{
    if (before == TX_STAGE_NONE) {
        mine->pool = &checked(pool);
        mine->changes.emplace(*pool);
    } else if (pool != mine->pool) {
        throw Refused{EINVAL, "a transaction in a transaction is for the same pool"};
    }
    take_parameters(arguments);
}

PMEMoid allocate(std::size_t size, std::uint64_t type, std::uint64_t flags, std::uint64_t valid_flags, const void *content = nullptr)
{
    PMEMoid made = OID_NULL;
    in_work(flags, valid_flags, [&](Changes &changes) {
        Object &object = changes.allocate(size, type, flags & POBJ_XALLOC_ZERO);
        if (content) std::memcpy(object.data(), content, size);
        made = changes.pool().oid_of(object.data());
    });
    return made;
}

PMEMoid duplicate(const void *string, std::size_t size, std::uint64_t type, std::uint64_t flags)
{
    if (string) return allocate(size, type, flags, POBJ_TX_XALLOC_VALID_FLAGS, string);
    in_work(flags, POBJ_TX_XALLOC_VALID_FLAGS, [](Changes &) { throw Refused{EINVAL, "there is no string"}; });
    return OID_NULL;
}

PMEMoid change_size(PMEMoid oid, std::size_t size, std::uint64_t type, bool zeroed)
{
    PMEMoid now = OID_NULL;
    in_work(0, 0, [&](Changes &changes) { now = reallocate(changes, oid, size, type, zeroed); });
    return now;
}

void keep(Changes &changes, const void *address, std::size_t size, std::uint64_t flags)
{
    if (size > PMEMOBJ_MAX_ALLOC_SIZE) throw Refused{EINVAL, "the range is larger than any object"};
    if (!changes.pool().has(address, size)) throw Refused{EINVAL, "the range does not lie in the transaction's pool"};
    changes.keep(address, size, !(flags & POBJ_XADD_NO_SNAPSHOT));
}

LogBuffer &log_of(Changes &changes, pobj_log_type type)
{
    if (type != TX_LOG_TYPE_SNAPSHOT && type != TX_LOG_TYPE_INTENT) throw Refused{EINVAL, "a log is a TX_LOG_TYPE_ value"};
    return type == TX_LOG_TYPE_SNAPSHOT ? changes.snapshots : changes.intents;
}

} // namespace

ThreadState &thread_state() { return have_mine(); }

int do_in_work(std::uint64_t flags, std::uint64_t valid_flags, void (*work)(void *, Changes &), void *data)
{
    if (!is_work("the call")) return EINVAL;
    const int code = guarded([&] {
        if (flags & ~valid_flags) throw Refused{EINVAL, "unknown flags"};
        work(data, *mine->changes);
    });
    return code ? failed(code, flags) : 0;
}

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

extern "C" {

enum pobj_tx_stage pmemobj_tx_stage(void) { return stage(); }

int pmemobj_tx_begin(PMEMobjpool *pop, jmp_buf env, ...)
{
    const pobj_tx_stage before = stage();
    int code = guarded([&] { have_mine().levels.emplace_back(); });
    if (code) return code;
    Level &level = mine->levels.back();
    if (env) std::memcpy(&level.env, env, sizeof level.env);
    if (mine->levels.size() > 1) level.failure = mine->levels[mine->levels.size() - 2].failure;
    level.is_refused = before != TX_STAGE_NONE && before != TX_STAGE_WORK;
    if (mine->levels.size() == 1) mine->error = 0;
    va_list arguments;
    va_start(arguments, env);
    code = guarded([&] {
        if (level.is_refused) throw Refused{EINVAL, std::string("a transaction does not begin in ") + name_of(before)};
        begin(before, pop, arguments);
    });
    va_end(arguments);
    if (code) abort_with(code);
    level.has_env = env != nullptr;
    return code;
}

int pmemobj_tx_xlock(enum pobj_tx_param type, void *lockp, uint64_t flags)
{
    return in_work(flags, POBJ_XLOCK_VALID_FLAGS, [&](Changes &) { lock(type, lockp); });
}

int pmemobj_tx_lock(enum pobj_tx_param type, void *lockp) { return pmemobj_tx_xlock(type, lockp, POBJ_XLOCK_NO_ABORT); }

void pmemobj_tx_abort(int errnum)
{
    if (!is_work("pmemobj_tx_abort()")) return;
    remember(errnum ? errnum : ECANCELED, "the transaction was aborted by the program");
    abort_with(errnum ? errnum : ECANCELED);
}

void pmemobj_tx_commit(void)
{
    if (!is_work("pmemobj_tx_commit()")) return;
    tell();
    if (stage() != TX_STAGE_WORK) return; // the callback has aborted it
    if (mine->levels.size() == 1) {
        if (const int code = guarded([] { mine->changes->publish(); })) return abort_with(code);
        mine->changes.reset();
    }
    mine->levels.back().stage = TX_STAGE_ONCOMMIT;
    tell();
}

void pmemobj_tx_process(void)
{
    switch (stage()) {
    case TX_STAGE_NONE:
        if (!mine || mine->levels.empty()) remember(EINVAL, "pmemobj_tx_process() is for transactions, and there is none");
        break;
    case TX_STAGE_WORK: pmemobj_tx_commit(); break;
    case TX_STAGE_ONABORT:
    case TX_STAGE_ONCOMMIT:
        mine->levels.back().stage = TX_STAGE_FINALLY;
        tell();
        break;
    default: mine->levels.back().stage = TX_STAGE_NONE;
    }
}

int pmemobj_tx_end(void)
{
    if (!mine || mine->levels.empty()) return remember(EINVAL, "pmemobj_tx_end() is for transactions, and there is none");
    if (stage() == TX_STAGE_WORK) return remember(EINVAL, "pmemobj_tx_end() in TX_STAGE_WORK: commit or abort first");
    if (stage() == TX_STAGE_ONABORT || stage() == TX_STAGE_ONCOMMIT) pmemobj_tx_process();
    const bool was_refused = mine->levels.back().is_refused;
    if (mine->levels.size() > 1) {
        mine->levels.pop_back();
        const int code = was_refused ? EINVAL : mine->error;
        if (mine->error && !was_refused) abort_with(mine->error); // of the inner one is that of the outer one
        return code;
    }
    mine->levels.back().stage = TX_STAGE_NONE;
    mine->release_locks();
    const int code = mine->error;
    const pmemobj_tx_callback callback = std::exchange(mine->callback, nullptr);
    mine->levels.pop_back();
    mine->changes.reset();
    mine->user_data = nullptr;
    if (callback) callback(mine->pool, TX_STAGE_NONE, mine->callback_argument);
    return code;
}

int pmemobj_tx_errno(void) { return mine ? mine->error : 0; }

int pmemobj_tx_xadd_range(PMEMoid oid, uint64_t off, size_t size, uint64_t flags)
{
    return in_work(flags, POBJ_XADD_VALID_FLAGS, [&](Changes &changes) {
        if (oid.pool_uuid_lo != changes.pool().uuid) throw Refused{EINVAL, "the object lies in another pool than the transaction's"};
        keep(changes, changes.pool().base + oid.off + off, size, flags);
    });
}

int pmemobj_tx_add_range(PMEMoid oid, uint64_t off, size_t size) { return pmemobj_tx_xadd_range(oid, off, size, 0); }

int pmemobj_tx_xadd_range_direct(const void *ptr, size_t size, uint64_t flags)
{
    return in_work(flags, POBJ_XADD_VALID_FLAGS, [&](Changes &changes) { keep(changes, ptr, size, flags); });
}

int pmemobj_tx_add_range_direct(const void *ptr, size_t size) { return pmemobj_tx_xadd_range_direct(ptr, size, 0); }

PMEMoid pmemobj_tx_alloc(size_t size, uint64_t type_num) { return allocate(size, type_num, 0, 0); }
PMEMoid pmemobj_tx_zalloc(size_t size, uint64_t type_num) { return allocate(size, type_num, POBJ_XALLOC_ZERO, POBJ_XALLOC_ZERO); }
PMEMoid pmemobj_tx_xalloc(size_t size, uint64_t type_num, uint64_t flags) { return allocate(size, type_num, flags, POBJ_TX_XALLOC_VALID_FLAGS); }
PMEMoid pmemobj_tx_realloc(PMEMoid oid, size_t size, uint64_t type_num) { return change_size(oid, size, type_num, false); }
PMEMoid pmemobj_tx_zrealloc(PMEMoid oid, size_t size, uint64_t type_num) { return change_size(oid, size, type_num, true); }

PMEMoid pmemobj_tx_xstrdup(const char *s, uint64_t type_num, uint64_t flags) { return duplicate(s, s ? std::strlen(s) + 1 : 0, type_num, flags); }
PMEMoid pmemobj_tx_strdup(const char *s, uint64_t type_num) { return pmemobj_tx_xstrdup(s, type_num, 0); }
PMEMoid pmemobj_tx_xwcsdup(const wchar_t *s, uint64_t type_num, uint64_t flags) { return duplicate(s, s ? (wcslen(s) + 1) * sizeof *s : 0, type_num, flags); }
PMEMoid pmemobj_tx_wcsdup(const wchar_t *s, uint64_t type_num) { return pmemobj_tx_xwcsdup(s, type_num, 0); }

int pmemobj_tx_xfree(PMEMoid oid, uint64_t flags)
{
    return in_work(flags, POBJ_XFREE_VALID_FLAGS, [&](Changes &changes) {
        if (OID_IS_NULL(oid)) return;
        if (oid.pool_uuid_lo != changes.pool().uuid) throw Refused{EINVAL, "the object lies in another pool than the transaction's"};
        changes.free(object_of(oid));
    });
}

int pmemobj_tx_free(PMEMoid oid) { return pmemobj_tx_xfree(oid, 0); }

int pmemobj_tx_xlog_append_buffer(enum pobj_log_type type, void *addr, size_t size, uint64_t flags)
{
    return in_work(flags, POBJ_XLOG_APPEND_BUFFER_VALID_FLAGS, [&](Changes &changes) {
        LogBuffer &log = log_of(changes, type);
        if (size < intent_size) throw Refused{EINVAL, "a buffer has at least " + std::to_string(intent_size) + " bytes"};
        if (!changes.pool().has(addr, size)) throw Refused{EINVAL, "the buffer does not lie in the transaction's pool"};
        if (changes.snapshots.has(addr, size) || changes.intents.has(addr, size)) throw Refused{EINVAL, "the transaction has that buffer already"};
        log.add(addr, size);
    });
}

int pmemobj_tx_log_append_buffer(enum pobj_log_type type, void *addr, size_t size) { return pmemobj_tx_xlog_append_buffer(type, addr, size, 0); }

int pmemobj_tx_log_auto_alloc(enum pobj_log_type type, int on_off)
{
    return in_work(0, 0, [&](Changes &changes) { log_of(changes, type).allow_more(on_off != 0); });
}

size_t pmemobj_tx_log_snapshots_max_size(size_t *sizes, size_t nsizes)
{
    std::size_t all = 0;
    for (std::size_t i = 0; i < nsizes; ++i)
        if (__builtin_add_overflow(all, sizes[i], &all) || all == SIZE_MAX) {
            remember(ERANGE, "the snapshots are larger than any memory");
            return SIZE_MAX;
        }
    return all;
}

size_t pmemobj_tx_log_intents_max_size(size_t nintents)
{
    std::size_t all;
    // Each at a multiple of 8, wherever the buffer begins.
    if (__builtin_mul_overflow(nintents, intent_size, &all) || __builtin_add_overflow(all, 7, &all)) {
        remember(ERANGE, "the intents are larger than any memory");
        return SIZE_MAX;
    }
    return all;
}

void pmemobj_tx_set_user_data(void *data)
{
    if (!mine || mine->levels.empty()) remember(EINVAL, "pmemobj_tx_set_user_data() is for transactions, and there is none");
    else mine->user_data = data;
}

void *pmemobj_tx_get_user_data(void)
{
    if (mine && !mine->levels.empty()) return mine->user_data;
    remember(EINVAL, "pmemobj_tx_get_user_data() is for transactions, and there is none");
    return nullptr;
}

void pmemobj_tx_set_failure_behavior(enum pobj_tx_failure_behavior behavior)
{
    if (!is_work("pmemobj_tx_set_failure_behavior()")) return;
    if (behavior == POBJ_TX_FAILURE_ABORT || behavior == POBJ_TX_FAILURE_RETURN) mine->levels.back().failure = behavior;
    else remember(EINVAL, "unknown failure behaviour");
}

enum pobj_tx_failure_behavior pmemobj_tx_get_failure_behavior(void)
{
    return is_work("pmemobj_tx_get_failure_behavior()") ? mine->levels.back().failure : POBJ_TX_FAILURE_ABORT;
}
}
