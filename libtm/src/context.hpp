// SPDX-License-Identifier: MIT
/**
 * @file context.hpp
 * The whole state of one thread's transaction, and how it is found.
 *
 *     state        limit   memory of the transaction
 *     idle         0       none
 *     running      > 0     logs are filled, orecs are held
 *     committing   0       past the point of no return, or rolling back: actions run, orecs are still held
 *     unwinding    0       rolled back; a C++ exception is on its way to the block's boundary
 *     suspended    0       rolled back for good; an inner block with stages runs its parts before the outer blocks are told
 *
 * `depth` is 0 exactly in the state idle. The activity word is active in running, committing and unwinding.
 */
#pragma once

#include "actions.hpp"
#include "config.hpp"
#include "labels.hpp"
#include "logs.hpp"
#include "stages.hpp"
#include "stats.hpp"
#include "threads.hpp"

#include <cfenv>
#include <csetjmp>
#include <csignal>
#include <tm/tm.h>

namespace libtm::engine {

/** What the end of a transaction has to attend to. */
enum Duty : unsigned {
    duty_orecs = 1,         ///< it has begun alone, and takes orecs all the same: `alone` is 0 again
    duty_actions = 2,       ///< the action log
    duty_allocations = 4,   ///< blocks made, kept or retired
    duty_serial = 8,        ///< the serial token
    duty_plain_writes = 16, ///< annotate::plain_writes_begin() is in force
    duty_sigmask = 32,      ///< a saved signal mask
    duty_fenv = 64,         ///< a saved floating-point environment
    duty_retried = 128,     ///< there were attempts before
    duty_bounds = 256,      ///< the bounds of a log are not the usual ones
    duty_hooks = 512,       ///< the hooks of another library (hooks.hpp)
    duty_prepared = 1024,   ///< they have prepared, and wait for the outcome
    duty_stages = 2048,     ///< blocks with stages, locks (stages.hpp)
    duty_user_data = 4096,  ///< user data was set
    duty_tuned = 8192,      ///< the user has given memory to a log, or forbidden to take more
    duty_alone = 16384,     ///< it runs alone, without orecs: it has the bias (bias.hpp) or the turn
    duty_label = 32768,     ///< the counters of its label, or the size of its write set (labels.hpp)
    duty_turn = 65536,      ///< it has the turn (turns.hpp)
};

/** In Manner::flags, beside those of the tm_attr: errors are returned where they can be (TM_FAILURE_RETURN). */
inline constexpr std::uint32_t returns_errors = std::uint32_t{1} << 31;

enum class State : std::uint8_t { idle, running, committing, unwinding, suspended };

/** What happens at the boundary of the outermost block after a rollback. */
enum class Outcome : std::uint8_t { retry, failed };

/** How quiet it has been around a context: bias.hpp. */
struct Quiet {
    static constexpr unsigned longest_round = 1024; // the option may change
    void begin_round(unsigned wanted) { until_look = wanted && wanted < longest_round ? wanted : longest_round; }

    unsigned until_look = 1; ///< begins until bias::consider()
    unsigned rounds = 0;     ///< its calls in a row that found nobody else; with the bias: its calls since
    unsigned patience = 1;   ///< rounds to wait for: twice as many after each bias that was lost soon
    bool had_bias = false;   ///< it was taken; perhaps it is lost
    bool unordered = false;  ///< the same, and whoever ends it sees to the order of the begin
    Word begun = 0;          ///< what the last look saw of others
};

/** What a transaction began with that was alone, as long as nothing but the end of such a transaction has changed what its begin had set: the next one sets less. */
struct Last {
    static constexpr Word nothing = ~Word{0}; // no Manner is that

    void set(Word of_options, Word wanted, tm_undo_ *end) { options = of_options, request = wanted, undo_end = end; }
    void forget() { options = nothing; }

    Word options = nothing; ///< Config::manner
    Word request = 0;       ///< flags and mode of its tm_attr
    tm_undo_ *undo_end = nullptr; ///< up to where it could store in place: alone::undo_end()
};

struct Context : tm_context {
    Context();
    void take_slot(Word slot);
    bool allocate_read_log();

    Orec &orec_of(const void *addr) const { return *reinterpret_cast<Orec *>(tm_orec_of_(this, addr)); }
    Orec &orec_of(std::uintptr_t base) const { return orec_of(reinterpret_cast<const void *>(base)); }
    bool owns(Word w) const { return ((w ^ lock_tag) >> owner_shift) == 0; }
    /** The head of the stripes that a word which this context owns names. */
    static Stripe *stripes_of(Word w) { return reinterpret_cast<Stripe *>((w & ((Word{1} << owner_shift) - 1)) << 6); }
    Word locked_by(const Stripe *head) const { return lock_tag | reinterpret_cast<std::uintptr_t>(head) >> 6; }
    std::uint32_t stripe_flags() const { return manner.write_through ? Stripe::through : 0; }

