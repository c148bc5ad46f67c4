// SPDX-License-Identifier: MIT
// The memory of one history: locations that share orecs, stripes and words, or do not, and how each is read and written.
#pragma once

#include <cstring>
#include <tm/history.hpp>
#include <tm/tm.hpp>
#include <vector>

namespace libtm::test {

/** A location: an integer of 1, 2, 4 or 8 bytes, or an object of any even size and alignment, which holds its value again and again in 16 bits. */
struct Place {
    unsigned offset;
    unsigned size;
    bool is_object = false;
};

/** Places in an area of 160 bytes. A guarded one has a flag first: while it is odd, a thread has taken all the others for itself. */
struct Layout {
    const char *name;
    std::vector<Place> places;
    bool is_guarded = false;
};

inline const std::vector<Layout> &layouts()
{
    static const std::vector<Layout> all = {
        {"one word", {{0, 8}}},
        {"two words of one stripe", {{0, 8}, {24, 8}}},
        {"words of stripes apart", {{0, 8}, {64, 8}, {128, 8}}},
        {"words of neighbouring stripes", {{0, 8}, {32, 8}, {64, 8}, {96, 8}}},
        {"neighbours of all sizes in one stripe", {{0, 1}, {1, 1}, {2, 2}, {4, 4}, {8, 8}, {31, 1}}},
        {"neighbours in two stripes", {{28, 4}, {27, 1}, {26, 1}, {32, 1}, {33, 1}, {40, 8}}},
        {"an object over three stripes, and neighbours", {{20, 50, true}, {8, 8}, {19, 1}, {70, 1}}},
        {"objects that are not aligned, across stripes", {{29, 8, true}, {61, 6, true}, {28, 1}, {37, 1}, {96, 8}}},
        {"a flag that guards words", {{0, 8}, {40, 8}, {64, 4}, {68, 1}}, true},
        {"a flag that guards an object in its stripe", {{0, 8}, {20, 30, true}, {8, 4}}, true},
    };
    return all;
}

class World {
public:
    static constexpr history::Value torn = ~history::Value{0}; ///< an object that does not hold one value

    explicit World(unsigned threads) : recorder(threads, {}) {}

    void reset(const Layout &layout)
    {
        layout_ = &layout;
        std::memset(area_, filling, sizeof area_);
        for (const Place &place : layout.places) std::memset(area_ + place.offset, 0, place.size);
        recorder.restart(std::vector<history::Value>(layout.places.size(), 0));
        user_aborts.store(0, std::memory_order_relaxed);
    }

    const Layout &layout() const { return *layout_; }
    std::size_t count() const { return layout_->places.size(); }

    /** What a place of this size holds of a value. */
    history::Value fit(std::size_t location, history::Value value) const
    {
        switch (layout_->places[location].size) {
        case 1: return 1 + (value - 1) % 255;
        default: return value;
        }
    }

    history::Value load(std::size_t location, bool as_bytes) const
    {
        const Place &place = layout_->places[location];
        const void *const at = area_ + place.offset;
        if (!place.is_object && !as_bytes) {
            switch (place.size) {
            case 1: return tm_load_u8(static_cast<const std::uint8_t *>(at));
            case 2: return tm_load_u16(static_cast<const std::uint16_t *>(at));
            case 4: return tm_load_u32(static_cast<const std::uint32_t *>(at));
            default: return tm_load_u64(static_cast<const std::uint64_t *>(at));
            }
        }
        char bytes[64] = {};
        tm_load_bytes(at, bytes, place.size);
        return decode(place, bytes);
    }

    /** Load the aligned word that holds a place, at once: tell(location, value) for each place that lies in it. False: the place does not. */
    template <class Tell> bool load_word(std::size_t location, Tell tell) const
    {
        const unsigned begin = layout_->places[location].offset & ~7u;
        const auto inside = [&](const Place &place) { return place.offset >= begin && place.offset + place.size <= begin + 8; };
        if (!inside(layout_->places[location])) return false;
        char bytes[8 + 8] = {};
        const std::uint64_t word = tm_load_u64(reinterpret_cast<const std::uint64_t *>(area_ + begin));
        std::memcpy(bytes, &word, sizeof word);
        for (std::size_t i = 0; i < count(); ++i)
            if (inside(layout_->places[i])) tell(i, decode(layout_->places[i], bytes + (layout_->places[i].offset - begin)));
        return true;
    }

    void store(std::size_t location, history::Value value, bool as_bytes)
    {
        const Place &place = layout_->places[location];
        void *const at = area_ + place.offset;
        if (!place.is_object && !as_bytes) {
            switch (place.size) {
            case 1: return tm_store_u8(static_cast<std::uint8_t *>(at), static_cast<std::uint8_t>(value));
            case 2: return tm_store_u16(static_cast<std::uint16_t *>(at), static_cast<std::uint16_t>(value));
            case 4: return tm_store_u32(static_cast<std::uint32_t *>(at), static_cast<std::uint32_t>(value));
            default: return tm_store_u64(static_cast<std::uint64_t *>(at), value);
            }
        }
        char bytes[64];
        encode(place, value, bytes);
        tm_store_bytes(at, bytes, place.size);
    }

    void privatize(std::size_t location, unsigned flags)
    {
        const Place &place = layout_->places[location];
        tm_privatize(area_ + place.offset, place.size, flags);
    }
    /** Plainly: of privatized memory, or when nothing runs. */
    history::Value plain_load(std::size_t location) const
    {
        const Place &place = layout_->places[location];
        char bytes[64] = {};
        std::memcpy(bytes, area_ + place.offset, place.size);
        return decode(place, bytes);
    }
    void plain_store(std::size_t location, history::Value value)
    {
        const Place &place = layout_->places[location];
        char bytes[64];
        encode(place, value, bytes);
        std::memcpy(area_ + place.offset, bytes, place.size);
    }

    std::vector<history::Value> final() const
    {
        std::vector<history::Value> values;
        for (std::size_t i = 0; i < count(); ++i) values.push_back(plain_load(i));
        return values;
    }
    /** Whether the bytes between the places are what they were. */
    bool rest_is_untouched() const
    {
        bool taken[sizeof area_] = {};
        for (const Place &place : layout_->places)
            for (unsigned i = 0; i < place.size; ++i) taken[place.offset + i] = true;
        for (std::size_t i = 0; i < sizeof area_; ++i)
            if (!taken[i] && area_[i] != filling) return false;
        return true;
    }

    history::Recorder recorder;
    std::atomic<unsigned> user_aborts{0}; ///< attempts that the program itself has ended

private:
    static constexpr char filling = 0x5a;

    static history::Value decode(const Place &place, const char *bytes)
    {
        if (!place.is_object) {
            history::Value value = 0;
            std::memcpy(&value, bytes, place.size); // little endian
            return value;
        }
        std::uint16_t first;
        std::memcpy(&first, bytes, sizeof first);
        for (unsigned i = 2; i < place.size; i += 2)
            if (std::memcmp(bytes + i, bytes, 2) != 0) return torn;
        return first;
    }
    static void encode(const Place &place, history::Value value, char *bytes)
    {
        if (!place.is_object) {
            std::memcpy(bytes, &value, sizeof value);
            return;
        }
        for (unsigned i = 0; i < place.size; i += 2) std::memcpy(bytes + i, &value, 2);
    }

    alignas(64) char area_[160];
    const Layout *layout_ = nullptr;
};

} // namespace libtm::test
