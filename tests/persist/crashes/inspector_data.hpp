// SPDX-License-Identifier: MIT
/**
 * @file inspector_data.hpp
 * The inside of an Inspector: what it knows of files, names and handles, and its assertions on them.
 */
#pragma once

#include "inspector.hpp"

#include <map>

namespace libtm::testing {

struct Inspector::Data : tm_storage {
    struct Functions;
    struct Handle {
        std::shared_ptr<Book> book;
        bool is_dead = false; ///< a write or sync has failed
    };

    Data(tm_storage *inner, tm_storage *plain);

    // The assertions: before the call.
    void before_write(const Book &book, std::uint64_t offset, const std::vector<char> &bytes);
    void before_truncate(const Book &book, std::uint64_t size);
    void before_naming(const Book &book, const std::string &path);
    void before_removal(const std::string &path);
    void before_change(const Handle &handle, const char *call);

    void image_changes(const Book &data, std::uint64_t offset, const std::vector<char> &bytes);
    void header_changes(const Book &data, int copy, const std::vector<char> &block);
    void groups_change(const Book &journal, std::uint64_t offset, std::uint64_t end, const char *bytes);

    // What is known, after the call.
    std::shared_ptr<Book> book_of(const std::string &path, bool is_new);
    std::shared_ptr<Book> named(const std::string &path) const;
    void failed(Handle &handle, std::uint64_t offset, std::uint64_t end);
    std::vector<char> contents(const std::string &path) const;
    void violated(const std::string &what);

    tm_storage *inner;
    tm_storage *plain;
    mutable std::mutex mutex;
    std::map<std::string, std::shared_ptr<Book>> names;
    std::map<std::string, std::shared_ptr<Book>> ghosts; ///< names that were taken away, and may come back
    std::map<int, Handle> handles;
    Groups groups;
    Looks looks;
    std::uint64_t changes = 0;
    std::string violation;
};

/** Whether this is the path of a journal. */
bool is_journal(const std::string &path);

} // namespace libtm::testing
