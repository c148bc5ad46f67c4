// SPDX-License-Identifier: MIT
/**
 * @file counters.hpp
 * What is compared: ways to keep an array of counters on a disk and to add to some of them in one transaction. Each lives in a source file of its own.
 */
#ifndef BENCH_DURABLE_COUNTERS_HPP
#define BENCH_DURABLE_COUNTERS_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

inline constexpr std::uint32_t count_of_counters = 1 << 20;
inline constexpr unsigned most_threads = 16;
/** Bytes of the journals of all that have one. */
inline constexpr std::size_t journal_bytes = std::size_t{64} << 20;

/** Counters of 8 bytes, all 0 at first. What fails throws. */
class counters {
public:
    virtual ~counters() = default;
    /** Add 1 to each of these, atomically and isolated; threads 0 to most_threads - 1 call it at the same time. */
    virtual void add(unsigned thread, std::span<const std::uint32_t> which) = 0;
    /** Bring what is committed to where it belongs. Nobody adds meanwhile. */
    virtual void settle() {}
    /** Bytes that went to a journal so far, where that is known. */
    virtual std::uint64_t journaled() { return 0; }
    /** Of all counters, as they are on the disk where that can be told apart. Nobody adds meanwhile. */
    virtual std::uint64_t sum() = 0;
};

/** What a transaction waits for. */
enum class wait_for : std::uint8_t { disk, nothing };

struct variant {
    std::string name;
    wait_for waits;
    std::function<std::unique_ptr<counters>(const std::string &path)> create;
};

struct catalogue {
    std::vector<variant> variants;
    std::vector<std::string> versions; /**< of the peers */
    std::vector<std::string> missing;  /**< what is left out */
};

/** One per source file. */
void add_append(catalogue &to);
void add_pool(catalogue &to);
void add_sqlite(catalogue &to);
void add_lmdb(catalogue &to);
void add_pmdk(catalogue &to);
void add_rocksdb(catalogue &to);

} // namespace bench

#endif
