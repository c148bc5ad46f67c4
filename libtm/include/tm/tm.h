/* SPDX-License-Identifier: MIT */
/**
 * @file tm.h
 * libtm: software transactional memory, in C11. This is the one header to include; what C++ adds is in tm/tm.hpp.
 *
 * | header       | holds |
 * | ---          | --- |
 * | tm/control.h | tm_begin, tm_commit, tm_end; restart, abort, errors, attributes |
 * | tm/access.h  | tm_load, tm_store, any number of bytes, privatization |
 * | tm/memory.h  | tm_malloc, tm_free and the like |
 * | tm/action.h  | the action log: tm_log |
 * | tm/stage.h   | blocks with stages (on commit, on abort, finally), locks in transactions, user data, memory for the logs |
 * | tm/config.h  | options, counters |
 * | tm/hold.h    | for libraries: keeping transactions off what plain code changes. Not included here |
 *
 * @section caveats Caveats
 * - Data that transactions share is accessed by transactional loads and stores only, while it is shared. Memory that a committed
 *   transaction has made private (unlinked, or marked as taken) may be used plainly at once; so may memory that is not yet published.
 * - A block may run several times: what it does beside transactional accesses must bear that, or go through the action log.
 * - Do not leave a C block by return, goto, break, continue or longjmp(). A transaction left so holds its data until the thread ends or begins
 *   its next one in the same frame or one further out; a begin further in would become part of it. tm_longjmp() and tm_abandon() end it at once.
 * - A transaction must not wait for what another thread does only in a transaction or after one (a mutex, a pipe, the end of that thread): its
 *   begin or its commit may be waiting for this transaction to end. It takes mutexes and read-write locks by tm_lock(), which knows a way.
 * - With jemalloc libtm cannot be loaded by dlopen() into a program that is not linked with it (static TLS): build with -Dheap=system for that.
 * - Signal handlers must not use transactions of the thread they interrupt.
 * - After fork() in a program with several threads the child may only exec() or _exit(): others' transactions are frozen in it.
 */
#ifndef TM_TM_H
#define TM_TM_H

#include <tm/access.h>
#include <tm/action.h>
#include <tm/config.h>
#include <tm/context.h>
#include <tm/control.h>
#include <tm/memory.h>
#include <tm/stage.h>

#define TM_VERSION_MAJOR 1
#define TM_VERSION_MINOR 0
#define TM_VERSION "1.0"

#endif
