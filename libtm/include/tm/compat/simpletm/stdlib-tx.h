/* SPDX-License-Identifier: MIT */
/** @file stdlib-tx.h What simpletm's programs include: see tm/compat/simpletm.h. */
#include <tm/compat/simpletm.h>
