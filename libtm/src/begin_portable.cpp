// SPDX-License-Identifier: MIT
/**
 * @file begin_portable.cpp
 * For processors without a tm_begin_ of their own: the headers begin with setjmp, so nothing jumps here.
 */
extern "C" [[noreturn]] void tm_jump_(void *const *, int) { __builtin_unreachable(); }
