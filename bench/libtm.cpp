// SPDX-License-Identifier: MIT
/**
 * @file libtm.cpp
 * libtm: write-back and write-through by the transaction's attributes, through libtm::atomically, and through the block of C beside it.
 */
#include "libtm.hpp"
#include "suite.hpp"

namespace bench {
namespace {

/** tm_begin without attributes, in the mode of the process. */
struct block_by_default : block<TM_MODE_DEFAULT> {
    template <class Body> static std::int64_t run(Body body)
    {
        tm_save std::int64_t result = 0;
        tm_begin
            result = body();
        tm_commit
        tm_end
        return result;
    }
};

/** What only reads, in the way that is meant for it. */
struct for_reading : lambda<TM_WRITE_BACK, TM_READ_ONLY> {
    struct access : structures::transactional {
        static constexpr bool is_for_reading = true;
    };
};

/** What a thread alone saves by the bias: write-back without it. */
struct without_bias : lambda<TM_WRITE_BACK> {
    static constexpr bool concurrent = false; // the option is the process's
    class membership {
    public:
        membership()
        {
            tm_config_get("bias", before_, sizeof before_);
            tm_config_set("bias", "0");
        }
        ~membership() { tm_config_set("bias", before_); }
        membership(const membership &) = delete;
        membership &operator=(const membership &) = delete;

    private:
        char before_[16];
    };
};

} // namespace

void add_libtm(catalogue &to)
{
    add_all<lambda<TM_WRITE_BACK>>(to, "wb");
    add_all<lambda<TM_WRITE_THROUGH>>(to, "wt");
    add_structures<lambda<TM_MODE_AUTO>>(to, "auto");
    add_structures<lambda<TM_WRITE_BACK, TM_NO_QUIESCENCE>>(to, "wb-nq");
    add_structures<lambda<TM_WRITE_THROUGH, TM_NO_QUIESCENCE>>(to, "wt-nq");
    add_structures<without_bias>(to, "wb-no-bias");
    add_reads<for_reading>(to, "ro");
    add_empty<block_by_default>(to, "default");
    add_empty<block<TM_WRITE_BACK>>(to, "wb-c");
    add_structures<block<TM_WRITE_BACK>>(to, "wb-c");
}

} // namespace bench
