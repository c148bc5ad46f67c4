// SPDX-License-Identifier: MIT
/**
 * @file roots.cpp
 * The names of roots: the image's first page, accessed by transactions.
 */
#include "pool.hpp"

#include <cerrno>
#include <cstring>
#include <tm/tm.hpp>

namespace libtm::persist {

namespace {

using Root = Directory::Root;

void demand_name(const char *name)
{
    const std::size_t length = name ? strnlen(name, TM_POOL_ROOT_NAME_SIZE) : 0;
    if (length == 0 || length >= TM_POOL_ROOT_NAME_SIZE)
        throw Failure{EINVAL, {}, "name of a root", 0, name ? std::to_string(length) + " bytes or more" : "NULL", "1 to " + std::to_string(TM_POOL_ROOT_NAME_SIZE - 1) + " bytes", {}};
}

/** Whether the entry is in use for `name`. */
bool is_named(const Root &root, const char *name)
{
    char there[TM_POOL_ROOT_NAME_SIZE];
    tm_load_bytes(root.name, there, sizeof there);
    return std::strncmp(there, name, sizeof there) == 0;
}

/** Part of the running transaction, or one of its own. */
template <class Body> auto transaction(const char *label, Body &&body)
{
    try {
        return libtm::atomically(body);
    } catch (const libtm::error &error) {
        throw Failure{error.code() ? error.code() : ENOMEM, {}, label, 0, error.what(), {}, {}};
    }
}

} // namespace

void *Pool::root(const char *name) const
{
    demand_usable();
    demand_name(name);
    const std::uint64_t offset = transaction("tm_pool_root", [&]() -> std::uint64_t {
        for (const Root &root : directory()->roots) {
            const std::uint64_t there = libtm::load(root.offset);
            if (there && is_named(root, name)) return there;
        }
        return 0;
    });
    if (offset >= image_size_) throw Failure{EBADMSG, path_, std::string("root ") + name, 0, std::to_string(offset), "an offset in the pool", {}};
    return offset ? image_.base() + offset : nullptr;
}

void Pool::set_root(const char *name, const void *address)
{
    demand_usable();
    if (flags_ & TM_POOL_READ_ONLY) throw Failure{EROFS, path_, "pool", 0, "open for reading", {}, {}};
    demand_name(name);
    const char *const at = static_cast<const char *>(address);
    if (at && (at < data() || at >= image_.base() + image_size_)) throw Failure{EINVAL, path_, "address of a root", 0, "one outside of the pool", "one in it", {}};
    const std::uint64_t offset = at ? static_cast<std::uint64_t>(at - image_.base()) : 0;
    const bool found = transaction("tm_pool_set_root", [&] {
        Root *place = nullptr;
        bool is_there = false;
        for (Root &root : directory()->roots) {
            const bool is_free = libtm::load(root.offset) == 0;
            if (is_free && !place) place = &root;
            if (is_free || !is_named(root, name)) continue;
            place = &root;
            is_there = true;
            break;
        }
        if (!is_there && !offset) return true; // a name that is not there is forgotten
        if (!place) return false;
        char padded[TM_POOL_ROOT_NAME_SIZE] = {};
        std::strcpy(padded, name);
        tm_store_bytes(place->name, padded, sizeof padded);
        libtm::store(place->offset, offset);
        return true;
    });
    if (!found) throw Failure{ENOBUFS, path_, "roots", 0, "72, all in use", "a free one", "Forget one by tm_pool_set_root(pool, name, NULL)"};
}

} // namespace libtm::persist
