// SPDX-License-Identifier: MIT
/**
 * @file pmdk.cpp
 * A program written for PMDK's libpmemobj, on an ordinary file: a transaction that snapshots each counter, or allocates a node of a chain and snapshots where that begins. It does not
 * isolate, so one mutex does. Built twice (meson.build): with PMDK, and with libtm's libpmemobj.h. NAME is that of the variant, ADD of the function that makes it known.
 */
#include "stores.hpp"
#include <libpmemobj.h>
#include <mutex>
#include <numeric>
#include <stdexcept>

namespace bench {
namespace {

/** A pool with a root object. */
class pmdk {
public:
    pmdk(const std::string &path, std::size_t size, std::size_t root) : pool_(pmemobj_create(path.c_str(), "bench", size, 0600))
    {
        if (!pool_) fail("pmemobj_create");
        root_ = pmemobj_direct(pmemobj_root(pool_, root));
    }
    ~pmdk() { pmemobj_close(pool_); }
    pmdk(const pmdk &) = delete;
    pmdk &operator=(const pmdk &) = delete;

    [[noreturn]] static void fail(const char *what) { throw std::runtime_error(std::string(what) + ": " + pmemobj_errormsg()); }
    template <class T> T *root() const { return static_cast<T *>(root_); }
    /** A transaction that is isolated from others. `body` returns whether all went well; what did not has ended the transaction. */
    template <class Body> void transact(Body &&body)
    {
        const std::lock_guard lock(mutex_);
        if (pmemobj_tx_begin(pool_, nullptr, TX_PARAM_NONE) != 0) fail("pmemobj_tx_begin");
        if (body()) pmemobj_tx_commit();
        if (pmemobj_tx_end() != 0) fail("the transaction");
    }

private:
    std::mutex mutex_;
    PMEMobjpool *pool_;
    void *root_;
};

class pmdk_counters final : public counters {
public:
    explicit pmdk_counters(const std::string &path) : in_(path, std::size_t{64} << 20, count_of_counters * sizeof(std::uint64_t)) {}

private:
    void add(unsigned, std::span<const std::uint32_t> which) override
    {
        in_.transact([&] {
            for (const std::uint32_t i : which) {
                if (pmemobj_tx_add_range_direct(&at()[i], sizeof at()[i]) != 0) return false;
                ++at()[i];
            }
            return true;
        });
    }
    std::uint64_t sum() override { return std::accumulate(at(), at() + count_of_counters, std::uint64_t{0}); }
    std::uint64_t *at() const { return in_.root<std::uint64_t>(); }

    pmdk in_;
};

class pmdk_map final : public map {
public:
    explicit pmdk_map(const std::string &path) : in_(path, std::size_t{512} << 20, count_of_buckets * sizeof(PMEMoid)) {}

private:
    struct node {
        PMEMoid next;
        map_key key;
        map_value value;
    };

    void insert(unsigned, const map_key &key, const map_value &value) override
    {
        in_.transact([&] {
            PMEMoid &bucket = in_.root<PMEMoid>()[bucket_of(key)];
            if (find(key)) throw std::runtime_error("PMDK: the key is there");
            const PMEMoid made = pmemobj_tx_alloc(sizeof(node), 1);
            if (OID_IS_NULL(made)) return false;
            *at(made) = {bucket, key, value}; // a new object is flushed as a whole
            if (pmemobj_tx_add_range_direct(&bucket, sizeof bucket) != 0) return false;
            bucket = made;
            return true;
        });
    }
    bool has(const map_key &key, const map_value &value) override
    {
        const node *const found = find(key);
        return found && found->value == value;
    }
    std::uint64_t size() override
    {
        std::uint64_t nodes = 0;
        for (std::size_t bucket = 0; bucket < count_of_buckets; ++bucket)
            for (PMEMoid it = in_.root<PMEMoid>()[bucket]; !OID_IS_NULL(it); it = at(it)->next) ++nodes;
        return nodes;
    }
    const node *find(const map_key &key) const
    {
        for (PMEMoid it = in_.root<PMEMoid>()[bucket_of(key)]; !OID_IS_NULL(it); it = at(it)->next)
            if (at(it)->key == key) return at(it);
        return nullptr;
    }
    static node *at(PMEMoid object) { return static_cast<node *>(pmemobj_direct(object)); }

    pmdk in_;
};

} // namespace

void ADD(catalogue &to)
{
    to.versions.push_back(NAME " " + std::to_string(PMEMOBJ_MAJOR_VERSION) + "." + std::to_string(PMEMOBJ_MINOR_VERSION) + " (interface)");
    to.counters.push_back(make_variant<pmdk_counters>(NAME, wait_for::disk));
    to.maps.push_back(make_variant<pmdk_map>(NAME, wait_for::disk));
}

} // namespace bench
