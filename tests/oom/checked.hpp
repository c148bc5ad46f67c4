// SPDX-License-Identifier: MIT
/**
 * @file checked.hpp
 * Shared memory with a model of it: each transaction is either done wholly, or ends with TM_ERROR_MEMORY and nothing has changed.
 */
#pragma once

#include "c_block.h"
#include "faults.hpp"
#include "support.hpp"

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace libtm::oom {

using namespace libtm::test;

/** What transactions work on. Every block is of an odd size, at least 17, so that faults.hpp can tell it from a block of a log. */
struct Memory {
    static constexpr std::size_t cells_size = 4096, bytes_size = 8192, blocks_size = 256;
    alignas(64) std::array<long, cells_size> cells{};
    alignas(64) std::array<unsigned char, bytes_size> bytes{};
    std::array<char *, blocks_size> blocks{};
    long entries = 0; ///< what actions have done, outside of transactions: entries done and not undone
};

/** What it should hold. */
struct Model {
    std::vector<long> cells = std::vector<long>(Memory::cells_size);
    std::vector<unsigned char> bytes = std::vector<unsigned char>(Memory::bytes_size);
    std::array<std::optional<std::string>, Memory::blocks_size> blocks;
    long entries = 0;
};

/** The language of the blocks: C with a recovery block that gives up, or restarts the transaction once; C++. */
enum class Language { cxx, c, c_restart };
inline const char *const language_names[] = {"cxx", "c", "c_restart"};

class Checked {
public:
    Checked(tm_mode mode, Language language) : mode_(mode), language_(language) {}

    Memory memory;
    Model model;
    /** The blocks in `memory` are all that libtm has allocated and not freed: nothing waits to be freed, no other thread runs. */
    bool knows_all_blocks = true;

    /**
     * Run `body` as a transaction and compare all memory with the model: after a commit, with `effect` applied to it. Nothing in `body` needs a destructor.
     * Whether it was committed.
     */
    template <class Body, class Effect> bool step(const char *what, unsigned flags, Body body, Effect effect)
    {
        const std::uint64_t before = refused();
        const bool committed = language_ == Language::cxx ? run_cxx(what, flags, body) : run_c(what, flags, body);
        check_step(what, committed, before);
        if (committed) effect();
        check(what);
        return committed;
    }

    /** Compare all memory with the model. */
    void check(const char *what) const;
    /** Free all blocks, in transactions that must commit: memory is back. Then libtm holds no block any more. */
    void clean_up();

    tm_mode mode() const { return mode_; }
    attr how(unsigned flags) const { return make_attr(mode_, flags, "a checked step"); }

private:
    void check_step(const char *what, bool committed, std::uint64_t refused_before) const;
    static void check_error(const char *what, tm_error_kind kind, int code);

    template <class Body> bool run_cxx(const char *what, unsigned flags, Body &body)
    {
        try {
            atomically(how(flags), body);
            return true;
        } catch (const error &e) {
            check_error(what, e.kind(), e.code());
            return false;
        }
    }

    template <class Body> bool run_c(const char *what, unsigned flags, Body &body)
    {
        bool failed = false;
        unsigned recoveries = 0;
        c_transaction(
            how(flags),
            [&] {
                failed = false;
                body();
            },
            [&] {
                failed = true;
                check_error(what, tm_last_error()->kind, tm_last_error()->code);
                check(what); // rolled back already
                if (language_ == Language::c_restart && recoveries++ == 0) tm_restart();
            });
        return !failed;
    }

    const tm_mode mode_;
    const Language language_;
};

/** What is run with faults. */
struct Workload {
    const char *name;
    void (*run)(Checked &);
};
const std::vector<Workload> &workloads();

/** Those of each file. */
std::vector<Workload> memory_workloads();
std::vector<Workload> control_workloads();
std::vector<Workload> thread_workloads();

} // namespace libtm::oom
