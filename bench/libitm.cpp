// SPDX-License-Identifier: MIT
/**
 * @file libitm.cpp
 * GCC's own transactional memory. The only file that is compiled with -fgnu-tm, which turns the plain accesses below, and
 * malloc and free, into calls of libitm wherever they run in an atomic block. main() chooses its method.
 */
#include "suite.hpp"

namespace bench {
namespace {

/** Not structures::plain: templates over that are compiled elsewhere without -fgnu-tm, and the linker would mix the two. */
struct instrumented {
    template <class T> static T load(const T &object) { return object; }
    template <class T> static void store(T &object, const std::type_identity_t<T> &value) { object = value; }
    static void *allocate(std::size_t size) { return std::malloc(size); }
    static void release(void *block) { std::free(block); }
};

struct atomic_block {
    using access = instrumented;
    static constexpr bool concurrent = true;
    /** Out of line, as tm_begin makes libtm's: beginning a transaction returns twice, which costs the loop around it its registers. */
    template <class Body> [[gnu::noinline]] static std::int64_t run(Body body)
    {
        __transaction_atomic
        {
            return body();
        }
    }
    static tally count() { return {}; }
};

} // namespace

void add_libitm(catalogue &to, const std::string &method)
{
    // An empty block the compiler removes.
    const std::string variant = method == "ml_wt" ? "libitm" : "libitm-" + method;
    add_reads<atomic_block>(to, variant);
    add_writes<atomic_block>(to, variant);
    add_structures<atomic_block>(to, variant);
    to.peers.push_back("libitm: ITM_DEFAULT_METHOD=" + method);
}

} // namespace bench
