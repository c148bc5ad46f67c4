// SPDX-License-Identifier: MIT
/**
 * @file fence.hpp
 * One side of an order between two threads pays for both: who begins alone often stores without a fence, and who wants to end that, seldom, makes everybody fence (membarrier(2)).
 */
#pragma once

namespace libtm::engine::fence {

/** Whether others() works. Not for tools that know of no such fence, nor where the kernel has none. */
bool works();
/** A full fence in every running thread of the process. */
void others();

} // namespace libtm::engine::fence
