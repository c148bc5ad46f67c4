// SPDX-License-Identifier: MIT
/**
 * @file suite.hpp
 * The table of workloads. Every synchronisation goes through it; each lives in a source file of its own.
 *
 * A synchronisation has `access` (the policy), `concurrent` (whether it is right with several threads),
 * `run(body)` or `run(workload, arguments, body)` (call the body once, in isolation, and return what it returned), and `count()`; if
 * its threads must hold something while they use it, a type `membership`.
 */
#ifndef BENCH_SUITE_HPP
#define BENCH_SUITE_HPP

#include "driver.hpp"
#include "sets.hpp"

namespace bench {

template <class Sync, touch Touch, order Order>
void add_words(catalogue &to, const std::string &variant, const std::string &name, std::size_t array)
{
    for (const std::size_t count : {1u, 8u, 64u, 512u})
        to.add<Sync, words<typename Sync::access, Touch, Order>>(name + "-" + std::to_string(count), variant, {array, count});
}

/** Reads of words. The names without a number of their own are those of 4,096 words, scattered. */
template <class Sync> void add_reads(catalogue &to, const std::string &variant)
{
    add_words<Sync, touch::read, order::scattered>(to, variant, "read", 4096);
    add_words<Sync, touch::read, order::random>(to, variant, "read-random", 65536);
    add_words<Sync, touch::read, order::scattered>(to, variant, "read-of-65536", 65536);
    add_words<Sync, touch::read, order::sequential>(to, variant, "read-sequential", 4096);
}

template <class Sync> void add_writes(catalogue &to, const std::string &variant)
{
    add_words<Sync, touch::write, order::scattered>(to, variant, "write", 4096);
    add_words<Sync, touch::write, order::scattered>(to, variant, "write-of-65536", 65536);
    add_words<Sync, touch::write, order::sequential>(to, variant, "write-sequential", 4096);
    add_words<Sync, touch::modify, order::scattered>(to, variant, "modify", 4096);
    add_words<Sync, touch::modify, order::scattered>(to, variant, "modify-of-65536", 65536);
    add_words<Sync, touch::modify, order::sequential>(to, variant, "modify-sequential", 4096);
}

template <class Sync> void add_empty(catalogue &to, const std::string &variant)
{
    to.add<Sync, empty<typename Sync::access>>("empty", variant, {});
}

/** A set under some percentages of updates. */
template <class Sync, class Set>
void add_set(catalogue &to, const std::string &variant, const std::string &name, std::initializer_list<unsigned> updates, std::size_t elements = 4096)
{
    for (const unsigned percent : updates) to.add<Sync, set<Set>>(name + "-" + std::to_string(percent), variant, {elements, percent});
}

/** What can be sharded: locks for parts of the data do, since an operation knows before what it will touch. */
template <class Sync> void add_shardable(catalogue &to, const std::string &variant)
{
    using Access = typename Sync::access;
    for (const std::size_t accounts : {1024u, 65536u}) to.add<Sync, bank<Access>>("bank-" + std::to_string(accounts), variant, {accounts});
    for (const std::size_t many : {256u, 262144u}) to.add<Sync, counters<Access>>("counters-" + std::to_string(many), variant, {many});
    add_set<Sync, hash_set<Access>>(to, variant, "hash", {20, 100});
}

template <class Sync> void add_structures(catalogue &to, const std::string &variant)
{
    using Access = typename Sync::access;
    add_shardable<Sync>(to, variant);
    add_set<Sync, tree_set<Access>>(to, variant, "tree", {0, 20, 100});
    add_set<Sync, skip_set<Access>>(to, variant, "skip", {20, 100});
    add_set<Sync, list_set<Access>>(to, variant, "list", {20}, 256);
    to.add<Sync, allocation<Access>>("malloc-free", variant, {64});
}

template <class Sync> void add_all(catalogue &to, const std::string &variant)
{
    add_empty<Sync>(to, variant);
    add_reads<Sync>(to, variant);
    add_writes<Sync>(to, variant);
    add_structures<Sync>(to, variant);
}

/** One per source file; they say of themselves how they are configured, or that they are missing. */
void add_locks(catalogue &to);
void add_libtm(catalogue &to);
void add_libitm(catalogue &to, const std::string &method);
void add_tbb(catalogue &to);
void add_cds(catalogue &to);

} // namespace bench

#endif
