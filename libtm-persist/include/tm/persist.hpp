// SPDX-License-Identifier: MIT
/**
 * @file persist.hpp
 * Pools in C++: libtm::pool; libtm::pptr (tm/pptr.hpp) is for pools that may be mapped anywhere. What the calls do and demand is said in tm/persist.h.
 *
 *     libtm::pool pool{"counters", 1 << 20};     // opened, or created
 *     long *counter = pool.data<long>();
 *     counter[0] += 1;
 *     pool.commit();                             // durable
 */
#ifndef TM_PERSIST_HPP
#define TM_PERSIST_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <tm/allocator.hpp>
#include <tm/persist.h>
#include <tm/pptr.hpp>
#include <tm/tm.hpp>
#include <type_traits>
#include <utility>

namespace libtm {

/** What a pool function has against it: tm_pool_error() as an exception. */
class pool_error : public std::runtime_error {
public:
    /** The last failure of this thread. */
    pool_error() : std::runtime_error(tm_pool_error()->message), code_(tm_pool_error()->code) {}
    /** An errno value: the table in tm/persist.h says what each means. */
    int code() const noexcept { return code_; }

private:
    int code_;
};

/** An open pool; closed at the end of its life. All members throw pool_error. Thread-safe but for moves and the end. */
class pool {
public:
    /** How to create or open: tm_pool_attr. */
    using attr = tm_pool_attr;

