// SPDX-License-Identifier: MIT
/** @file durable.hpp What the tests of durable transactions share. */
#pragma once

#include "files.hpp"

namespace libtm::testing {

inline tm_attr asking(tm_durability durability, tm_mode mode = TM_MODE_DEFAULT)
{
    tm_attr how{};
    how.durability = durability;
    how.mode = mode;
    return how;
}

inline tm_pool_attr pool_of(tm_durability durability, unsigned flags = TM_POOL_NO_THREAD)
{
    tm_pool_attr how{};
    how.durability = durability;
    how.flags = flags;
    return how;
}

/** In a transaction of that kind: add one to the word. */
inline void add(libtm::pool &in, std::size_t word, const tm_attr &how = {})
{
    long &it = in.data<long>()[word];
    libtm::atomically(how, [&] { libtm::store(it, libtm::load(it) + 1); });
}

inline std::vector<long> words(const std::string &path, std::size_t count)
{
    const libtm::pool opened{path, flags(TM_POOL_READ_ONLY | TM_POOL_ANYWHERE)};
    return {opened.data<long>(), opened.data<long>() + count};
}

/** The error that the transaction ends with. */
template <class Body> tm_error_record error_of(const tm_attr &how, Body &&body)
{
    try {
        libtm::atomically(how, body);
    } catch (const libtm::error &error) {
        return {error.kind(), error.code(), error.operation(), error.label(), ""};
    }
    return {TM_ERROR_NONE, 0, "", nullptr, ""};
}

} // namespace libtm::testing
