// SPDX-License-Identifier: MIT
/**
 * @file tbb.cpp
 * The hash map of oneAPI Threading Building Blocks. (Its ordered sets cannot erase while others use them.)
 */
#include "suite.hpp"
#include "unlocked.hpp"
#include <oneapi/tbb/concurrent_hash_map.h>
#include <oneapi/tbb/version.h>

namespace bench {
namespace {

/** From the same heap as all others. */
class tbb_set {
public:
    explicit tbb_set(std::size_t elements) : map_(elements) {}
    bool contains(key k) { return map_.count(k) != 0; }
    bool insert(key k) { return map_.insert({k, k}); }
    bool erase(key k) { return map_.erase(k); }
    template <class Visit> void for_each(Visit visit)
    {
        for (const auto &element : map_) visit(element.first);
    }
    bool check() { return true; }

private:
    using element = std::pair<const key, key>;
    tbb::concurrent_hash_map<key, key, tbb::tbb_hash_compare<key>, std::allocator<element>> map_;
};

} // namespace

void add_tbb(catalogue &to)
{
    add_set<unlocked, tbb_set>(to, "tbb", "hash", {20, 100});
    to.peers.push_back(std::string("tbb: ") + TBB_runtime_version() + ", concurrent_hash_map");
}

} // namespace bench
