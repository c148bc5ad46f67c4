// SPDX-License-Identifier: MIT
/**
 * @file lists.cpp
 * Circular lists. A list's own lock, which lies in its head, keeps calls for the same list apart.
 */
#include "atomic.hpp"
#include "locks.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>

namespace libtm::pmemobj {

namespace {

/** As POBJ_LIST_HEAD() and POBJ_LIST_ENTRY() make them. */
struct ListHead {
    PMEMoid first;
    PMEMmutex lock;
};
struct ListEntry {
    PMEMoid next, previous;
};

/** One list, locked. */
class List {
public:
    List(PMEMobjpool &pool, void *head, std::size_t offset) : pool_(pool), head_(static_cast<ListHead *>(head)), offset_(offset)
    {
        if (!head || !pool.has(head, sizeof *head_)) throw Refused{EINVAL, "the list's head does not lie in the pool"};
    }
    pthread_mutex_t &mutex() const { return ready(pool_, head_->lock); }
    ListEntry &entry(PMEMoid oid) const { return *reinterpret_cast<ListEntry *>(pool_.base + oid.off + offset_); }

    void insert(Changes &changes, PMEMoid dest, int before, PMEMoid oid) const
    {
        ListEntry &mine = entry(oid);
        changes.keep(&mine, sizeof mine);
        const PMEMoid first = head_->first;
        if (OID_IS_NULL(first)) {
            mine = {oid, oid};
            set(changes, &head_->first, oid);
            return;
        }
        const bool leads = OID_IS_NULL(dest) ? before != 0 : before && OID_EQUALS(dest, first);
        const PMEMoid next = OID_IS_NULL(dest) ? first : before ? dest : entry(dest).next;
        mine = {next, entry(next).previous};
        set(changes, &entry(mine.previous).next, oid);
        set(changes, &entry(next).previous, oid);
        if (leads) set(changes, &head_->first, oid);
    }
    void remove(Changes &changes, PMEMoid oid) const
    {
        ListEntry &mine = entry(oid);
        const bool is_only = OID_EQUALS(mine.next, oid);
        if (!is_only) {
            set(changes, &entry(mine.previous).next, mine.next);
            set(changes, &entry(mine.next).previous, mine.previous);
        }
        if (OID_EQUALS(head_->first, oid)) set(changes, &head_->first, is_only ? OID_NULL : mine.next);
        changes.keep(&mine, sizeof mine);
        mine = {OID_NULL, OID_NULL};
    }
    /** An element of it, or OID_NULL if that may be. */
    void demand(PMEMoid oid, bool may_be_null) const
    {
        if (OID_IS_NULL(oid) && may_be_null) return;
        const Object &object = object_of(oid);
        if (&pool_of(oid) != &pool_) throw Refused{EINVAL, "the element lies in another pool"};
        if (offset_ + sizeof(ListEntry) > object.size) throw Refused{EINVAL, "the list's entry lies outside of the element"};
    }

private:
    PMEMobjpool &pool_;
    ListHead *head_;
    std::size_t offset_;
};

class Locked {
public:
    Locked(const List &one, const List &other) : first_(std::min(&one.mutex(), &other.mutex(), std::less<>())), second_(std::max(&one.mutex(), &other.mutex(), std::less<>()))
    {
        pthread_mutex_lock(first_);
        if (first_ != second_) pthread_mutex_lock(second_);
    }
    explicit Locked(const List &one) : Locked(one, one) {}
    ~Locked()
    {
        if (first_ != second_) pthread_mutex_unlock(second_);
        pthread_mutex_unlock(first_);
    }
    Locked(const Locked &) = delete;
    Locked &operator=(const Locked &) = delete;

private:
    pthread_mutex_t *first_, *second_;
};

} // namespace

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

extern "C" int pmemobj_list_insert(PMEMobjpool *pop, size_t pe_offset, void *head, PMEMoid dest, int before, PMEMoid oid)
{
    return guarded([&] {
        const List list(checked(pop), head, pe_offset);
        list.demand(dest, true);
        list.demand(oid, false);
        const Locked locked(list);
        Changes changes(*pop);
        list.insert(changes, dest, before, oid);
        changes.publish();
    })
               ? -1
               : 0;
}

extern "C" PMEMoid pmemobj_list_insert_new(PMEMobjpool *pop, size_t pe_offset, void *head, PMEMoid dest, int before, size_t size, uint64_t type_num, pmemobj_constr constructor, void *arg)
{
    PMEMoid made = OID_NULL;
    guarded([&] {
        const List list(checked(pop), head, pe_offset);
        list.demand(dest, true);
        const Locked locked(list);
        Changes changes(*pop);
        const PMEMoid oid = pop->oid_of(changes.allocate(size, type_num, false).data());
        list.demand(oid, false);
        if (constructor && constructor(pop, pop->base + oid.off, arg) != 0) throw Refused{ECANCELED, "the constructor gave the object up"};
        list.insert(changes, dest, before, oid);
        changes.publish();
        made = oid;
    });
    return made;
}

extern "C" int pmemobj_list_remove(PMEMobjpool *pop, size_t pe_offset, void *head, PMEMoid oid, int free)
{
    return guarded([&] {
        const List list(checked(pop), head, pe_offset);
        list.demand(oid, false);
        const Locked locked(list);
        Changes changes(*pop);
        list.remove(changes, oid);
        if (free) changes.free(object_of(oid));
        changes.publish();
    })
               ? -1
               : 0;
}

extern "C" int pmemobj_list_move(PMEMobjpool *pop, size_t pe_old_offset, void *head_old, size_t pe_new_offset, void *head_new, PMEMoid dest, int before, PMEMoid oid)
{
    return guarded([&] {
        const List from(checked(pop), head_old, pe_old_offset), to(*pop, head_new, pe_new_offset);
        from.demand(oid, false);
        to.demand(oid, false);
        to.demand(dest, true);
        const Locked locked(from, to);
        if (head_old == head_new && OID_EQUALS(dest, oid)) return;
        Changes changes(*pop);
        from.remove(changes, oid);
        to.insert(changes, dest, before, oid);
        changes.publish();
    })
               ? -1
               : 0;
}
