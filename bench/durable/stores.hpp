// SPDX-License-Identifier: MIT
/**
 * @file stores.hpp
 * What is compared: ways to keep data on a disk and to change them in transactions. Each lives in a source file of its own. What there is to be done with them, and
 * what must have come of it, each kind of store knows for all: a workload is one of these kinds, and so many changes in a transaction.
 */
#ifndef BENCH_DURABLE_STORES_HPP
#define BENCH_DURABLE_STORES_HPP

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

inline constexpr unsigned most_threads = 16;
/** Bytes of the journals of all that have one. */
inline constexpr std::size_t journal_bytes = std::size_t{64} << 20;

/** Data on a disk, empty at first. What fails throws. */
class store {
public:
    virtual ~store() = default;
    /** One transaction of `thread`, with so many changes: the same ones, one after the other, in every store of the kind. */
    virtual void transaction(unsigned thread, unsigned changes) = 0;
    /** Bring what is committed to where it belongs. No transaction runs meanwhile. */
    virtual void settle() {}
    /** What it has done so far, where that is known. */
    struct work_done {
        std::uint64_t bytes = 0;  /**< to a journal */
        std::uint64_t syncs = 0;  /**< of all files */
        std::uint64_t groups = 0; /**< of transactions that became durable together */
    };
    virtual work_done done() { return {}; }
    /** Bytes of one change, as the program sees it; 0: it makes none. */
    virtual std::size_t bytes_of_change() const { return 0; }
    /** Throws if it does not have what the transactions have made, on the disk where that can be told apart. None runs meanwhile. */
    virtual void check() = 0;
    /** It has grown so much that it is to be followed by a new one. */
    virtual bool is_full() const { return false; }
};

inline constexpr std::uint32_t count_of_counters = 1 << 20;

/** Counters of 8 bytes, all 0 at first; a change adds 1 to a random one. */
class counters : public store {
public:
    counters();
    void transaction(unsigned thread, unsigned changes) final;
    void check() final;
    std::size_t bytes_of_change() const final { return sizeof(std::uint64_t); }

protected:
    /** Add 1 to each of these, atomically and isolated; threads 0 to most_threads - 1 call it at the same time. */
    virtual void add(unsigned thread, std::span<const std::uint32_t> which) = 0;
    virtual std::uint64_t sum() = 0;

private:
    struct alignas(64) account {
        std::uint64_t random, added = 0;
    };
    account of_[most_threads];
};

/** Random bytes. */
using map_key = std::array<std::uint64_t, 2>;
using map_value = std::array<char, 100>;
/** Entries of a map whose size is fixed are spread over so many chains. */
inline constexpr std::size_t count_of_buckets = 1 << 17;
inline std::size_t bucket_of(const map_key &key) { return key[0] % count_of_buckets; }

/** A map, empty at first; a change inserts a key that is not there, one in a transaction. */
class map : public store {
public:
    void transaction(unsigned thread, unsigned changes) final;
    void check() final;
    bool is_full() const final { return inserted() > most_entries; }
    std::size_t bytes_of_change() const final { return sizeof(map_key) + sizeof(map_value); }

protected:
    /** Insert it, atomically and isolated; threads 0 to most_threads - 1 call it at the same time. It throws if the key is there. */
    virtual void insert(unsigned thread, const map_key &key, const map_value &value) = 0;
    /** Whether the key is there, and has this value. */
    virtual bool has(const map_key &key, const map_value &value) = 0;
    /** Of all entries. */
    virtual std::uint64_t size() = 0;

private:
    /** Twice as many as chains, so that these do not make a fast store slow. */
    static constexpr std::uint64_t most_entries = 2 * count_of_buckets;

    std::uint64_t inserted() const;
    struct alignas(64) account {
        std::uint64_t inserted = 0;
    };
    account of_[most_threads];
};

/** What a transaction waits for. */
enum class wait_for : std::uint8_t { disk, nothing };

struct variant {
    std::string name;
    wait_for waits;
    /** Its files have names that begin with `path`, in a directory of their own. */
    std::function<std::unique_ptr<store>(const std::string &path)> create;
};
/** One that is made from its path and these. */
template <class Store, class... Args> variant make_variant(const std::string &name, wait_for waits, Args... args)
{
    return {name, waits, [=](const std::string &path) { return std::make_unique<Store>(path, args...); }};
}

struct catalogue {
    std::vector<variant> counters, maps;
    std::vector<std::string> versions; /**< of the peers */
    std::vector<std::string> missing;  /**< what is left out */
};

/** One per source file. */
void add_append(catalogue &to);
void add_pool(catalogue &to);
void add_sqlite(catalogue &to);
void add_lmdb(catalogue &to);
void add_pmdk(catalogue &to);
[[gnu::visibility("default")]] void add_pmemobj(catalogue &to);
void add_rocksdb(catalogue &to);

} // namespace bench

#endif
