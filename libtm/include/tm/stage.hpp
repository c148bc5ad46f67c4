// SPDX-License-Identifier: MIT
/**
 * @file stage.hpp
 * Transactions with stages in C++: parts beside the block, and typed user data. See tm/stage.h for what they mean, libtm/doc/stages.md for examples.
 *
 *     libtm::atomically([&] { libtm::store(stock, libtm::load(stock) - 1); },
 *                       libtm::on_commit{[&] { sold.notify_one(); }},
 *                       libtm::on_abort{[&] { log("not sold", tm_errno()); }},
 *                       libtm::finally{[&] { ++tries; }});
 */
#ifndef TM_STAGE_HPP
#define TM_STAGE_HPP

#include <exception>
#include <functional>
#include <optional>
#include <tm/tm.hpp>
#include <type_traits>
#include <utility>

namespace libtm {

/** Parameters of a transaction with stages: tm_stages with its names in C++. */
using stages = tm_stages;

/** Runs after a successful block. */
template <class F> struct on_commit {
    F run;
};
/** Runs after a block that could not begin or was rolled back for good; before the exception goes on. */
template <class F> struct on_abort {
    F run;
};
/** Runs after either. */
template <class F> struct finally {
    F run;
};
template <class F> on_commit(F) -> on_commit<F>;
template <class F> on_abort(F) -> on_abort<F>;
template <class F> finally(F) -> finally<F>;

namespace detail {

template <class> inline constexpr tm_stage_kind stage_of_part = TM_STAGE_NONE;
template <class F> inline constexpr tm_stage_kind stage_of_part<on_commit<F>> = TM_STAGE_ONCOMMIT;
template <class F> inline constexpr tm_stage_kind stage_of_part<on_abort<F>> = TM_STAGE_ONABORT;
template <class F> inline constexpr tm_stage_kind stage_of_part<finally<F>> = TM_STAGE_FINALLY;

template <class T>
concept part = stage_of_part<std::remove_cvref_t<T>> != TM_STAGE_NONE;

/** What a block returns, until its parts have run. */
template <class T> struct returned {
    std::optional<std::conditional_t<std::is_reference_v<T>, std::reference_wrapper<std::remove_reference_t<T>>, T>> value;
    template <class Run> void take(Run &&run) { value.emplace(run()); }
    T give()
    {
        if constexpr (std::is_reference_v<T>)
            return value->get();
        else
            return std::move(*value);
    }
};
template <> struct returned<void> {
    template <class Run> void take(Run &&run) { run(); }
    void give() {}
};

/** What tells the locals of different types apart. */
struct local_tag {
    const char *type;
};
template <class> inline constexpr char tag_of = 0;

/** Run what may throw: its exception takes the place of the one that is under way. */
template <class Run> void keep_exception(std::exception_ptr &thrown, Run &&run)
{
    try {
        run();
    } catch (...) {
        thrown = std::current_exception();
        if (!thrown) { // the thread is cancelled or exits
            tm_abandon();
            throw;
        }
    }
}

/** False: a rollback passes through, to be thrown again outside of any handler. */
template <class Result, class Block> bool run_block(const stages &how, Block &block, returned<Result> &result, std::exception_ptr &thrown)
{
    bool by_engine = false;
    keep_exception(thrown, [&] {
        try {
            result.take([&]() -> Result {
                return atomically(
                    [&]() -> Result {
                        tm_stages_attempt_(&how);
                        if constexpr (std::is_void_v<Result>) {
                            block();
                            tm_stages_ready_();
                        } else {
                            Result inner = block();
                            tm_stages_ready_();
                            return inner;
                        }
                    },
                    how.attr);
            });
            tm_stages_done_();
        } catch (const rolled_back &) {
            by_engine = true;
        }
    });
    return (!by_engine && !thrown) || tm_stages_caught_(by_engine);
}

} // namespace detail

/**
 * Run `block` as a transaction with stages, then the parts: `on_commit`, or `on_abort`; then `finally`. Returns what the block returns. A transaction that has ended by an error throws libtm::error after its parts;
 * the exception of a part takes the place of others, and the parts behind it still run. An exception of the user's that leaves an inner block does not end the transaction, so of the parts only `finally` runs. Parts that
 * are called more than once, for restarts, there are none: a conflict runs the block again and nothing else.
 *
 * `how` may give locks, a callback, and attributes. May be called within a transaction as tm_stages_begin() may; throws libtm::error (TM_ERROR_MISUSE, EPERM) elsewhere.
 */
template <class Block, detail::part... Parts>
auto atomically(const stages &how, Block &&block, Parts &&...parts) -> std::invoke_result_t<Block &>
{
    using Result = std::invoke_result_t<Block &>;
    std::exception_ptr thrown;
    detail::returned<Result> result;
    if (tm_stages_enter_(&how, detail::unwind))
        thrown = std::make_exception_ptr(error(*tm_last_error()));
    else if (!detail::run_block<Result>(how, block, result, thrown))
        throw detail::rolled_back{};
    for (; tm_stage() != TM_STAGE_NONE; tm_process()) {
        const tm_stage_kind stage = tm_stage();
        [[maybe_unused]] const auto run = [&](auto &part) {
            if (detail::stage_of_part<std::remove_cvref_t<decltype(part)>> == stage) detail::keep_exception(thrown, part.run);
        };
        (run(parts), ...);
    }
    tm_stages_end(); // an inner block's failure goes on from here
    if (thrown) std::rethrow_exception(thrown);
    return result.give();
}

/** As above, with the default parameters. */
template <class Block, detail::part First, detail::part... Parts>
auto atomically(Block &&block, First &&first, Parts &&...parts) -> std::invoke_result_t<Block &>
{
    return atomically(stages{}, std::forward<Block>(block), std::forward<First>(first), std::forward<Parts>(parts)...);
}

/**
 * Typed user data of a transaction. An object of it makes its value the transaction's, for its life; what the block calls finds it by current().
 *
 *     libtm::atomically([&] {
 *         libtm::local<audit> trail;
 *         transfer(from, to);       // ... libtm::local<audit>::current()->note(...)
 *     });
 *
 * Declared in the block, so that each attempt has a fresh one. Within such a block use no tm_set_user_data(): current() takes the pointer for one of a local.
 */
template <class T> class local : detail::local_tag {
public:
    /** Constructs the value. Throws libtm::error (TM_ERROR_MISUSE) outside of a transaction. */
    template <class... Args> explicit local(Args &&...args) : detail::local_tag{&detail::tag_of<T>}, value_(std::forward<Args>(args)...)
    {
        before_ = tm_user_data();
        if (tm_set_user_data(static_cast<detail::local_tag *>(this))) detail::throw_error();
    }
    ~local()
    {
        if (tm_in_transaction() && current() == &value_) tm_set_user_data(before_);
    }
    local(const local &) = delete;
    local &operator=(const local &) = delete;

    T &operator*() noexcept { return value_; }
    T *operator->() noexcept { return &value_; }
    /** The value of the innermost local of this type that is the transaction's; null if there is none, or one of another type. */
    static T *current()
    {
        auto *const tag = static_cast<detail::local_tag *>(tm_user_data());
        return tag && tag->type == &detail::tag_of<T> ? &static_cast<local *>(tag)->value_ : nullptr;
    }

private:
    T value_;
    void *before_ = nullptr;
};

} // namespace libtm

#endif
