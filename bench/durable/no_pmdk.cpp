// SPDX-License-Identifier: MIT
/**
 * @file no_pmdk.cpp
 * In the place of pmdk.cpp where there is no PMDK.
 */
#include "stores.hpp"

void bench::add_pmdk(catalogue &to)
{
    to.missing.push_back("pmdk: was built without libpmemobj-dev");
}
