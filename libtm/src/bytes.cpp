// SPDX-License-Identifier: MIT
/**
 * @file bytes.cpp
 * Transactional access to any number of bytes, stripe by stripe.
 */
#include "access.hpp"
#include "algorithm.hpp"
#include "snapshot.hpp"
#include "write_back.hpp"
#include "write_through.hpp"

#include <algorithm>
#include <cstring>

namespace libtm::engine {

namespace {

constexpr std::size_t chunk = 256; // bytes that a copy moves at a time

/** Load within one stripe. */
void load_part(Context &tx, std::uintptr_t addr, char *buf, std::size_t size)
{
    Orec &orec = tx.orec_of(addr);
    for (;;) {
        const Word before = orec.load(std::memory_order_seq_cst); // (1)
        if (tx.owns(before)) {
            memory::read(addr, buf, size);
            const Stripe *const stripe = find(before, base_of(addr));
            if (stripe && !stripe->is_through())
                for (std::size_t i = 0; i < size; ++i)
                    if (stripe->mask >> (offset_of(addr) + i) & 1) buf[i] = static_cast<char>(stripe->data[offset_of(addr) + i]);
            return;
        }
        if (before >= tx.limit) {
            await(tx, orec, before);
            continue;
        }
        memory::read(addr, buf, size);                                // (2)
        if (orec.load(std::memory_order_relaxed) != before) continue; // (3)
        return log_read(tx, orec);
    }
}

void store_part(Context &tx, std::uintptr_t addr, const char *buf, std::size_t size)
{
    Stripe &stripe = *own_stripe(tx, base_of(addr), "tm_store_bytes");
    const unsigned offset = offset_of(addr);
    if (stripe.is_through()) {
        write_through::keep(stripe, mask_of(offset, size));
        memory::write(addr, buf, size);
    } else {
        std::memcpy(stripe.data + offset, buf, size);
        stripe.mask |= mask_of(offset, size);
    }
}

std::uintptr_t address(const void *pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

} // namespace

void load_bytes(Context &tx, std::uintptr_t addr, void *buf, std::size_t size)
{
    char *out = static_cast<char *>(buf);
    for_each_stripe(addr, size, [&](std::uintptr_t at, std::size_t part) {
        if (tx.limit == 0) {
            before_load_outside(tx);
            memory::read(at, out, part);
        } else {
            load_part(tx, at, out, part);
        }
        out += part;
    });
}

void store_bytes(Context &tx, std::uintptr_t addr, const void *buf, std::size_t size)
{
    if (tx.limit == 0) return store_outside(tx, addr, buf, size);
    const char *in = static_cast<const char *>(buf);
    for_each_stripe(addr, size, [&](std::uintptr_t at, std::size_t part) {
        store_part(tx, at, in, part);
        in += part;
    });
}

namespace {

void copy_forwards(Context &tx, std::uintptr_t dst, std::uintptr_t src, std::size_t size)
{
    char buf[chunk];
    for (std::size_t done = 0; done < size; done += chunk) {
        const std::size_t part = std::min(chunk, size - done);
        load_bytes(tx, src + done, buf, part);
        store_bytes(tx, dst + done, buf, part);
    }
}

void copy_backwards(Context &tx, std::uintptr_t dst, std::uintptr_t src, std::size_t size)
{
    char buf[chunk];
    while (size) {
        const std::size_t part = std::min(chunk, size);
        size -= part;
        load_bytes(tx, src + size, buf, part);
        store_bytes(tx, dst + size, buf, part);
    }
}

} // namespace

} // namespace libtm::engine

using namespace libtm::engine;

extern "C" {

void tm_load_bytes(const void *addr, void *buf, size_t size)
{
    load_bytes(self(), address(addr), buf, size);
}

void tm_store_bytes(void *addr, const void *buf, size_t size)
{
    store_bytes(self(), address(addr), buf, size);
}

void *tm_memcpy(void *dst, const void *src, size_t size)
{
    copy_forwards(self(), address(dst), address(src), size);
    return dst;
}

void *tm_memmove(void *dst, const void *src, size_t size)
{
    const bool behind = address(dst) - address(src) < size; // dst lies within [src, src + size)
    (behind ? copy_backwards : copy_forwards)(self(), address(dst), address(src), size);
    return dst;
}

void *tm_memset(void *dst, int byte, size_t size)
{
    char buf[chunk];
    std::memset(buf, byte, std::min(chunk, size));
    for (std::size_t done = 0; done < size; done += chunk) store_bytes(self(), address(dst) + done, buf, std::min(chunk, size - done));
    return dst;
}

int tm_memcmp(const void *a, const void *b, size_t size)
{
    char left[chunk], right[chunk];
    for (std::size_t done = 0; done < size; done += chunk) {
        const std::size_t part = std::min(chunk, size - done);
        load_bytes(self(), address(a) + done, left, part);
        load_bytes(self(), address(b) + done, right, part);
        if (const int order = std::memcmp(left, right, part)) return order;
    }
    return 0;
}

size_t tm_strlen(const char *string)
{
    size_t length = 0; // byte by byte: what follows the end may be anybody's
    while (tm_read_1_(string + length)) ++length;
    return length;
}
}
