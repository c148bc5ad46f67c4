/* SPDX-License-Identifier: MIT */
/**
 * @file context.h
 * The part of a transaction's state that the inline fast path reads, and the inline load itself.
 *
 * Names that end in an underscore are for the headers of libtm alone.
 *
 * Every aligned stripe of 32 bytes of memory maps to one *orec* (ownership record), a 64-bit word in one global
 * table. An unlocked orec holds `version << 3 | incarnation`; a locked one has bit 63 set. A transaction that has
 * read up to `snapshot` may read whatever has `orec < limit`, where `limit = (snapshot + 1) << 3`; so one comparison
 * finds the locked and the too new alike, and outside of a transaction, where `limit` is 0, all of them.
 */
#ifndef TM_CONTEXT_H
#define TM_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/** What must not become a call: it is shorter than that. */
#define TM_INLINE_ __attribute__((always_inline)) static inline

/** Called at its address, without a jump through the procedure linkage table. */
#ifdef __has_attribute
#if __has_attribute(noplt)
#define TM_DIRECT_ __attribute__((noplt))
#endif
#endif
#ifndef TM_DIRECT_
#define TM_DIRECT_
#endif

/** A stripe is 2^TM_STRIPE_SHIFT_ bytes: 32. */
#define TM_STRIPE_SHIFT_ 5

/** A scalar that a transaction alone (libtm/src/alone.hpp) has changed in place. */
struct tm_undo_ {
    void *addr;
    uint64_t old;
    uint64_t size; /**< in bytes: 1, 2, 4, 8 */
};

/** What the inline fast path needs of a context; the library's own Context begins with it. */
struct tm_context {
    uint64_t limit;       /**< (snapshot + 1) << 3; 0 unless a transaction runs */
    char *orecs;          /**< the table of orecs */
    uint64_t orec_mask;   /**< (orecs in the table - 1) * 8 */
    uint64_t **read_next; /**< where the read log grows: the address of each orec read */
    uint64_t **read_end;
    uint64_t depth;       /**< nesting: 0 outside, 1 in the outermost block, ...; all ones in the shared idle context */
    void *frame[8];       /**< where tm_begin returns to: rbx rbp r12 r13 r14 r15 rsp rip */
    struct tm_undo_ *undo_next; /**< where a transaction alone logs a store */
    uint64_t alone;       /**< not 0: a transaction runs and no other one does: loads need no orecs */
    struct tm_undo_ *undo_end;  /**< the same as undo_next: stores go through orecs */
};

/** The calling thread's (or fiber's) context. Never null: before the first transaction it names a shared idle one. */
extern __thread struct tm_context *tm_self_ __attribute__((tls_model("initial-exec")));

/**
 * The orec of an address. Folds the high bits of the stripe's number into the low ones, because allocators like to
 * place their arenas at multiples of a large power of two.
 */
static inline uint64_t *tm_orec_of_(const struct tm_context *tx, const void *addr)
{
    const uintptr_t a = (uintptr_t)addr;
    return (uint64_t *)(tx->orecs + (((a >> 2) ^ (a >> 22)) & tx->orec_mask));
}

uint64_t tm_load_1_(const void *addr);
uint64_t tm_load_2_(const void *addr);
uint64_t tm_load_4_(const void *addr);
uint64_t tm_load_8_(const void *addr);
void tm_store_1_(void *addr, uint64_t value);
void tm_store_2_(void *addr, uint64_t value);
void tm_store_4_(void *addr, uint64_t value);
void tm_store_8_(void *addr, uint64_t value);

/*
 * The load, for one size. The numbers are those of libtm/doc/memory-model.md:
 * (1) the orec: sequentially consistent, ordered after the exchange (10) by which this transaction became active;
 * (2) the datum: acquire, synchronizes with the release store (7) of a committer's copy or an owner's write-through,
 *     so that whoever sees such a value also sees at (3) the lock that was taken before it;
 * (3) the orec again: unchanged means that the datum belongs to the version in (1).
 */
#define TM_DEFINE_ACCESS_(bytes, word)                                                                                 \
    typedef word __attribute__((may_alias)) tm_word_##bytes##_;                                                        \
    TM_INLINE_ word tm_read_by_orec_##bytes##_(struct tm_context *tx, const void *addr)                                \
    {                                                                                                                  \
        uint64_t *const orec = tm_orec_of_(tx, addr);                                                                  \
        const uint64_t before = __atomic_load_n(orec, __ATOMIC_SEQ_CST);                                      /* (1) */ \
        const word value = __atomic_load_n((const tm_word_##bytes##_ *)addr, __ATOMIC_ACQUIRE);               /* (2) */ \
        uint64_t **const slot = tx->read_next;                                                                         \
        if (__builtin_expect(before < tx->limit && __atomic_load_n(orec, __ATOMIC_RELAXED) == before &&       /* (3) */ \
                                 slot != tx->read_end,                                                                 \
                             1)) {                                                                                     \
            *slot = orec;                                                                                              \
            tx->read_next = slot + 1;                                                                                  \
            return value;                                                                                              \
        }                                                                                                              \
        return (word)tm_load_##bytes##_(addr);                                                                         \
    }                                                                                                                  \
    static inline word tm_read_shared_##bytes##_(struct tm_context *tx, const void *addr)                              \
    {                                                                                                                  \
        return tm_read_by_orec_##bytes##_(tx, addr);                                                                   \
    }                                                                                                                  \
    TM_INLINE_ word tm_read_##bytes##_(const void *addr)                                                               \
    {                                                                                                                  \
        struct tm_context *const tx = tm_self_;                                                                        \
        if (tx->alone) return __atomic_load_n((const tm_word_##bytes##_ *)addr, __ATOMIC_ACQUIRE);                     \
        return tm_read_shared_##bytes##_(tx, addr);                                                                    \
    }                                                                                                                  \
    /* The store, for one size: in place, if the transaction is alone. */                                              \
    TM_INLINE_ void tm_write_##bytes##_(void *addr, uint64_t value)                                                    \
    {                                                                                                                  \
        struct tm_context *const tx = tm_self_;                                                                        \
        struct tm_undo_ *const undo = tx->undo_next;                                                                   \
        if (undo != tx->undo_end) {                                                                                    \
            undo->addr = addr;                                                                                         \
            undo->old = __atomic_load_n((const tm_word_##bytes##_ *)addr, __ATOMIC_RELAXED);                           \
            undo->size = bytes;                                                                                        \
            tx->undo_next = undo + 1;                                                                                  \
            __atomic_store_n((tm_word_##bytes##_ *)addr, (word)value, __ATOMIC_RELEASE);                               \
            return;                                                                                                    \
        }                                                                                                              \
        tm_store_##bytes##_(addr, value);                                                                              \
    }

TM_DEFINE_ACCESS_(1, uint8_t)
TM_DEFINE_ACCESS_(2, uint16_t)
TM_DEFINE_ACCESS_(4, uint32_t)
TM_DEFINE_ACCESS_(8, uint64_t)
#undef TM_DEFINE_ACCESS_

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
