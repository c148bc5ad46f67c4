// SPDX-License-Identifier: MIT
/**
 * @file containers.hpp
 * All containers for transactions: libtm::hash_map, ordered_map, vector, string, queue. What they are like is told in libtm/doc/containers.md; in pools use those of
 * libtm::pooled (tm/pooled.hpp).
 */
#ifndef TM_CONTAINERS_HPP
#define TM_CONTAINERS_HPP

#include <tm/hash_map.hpp>
#include <tm/ordered_map.hpp>
#include <tm/queue.hpp>
#include <tm/string.hpp>
#include <tm/vector.hpp>

#endif
