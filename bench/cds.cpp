// SPDX-License-Identifier: MIT
/**
 * @file cds.cpp
 * libcds: sets without locks, each of the kind that the structure it is compared with has; memory is reclaimed by hazard pointers.
 */
#include "suite.hpp"
#include "unlocked.hpp"
#include <cds/container/ellen_bintree_set_hp.h>
#include <cds/container/michael_list_hp.h>
#include <cds/container/michael_set.h>
#include <cds/container/skip_list_set_hp.h>
#include <cds/gc/hp.h>
#include <cds/init.h>
#include <cds/version.h>
#include <optional>

namespace bench {
namespace {

using hazards = cds::gc::HP;

struct list_traits : cds::container::michael_list::traits {
    using less = std::less<key>;
};
using list = cds::container::MichaelList<hazards, key, list_traits>;

struct hash_traits : cds::container::michael_set::traits {
    using hash = std::hash<key>;
};
/** With as many buckets as elements. */
struct hash : cds::container::MichaelHashSet<hazards, list, hash_traits> {
    explicit hash(std::size_t elements) : MichaelHashSet(elements, 1) {}
};

struct skip_traits : cds::container::skip_list::traits {
    using less = std::less<key>;
};
using skip = cds::container::SkipListSet<hazards, key, skip_traits>;

struct get_key {
    void operator()(key &to, key from) const { to = from; }
};
struct tree_traits : cds::container::ellen_bintree::traits {
    using key_extractor = get_key;
    using less = std::less<key>;
};
using tree = cds::container::EllenBinTreeSet<hazards, key, key, tree_traits>;

template <class Set> class cds_set {
public:
    explicit cds_set(std::size_t elements) : set_(construct(elements)), range_(2 * elements) {}
    bool contains(key k) { return set_->contains(k); }
    bool insert(key k) { return set_->insert(k); }
    bool erase(key k) { return set_->erase(k); }
    /** Not all of them can be walked through. */
    template <class Visit> void for_each(Visit visit)
    {
        for (key k = 0; k < range_; ++k)
            if (contains(k)) visit(k);
    }
    bool check()
    {
        if constexpr (requires { set_->check_consistency(); })
            return set_->check_consistency();
        else
            return true;
    }

private:
    static std::unique_ptr<Set> construct([[maybe_unused]] std::size_t elements)
    {
        if constexpr (std::is_constructible_v<Set, std::size_t>)
            return std::make_unique<Set>(elements);
        else
            return std::make_unique<Set>();
    }

    std::unique_ptr<Set> set_;
    key range_;
};

struct attached : unlocked {
    class membership {
    public:
        membership() { cds::threading::Manager::attachThread(); }
        ~membership() { cds::threading::Manager::detachThread(); }
        membership(const membership &) = delete;
        membership &operator=(const membership &) = delete;
    };
};

/** What libcds needs as long as one of its structures is used. */
class library {
public:
    library()
    {
        cds::Initialize();
        hazards_.emplace(std::max<std::size_t>({hash::c_nHazardPtrCount, tree::c_nHazardPtrCount, skip::c_nHazardPtrCount, list::c_nHazardPtrCount}));
    }
    ~library()
    {
        hazards_.reset();
        cds::Terminate();
    }
    library(const library &) = delete;
    library &operator=(const library &) = delete;

private:
    std::optional<hazards> hazards_;
};

} // namespace

void add_cds(catalogue &to)
{
    static const library in_use;
    add_set<attached, cds_set<hash>>(to, "cds", "hash", {20, 100});
    add_set<attached, cds_set<tree>>(to, "cds", "tree", {0, 20, 100});
    add_set<attached, cds_set<skip>>(to, "cds", "skip", {20, 100});
    add_set<attached, cds_set<list>>(to, "cds", "list", {20}, 256);
    to.peers.push_back("cds: libcds " CDS_VERSION_STRING ", MichaelHashSet, EllenBinTreeSet (not balanced), SkipListSet, MichaelList, hazard pointers");
}

} // namespace bench
