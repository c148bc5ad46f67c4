// SPDX-License-Identifier: MIT
/**
 * @file store.hpp
 * What is compared: ways to keep an image of pages on a disk. Each lives in a source file of its own.
 */
#ifndef BENCH_POOL_STORE_HPP
#define BENCH_POOL_STORE_HPP

#include "pages.hpp"
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bench {

/** An image of pages in files. What fails throws. */
class store {
public:
    virtual ~store() = default;

    /** Make these changes; they are durable on return. */
    virtual void commit(std::span<const change> changes) = 0;
    /** Bring what is committed to where it belongs: the journal, if there is one, starts anew. */
    virtual void settle() {}
    /** Bytes of a journal that an open after a crash has to deal with. */
    virtual std::size_t pending() { return 0; }
    /** Close and open again, as another run of the program would. */
    virtual void reopen() = 0;
    /** The bytes of a page; valid until the next call. */
    virtual const char *page(std::size_t number) = 0;
    /** Counters since the creation, by name; those of a window are their differences. */
    virtual std::map<std::string, double> count() { return {}; }
    /** How it does it, where it had a choice. */
    virtual std::string note() { return {}; }
    /** Empty if the files hold what was committed, and nothing else. Opens them anew. */
    virtual std::string damage(const work &done);
    /** The same of what is open. */
    std::string difference(const work &done);
};

/** Where a store has its files, and how big it is. */
struct site {
    std::string path;  /**< of the files: this name, or beginning with it */
    std::size_t bytes; /**< of the image */

    std::size_t pages() const { return bytes / page_size; }
};

/** A store to be measured. */
struct variant {
    std::string name;
    bool sustained; /**< also over many commits, with write-back */
    std::function<std::unique_ptr<store>(const site &)> create;
    bool words_only = false; /**< changes of whole pages are not for it */
};

/** A store with a journal, to be opened after a crash. */
struct recoverable {
    std::string name;
    /** With room for that much in the journal, and nothing but an open takes it out. */
    std::function<std::unique_ptr<store>(const site &, std::size_t journal)> create;
    /** Until the pages can be read. */
    std::function<std::unique_ptr<store>(const site &)> open;
};

struct catalogue {
    std::vector<variant> variants;
    std::vector<recoverable> recoverables;
    std::vector<std::string> versions; /**< of the peers */
    std::vector<std::string> missing;  /**< what is left out, and why */
};

/** Bytes of the journals of all stores that have one. */
inline constexpr std::size_t journal_bytes = std::size_t{64} << 20;

/** One per source file. */
void add_append(catalogue &to);
void add_pool(catalogue &to);
void add_txmem(catalogue &to);
void add_mapped(catalogue &to);
void add_lmdb(catalogue &to);
void add_sqlite(catalogue &to);

} // namespace bench

#endif