    bool asks(unsigned flag) const { return (manner.flags & flag) != 0; }
    bool may_grow() const { return !asks(TM_NO_GROW) || is_irrevocable; }
    bool irrevocable() const { return is_irrevocable; }
    /** How a log may grow. */
    Growth growth(tm_log_kind log) const
    {
        if (__builtin_expect(!(duties & duty_tuned), 1)) return {may_grow(), true, false};
        return {may_grow(), is_irrevocable || !(closed_logs >> log & 1), true};
    }
    /** Whether there is a block with stages or a lock. */
    bool has_stages() const { return !stages.none() || !locks.empty(); }
    /** Whether errors are returned where they can be. */
    void set_returns_errors(bool yes)
    {
        manner.flags = yes ? manner.flags | returns_errors : manner.flags & ~returns_errors;
        last.forget();
    }
    const char *label() const { return manner.has_attr ? attr.label : nullptr; }
    tm_durability durability() const { return manner.has_attr ? attr.durability : TM_DURABILITY_DEFAULT; }
    std::uint64_t deadline() const { return manner.has_attr ? attr.deadline : 0; }
    unsigned max_retries() const { return manner.has_attr && attr.max_retries ? attr.max_retries : get(config.max_retries); }

    // What begin sets. Together, since most transactions write them; the same types side by side, so that stores are merged.
    // Whoever changes one outside of a begin, but for the state and what the end of a transaction alone does, calls last.forget().
    Manner manner{};             ///< flags and modes
    unsigned duties = 0;         ///< Duty bits: what the end has to do; none for a transaction that has only read
    unsigned cxx_depth = 0;      ///< C++ blocks among the nested ones
    unsigned attempts = 0;
    tm_abort_reason last_abort = TM_ABORTED_NOT;
    int begin_errno = 0;
    bool in_recovery = false;    ///< tm_restart() may retry from the recovery block
    bool wants_irrevocable = false; ///< the next attempt shall be
    bool log_all_reads = false;  ///< a read-only transaction that needs its read log after all
    State state = State::idle;
    bool outermost_is_cxx = false;
    bool frame_is_jmp_buf = false;

    bool serial = false;         ///< holds the serial token
    bool is_irrevocable = false;
    bool reads_dropped = false;  ///< the read log is incomplete: no extension, no writing
    bool in_action = false;      ///< a function of the action log is running, or the thread holds memory (hold.cpp)
    Outcome outcome = Outcome::retry;
    bool has_turn = false;       ///< its attempt is alone, by turns.hpp
    bool takes_turns = false;    ///< the last one that took the turn, and did not keep it, was
    bool frame_is_gone = false;  ///< the block's stack frame is: its locals are not restored
    unsigned holders = 0;        ///< of the thread: hold.cpp
    int uncaught = 0;            ///< exceptions in flight when ours was thrown
    int jump_result = 0;         ///< what tm_begin returns after a longjmp
    int *errno_address = nullptr;
    Word lock_tag = 0;           ///< as in the locked words of this context
    std::atomic<std::uint64_t> birth{0}; ///< when the first attempt began, for the policy timestamp
    void (*unwind)() = nullptr;  ///< throws, in the user's code
    tm_attr attr{};              ///< a copy, if manner.has_attr
    std::uint64_t **read_begin = nullptr;
    std::uint64_t **read_capacity = nullptr;

    tm_undo_ *undo_log = nullptr; ///< made with the first bias or turn

    WriteLog writes;
    Actions actions;
    Allocations allocations;
    Stats stats;
    tm_error_record error{};
    Locks locks;
    Stages stages;
    void *user_data = nullptr;     ///< valid with duty_user_data
    std::uint8_t closed_logs = 0;  ///< bits 1 << tm_log_kind: tm_log_auto_alloc() is off
    Quiet quiet;
    Last last;
    std::uint64_t commits_counted = 0; ///< by who measures (turns.cpp)
    const Orec *awaited = nullptr; ///< policy delay: the orec that the last attempt gave up on
    std::uint64_t random = 1;

    std::atomic<labels::Table *> label_table{nullptr}; ///< made with the first label, by the owner
    labels::Run run;
    AutoMode unlabelled;
    std::uint64_t dropped_reads = 0; ///< entries that its read log has dropped so far

    std::jmp_buf jump_buffer;
    sigset_t saved_mask;
    std::fenv_t saved_fenv;

    std::atomic<bool> in_use{true};
    std::atomic<bool> holds_orecs{false}; ///< in its quiescence, when it is no longer active; set by the owner

    // What others look at in each quiescence: a cache line (with its neighbour, which is prefetched) of its own.
    alignas(128) Activity activity;
    Context *next_context = nullptr;
};

inline Context &self() { return *static_cast<Context *>(tm_self_); }

/** Whether the calling thread has a context of its own yet. */
bool has_context();
/** The calling thread's first transaction could not begin: no memory for a context. */
extern __thread bool first_begin_failed;
/** Make one; it will be given up at thread exit. False: no memory. */
bool make_context();

} // namespace libtm::engine
