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
