// SPDX-License-Identifier: MIT
/**
 * @file objects.hpp
 * Open pools, and the objects in them. Read this first.
 *
 * A pool of libpmemobj is a pool of libtm whose memory of one page is the Head, and whose heap has the objects. An object is a block that begins with an Object; an identifier's offset
 * counts from the beginning of the memory to what follows that.
 *
 * Plain code of the program changes objects, under its own locks. All that is to last goes through Changes (changes.hpp): they keep libtm's transactions off, and publish to the journal. On
 * these stand transactions (tx.cpp), single objects (atomic.cpp), lists (lists.cpp), actions (actions.cpp) and ranges that the program makes durable by itself (persist.cpp).
 */
#pragma once

#include "error.hpp"

#include <atomic>
#include <cstdint>
#include <libpmemobj.h>
#include <mutex>
#include <tm/publish.h>

namespace libtm::pmemobj {

/** At the beginning of a pool's memory. */
struct Head {
    char magic[8];
    std::uint64_t version;
    std::uint64_t root; ///< offset of the root object, 0: none
    std::uint64_t root_size;
    char layout[PMEMOBJ_MAX_LAYOUT]; ///< all of it; the pool's own field has room for 63 bytes
};
inline constexpr char magic[8] = {'T', 'M', 'P', 'M', 'O', 'B', 'J', 0};
/** The layout's version of such pools. */
inline constexpr std::uint32_t layout_version = 0x4a424f50;

/** What an object begins with. */
struct Object {
    std::uint64_t type;
    std::uint64_t size : 40; ///< usable bytes behind this
    std::uint64_t is_root : 1;
    std::uint64_t zero : 7;
    std::uint64_t mark : 16;

    static constexpr std::uint64_t right_mark = 0x504f;
    char *data() { return reinterpret_cast<char *>(this + 1); }
    static Object *of(void *data) { return static_cast<Object *>(data) - 1; }
};
static_assert(sizeof(Object) == 16);

} // namespace libtm::pmemobj

/** An open pool. */
struct pmemobjpool {
    tm_pool *pool;
    char *base;         ///< of the memory
    std::uint64_t uuid; ///< never 0
    std::uint64_t run;  ///< of this open; even, and of no other one
    std::atomic<std::uint64_t> end; ///< bytes from the base on that are known to be there
    std::mutex root_mutex;
    std::atomic<std::uint64_t> root_size; ///< as in the head, when that is published
    void *user_data;

    libtm::pmemobj::Head &head() { return *reinterpret_cast<libtm::pmemobj::Head *>(base); }
    /** Whether `size` bytes at the address lie in it. */
    bool has(const void *address, std::size_t size);
    PMEMoid oid_of(const void *address) { return {uuid, static_cast<std::uint64_t>(static_cast<const char *>(address) - base)}; }
};

namespace libtm::pmemobj {

/** For tests: where the files of pools are (null: the operating system's), bytes of a new pool's journal (0: as is usual), and further flags of tm_pool_attr. */
struct Surroundings {
    tm_storage *storage;
    std::uint64_t journal;
    unsigned flags;
};
extern Surroundings surroundings;

/** The open pool with the address, or null. Thread-safe. */
PMEMobjpool *pool_at(const void *address);
/** The open pool of the identifier. Throws EINVAL. */
PMEMobjpool &pool_of(PMEMoid oid);
PMEMobjpool &checked(PMEMobjpool *pop);
/** The object. Throws EINVAL if there is none. */
Object &object_of(PMEMoid oid);

} // namespace libtm::pmemobj
