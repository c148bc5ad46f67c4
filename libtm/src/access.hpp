// SPDX-License-Identifier: MIT
/**
 * @file access.hpp
 * Loads and stores of bytes, and accesses while no transaction runs.
 */
#pragma once

#include "context.hpp"

namespace libtm::engine {

/** Transactional load of bytes into a private buffer; plain atomic accesses while nothing runs. */
void load_bytes(Context &tx, std::uintptr_t addr, void *buf, std::size_t size);
/** Transactional store of bytes from a private buffer. */
void store_bytes(Context &tx, std::uintptr_t addr, const void *buf, std::size_t size);

/**
 * A load while no transaction runs: memory may be read as it is. Throws if the transaction has been rolled back and the user's code has
 * swallowed the exception that says so.
 */
void before_load_outside(Context &tx);
/**
 * A store while no transaction runs: outside of any, or in an action, where a stripe that is still held is marked as changed.
 * While the transaction unwinds, what its destructors store is dropped.
 */
void store_outside(Context &tx, std::uintptr_t addr, const void *buf, std::size_t size);

/** Visit the parts of [addr, addr + size) stripe by stripe: visit(address, size). */
template <class Visit> inline void for_each_stripe(std::uintptr_t addr, std::size_t size, Visit visit)
{
    while (size) {
        const std::size_t room = stripe_size - (addr & (stripe_size - 1));
        const std::size_t part = size < room ? size : room;
        visit(addr, part);
        addr += part;
        size -= part;
    }
}

} // namespace libtm::engine
