// SPDX-License-Identifier: MIT
/**
 * @file no_tbb.cpp
 * In the place of tbb.cpp where there is no TBB.
 */
#include "suite.hpp"

void bench::add_tbb(catalogue &to)
{
    to.missing.push_back("tbb: was built without libtbb-dev");
}
