/* SPDX-License-Identifier: MIT */
/* Transactions of the C interface for tests in C++: see c_block.c. */
#pragma once

#include <tm/tm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Runs block(data) in tm_begin_with(attr) ... tm_commit, and recovery(data), unless NULL, between tm_commit and tm_end. */
void c_block(const tm_attr *attr, void (*block)(void *), void (*recovery)(void *), void *data);

/** Runs part(data, stage) in each stage of a block with stages, which it drives by the functions of tm/stage.h. Returns what tm_stages_end() does. */
int c_stages(const tm_stages *how, void (*part)(void *, tm_stage_kind), void *data);

#ifdef __cplusplus
}

/** The same for two callables. They run between tm_begin and tm_end: a restart jumps over them without destructors. */
template <class Block, class Recovery> void c_transaction(const tm_attr &attr, Block block, Recovery recovery)
{
    struct Both {
        Block &block;
        Recovery &recovery;
    } both{block, recovery};
    c_block(&attr, [](void *d) { static_cast<Both *>(d)->block(); }, [](void *d) { static_cast<Both *>(d)->recovery(); }, &both);
}
template <class Block> void c_transaction(const tm_attr &attr, Block block)
{
    c_transaction(attr, block, [] {});
}

/** c_stages() for a callable, which is given the stage. A restart or an abort jumps over it without destructors. */
template <class Part> int staged(const tm_stages &how, Part part)
{
    return c_stages(&how, [](void *d, tm_stage_kind stage) { (*static_cast<Part *>(d))(stage); }, &part);
}
#endif
