// SPDX-License-Identifier: MIT
#include "error.hpp"

#include <cerrno>
#include <cstdio>
#include <libpmemobj.h>
#include <tm/persist.h>

namespace libtm::pmemobj {

namespace {
__thread char last[512];
}

Refused pool_refused()
{
    const tm_pool_failure &failure = *tm_pool_error();
    const bool is_full = failure.code == ENOSPC || failure.code == ENOBUFS || failure.code == EDQUOT || failure.code == EFBIG;
    return {is_full ? ENOMEM : failure.code == EBUSY ? EAGAIN : failure.code, failure.message};
}

int remember(int code, const char *message) noexcept
{
    std::snprintf(last, sizeof last, "%s", message);
    errno = code;
    return code;
}

} // namespace libtm::pmemobj

extern "C" const char *pmemobj_errormsg(void) { return libtm::pmemobj::last; }

extern "C" const char *pmemobj_check_version(unsigned major_required, unsigned minor_required)
{
    if (major_required != PMEMOBJ_MAJOR_VERSION) return "libpmemobj: another major version is required than the 2 that this is";
    if (minor_required > PMEMOBJ_MINOR_VERSION) return "libpmemobj: a newer minor version is required than the 4 that this is";
    return nullptr;
}

extern "C" void pmemobj_set_funcs(void *(*)(size_t), void (*)(void *), void *(*)(void *, size_t), char *(*)(const char *)) {}
