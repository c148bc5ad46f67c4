// SPDX-License-Identifier: MIT
/**
 * @file tm.hpp
 * libtm in C++20: header-only over the C interface.
 *
 *     int taken = libtm::atomically([&] {
 *         int n = libtm::load(stock);
 *         if (n > 0) libtm::store(stock, n - 1);
 *         return n > 0;
 *     });
 *
 * The namespace is `libtm`, because <time.h> has taken the global name `tm` for a struct; in a namespace or function of your
 * own, `namespace tm = libtm;` makes it short.
 *
 * A conflict in the middle of the block throws a private type, so destructors run; then the function is called again. Do not
 * swallow it: after `catch (...)` rethrow; a swallowed one is thrown again by the next transactional call. A block that must not throw
 * (noexcept functions, destructors) must not make transactional calls.
 *
 * An exception of the user's that leaves the block rolls it back and goes on to the caller; with the attribute
 * TM_COMMIT_ON_THROW it commits first. The exception object itself lives outside of the transaction.
 */
#ifndef TM_TM_HPP
#define TM_TM_HPP

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <tm/tm.h>
#include <type_traits>
#include <utility>


namespace libtm {

/** Attributes of one transaction: tm_attr with its names in C++. `libtm::attr{.flags = TM_READ_ONLY}` */
using attr = tm_attr;

/** A transaction ended by an error or by cancel(); what() is the sentence of the record. */
class error : public std::runtime_error {
public:
    explicit error(const tm_error_record &record) : std::runtime_error(record.message), record_(record) {}
    tm_error_kind kind() const noexcept { return record_.kind; }
    /** An errno value, or the argument of cancel(). */
    int code() const noexcept { return record_.code; }
    const char *operation() const noexcept { return record_.operation; }
    const char *label() const noexcept { return record_.label; }

private:
    tm_error_record record_;
};

namespace detail {

/** Thrown through the block to its boundary when the engine has rolled the transaction back. */
struct rolled_back {};

[[noreturn]] inline void unwind() { throw rolled_back{}; }

/** What tm_unwound_ returns: the outermost block failed; it shall run again; the rollback is an enclosing C++ block's to handle. */
enum : int { failed = 0, again = 1, pass_on = 2 };

[[noreturn]] inline void throw_error() { throw error(*tm_last_error()); }

/**
 * Call the block in a stack frame of its own, below that of tm_enter_()'s caller: so an address tells whether a variable is the block's, or was there before. What is
 * the block's is made anew by each attempt and is gone at the commit, which must not write to it.
 */
template <class Block> [[gnu::noinline]] auto in_own_frame(Block &block) -> std::invoke_result_t<Block &> { return block(); }

template <class T>
concept scalar = std::is_trivially_copyable_v<T> && (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8) &&
                 alignof(T) >= sizeof(T);

template <std::size_t N> struct word;
template <> struct word<1> {
    using type = std::uint8_t;
    TM_INLINE_ type load(const void *a) { return tm_read_1_(a); }
    TM_INLINE_ type load_by_orec(tm_context *tx, const void *a) { return tm_read_by_orec_1_(tx, a); }
    TM_INLINE_ void store(void *a, type v) { tm_write_1_(a, v); }
};
template <> struct word<2> {
    using type = std::uint16_t;
    TM_INLINE_ type load(const void *a) { return tm_read_2_(a); }
    TM_INLINE_ type load_by_orec(tm_context *tx, const void *a) { return tm_read_by_orec_2_(tx, a); }
    TM_INLINE_ void store(void *a, type v) { tm_write_2_(a, v); }
};
template <> struct word<4> {
    using type = std::uint32_t;
    TM_INLINE_ type load(const void *a) { return tm_read_4_(a); }
    TM_INLINE_ type load_by_orec(tm_context *tx, const void *a) { return tm_read_by_orec_4_(tx, a); }
    TM_INLINE_ void store(void *a, type v) { tm_write_4_(a, v); }
};
template <> struct word<8> {
    using type = std::uint64_t;
    TM_INLINE_ type load(const void *a) { return tm_read_8_(a); }
    TM_INLINE_ type load_by_orec(tm_context *tx, const void *a) { return tm_read_by_orec_8_(tx, a); }
    TM_INLINE_ void store(void *a, type v) { tm_write_8_(a, v); }
};

/** The value of an object, loaded as a word of its size by `load_word` if it is a scalar. */
template <class T, class LoadWord> [[gnu::always_inline]] inline T value_of(const T &object, LoadWord load_word)
{
    std::remove_cv_t<T> value;
    if constexpr (scalar<T>) {
        const auto w = load_word(word<sizeof(T)>{}, &object);
        std::memcpy(static_cast<void *>(&value), &w, sizeof value);
    } else {
        tm_load_bytes(&object, static_cast<void *>(&value), sizeof value);
    }
    return value;
}

/** What reading() gives to its part in a transaction that is alone: nobody stores, so that these are loads like any other, which the compiler may merge and vectorise. */
struct reader_alone {
    template <class T>
        requires std::is_trivially_copyable_v<T>
    T operator()(const T &object) const { return object; }
};

/** And in another one. */
struct reader_by_orec {
    tm_context *tx;
    template <class T>
        requires std::is_trivially_copyable_v<T>
    T operator()(const T &object) const
    {
        return value_of(object, [this](auto of_size, const void *at) { return of_size.load_by_orec(tx, at); });
    }
};

} // namespace detail

/** The value of a shared object of any trivially copyable type. May restart the transaction. */
template <class T>
    requires std::is_trivially_copyable_v<T>
T load(const T &object)
{
    return detail::value_of(object, [](auto of_size, const void *at) { return of_size.load(at); });
}

/**
 * Run a part of the block that only loads, such as a search: `part(get)`, where `get(object)` is load(object). It is compiled twice, with plain loads for a transaction that runs alone, and with loads by
 * orec; which it is, is asked once, not at each load. So a search in a tree takes 0.83 of the time; a few loads gain nothing. Returns what the part returns, throws what it throws. May restart the transaction, as
 * load() may; outside of any it is what load() is there.
 *
 *     const long sum = libtm::reading([&](auto get) { return get(a) + get(b); });
 *
 * The part must not store, allocate, privatize or begin a transaction: its own loads might not see what it has done.
 */
template <class Part> [[gnu::always_inline]] inline auto reading(Part &&part)
{
    tm_context *const tx = tm_self_;
    return tx->alone ? part(detail::reader_alone{}) : part(detail::reader_by_orec{tx});
}

/** Store into a shared object of any trivially copyable type. May restart the transaction. */
template <class T>
    requires std::is_trivially_copyable_v<T>
void store(T &object, const std::type_identity_t<T> &value)
{
    if constexpr (detail::scalar<T>) {
        typename detail::word<sizeof(T)>::type w;
        std::memcpy(&w, static_cast<const void *>(&value), sizeof w);
        detail::word<sizeof(T)>::store(&object, w);
    } else {
        tm_store_bytes(&object, static_cast<const void *>(&value), sizeof value);
    }
}

/**
 * Run `block` as a transaction and return what it returns. Called within a transaction it becomes part of that one. The lambda runs
 * afresh at every attempt, so its own locals need no care. Throws libtm::error when the transaction ends by cancel() or an error
 * (deadline, out of memory, ...).
 */
template <class Block>
auto atomically(Block &&block, const attr *how = nullptr) -> std::invoke_result_t<Block &>
{
    using Result = std::invoke_result_t<Block &>;
    const int level = tm_enter_(how, detail::unwind);
    if (!level) detail::throw_error();
    for (;;) {
        try {
            if constexpr (std::is_void_v<Result>) {
                detail::in_own_frame(block);
                if (tm_leave_(level)) return;
            } else {
                Result result = detail::in_own_frame(block);
                if (tm_leave_(level)) return result;
            }
        } catch (const detail::rolled_back &) {
        } catch (...) {
            if (!std::current_exception()) { // the thread is cancelled or exits
                tm_abandon();
                throw;
            }
            bool leaves = false;
            try {
                leaves = tm_thrown_(level) != 0;
            } catch (const detail::rolled_back &) { // out of a `prepare` of the commit
            }
            if (leaves) throw;
        }
        // Rolled back. Handled here and not in the handlers, since this may jump to an enclosing C block.
        switch (tm_unwound_(level)) {
        case detail::again: break;
        case detail::pass_on: throw detail::rolled_back{};
        default: detail::throw_error();
        }
    }
}

/** As above, with the attributes first. */
template <class Block> auto atomically(const attr &how, Block &&block) -> std::invoke_result_t<Block &>
{
    return atomically(std::forward<Block>(block), &how);
}

/** Roll back and leave the transaction: the outermost atomically() throws libtm::error with this code. */
inline void cancel(int code) { tm_abort(code); }
/** Roll back and run the transaction again. */
inline void restart() { tm_restart(); }

/** Allocate and construct a T; undone by a rollback (without a destructor call: the memory alone is given back). */
template <class T, class... Args> T *make(Args &&...args)
{
    void *const block = alignof(T) > alignof(std::max_align_t) ? tm_aligned_alloc(alignof(T), sizeof(T)) : tm_malloc(sizeof(T));
    if (!block) throw std::bad_alloc{};
    return ::new (block) T(std::forward<Args>(args)...);
}

/** Destroy and free an object of make() after the commit, once no transaction can see it. NULL is ignored. */
template <class T> void destroy(T *object)
{
    if (!object) return;
    if constexpr (!std::is_trivially_destructible_v<T>)
        tm_retire(object, [](void *dead) { static_cast<T *>(dead)->~T(); });
    tm_free(object);
}

} // namespace libtm

#endif
