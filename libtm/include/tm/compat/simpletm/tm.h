/* SPDX-License-Identifier: MIT */
/** @file tm.h What simpletm's programs include: see tm/compat/simpletm.h. */
#include <tm/compat/simpletm.h>
