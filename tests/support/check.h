/* SPDX-License-Identifier: MIT */
/* For the test programs in C: CHECK(condition) reports and counts; `return check_result();` ends main(). */
#pragma once

#include <stdio.h>

static int check_failures;

#define CHECK(condition)                                                                                               \
    ((condition) ? (void)0 : (void)(++check_failures, fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition)))

static inline int check_result(void)
{
    return check_failures != 0;
}
