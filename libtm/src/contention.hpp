// SPDX-License-Identifier: MIT
/**
 * @file contention.hpp
 * Who gives way when two transactions meet, and what the one that gave way does before its next attempt (the option `contention`).
 *
 *     suicide     give way at once, try again at once
 *     delay       look at the orec a few times (`spin`); then give way, and try again when it is free or after `wait` looks
 *     backoff     as delay, and then a random time that doubles with each attempt
 *     timestamp   the older transaction does as in backoff, the younger one gives way at once (wait-die)
 *
 * A transaction that waits long does so between two attempts, where it holds nothing and nobody's quiescence waits for it: when there are more threads
 * than processors, one that slept within its transaction would stop all others.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine::contention {

/** Whether to go on waiting for an orec of the context with this slot, after `looks` looks at it. */
bool keeps_waiting(const Context &tx, Word owner_slot, unsigned looks);

/** Between two attempts; nothing is held. */
void before_retry(Context &tx);

/** The first attempt begins, under the policy timestamp. */
void take_birth(Context &tx);

} // namespace libtm::engine::contention
