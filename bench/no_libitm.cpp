// SPDX-License-Identifier: MIT
/**
 * @file no_libitm.cpp
 * In the place of libitm.cpp where the compiler knows no -fgnu-tm.
 */
#include "suite.hpp"

void bench::add_libitm(catalogue &to, const std::string &)
{
    to.missing.push_back("libitm: was built without -fgnu-tm");
}
