// SPDX-License-Identifier: MIT
#include "objects.hpp"

#include "changes.hpp"
#include "persist.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <shared_mutex>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

__thread tm_pmemobj_lookup_ tm_pmemobj_last_ = {0, 0, nullptr};
std::uint64_t tm_pmemobj_closed_ = 0;

namespace libtm::pmemobj {

Surroundings surroundings{};

namespace {

/** Never destroyed: the program may use pools until the process ends. */
std::shared_mutex &pools_mutex = *new std::shared_mutex;
std::vector<PMEMobjpool *> &pools = *new std::vector<PMEMobjpool *>;

template <class Wanted> PMEMobjpool *find(Wanted &&wanted)
{
    const std::shared_lock lock(pools_mutex);
    const auto found = std::find_if(pools.begin(), pools.end(), [&](PMEMobjpool *pool) { return wanted(*pool); });
    return found == pools.end() ? nullptr : *found;
}

void demand_layout(const char *layout)
{
    if (layout && std::strlen(layout) >= PMEMOBJ_MAX_LAYOUT) throw Refused{EINVAL, "the layout's name has more than " + std::to_string(PMEMOBJ_MAX_LAYOUT - 1) + " bytes"};
}

/** The part of a layout's name that pools of libtm have room for. */
std::string short_layout(const char *layout) { return std::string(layout ? layout : "").substr(0, TM_POOL_LAYOUT_SIZE - 1); }

/** Whether the pool has the layout; any, if that is not asked. */
void demand_same(const Head &head, const char *layout)
{
    if (layout && std::strncmp(head.layout, layout, sizeof head.layout) != 0) throw Refused{EINVAL, "the pool's layout is \"" + std::string(head.layout, strnlen(head.layout, sizeof head.layout)) + "\", not \"" + layout + '"'};
}

void demand_path(const char *path)
{
    if (!path || !*path) throw Refused{EINVAL, "there is no path"};
}

/** Pools of several files begin like this. */
void refuse_pool_set(const char *path)
{
    constexpr std::string_view signature = "PMEMPOOLSET";
    char first[signature.size()];
    const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return;
    const ssize_t size = ::pread(file, first, sizeof first, 0);
    ::close(file);
    if (size == sizeof first && signature == std::string_view(first, sizeof first)) throw Refused{ENOTSUP, std::string(path) + " is a pool set: pools of libtm are single files, without replicas; give the path of one"};
}

/** Where the caller has made the file: how large it is. It must be empty of anything. */
std::uint64_t take_over(const char *path, struct stat &status)
{
    if (::stat(path, &status) != 0) throw Refused{errno, std::string(path) + ": " + std::strerror(errno)};
    char head[4096] = {};
    const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool is_read = file >= 0 && ::pread(file, head, sizeof head, 0) >= 0;
    if (file >= 0) ::close(file);
    if (!is_read) throw Refused{errno, std::string(path) + " cannot be read"};
    if (std::any_of(std::begin(head), std::end(head), [](char byte) { return byte != 0; })) throw Refused{EEXIST, std::string(path) + " is not empty; remove it, or open it"};
    return static_cast<std::uint64_t>(status.st_size);
}

/** The process's, without changing it for a moment. */
mode_t mask_of_new_files()
{
    unsigned mask = 0;
    if (FILE *const status = std::fopen("/proc/self/status", "re")) {
        char line[256];
        while (std::fgets(line, sizeof line, status) && std::sscanf(line, "Umask: %o", &mask) != 1) {
        }
        std::fclose(status);
    }
    return mask;
}

void set_mode(const char *path, mode_t mode)
{
    if (::chmod(path, mode & 07777) != 0) throw Refused{errno, std::string(path) + ": chmod: " + std::strerror(errno)};
}

/** A pool that is open, but not yet known to anybody. */
std::unique_ptr<pmemobjpool> opened(tm_pool *pool)
{
    if (!pool) {
        Refused refused = pool_refused();
        if (refused.code == EMEDIUMTYPE || refused.code == EBADMSG || refused.code == ENOTSUP) refused.code = EINVAL;
        throw refused;
    }
    std::unique_ptr<pmemobjpool> made;
    try {
        made = std::make_unique<pmemobjpool>();
    } catch (...) {
        tm_pool_close(pool);
        throw;
    }
    tm_pool_stats stats;
    tm_pool_stat(pool, &stats);
    made->pool = pool;
    made->base = static_cast<char *>(tm_pool_data(pool));
    std::memcpy(&made->uuid, stats.uuid, sizeof made->uuid);
    if (!made->uuid) made->uuid = 1;
    made->run = 2 * stats.generation;
    return made;
}

/** The first thing that is done with a pool; a crash may have come before it, in its creation. */
void have_head(PMEMobjpool &pool, const char *layout)
{
    Head &head = pool.head();
    if (std::memcmp(head.magic, magic, sizeof magic) == 0) {
        if (head.version != 1) throw Refused{ENOTSUP, "the pool's objects are of version " + std::to_string(head.version) + ", not 1"};
        return;
    }
    const char *const bytes = reinterpret_cast<const char *>(&head);
    if (std::any_of(bytes, bytes + sizeof head, [](char byte) { return byte != 0; })) throw Refused{EINVAL, "the pool was not made by pmemobj_create()"};
    Changes changes(pool);
    changes.keep(&head, sizeof head);
    std::memcpy(head.magic, magic, sizeof magic);
    head.version = 1;
    if (layout) std::strcpy(head.layout, layout);
    changes.publish();
}

/** From now on others find it; if it throws, the caller has it still. */
PMEMobjpool *known(std::unique_ptr<pmemobjpool> &pool)
{
    pool->root_size = pool->head().root_size;
    const std::lock_guard lock(pools_mutex);
    for (const PMEMobjpool *other : pools)
        if (other->uuid == pool->uuid) throw Refused{EEXIST, "a pool of the same identity is open: this is a copy of it"};
    pools.push_back(pool.get());
    return pool.release();
}

} // namespace

PMEMobjpool *pool_at(const void *address)
{
    return find([&](PMEMobjpool &pool) { return pool.has(address, 0); });
}

PMEMobjpool &pool_of(PMEMoid oid)
{
    PMEMobjpool *const pool = OID_IS_NULL(oid) ? nullptr : find([&](const PMEMobjpool &each) { return each.uuid == oid.pool_uuid_lo; });
    if (!pool) throw Refused{EINVAL, OID_IS_NULL(oid) ? "the identifier is OID_NULL" : "the identifier's pool is not open"};
    return *pool;
}

PMEMobjpool &checked(PMEMobjpool *pop)
{
    if (!pop) throw Refused{EINVAL, "there is no pool"};
    return *pop;
}

Object &object_of(PMEMoid oid)
{
    PMEMobjpool &pool = pool_of(oid);
    Object *const object = Object::of(pool.base + oid.off);
    if (oid.off < sizeof(Object) || !pool.has(object, sizeof *object) || object->mark != Object::right_mark) throw Refused{EINVAL, "the identifier is that of no object"};
    return *object;
}

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

bool pmemobjpool::has(const void *address, std::size_t size)
{
    if (address < base) return false;
    const auto offset = static_cast<std::uint64_t>(static_cast<const char *>(address) - base);
    const auto fits = [&](std::uint64_t there) { return offset < there && size <= there - offset; };
    if (fits(end.load(std::memory_order_relaxed))) return true;
    tm_pool_stats stats;
    if (tm_pool_of(address) != pool || tm_pool_stat(pool, &stats) != 0) return false;
    end.store(stats.size + stats.heap_size, std::memory_order_relaxed); // it only grows
    return fits(stats.size + stats.heap_size);
}

extern "C" PMEMobjpool *pmemobj_create(const char *path, const char *layout, size_t poolsize, mode_t mode)
{
    PMEMobjpool *result = nullptr;
    guarded([&] {
        demand_path(path);
        refuse_pool_set(path);
        demand_layout(layout);
        const bool takes_over = poolsize == 0;
        struct stat status{};
        if (takes_over) poolsize = take_over(path, status);
        if (poolsize < PMEMOBJ_MIN_POOL) throw Refused{EINVAL, "a pool has at least " + std::to_string(PMEMOBJ_MIN_POOL) + " bytes"};
        if (takes_over && ::unlink(path) != 0) throw Refused{errno, std::string(path) + ": " + std::strerror(errno)};
        const std::string name = short_layout(layout);
        tm_pool_attr attr{};
        attr.layout = name.c_str();
        attr.layout_version = layout_version;
        attr.storage = surroundings.storage;
        attr.reserve = poolsize;
        attr.journal = surroundings.journal ? surroundings.journal : std::clamp<std::uint64_t>(poolsize / 2, 1 << 20, 64 << 20);
        attr.flags = surroundings.flags;
        auto pool = opened(tm_pool_create(path, sizeof(Head), &attr));
        const auto close = [](pmemobjpool *it) { tm_pool_close(it->pool); };
        std::unique_ptr<pmemobjpool, decltype(close)> open(pool.get(), close);
        if (!surroundings.storage) set_mode(path, takes_over ? status.st_mode : mode & ~mask_of_new_files());
        have_head(*pool, layout);
        result = known(pool);
        open.release();
    });
    return result;
}

extern "C" PMEMobjpool *pmemobj_open(const char *path, const char *layout)
{
    PMEMobjpool *result = nullptr;
    guarded([&] {
        demand_path(path);
        refuse_pool_set(path);
        demand_layout(layout);
        tm_pool_attr attr{};
        attr.storage = surroundings.storage;
        attr.flags = TM_POOL_ANYWHERE | surroundings.flags;
        auto pool = opened(tm_pool_open(path, &attr));
        const auto close = [](pmemobjpool *it) { tm_pool_close(it->pool); };
        std::unique_ptr<pmemobjpool, decltype(close)> open(pool.get(), close);
        have_head(*pool, layout);
        demand_same(pool->head(), layout);
        result = known(pool);
        open.release();
    });
    return result;
}

extern "C" void pmemobj_close(PMEMobjpool *pop)
{
    if (!pop) return;
    const int unsaved = guarded([&] {
        drain(*pop);
        if (tm_pool_wait(pop->pool, 0) != 0) throw pool_refused(); // what is called then may use the pool
    });
    const std::string why = pmemobj_errormsg();
    guarded([&] {
        forget(*pop);
        {
            const std::lock_guard lock(pools_mutex);
            std::erase(pools, pop);
        }
        __atomic_add_fetch(&tm_pmemobj_closed_, 1, __ATOMIC_RELEASE);
        const std::unique_ptr<pmemobjpool> gone(pop);
        if (tm_pool_close(pop->pool) != 0) throw pool_refused();
        if (unsaved) throw Refused{unsaved, why};
    });
}

extern "C" int pmemobj_check(const char *path, const char *layout)
{
    int result = -1;
    guarded([&] {
        demand_path(path);
        refuse_pool_set(path);
        demand_layout(layout);
        tm_pool_attr attr{};
        attr.storage = surroundings.storage;
        attr.flags = TM_POOL_READ_ONLY | TM_POOL_ANYWHERE;
        const auto close = [](tm_pool *it) { tm_pool_close(it); };
        const std::unique_ptr<tm_pool, decltype(close)> pool(tm_pool_open(path, &attr), close);
        if (!pool) {
            const int code = tm_pool_error()->code;
            if (code == EMEDIUMTYPE || code == EBADMSG || code == ENOTSUP) result = 0;
            throw pool_refused();
        }
        const Head *const head = static_cast<const Head *>(tm_pool_data(pool.get()));
        if (std::memcmp(head->magic, magic, sizeof magic) == 0) demand_same(*head, layout);
        result = 0;
        if (std::memcmp(head->magic, magic, sizeof magic) != 0) throw Refused{EINVAL, "the pool was not made by pmemobj_create()"};
        bool has_root = head->root == 0;
        for (char *block = nullptr; (block = static_cast<char *>(tm_pool_next_block(pool.get(), block)));) {
            Object *const object = reinterpret_cast<Object *>(block);
            if (object->mark != Object::right_mark) continue; // one of tm_pool_malloc()
            if (sizeof *object + object->size > tm_pool_block_size(pool.get(), block)) throw Refused{EINVAL, "an object is larger than its block"};
            has_root = has_root || (object->is_root && object->data() - reinterpret_cast<const char *>(head) == static_cast<std::ptrdiff_t>(head->root));
        }
        if (!has_root) throw Refused{EINVAL, "the root object is none"};
        result = 1;
    });
    return result;
}

extern "C" void pmemobj_set_user_data(PMEMobjpool *pop, void *data) { pop->user_data = data; }
extern "C" void *pmemobj_get_user_data(PMEMobjpool *pop) { return pop->user_data; }

extern "C" PMEMobjpool *pmemobj_pool_by_ptr(const void *addr) { return pool_at(addr); }

extern "C" PMEMobjpool *pmemobj_pool_by_oid(PMEMoid oid)
{
    return OID_IS_NULL(oid) ? nullptr : find([&](const PMEMobjpool &each) { return each.uuid == oid.pool_uuid_lo; });
}

extern "C" PMEMoid pmemobj_oid(const void *addr)
{
    PMEMobjpool *const pool = pool_at(addr);
    return pool ? pool->oid_of(addr) : OID_NULL;
}

extern "C" void *tm_pmemobj_direct_(PMEMoid oid)
{
    const std::uint64_t closed = __atomic_load_n(&tm_pmemobj_closed_, __ATOMIC_ACQUIRE);
    PMEMobjpool *const pool = pmemobj_pool_by_oid(oid);
    if (!pool) return nullptr;
    tm_pmemobj_last_ = {oid.pool_uuid_lo, closed, pool->base};
    return pool->base + oid.off;
}

#undef pmemobj_direct
extern "C" void *pmemobj_direct(PMEMoid oid) { return pmemobj_direct_inline(oid); }

extern "C" std::uint64_t pmemobj_type_num(PMEMoid oid)
{
    std::uint64_t type = 0;
    guarded([&] { type = object_of(oid).type; });
    return type;
}

extern "C" size_t pmemobj_alloc_usable_size(PMEMoid oid)
{
    if (OID_IS_NULL(oid)) return 0;
    std::size_t size = 0;
    guarded([&] { size = object_of(oid).size; });
    return size;
}

/** The next object from a block on. */
static PMEMoid object_behind(PMEMobjpool &pool, void *block)
{
    while ((block = tm_pool_next_block(pool.pool, block))) {
        Object *const object = static_cast<Object *>(block);
        if (object->mark == Object::right_mark && !object->is_root) return pool.oid_of(object->data());
    }
    return OID_NULL;
}

extern "C" PMEMoid pmemobj_first(PMEMobjpool *pop)
{
    PMEMoid first = OID_NULL;
    guarded([&] { first = object_behind(checked(pop), nullptr); });
    return first;
}

extern "C" PMEMoid pmemobj_next(PMEMoid oid)
{
    PMEMoid next = OID_NULL;
    if (OID_IS_NULL(oid)) return next;
    guarded([&] {
        PMEMobjpool &pool = pool_of(oid);
        next = object_behind(pool, Object::of(pool.base + oid.off));
    });
    return next;
}
