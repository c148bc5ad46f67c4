// SPDX-License-Identifier: MIT
/**
 * @file orec.hpp
 * Ownership records, their table, and the version clock.
 *
 * An orec guards the stripes (aligned 32 bytes) that map to it; see tm_orec_of_(). Its word is one of
 *
 *     unlocked   0 | version (60 bits) | incarnation (3 bits)
 *     locked     1 | slot of the owning context (22 bits) | address of the owner's Stripe, in units of 64 bytes (41 bits)
 *
 * so a locked word is greater than any limit of a snapshot. The version is that of the last commit that wrote here. The incarnation
 * counts rollbacks that restored memory here (write-through): the value is the old one again, but a reader in between, which
 * may have seen the other one, must find the orec changed.
 */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <tm/context.h>

namespace libtm::engine {

using Word = std::uint64_t;
using Orec = std::atomic<Word>;
static_assert(sizeof(Orec) == sizeof(std::uint64_t) && Orec::is_always_lock_free);

inline constexpr std::size_t stripe_size = std::size_t{1} << TM_STRIPE_SHIFT_;

inline constexpr unsigned incarnation_bits = 3;
inline constexpr Word incarnation_max = (Word{1} << incarnation_bits) - 1;
inline constexpr Word locked_bit = Word{1} << 63;
inline constexpr unsigned owner_shift = 41;
inline constexpr unsigned slot_bits = 22; // the kernel's limit of threads

inline constexpr bool is_locked(Word w) { return (w & locked_bit) != 0; }
inline constexpr Word unlocked(Word version) { return version << incarnation_bits; }
inline constexpr Word version_of(Word unlocked_word) { return unlocked_word >> incarnation_bits; }
inline constexpr Word tag_of_slot(Word slot) { return locked_bit | slot << owner_shift; }
inline constexpr Word slot_of(Word locked_word) { return (locked_word & ~locked_bit) >> owner_shift; }
/** The least word that a transaction with this snapshot may not read. */
inline constexpr Word limit_of(Word snapshot) { return unlocked(snapshot + 1); }

/** The one table of orecs. Made with the first context; never freed. */
struct OrecTable {
    char *base = nullptr;
    std::uint64_t mask = 0;

    /** Allocate 2^log2_size orecs, all 0. False: no memory. */
    bool create(unsigned log2_size);
    /** Back to 0. No transaction may be running. */
    void reset();
};
extern constinit OrecTable orec_table;

/**
 * The version clock, deferred: a commit gets the version now + 1 without moving the clock, and whoever meets a version above its
 * snapshot moves the clock there first. Then commits that nobody looks at do not fight for the clock's cache line.
 *
 * Why a snapshot S sees exactly the commits up to S: a committer takes all its locks, then reads the clock (12) and takes the
 * version now + 1. Whoever begins with S >= that version began after the clock had moved there, hence after (12), hence finds the locks
 * or what comes after them.
 */
struct alignas(64) Clock {
    std::atomic<Word> now{0};
    /** The Context that holds the serial token (serial.hpp). Here, since every begin looks at both. */
    std::atomic<const void *> token_holder{nullptr};
    /** The Context that may run alone (bias.hpp). */
    std::atomic<const void *> bias_holder{nullptr};
    /** Set in `now` while the table is being reset after an overflow: no attempt may start. */
    static constexpr Word stop = Word{1} << 63;
    /** Set in `now` while a thread has the bias; and while others want it to end. */
    static constexpr Word biased = Word{1} << 62, wanted = Word{1} << 61;
    /** Set in `now` while transactions take turns (turns.hpp). */
    static constexpr Word in_turns = Word{1} << 60;
    /** With either of these an attempt is alone. */
    static constexpr Word alone = biased | in_turns;
    static constexpr Word flags = stop | biased | wanted | in_turns;
    static constexpr unsigned flag_shift = 60; ///< what is above are flags
    static_assert(flags >> flag_shift << flag_shift == flags);

    /** Commits take no version from here on (the option clock_bits); then the clock and all orecs start again at 0. */
    Word last = (Word{1} << 60) - 8;

    /** Whether transactions run side by side, and nothing else is going on. */
    bool has_no_flags() const { return (now.load(std::memory_order_seq_cst) & flags) == 0; }
    /** Move the clock up to `version` at least. False: it is stopped, or would overflow and `may_overflow` is not set. */
    bool advance(Word version, bool may_overflow);
};
extern constinit Clock clock;

} // namespace libtm::engine