    /** Open `path`, which exists. */
    explicit pool(const std::string &path, const attr &how = {}) : pool_(checked(tm_pool_open(path.c_str(), &how))) {}
    /** Open `path`, or create it with at least `size` bytes if there is no such file. An existing pool that is smaller grows. */
    pool(const std::string &path, std::size_t size, const attr &how = {}) : pool_(tm_pool_open(path.c_str(), &how))
    {
        if (!pool_ && tm_pool_error()->code == ENOENT) {
            pool_ = tm_pool_create(path.c_str(), size, &how);
            if (!pool_ && tm_pool_error()->code == EEXIST) pool_ = tm_pool_open(path.c_str(), &how); // somebody was faster
        }
        checked(pool_);
        if (size > this->size() && !(how.flags & (TM_POOL_READ_ONLY | TM_POOL_THROWAWAY))) {
            if (tm_pool_grow(pool_, size) != 0) {
                const pool_error failure;
                tm_pool_close(pool_);
                throw failure;
            }
        }
    }
    pool(pool &&other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    pool &operator=(pool &&other) noexcept
    {
        if (this != &other) tm_pool_close(std::exchange(pool_, std::exchange(other.pool_, nullptr)));
        return *this;
    }
    /** Closes it. What goes wrong with that is not told, and loses nothing: call close() to know. Not in a transaction: it would stay open. */
    ~pool() { tm_pool_close(pool_); }

    /** The first byte. */
    char *data() const noexcept { return static_cast<char *>(tm_pool_data(pool_)); }
    /** The memory from the first byte on, as objects of T. */
    template <class T> T *data() const noexcept { return static_cast<T *>(tm_pool_data(pool_)); }
    /** Bytes. */
    std::size_t size() const noexcept { return tm_pool_size(pool_); }

    /** Make the memory as it is now durable, atomically. */
    void commit() { demand(tm_pool_commit(pool_)); }
    /** A ticket for all transactions that have committed so far. */
    std::uint64_t ticket() const noexcept { return tm_pool_ticket(pool_); }
    /** Wait until all commits up to the ticket are durable; 0: all so far. */
    void wait(std::uint64_t ticket = 0) { demand(tm_pool_wait(pool_, ticket)); }
    /** Bring all that is committed into the data file. */
    void checkpoint() { demand(tm_pool_checkpoint(pool_)); }
    /** Give private copies of pages back; nobody stores plainly meanwhile. */
    void trim() { demand(tm_pool_trim(pool_)); }
    /** Make the memory at least `size` bytes. */
    void grow(std::size_t size) { demand(tm_pool_grow(pool_, size)); }
    /** The root of that name, or nullptr. */
    template <class T = void> T *root(const char *name) const { return static_cast<T *>(tm_pool_root(pool_, name)); }
    /** Name an address in the pool; nullptr forgets the name. */
    void set_root(const char *name, const void *address) { demand(tm_pool_set_root(pool_, name, address)); }
    /**
     * Allocate a T in the heap and construct it, in the running transaction or one of its own. What the constructor stores plainly is committed with the block. Throws
     * pool_error; libtm::error where a transaction of its own cannot commit. A std::exception of the constructor gives the block back. Outside of a transaction the arguments are not
     * moved from, where T can be made without that.
     */
    template <class T, class... Args> T *make(Args &&...args)
    {
        static_assert(alignof(T) <= 16, "blocks are aligned to 16");
        if (tm_in_transaction()) return make_here<T>(std::forward<Args>(args)...);
        // It may have to be tried again, with the same arguments.
        if constexpr (std::is_constructible_v<T, std::remove_reference_t<Args> &...>) return atomically([&] { return make_here<T>(args...); });
        else return atomically([&] { return make_here<T>(std::forward<Args>(args)...); });
    }
    /** Destroy an object of make() and free it. Its destructor runs in the transaction, so what it stores it must store transactionally. NULL is ignored. */
    template <class T> void destroy(T *object)
    {
        if (!object) return;
        atomically([&] {
            if constexpr (!std::is_trivially_destructible_v<T>) object->~T();
            demand(tm_pool_free(pool_, object));
        });
    }
    /** What it is and has done. */
    tm_pool_stats stat() const
    {
        tm_pool_stats stats;
        demand(tm_pool_stat(pool_, &stats));
        return stats;
    }
    /** Close it now. No member may be called after that, but if it throws EDEADLK. */
    void close()
    {
        const int fault = tm_pool_close(pool_);
        if (fault != EDEADLK) pool_ = nullptr;
        demand(fault);
    }
    /** The C handle. */
    tm_pool *handle() const noexcept { return pool_; }

private:
    template <class T, class... Args> T *make_here(Args &&...args)
    {
        void *const block = tm_pool_malloc(pool_, sizeof(T));
        if (!block) throw pool_error{};
        try {
            return ::new (block) T(std::forward<Args>(args)...);
        } catch (const detail::rolled_back &) { // it is given back
            throw;
        } catch (const std::exception &) { // the transaction may go on
            tm_pool_free(pool_, block);
            throw;
        }
    }
    static void demand(int result)
    {
        if (result != 0) throw pool_error{};
    }
    static tm_pool *checked(tm_pool *made)
    {
        if (!made) throw pool_error{};
        return made;
    }

    tm_pool *pool_;
};

/**
 * For the containers of tm/containers.hpp (libtm::pooled, tm/pooled.hpp): blocks of the pool in which the container lies, found by its address, so that nothing has to be kept of it. Any operation of a
 * container may throw pool_error, then, with the transaction alive and the container as it was: ENOSPC and the like.
 *
 * A container that lies in no pool gets none: std::logic_error. The heap instead would leave a pool with addresses of a process that has ended, as soon as the
 * container's content is moved there. It may take over the blocks of one in a pool, though, to be looked at and destroyed: what queue::pop() returns.
 */
struct pool_allocator {
    void *allocate(const void *owner, std::size_t bytes) const
    {
        tm_pool *const pool = tm_pool_of(owner);
        if (!pool) throw std::logic_error("libtm::pool_allocator: the container lies in no pool that is open for writing; make it in one (libtm::pool::make), or take one of plain memory");
        void *const block = tm_pool_malloc(pool, bytes);
        if (!block) throw pool_error{};
        return block;
    }
    void deallocate(const void *, void *block, std::size_t) const
    {
        if (tm_pool_free(tm_pool_of(block), block) != 0) throw pool_error{};
    }
    /** A block of another pool does not. */
    bool fits(const void *owner, const void *block) const
    {
        tm_pool *const pool = tm_pool_of(owner);
        return !pool || pool == tm_pool_of(block);
    }
};

/**
 * Call `function()` once the running transaction is durable: see tm_on_durable(). It must not throw. Throws std::bad_alloc; then the transaction goes on if that is caught.
 * Where it is never called, since the pool is poisoned, what it holds is not destroyed.
 */
template <class Function> void on_durable(Function function)
{
    if (tm_in_transaction() && tm_log_reserve(2, sizeof(void *), 0) != 0) throw std::bad_alloc{};
    auto *const held = new Function(std::move(function));
    tm_log(nullptr, [](void *data) { delete *static_cast<Function **>(data); }, nullptr, &held, sizeof held);
    const int fault = tm_on_durable(
        [](void *data) {
            const std::unique_ptr<Function> mine(static_cast<Function *>(data));
            (*mine)();
        },
        held);
    if (fault) throw std::bad_alloc{}; // the rollback will destroy it
}

} // namespace libtm

#endif
