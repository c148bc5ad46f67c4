// SPDX-License-Identifier: MIT
/**
 * @file atomic.cpp
 * Objects that come and go by themselves, the root among them. Each call is Changes of its own, also in a transaction, which neither undoes nor delays it.
 */
#include "atomic.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <wchar.h>

namespace libtm::pmemobj {

void set(Changes &changes, PMEMoid *where, PMEMoid value)
{
    if (!where) return;
    if (changes.pool().has(where, sizeof *where)) changes.keep(where, sizeof *where);
    *where = value;
}

namespace {

/** Set an identifier that may lie outside of the pool: that is not undone, so it comes after the rest. */
void publish_and_set(Changes &changes, PMEMoid *where, PMEMoid value)
{
    const bool is_inside = where && changes.pool().has(where, sizeof *where);
    if (is_inside) set(changes, where, value);
    changes.publish();
    if (where && !is_inside) *where = value;
}

void construct(PMEMobjpool &pool, Object &object, pmemobj_constr constructor, void *arg)
{
    if (constructor && constructor(&pool, object.data(), arg) != 0) throw Refused{ECANCELED, "the constructor gave the object up"};
}

int allocate(PMEMobjpool *pop, PMEMoid *oidp, std::size_t size, std::uint64_t type, bool zeroed, pmemobj_constr constructor, void *arg)
{
    return guarded([&] {
        Changes changes(checked(pop));
        Object &made = changes.allocate(size, type, zeroed);
        construct(*pop, made, constructor, arg);
        publish_and_set(changes, oidp, pop->oid_of(made.data()));
    })
               ? -1
               : 0;
}

int reallocate(PMEMobjpool *pop, PMEMoid *oidp, std::size_t size, std::uint64_t type, bool zeroed)
{
    return guarded([&] {
        if (!oidp) throw Refused{EINVAL, "there is no identifier"};
        Changes changes(checked(pop));
        const PMEMoid now = reallocate(changes, *oidp, size, type, zeroed);
        publish_and_set(changes, oidp, now);
    })
               ? -1
               : 0;
}

/** A copy of `count` characters. */
template <class Character> int duplicate(PMEMobjpool *pop, PMEMoid *oidp, const Character *s, std::size_t (*length)(const Character *), std::uint64_t type)
{
    if (!s) {
        remember(EINVAL, "there is no string");
        return -1;
    }
    struct Text {
        const Character *from;
        std::size_t bytes;
    } text{s, (length(s) + 1) * sizeof(Character)};
    const auto copy = [](PMEMobjpool *, void *to, void *from) {
        const Text &it = *static_cast<const Text *>(from);
        std::memcpy(to, it.from, it.bytes);
        return 0;
    };
    return allocate(pop, oidp, text.bytes, type, false, copy, &text);
}

} // namespace

PMEMoid reallocate(Changes &changes, PMEMoid oid, std::size_t size, std::uint64_t type, bool zeroed)
{
    PMEMobjpool &pool = changes.pool();
    if (OID_IS_NULL(oid) && size == 0) return oid;
    if (OID_IS_NULL(oid)) return pool.oid_of(changes.allocate(size, type, zeroed).data());
    Object &old = object_of(oid);
    if (&pool_of(oid) != &pool) throw Refused{EINVAL, "the object lies in another pool"};
    if (size == 0) {
        changes.free(old);
        return OID_NULL;
    }
    Object &made = changes.allocate(size, type, false);
    const std::size_t kept = std::min<std::size_t>(old.size, made.size);
    std::memcpy(made.data(), old.data(), kept);
    if (zeroed) std::memset(made.data() + kept, 0, made.size - kept);
    changes.free(old);
    return pool.oid_of(made.data());
}

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

extern "C" int pmemobj_alloc(PMEMobjpool *pop, PMEMoid *oidp, size_t size, uint64_t type_num, pmemobj_constr constructor, void *arg)
{
    return allocate(pop, oidp, size, type_num, false, constructor, arg);
}

extern "C" int pmemobj_xalloc(PMEMobjpool *pop, PMEMoid *oidp, size_t size, uint64_t type_num, uint64_t flags, pmemobj_constr constructor, void *arg)
{
    if (flags & ~POBJ_XALLOC_VALID_FLAGS) {
        remember(EINVAL, "unknown flags");
        return -1;
    }
    return allocate(pop, oidp, size, type_num, flags & POBJ_XALLOC_ZERO, constructor, arg);
}

extern "C" int pmemobj_zalloc(PMEMobjpool *pop, PMEMoid *oidp, size_t size, uint64_t type_num) { return allocate(pop, oidp, size, type_num, true, nullptr, nullptr); }
extern "C" int pmemobj_realloc(PMEMobjpool *pop, PMEMoid *oidp, size_t size, uint64_t type_num) { return reallocate(pop, oidp, size, type_num, false); }
extern "C" int pmemobj_zrealloc(PMEMobjpool *pop, PMEMoid *oidp, size_t size, uint64_t type_num) { return reallocate(pop, oidp, size, type_num, true); }
extern "C" int pmemobj_strdup(PMEMobjpool *pop, PMEMoid *oidp, const char *s, uint64_t type_num) { return duplicate(pop, oidp, s, std::strlen, type_num); }
extern "C" int pmemobj_wcsdup(PMEMobjpool *pop, PMEMoid *oidp, const wchar_t *s, uint64_t type_num) { return duplicate(pop, oidp, s, wcslen, type_num); }

extern "C" void pmemobj_free(PMEMoid *oidp)
{
    if (OID_IS_NULL(*oidp)) return;
    guarded([&] {
        Object &object = object_of(*oidp);
        if (object.is_root) throw Refused{EINVAL, "the root object is not freed"};
        Changes changes(pool_of(*oidp));
        changes.free(object);
        publish_and_set(changes, oidp, OID_NULL);
    });
}

extern "C" PMEMoid pmemobj_root_construct(PMEMobjpool *pop, size_t size, pmemobj_constr constructor, void *arg)
{
    PMEMoid root = OID_NULL;
    guarded([&] {
        PMEMobjpool &pool = checked(pop);
        Head &head = pool.head();
        const auto is_enough = [&] { return pool.root_size.load(std::memory_order_acquire) >= std::max<std::size_t>(size, 1); };
        if (size == 0 && !is_enough()) throw Refused{EINVAL, "there is no root object yet, and its size is given as 0"};
        if (!is_enough()) {
            Changes changes(pool); // before the mutex: no transaction of this thread runs
            const std::lock_guard lock(pool.root_mutex);
            if (is_enough()) { // by now
                root = {pool.uuid, head.root};
                return;
            }
            Object &made = changes.allocate(size, POBJ_ROOT_TYPE_NUM, true);
            made.is_root = 1;
            construct(pool, made, constructor, arg);
            if (head.root) { // over what the constructor has made: that is for what is new
                Object &old = *Object::of(pool.base + head.root);
                std::memcpy(made.data(), old.data(), head.root_size);
                changes.free(old);
            }
            changes.keep(&head, sizeof head);
            head.root = pool.oid_of(made.data()).off;
            head.root_size = size;
            changes.publish();
            pool.root_size.store(size, std::memory_order_release);
        }
        root = {pool.uuid, head.root};
    });
    return root;
}

extern "C" PMEMoid pmemobj_root(PMEMobjpool *pop, size_t size) { return pmemobj_root_construct(pop, size, nullptr, nullptr); }
extern "C" size_t pmemobj_root_size(PMEMobjpool *pop) { return pop->root_size; }

extern "C" int pmemobj_defrag(PMEMobjpool *pop, PMEMoid **oidv, size_t oidcnt, struct pobj_defrag_result *result)
{
    pobj_defrag_result figures{0, 0};
    const int code = guarded([&] {
        checked(pop);
        for (std::size_t i = 0; i < oidcnt; ++i) figures.total += !OID_IS_NULL(*oidv[i]);
    });
    if (result) *result = figures;
    return code ? -1 : 0;
}
