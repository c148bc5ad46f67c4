// SPDX-License-Identifier: MIT
/**
 * @file disk.hpp
 * The inside of a Disk: files, names and handles, and the functions of its tm_storage.
 */
#pragma once

#include "content.hpp"
#include "memfd.hpp"

#include <mutex>
#include <unordered_set>

namespace libtm::crash {

/** The directory of a path. */
std::string directory(std::string_view path);

/** One file, whatever its names. */
struct Node {
    std::uint64_t number = 0;
    std::string label; // the name it was made with
    std::uint32_t links = 0;
    Content content;
    Content durable;                            // for AfterFailure::see_old
    std::unordered_set<std::uint64_t> reserved; // blocks
    int locked = -1;                            // the handle
    std::unique_ptr<Memfd> memfd;               // once it is mapped

    ~Node();
};

struct Disk::Data {
    struct Table : tm_storage {
        Data *data;
    };
    struct Functions; // of the table
    struct Handle {
        std::shared_ptr<Node> node; // nullptr: closed
        bool writable;
    };

    Data(const Files &files, bool recording);
    static tm_storage functions();
    static Data &of(tm_storage *self) { return *static_cast<Table *>(self)->data; }
    Node *node(int file, bool to_write = false);
    int handle(std::shared_ptr<Node> node, bool writable);
    std::shared_ptr<Node> make(const char *path);
    void add(Event event);
    void resize(Node &node, std::uint64_t size);
    /** Blocks in use. */
    std::uint64_t used() const;
    /** Whether these bytes fit in the space that is left. */
    bool fits(const Node &node, std::uint64_t size, std::uint64_t offset) const;
    void fail_sync(Node &node, int error);

    Table table;
    Disk *disk = nullptr;
    mutable std::mutex mutex; // guards all that follows
    const Files before;
    const bool recording;
    std::map<std::string, std::shared_ptr<Node>> names;
    std::vector<std::shared_ptr<Node>> nodes; // all that ever were: their mappings live as long as the Disk
    std::vector<Handle> handles;
    std::uint64_t next;
    std::vector<Event> events;
    std::vector<std::function<void(const Event &)>> observers;
    bool unnamed = true;
    std::uint64_t space = UINT64_MAX; // blocks
    AfterFailure after_failure = AfterFailure::see_new;
};

} // namespace libtm::crash
