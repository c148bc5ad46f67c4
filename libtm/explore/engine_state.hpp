// SPDX-License-Identifier: MIT
/**
 * @file engine_state.hpp
 * The engine as the explorer sees it: one context for each thread of the program, the same state before each schedule, and names for its words.
 */
#pragma once

#include <cstdint>
#include <string>
#include <tm/context.h>
#include <tm/explore.hpp>

namespace libtm::explore::engine_state {

/** Small constants for waiting, unless TM_CONF says otherwise; the table of orecs. Contexts for the threads. */
void prepare(const Options &options);
/** Orecs, clock and token as at the start of the process. */
void reset(const Options &options);
/** All threads have ended: what they have retired is destroyed. */
void settle();
/** A schedule has failed: its contexts are stuck somewhere. Make new ones. */
void drop_contexts();

tm_context *context_of(unsigned thread);

/** What a traced word is called; empty: not the engine's. */
std::string name_of(std::uintptr_t addr);
/** Its value, readable. */
std::string value_of(std::uintptr_t addr, std::uint64_t value);

} // namespace libtm::explore::engine_state
