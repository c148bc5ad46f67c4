// SPDX-License-Identifier: MIT
/**
 * @file faults.hpp
 * Failing allocations, of libtm.so alone: the words of its global offset table through which it calls the allocators are replaced by functions of
 * this file, which refuse as a plan says and else pass on. The program's own allocations, those of its exceptions too, never fail, and it is the very
 * library that is installed which is tested.
 *
 * What is counted lies in memory that is shared with forked children: a child runs, its parent reads.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace libtm::oom {

/** What may fail: allocators, and what the C library does not do without memory. */
enum class Call : std::uint32_t { malloc, calloc, realloc, aligned_alloc, posix_memalign, operator_new, mmap, key_create, set_specific, at_exit };
const char *name_of(Call call);

/** One place in the machine code of libtm.so that calls one of them, known by its return address. */
struct Site {
    std::atomic<std::uintptr_t> offset{0}; ///< return address in libtm.so; 0: none
    std::atomic<Call> call{};
    std::atomic<std::uint64_t> seen{0};     ///< calls in this run
    std::atomic<std::uint64_t> all_seen{0}; ///< in all runs
    std::atomic<std::uint64_t> failed{0};   ///< of these, refused
};

/** Which calls fail: of one site, or of all together, counted from 1 over all threads. */
struct Plan {
    enum class When { never, once, for_ever, every } when = When::never;
    std::uint64_t n = 0;
    std::uintptr_t site = any; ///< its offset
    static constexpr std::uintptr_t any = 0;

    std::string text() const;
    static bool parse(const std::string &text, Plan &plan);
};

/** Shared with the children. */
struct Shared {
    std::array<Site, 256> sites;
    std::atomic<std::uint64_t> seen{0};    ///< calls in this run
    std::atomic<std::uint64_t> refused{0}; ///< in this run
    std::atomic<std::uint64_t> all_refused{0};
    std::atomic<std::uint64_t> violations{0}; ///< in this run
    std::atomic<std::uint64_t> steps{0};      ///< of all runs: transactions that were checked
    std::atomic<std::uint64_t> errors{0};     ///< of these, ended with an error
    std::atomic<std::uint64_t> waits{0};      ///< irrevocable transactions that had to wait for memory
};
extern Shared *shared;

/** Take the allocators' place in libtm.so. False: it has not been found. Before any other thread is started. */
bool install();
/** Where libtm.so is. */
const char *library_path();

/** Begin to count, and to refuse as planned. */
void arm(const Plan &plan);
/** Memory is back. */
void disarm();
/** Calls refused in this run so far. */
inline std::uint64_t refused() { return shared->refused.load(); }

/** For its life, memory that is out for ever comes back after some refusals: for an irrevocable transaction, which waits for it. */
class Patience {
public:
    Patience();
    ~Patience();
    Patience(const Patience &) = delete;
    Patience &operator=(const Patience &) = delete;
};

/** Know each block of libtm from now on: what it frees must be one. */
void track();
/** Blocks of odd size that libtm has allocated and not freed. The logs' blocks are all of even size, those of the workloads all of odd. */
std::size_t odd_blocks();

/** Something that must not be. Printed; counted. */
[[gnu::format(printf, 1, 2)]] void violation(const char *format, ...);

} // namespace libtm::oom
