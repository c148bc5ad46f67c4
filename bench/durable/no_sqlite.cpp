// SPDX-License-Identifier: MIT
/**
 * @file no_sqlite.cpp
 * In the place of sqlite.cpp where there is no SQLite.
 */
#include "stores.hpp"

void bench::add_sqlite(catalogue &to)
{
    to.missing.push_back("sqlite: was built without libsqlite3-dev");
}
