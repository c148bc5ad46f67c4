// SPDX-License-Identifier: MIT
/**
 * @file map_interface.hpp
 * What hash_map and ordered_map offer alike, in terms of their find(), try_emplace() and erase().
 */
#ifndef TM_MAP_INTERFACE_HPP
#define TM_MAP_INTERFACE_HPP

#include <stdexcept>
#include <string>
#include <tm/container.hpp>
#include <utility>

namespace libtm {

template <container_allocator Allocator> class basic_string;

namespace detail {

/** A key in the transaction's hands: that of a string that others may change is a copy. */
template <class Key> const Key &settled(const Key &key) { return key; }
template <class Allocator> std::string settled(const basic_string<Allocator> &key) { return key.str(); }

/** `Map` derives from it. `Key` and `Mapped` as there. */
template <class Map, class Key, class Mapped> class map_interface {
public:
    using key_type = Key;
    /** What a key is looked up as: std::string_view for strings. */
    using key_view = typename key_access<Key>::view;
    using mapped_type = Mapped;
    using value_type = map_entry<Key, Mapped>;
    using reference = value_type &;
    using const_reference = const value_type &;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;

    bool contains(key_view key) const { return self().find(key) != self().end(); }
    std::size_t count(key_view key) const { return contains(key); }
    /** The element's value; throws std::out_of_range if there is none. */
    element<Mapped> &at(key_view key) { return at_in(self(), key); }
    const element<Mapped> &at(key_view key) const { return at_in(self(), key); }
    /** The element's value, of a new one if there was none. */
    element<Mapped> &operator[](key_view key) { return self().try_emplace(key).first->second; }

    /** A trivially copyable value if the key is there, else `otherwise`. */
    Mapped value_or(key_view key, const Mapped &otherwise) const
        requires std::is_trivially_copyable_v<Mapped>
    {
        const auto found = self().find(key);
        return found == self().end() ? otherwise : found->second.get();
    }

    /** As try_emplace(): nothing is built where the key is there. */
    template <class... Args> auto emplace(key_view key, Args &&...args) { return self().try_emplace(key, std::forward<Args>(args)...); }
    /** Insert a pair of a key and a value unless the key is there. */
    auto insert(std::pair<std::remove_cvref_t<key_view>, Mapped> pair) { return self().try_emplace(pair.first, std::move(pair.second)); }
    /** Insert, or give the element that is there this value. */
    template <class Value> auto insert_or_assign(key_view key, Value &&value)
    {
        return in_transaction([&] {
            auto result = self().try_emplace(key, std::forward<Value>(value));
            if (!result.second) result.first->second = std::forward<Value>(value);
            return result;
        });
    }
    /** Erase those elements for which `is_one(element)`. How many. O(size()). */
    template <class Predicate> std::size_t erase_if(Predicate &&is_one)
    {
        return in_transaction([&] {
            std::size_t erased = 0;
            for (auto it = self().begin(); it != self().end();) {
                if (!is_one(*it)) {
                    ++it;
                    continue;
                }
                it = self().erase(it);
                ++erased;
            }
            return erased;
        });
    }

private:
    Map &self() { return static_cast<Map &>(*this); }
    const Map &self() const { return static_cast<const Map &>(*this); }
    template <class Self> static auto &at_in(Self &self, key_view key)
    {
        const auto found = self.find(key);
        if (found == self.end()) throw std::out_of_range("libtm: no such key in the map");
        return found->second;
    }
};

} // namespace detail

} // namespace libtm

#endif
