/* SPDX-License-Identifier: MIT */
/**
 * @file access.h
 * Transactional loads and stores: scalars, any number of bytes, and privatized memory.
 *
 * Inside a transaction a load returns what the transaction itself wrote, else the committed value of its snapshot;
 * a store becomes visible to others when the outermost transaction commits, all at once. Both may *restart* the
 * transaction: control returns to its beginning, with everything undone. Outside of a transaction they are single
 * atomic accesses of memory (loads acquire, stores release), which is right only where no transaction runs on the data.
 *
 * All functions here are thread-safe. Progress: a load or store waits a bounded time for another transaction that
 * holds the data, then restarts; a transaction that has restarted `max_retries` times runs alone and commits.
 */
#ifndef TM_ACCESS_H
#define TM_ACCESS_H

#include <string.h>
#include <tm/context.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/**
 * @name Scalars
 * `T tm_load_X(const T *addr)` and `void tm_store_X(T *addr, T value)`, for X in u8 u16 u32 u64 i8 i16 i32 i64 float
 * double ptr. The address must be aligned as T requires. In C11, tm_load(addr) and tm_store(addr, value) choose by
 * type; in C++, libtm::load and libtm::store (tm/tm.hpp). May restart the transaction. A store in a transaction that was begun with
 * TM_READ_ONLY ends it with the error TM_ERROR_READ_ONLY (EPERM).
 */
/**@{*/
#define TM_DEFINE_SCALAR_(name, type, bytes)                                                                           \
    static inline type tm_load_##name(const type *addr)                                                                \
    {                                                                                                                  \
        const tm_word_##bytes##_ word = tm_read_##bytes##_(addr);                                                      \
        type value;                                                                                                    \
        memcpy(&value, &word, sizeof value);                                                                           \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void tm_store_##name(type *addr, type value)                                                         \
    {                                                                                                                  \
        tm_word_##bytes##_ word;                                                                                       \
        memcpy(&word, &value, sizeof value);                                                                           \
        tm_write_##bytes##_(addr, word);                                                                               \
    }

TM_DEFINE_SCALAR_(u8, uint8_t, 1)
TM_DEFINE_SCALAR_(u16, uint16_t, 2)
TM_DEFINE_SCALAR_(u32, uint32_t, 4)
TM_DEFINE_SCALAR_(u64, uint64_t, 8)
TM_DEFINE_SCALAR_(i8, int8_t, 1)
TM_DEFINE_SCALAR_(i16, int16_t, 2)
TM_DEFINE_SCALAR_(i32, int32_t, 4)
TM_DEFINE_SCALAR_(i64, int64_t, 8)
TM_DEFINE_SCALAR_(float, float, 4)
TM_DEFINE_SCALAR_(double, double, 8)
#undef TM_DEFINE_SCALAR_

/** Load a pointer: `addr` is the address of a pointer variable of any type. */
static inline void *tm_load_ptr(const void *addr)
{
    return (void *)(uintptr_t)tm_read_8_(addr);
}

/** Store a pointer: `addr` is the address of a pointer variable of any type. */
static inline void tm_store_ptr(void *addr, const void *value)
{
    tm_write_8_(addr, (uint64_t)(uintptr_t)value);
}
/**@}*/

#ifndef __cplusplus
/* The types that share a size and are distinct all the same (char, long long) need a case each. */
#define TM_LOAD_AS_(type, bytes)                                                                                       \
    static inline type tm_load_as_##type##_(const type *addr) { return (type)tm_read_##bytes##_(addr); }               \
    static inline void tm_store_as_##type##_(type *addr, type value) { tm_write_##bytes##_(addr, (uint64_t)value); }
typedef long long tm_llong_;
typedef unsigned long long tm_ullong_;
typedef _Bool tm_bool_;
typedef char tm_char_;
TM_LOAD_AS_(tm_llong_, 8)
TM_LOAD_AS_(tm_ullong_, 8)
TM_LOAD_AS_(tm_bool_, 1)
TM_LOAD_AS_(tm_char_, 1)
#undef TM_LOAD_AS_
#define TM_SELECT_(verb, addr)                                                                                         \
    _Generic(*(addr),                                                                                                  \
        char: tm_##verb##_as_tm_char__, _Bool: tm_##verb##_as_tm_bool__,                                               \
        long long: tm_##verb##_as_tm_llong__, unsigned long long: tm_##verb##_as_tm_ullong__,                          \
        uint8_t: tm_##verb##_u8, uint16_t: tm_##verb##_u16, uint32_t: tm_##verb##_u32, uint64_t: tm_##verb##_u64,      \
        int8_t: tm_##verb##_i8, int16_t: tm_##verb##_i16, int32_t: tm_##verb##_i32, int64_t: tm_##verb##_i64,          \
        float: tm_##verb##_float, double: tm_##verb##_double, default: tm_##verb##_ptr)
/** The value of the scalar or pointer at `addr`, whatever its type (C11). A pointer comes back as `void *`. */
#define tm_load(addr) TM_SELECT_(load, addr)(addr)
/** Store `value` into the scalar or pointer at `addr`, whatever its type (C11). */
#define tm_store(addr, value) TM_SELECT_(store, addr)(addr, value)
#endif

/**
 * @name Any number of bytes
 * Of any size, alignment and overlap, byte-exact. May restart the transaction.
 */
/**@{*/
/** Load `size` bytes at `addr` into the private buffer `buf`. */
void tm_load_bytes(const void *addr, void *buf, size_t size);
/** Store `size` bytes of the private buffer `buf` at `addr`. */
void tm_store_bytes(void *addr, const void *buf, size_t size);
/** memcpy(3) between shared memory: a transactional load of `src` and store of `dst`. Returns `dst`. */
void *tm_memcpy(void *dst, const void *src, size_t size);
/** memmove(3) between shared memory, right for overlapping areas. Returns `dst`. */
void *tm_memmove(void *dst, const void *src, size_t size);
/** memset(3) of shared memory. Returns `dst`. */
void *tm_memset(void *dst, int byte, size_t size);
/** memcmp(3) of two areas of shared memory. */
int tm_memcmp(const void *a, const void *b, size_t size);
/** strlen(3) of a string in shared memory. */
size_t tm_strlen(const char *string);
/**@}*/

/** How privatized memory will be used; combine with `|`. */
enum {
    TM_PRIVATIZE_LOAD = 1,    /**< it will be read by plain loads */
    TM_PRIVATIZE_STORE = 2,   /**< it will be written by plain stores; a rollback restores the bytes */
    TM_PRIVATIZE_DISCARD = 4, /**< what it holds is not needed any more: what was stored in it is dropped */
    TM_PRIVATIZE_NOUNDO = 8   /**< with STORE: no copy is kept; after a rollback the content is unspecified */
};

/**
 * Make `size` bytes at `addr` private to the running transaction until it ends: plain code, memcpy, read(2) may then
 * use them as `flags` say, and transactional loads and stores see the same bytes. Stores made before stay: the bytes
 * are moved to memory, where a rollback undoes them. May restart the transaction. Takes one orec for each 32 bytes.
 * Returns 0, or EINVAL for unknown flags, EPERM outside of a transaction or in a read-only one.
 */
int tm_privatize(const void *addr, size_t size, unsigned flags);

/**
 * Privatize from `addr` up to and including the first byte equal to `byte` (as strlen or memchr would look for it).
 * Returns the number of bytes privatized, or 0 on the errors of tm_privatize.
 */
size_t tm_privatize_until(const void *addr, int byte, unsigned flags);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
