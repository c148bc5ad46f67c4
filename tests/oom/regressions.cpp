// SPDX-License-Identifier: MIT
// Defects that were found by failing allocations, by name. They arm themselves.
#include "checked.hpp"
#include "sweep.hpp"

#include <thread>

namespace libtm::oom {

namespace {

/** The call site of a function that is called once in the library; one begin meets it. */
std::uintptr_t site_of(Call call)
{
    for (const Site &site : shared->sites)
        if (site.offset && site.call == call) return site.offset;
    violation("%s has not been called", name_of(call));
    return Plan::any;
}

bool begins()
{
    bool begun = false;
    c_transaction(attr{}, [&] { begun = true; });
    return begun;
}

/** Fail one function for so many begins; then memory is back. */
int fail_begins(Call call, long count)
{
    arm({Plan::When::for_ever, 1, site_of(call)});
    for (long i = 0; i < count; ++i)
        if (begins()) violation("begin %ld succeeded", i);
    disarm();
    if (!begins()) violation("memory is back, and no transaction begins");
    return all_right;
}

/** Each failure of atexit() took a key of the process for ever, of which there are 1024. */
int keys_are_not_used_up()
{
    arm({Plan::When::once, 3, Plan::any}); // mmap, pthread_key_create, atexit
    if (begins()) violation("the first begin succeeded");
    return fail_begins(Call::at_exit, 2000);
}

/** Each context that was not made took a number for ever, of which there are 2^22. */
int numbers_of_contexts_are_not_used_up()
{
    begins();
    int status = all_right;
    std::thread([&] { status = fail_begins(Call::operator_new, (1l << 22) + 10); }).join();
    return status;
}

} // namespace

std::vector<Program> regressions()
{
    return {{"keys_are_not_used_up", keys_are_not_used_up}, {"numbers_of_contexts_are_not_used_up", numbers_of_contexts_are_not_used_up}};
}

} // namespace libtm::oom
