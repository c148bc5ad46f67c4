// SPDX-License-Identifier: MIT
/**
 * @file ctl.cpp
 * The control name space: a table of what there is here. What libpmemobj has besides concerns its own heap, and is refused.
 */
#include "objects.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace libtm::pmemobj {

namespace {

/** Settings that are accepted and have no effect here. */
struct Setting {
    std::string_view name;
    enum { is_int, is_long_long, is_enum } kind;
    std::atomic<long long> value;
};
Setting settings[] = {
    {"prefault.at_create", Setting::is_int, 0},
    {"prefault.at_open", Setting::is_int, 0},
    {"sds.at_create", Setting::is_int, 0},
    {"tx.debug.skip_expensive_checks", Setting::is_int, 0},
    {"tx.debug.verify_user_buffers", Setting::is_int, 0},
    {"tx.cache.size", Setting::is_long_long, 32768},
    {"tx.cache.threshold", Setting::is_long_long, 12288},
    {"tx.post_commit.queue_depth", Setting::is_int, 0},
    {"stats.enabled", Setting::is_enum, POBJ_STATS_ENABLED_BOTH},
};

Setting *find(std::string_view name)
{
    for (Setting &each : settings)
        if (each.name == name) return &each;
    return nullptr;
}

[[noreturn]] void refuse(std::string_view name)
{
    for (const std::string_view known : {"heap.", "stats.", "debug.", "tx.", "copy_on_write.", "prefault.", "sds."})
        if (name.starts_with(known)) throw Refused{ENOTSUP, std::string(name) + " has no meaning for a pool of libtm"};
    throw Refused{EINVAL, "there is no " + std::string(name)};
}

void demand(const char *name, const void *argument)
{
    if (!name) throw Refused{EINVAL, "there is no name"};
    if (!argument) throw Refused{EINVAL, std::string(name) + " needs an argument"};
}

} // namespace

} // namespace libtm::pmemobj

using namespace libtm::pmemobj;

extern "C" int pmemobj_ctl_get(PMEMobjpool *pop, const char *name, void *arg)
{
    return guarded([&] {
        demand(name, arg);
        tm_pool_stats stats;
        if (const Setting *const found = find(name)) {
            if (found->kind == Setting::is_long_long) *static_cast<long long *>(arg) = found->value;
            else *static_cast<int *>(arg) = static_cast<int>(found->value);
        } else if (std::strcmp(name, "stats.heap.curr_allocated") == 0) {
            if (tm_pool_stat(checked(pop).pool, &stats) != 0) throw pool_refused();
            *static_cast<std::uint64_t *>(arg) = stats.heap_bytes;
        } else {
            refuse(name);
        }
    })
               ? -1
               : 0;
}

extern "C" int pmemobj_ctl_set(PMEMobjpool *, const char *name, void *arg)
{
    return guarded([&] {
        demand(name, arg);
        Setting *const found = find(name);
        if (!found) refuse(name);
        if (found->kind == Setting::is_long_long && (*static_cast<long long *>(arg) < 0 || *static_cast<long long *>(arg) > static_cast<long long>(PMEMOBJ_MAX_ALLOC_SIZE))) throw Refused{EINVAL, std::string(name) + " is 0 to PMEMOBJ_MAX_ALLOC_SIZE"};
        found->value = found->kind == Setting::is_long_long ? *static_cast<long long *>(arg) : *static_cast<int *>(arg);
    })
               ? -1
               : 0;
}

extern "C" int pmemobj_ctl_exec(PMEMobjpool *, const char *name, void *)
{
    return guarded([&] {
        if (!name) throw Refused{EINVAL, "there is no name"};
        refuse(name);
    })
               ? -1
               : 0;
}
