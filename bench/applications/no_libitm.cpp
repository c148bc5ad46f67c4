// SPDX-License-Identifier: MIT
/**
 * @file no_libitm.cpp
 * In the place of libitm.cpp where the compiler knows no -fgnu-tm.
 */
#include "suite.hpp"

void applications::add_libitm(catalogue &) {}
