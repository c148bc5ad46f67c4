// SPDX-License-Identifier: MIT
/**
 * @file libitm.cpp
 * GCC's own transactional memory. The only file that is compiled with -fgnu-tm, as libitm.cpp of tm-bench is; main() chooses its method.
 */
#include "suite.hpp"

namespace applications {
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
    using exposed = instrumented;
    static constexpr bool concurrent = true;
    /** Out of line: beginning a transaction returns twice, which costs the loop around it its registers. */
    template <class Body> [[gnu::noinline]] static auto run(const Body &body)
    {
        __transaction_atomic
        {
            return body();
        }
    }
    static tm_stats count() { return {}; }
};

} // namespace

void add_libitm(bench::catalogue &to)
{
    add_all<atomic_block>(to, "libitm");
    to.peers.push_back("libitm: ITM_DEFAULT_METHOD=ml_wt");
}

} // namespace applications
