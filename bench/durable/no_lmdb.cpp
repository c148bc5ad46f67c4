// SPDX-License-Identifier: MIT
/**
 * @file no_lmdb.cpp
 * In the place of lmdb.cpp where there is no LMDB.
 */
#include "stores.hpp"

void bench::add_lmdb(catalogue &to)
{
    to.missing.push_back("lmdb: was built without liblmdb-dev");
}
