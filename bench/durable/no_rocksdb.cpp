// SPDX-License-Identifier: MIT
/**
 * @file no_rocksdb.cpp
 * In the place of rocksdb.cpp where there is no RocksDB.
 */
#include "stores.hpp"

void bench::add_rocksdb(catalogue &to)
{
    to.missing.push_back("rocksdb: was built without librocksdb-dev");
}
