// SPDX-License-Identifier: MIT
/**
 * @file pooled.hpp
 * The containers of tm/containers.hpp with blocks of the pool that they lie in. See libtm/doc/containers.md.
 *
 *     struct shop {
 *         libtm::pooled::hash_map<libtm::pooled::string, long> stock;
 *         libtm::pooled::queue<long> orders;
 *     };
 *     shop *const mine = pool.data<shop>();    // all zero is empty; or pool.make<shop>()
 */
#ifndef TM_POOLED_HPP
#define TM_POOLED_HPP

#include <tm/containers.hpp>
#include <tm/persist.hpp>

namespace libtm::pooled {

using string = basic_string<pool_allocator>;
template <class T> using vector = libtm::vector<T, pool_allocator>;
template <class Key, class Mapped, class Hash = hash<Key>, class Equal = std::equal_to<>> using hash_map = libtm::hash_map<Key, Mapped, Hash, Equal, pool_allocator>;
template <class Key, class Mapped, class Less = std::less<>> using ordered_map = libtm::ordered_map<Key, Mapped, Less, pool_allocator>;
template <class T> using queue = libtm::queue<T, pool_allocator>;

} // namespace libtm::pooled

#endif
