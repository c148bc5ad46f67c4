// SPDX-License-Identifier: MIT
/**
 * @file no_cds.cpp
 * In the place of cds.cpp where there is no libcds.
 */
#include "suite.hpp"

void bench::add_cds(catalogue &to)
{
    to.missing.push_back("cds: was built without libcds-dev");
}
