// SPDX-License-Identifier: MIT
/**
 * @file labels.hpp
 * Counters for each label: what a labelled transaction adds to its begin, its rollbacks and its commit. It has the bit duty_label, so that others pay nothing.
 *
 * Each context has a table of its own, which its thread alone writes; who reads adds them up. The text of a label is copied, once for the process: two strings that are equal are
 * one label, and the string need not outlive the transaction. Nothing of this is ever freed. What finds no memory is not counted.
 */
#pragma once

#include "auto_mode.hpp"
#include "histogram.hpp"

#include <tm/control.h>

namespace libtm::engine {

struct Context;

namespace labels {

/** The text of a label, one for all threads. */
struct Name {
    std::atomic<Name *> next{nullptr};
    std::uint64_t hash;
    char *text() { return reinterpret_cast<char *>(this + 1); }
    const char *text() const { return reinterpret_cast<const char *>(this + 1); }
};

/** Which transactions are timed: each, if half of the last ones took long beside what a look at the clock takes, else one in `sparse`, which counts as so many. */
class Sampling {
public:
    /** Whether the next transaction is to be timed. */
    bool next()
    {
        if (__builtin_expect(--left_ != 0, 1)) return false;
        left_ = period_;
        return true;
    }
    std::uint32_t weight() const { return period_; }
    void timed(std::uint64_t ns)
    {
        longer_ += ns >= long_ns;
        if (--judged_) return;
        period_ = longer_ * 2 >= window ? 1 : sparse;
        longer_ = 0;
        judged_ = window;
    }

private:
    static constexpr std::uint32_t sparse = 16, window = 64;
    static constexpr std::uint64_t long_ns = 2000;
    std::uint32_t period_ = 1, left_ = 1, judged_ = window, longer_ = 0;
};

/** What one thread counts under one label; 10 KB. */
struct Label {
    explicit Label(const Name &its_name) : name(&its_name) {}

    const Name *const name;
    // Its thread's:
    Sampling sampling;
    AutoMode mode;
    // Read by others:
    Counter read_only, write_back, write_through, alone, extensions, waits;
    Counter aborts[TM_ABORT_REASONS];
    Histogram<20> attempts;
    Histogram<32> read_set, write_set;
    Histogram<40> duration, quiescence;
};

/** Those of one context. */
class Table {
public:
    /** A label beyond these is counted under the last one, TM_LABEL_OTHERS. */
    static constexpr std::size_t most = TM_LABELS_OF_A_THREAD;

    /** By the owner. Null: the string has not been seen of late. */
    Label *find(const char *text) const
    {
        const Known &known = known_[place_of(text)];
        return __builtin_expect(known.text == text && matches(known, text), 1) ? known.label : nullptr;
    }
    /** The same by its content; made where it is new. Null: no memory. */
    Label *find_or_make(const char *text);
    /** By anybody. Null: this context does not know it. */
    const Label *look(const Name &name) const;

private:
    /** Where a string was found last. */
    struct Known {
        const char *text;
        Label *label;
        std::uint64_t hash; ///< of the text, if the label is the last one
    };
    static std::size_t place_of(const char *text) { return reinterpret_cast<std::uintptr_t>(text) * 0x9E3779B97F4A7C15u >> 58; }
    bool matches(const Known &known, const char *text) const;
    Label *label_of(const char *text);
    Label *make(std::size_t place, const char *text);

    std::array<Known, 64> known_{};
    std::array<std::atomic<Label *>, most + 1> labels_{}; ///< filled from the front; in the last place the others
};

/** What a context knows of the transaction that runs; valid with duty_label, or Manner::automatic. */
struct Run {
    Label *label = nullptr;        ///< null: none, but Context::unlabelled wants to know what is written
    std::uint64_t begin = 0;       ///< CLOCK_MONOTONIC, ns; 0: it is not timed
    std::uint64_t quiescence = 0;  ///< ns spent waiting
    std::uint64_t extensions = 0;  ///< of the context, before
    std::uint64_t reads = 0;       ///< dropped by the context, before; then the entries of the read set
    std::uint64_t writes = 0;      ///< stripes
    bool alone = false;            ///< then there is no read log
    bool looked = false, waited = false; ///< for older transactions
};

/** A commit that has been counted, but for its duration. */
struct Ended {
    Label *label = nullptr;
    std::uint64_t begin = 0;
};

/** The first attempt begins, with a label or with the mode `auto`: Context::attr and manner are set. */
void begin(Context &tx);
/** The same without attributes, if the process is in the mode `auto`. */
void begin_automatic(Context &tx);
/** A further attempt begins. */
void begin_again(Context &tx);
/** What it has read and written, before that is forgotten. */
void measure(Context &tx);
/** wait_until_passed(), measured. */
bool wait_until_passed(Context &tx);
/** Committed. Then, at its very end: end(). Meanwhile other transactions may run. */
Ended commit(Context &tx, bool wrote);
void end(const Ended &ended);
/** Rolled back; the write log is still there. */
void roll_back(Context &tx, tm_abort_reason reason);

} // namespace labels

} // namespace libtm::engine
