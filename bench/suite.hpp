// SPDX-License-Identifier: MIT
/**
 * @file suite.hpp
 * The table of workloads. Every synchronisation goes through it; each lives in a source file of its own.
 *
 * A synchronisation has `access` (the policy), `concurrent` (whether it is right with several threads),
 * `run(body)` (call the body once, in isolation, and return what it returned), and `count()`.
 */
#ifndef BENCH_SUITE_HPP
#define BENCH_SUITE_HPP

#include "driver.hpp"

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

template <class Sync> void add_structures(catalogue &to, const std::string &variant)
{
    using Access = typename Sync::access;
    to.add<Sync, bank<Access>>("bank-1024", variant, {1024});
    to.add<Sync, bank<Access>>("bank-65536", variant, {65536});
    for (const unsigned updates : {20u, 100u})
        to.add<Sync, set<hash_set<Access>>>("hash-" + std::to_string(updates), variant, {4096, updates});
    for (const unsigned updates : {0u, 20u, 100u})
        to.add<Sync, set<tree_set<Access>>>("tree-" + std::to_string(updates), variant, {4096, updates});
    to.add<Sync, set<list_set<Access>>>("list-20", variant, {256, 20});
    to.add<Sync, allocation<Access>>("malloc-free", variant, {64});
}

template <class Sync> void add_all(catalogue &to, const std::string &variant)
{
    add_empty<Sync>(to, variant);
    add_reads<Sync>(to, variant);
    add_writes<Sync>(to, variant);
    add_structures<Sync>(to, variant);
}

/** One per source file. */
void add_locks(catalogue &to);
void add_libtm(catalogue &to);
void add_libitm(catalogue &to);

} // namespace bench

#endif
