// SPDX-License-Identifier: MIT
/**
 * @file actions.cpp
 * Actions that are prepared one by one, by any thread, and published together. An action in its place of the user's: for an object (POBJ_ACTION_TYPE_HEAP) `heap`, and in data[0] what it is; for a value
 * (POBJ_ACTION_TYPE_MEM) the address and the value in data2.
 */
#include "changes.hpp"
#include "tx.hpp"

#include <cerrno>
#include <cstring>
#include <span>

namespace libtm::pmemobj {

namespace {

enum : std::uint32_t { reserved = 1, freed = 2 };

Object &object_of(PMEMobjpool &pool, const pobj_action &action) { return *Object::of(pool.base + action.heap.offset); }

/** The reserved objects first: if something fails, all of them are given back. */
void plan(Changes &changes, std::span<const pobj_action> actions)
{
    for (const pobj_action &action : actions)
        if (action.type == POBJ_ACTION_TYPE_HEAP && action.data[0] == reserved) changes.adopt(object_of(changes.pool(), action));
    for (const pobj_action &action : actions)
        if (action.type == POBJ_ACTION_TYPE_MEM) {
            auto *const where = reinterpret_cast<std::uint64_t *>(action.data2[0]);
            if (!changes.pool().has(where, sizeof *where)) throw Refused{EINVAL, "the value's place does not lie in the pool"};
            changes.keep(where, sizeof *where);
            *where = action.data2[1];
        } else if (action.data[0] == freed) {
            changes.free(object_of(changes.pool(), action));
        }
}

} // namespace

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

extern "C" PMEMoid pmemobj_xreserve(PMEMobjpool *pop, struct pobj_action *act, size_t size, uint64_t type_num, uint64_t flags)
{
    PMEMoid made = OID_NULL;
    guarded([&] {
        PMEMobjpool &pool = checked(pop);
        if (flags & ~POBJ_ACTION_XRESERVE_VALID_FLAGS) throw Refused{EINVAL, "unknown flags"};
        Object &object = reserve_object(pool, size, type_num, flags & POBJ_XALLOC_ZERO);
        made = pool.oid_of(object.data());
        *act = {};
        act->type = POBJ_ACTION_TYPE_HEAP;
        act->data[0] = reserved;
        act->heap = {made.off, object.size};
    });
    return made;
}

extern "C" PMEMoid pmemobj_reserve(PMEMobjpool *pop, struct pobj_action *act, size_t size, uint64_t type_num) { return pmemobj_xreserve(pop, act, size, type_num, 0); }

extern "C" void pmemobj_defer_free(PMEMobjpool *, PMEMoid oid, struct pobj_action *act)
{
    *act = {};
    act->type = POBJ_ACTION_TYPE_HEAP;
    act->data[0] = freed;
    act->heap = {oid.off, 0};
}

extern "C" void pmemobj_set_value(PMEMobjpool *, struct pobj_action *act, uint64_t *ptr, uint64_t value)
{
    *act = {};
    act->type = POBJ_ACTION_TYPE_MEM;
    act->data2[0] = reinterpret_cast<std::uint64_t>(ptr);
    act->data2[1] = value;
}

extern "C" int pmemobj_publish(PMEMobjpool *pop, struct pobj_action *actv, size_t actvcnt)
{
    return guarded([&] {
        Changes changes(checked(pop));
        plan(changes, {actv, actvcnt});
        changes.publish();
    })
               ? -1
               : 0;
}

extern "C" int pmemobj_tx_xpublish(struct pobj_action *actv, size_t actvcnt, uint64_t flags)
{
    return in_work(flags, POBJ_XPUBLISH_VALID_FLAGS, [&](Changes &changes) {
        plan(changes, {actv, actvcnt});
    });
}

extern "C" int pmemobj_tx_publish(struct pobj_action *actv, size_t actvcnt) { return pmemobj_tx_xpublish(actv, actvcnt, 0); }

extern "C" void pmemobj_cancel(PMEMobjpool *pop, struct pobj_action *actv, size_t actvcnt)
{
    guarded([&] {
        for (const pobj_action &action : std::span(actv, actvcnt))
            if (action.type == POBJ_ACTION_TYPE_HEAP && action.data[0] == reserved && tm_pool_cancel(checked(pop).pool, &object_of(*pop, action)) != 0) throw pool_refused();
    });
}
