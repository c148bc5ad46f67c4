// SPDX-License-Identifier: MIT
/**
 * @file seen.hpp
 * The states that have been opened, by their hash.
 */
#pragma once

#include "content.hpp"

namespace libtm::crash {

/** An open-addressing table of hashes, 16 bytes each, at most 2/3 full. */
class Seen {
public:
    enum Answer { is_new, explored_less, known };

    Seen() : table_(1024) {}
    /** `left` (0 to 7): so many more crashes will be looked at in its recovery. Known only if that has been done for as many. */
    Answer insert(Hash key, unsigned left)
    {
        key.b = (key.b & ~std::uint64_t{7}) | left;
        if (key.a == 0) key.a = 1; // 0: an empty place
        if (3 * (count_ + 1) > 2 * table_.size()) grow();
        Hash &place = find(key);
        if (place.a == 0) {
            place = key;
            ++count_;
            return is_new;
        }
        if ((place.b & 7) >= left) return known;
        place = key;
        return explored_less;
    }

private:
    Hash &find(const Hash &key)
    {
        std::size_t at = key.a & (table_.size() - 1);
        while (table_[at].a && (table_[at].a != key.a || ((table_[at].b ^ key.b) & ~std::uint64_t{7}))) at = (at + 1) & (table_.size() - 1);
        return table_[at];
    }
    void grow()
    {
        std::vector<Hash> old(2 * table_.size());
        old.swap(table_);
        for (const Hash &key : old)
            if (key.a) find(key) = key;
    }

    std::vector<Hash> table_; // a power of 2
    std::size_t count_ = 0;
};

} // namespace libtm::crash
