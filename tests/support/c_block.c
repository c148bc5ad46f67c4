/* SPDX-License-Identifier: MIT */
#include "c_block.h"

void c_block(const tm_attr *attr, void (*block)(void *), void (*recovery)(void *), void *data)
{
    tm_begin_with(attr)
        block(data);
    tm_commit
        if (recovery)
            recovery(data);
    tm_end
}

int c_stages(const tm_stages *how, void (*part)(void *, tm_stage_kind), void *data)
{
    jmp_buf env;
    if (_setjmp(env) == 0)
        tm_stages_begin(&env, how);
    for (; tm_stage() != TM_STAGE_NONE; tm_process())
        part(data, tm_stage());
    return tm_stages_end();
}
