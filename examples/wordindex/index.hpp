// SPDX-License-Identifier: MIT
/**
 * @file index.hpp
 * The shared index: every word with its count and the files that hold it, in a hash map and in an ordered map.
 *
 * add() is what the threads do at the same time. It begins no transaction; the caller puts as many calls as it likes into one
 * (libtm::atomically), or into one critical section of a mutex. The code is the same for both.
 */
#ifndef EXAMPLES_WORDINDEX_INDEX_HPP
#define EXAMPLES_WORDINDEX_INDEX_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <structures/hash_map.hpp>
#include <structures/ordered_map.hpp>
#include <string_view>

namespace wordindex {

/**
 * A word as the maps know it. It is written before the transaction that publishes it commits, and never again; such memory
 * may be read plainly by whoever has got its address from a transactional load. So comparing words costs no transactional
 * loads, however long they are.
 */
struct word {
    std::string_view text;
    std::size_t hash;
};

struct word_hash {
    std::size_t operator()(const word *w) const { return w->hash; }
};
struct word_equal {
    bool operator()(const word *a, const word *b) const { return a->hash == b->hash && a->text == b->text; }
};
/** The order of the bytes, as LC_ALL=C sort. */
struct word_less {
    bool operator()(const word *a, const word *b) const { return a->text < b->text; }
};

template <class Access> class index {
public:
    index() : by_word_(std::size_t{1} << 17) {}
    index(const index &) = delete;
    index &operator=(const index &) = delete;
    ~index()
    {
        sorted_.for_each([](const word *name, entry *e) {
            for (holder *h = Access::load(e->holders); h;) {
                holder *const dead = h;
                h = Access::load(h->next);
                Access::release(dead);
            }
            Access::release(e);
            Access::release(const_cast<word *>(name));
        });
    }

    /** File number `file` holds `text` `count` times. To be called once for each pair of them. */
    void add(std::string_view text, std::uint64_t count, std::uint64_t file)
    {
        const word probe{text, std::hash<std::string_view>{}(text)};
        if (entry **const known = by_word_.find(&probe)) {
            entry *const e = Access::load(*known);
            Access::store(e->count, Access::load(e->count) + count);
            Access::store(e->files, Access::load(e->files) + 1);
            Access::store(e->holders, hold(file, Access::load(e->holders)));
        } else {
            const word *const name = copy(probe);
            entry *const e = ::new (Access::allocate(sizeof(entry))) entry{count, 1, hold(file, nullptr)};
            by_word_.insert(name, e);
            sorted_.insert(name, e);
        }
    }

    /** Call `visit(text, count, files)` for every word, in order. */
    template <class Visit> void for_each(Visit &&visit)
    {
        sorted_.for_each([&](const word *name, entry *e) { visit(name->text, Access::load(e->count), Access::load(e->files)); });
    }

    /** Whether both maps hold the same words, the tree is sound, and each word has as many holders as it counts. */
    bool check()
    {
        if (!sorted_.check()) return false;
        std::size_t hashed = 0, in_order = 0;
        by_word_.for_each([&](const word *, entry *) { ++hashed; });
        bool good = true;
        sorted_.for_each([&](const word *name, entry *e) {
            ++in_order;
            entry **const same = by_word_.find(name);
            std::uint64_t holders = 0;
            for (holder *h = Access::load(e->holders); h; h = Access::load(h->next)) ++holders;
            good = good && same && Access::load(*same) == e && holders == Access::load(e->files);
        });
        return good && hashed == in_order;
    }

private:
    /** A file that holds the word. */
    struct holder {
        std::uint64_t file;
        holder *next;
    };
    struct entry {
        std::uint64_t count;
        std::uint64_t files;
        holder *holders;
    };

    static holder *hold(std::uint64_t file, holder *next)
    {
        return ::new (Access::allocate(sizeof(holder))) holder{file, next};
    }

    /** The word and its text in one block. */
    static const word *copy(const word &from)
    {
        char *const block = static_cast<char *>(Access::allocate(sizeof(word) + from.text.size()));
        char *const text = block + sizeof(word);
        std::memcpy(text, from.text.data(), from.text.size());
        return ::new (block) word{{text, from.text.size()}, from.hash};
    }

    structures::hash_map<Access, const word *, entry *, word_hash, word_equal> by_word_;
    structures::ordered_map<Access, const word *, entry *, word_less> sorted_;
};

} // namespace wordindex

#endif
