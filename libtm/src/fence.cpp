// SPDX-License-Identifier: MIT
#include "fence.hpp"

#include "annotate.hpp"
#include "threads.hpp"

#include <cerrno>
#include <ctime>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace libtm::engine::fence {

namespace {

bool membarrier(int command)
{
    const KeepErrno keep;
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

} // namespace

bool works()
{
    if constexpr (!annotate::knows_membarrier) return false;
    static const bool can = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    return can;
}

void others()
{
    if (!works()) return; // then nobody begins without a fence of its own
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return;
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return; // a forked child
    const KeepErrno keep;
    timespec left{0, 10'000'000}; // forbidden since: no processor keeps a store for itself that long
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

} // namespace libtm::engine::fence
