// SPDX-License-Identifier: MIT
/** Maps against std::map: random operations in random transactions, some of which are rolled back. */
#include "support.hpp"

#include <algorithm>
#include <thread>
#include <vector>

using namespace libtm::testing;

namespace {

/** A map in a place, a second one to swap with, and models of both. */
template <class Map, class Place> class Pair {
public:
    using Keys = values<typename Map::key_type>;
    using Mapped = values<typename Map::mapped_type>;
    using Model = std::map<typename Keys::model, typename Mapped::model>;
    static constexpr bool is_ordered = requires(Map &map, typename Map::key_view key) { map.lower_bound(key); };

    explicit Pair(std::uint64_t seed) : random_(seed) {}
    ~Pair() { EXPECT_EQ(place_.blocks(), 0u) << "a leak"; }

    void play(int transactions)
    {
        for (int i = 0; i < transactions && !::testing::Test::HasFailure(); ++i) {
            std::pair<Model, Model> next;
            const bool commits = random_.below(4) != 0;
            const std::uint64_t seed = random_();
            try {
                libtm::atomically([&] {
                    next = models_;
                    Random mine(seed);
                    for (std::size_t operation = mine.below(8) + 1; operation-- > 0;) {
                        const bool second = mine.below(4) == 0;
                        change(mine, second ? maps().b : maps().a, second ? next.second : next.first, second ? maps().a : maps().b, second ? next.first : next.second);
                    }
                    if (!commits) libtm::cancel(1);
                });
                models_ = next;
            } catch (const libtm::error &error) {
                ASSERT_EQ(error.code(), 1) << error.what();
            }
            if (random_.below(50) == 0) compare();
            if (random_.below(200) == 0) {
                place_.reopen();
                compare();
            }
        }
        compare();
    }
    void compare()
    {
        libtm::atomically([&] {
            compare(maps().a, models_.first);
            compare(maps().b, models_.second);
        });
    }
    void end()
    {
        libtm::atomically([&] {
            maps().a.clear();
            maps().b.~Map();
        });
    }

private:
    struct Two {
        Map a, b;
    };
    Two &maps() { return place_.template object<Two>(); }
    std::size_t number(Random &random) { return random.below(random.below(3) ? 40 : 2000); }

    void change(Random &random, Map &map, Model &model, Map &other, Model &other_model)
    {
        const auto key = Keys::make(number(random));
        const auto value = Mapped::make(number(random));
        const auto there = model.find(key);
        switch (random.below(18)) {
        case 0:
        case 1:
        case 2: {
            const auto [at, is_new] = map.try_emplace(key, value);
            ASSERT_EQ(is_new, model.try_emplace(key, value).second);
            ASSERT_TRUE(Mapped::same(at->second, model.at(key)));
            break;
        }
        case 3:
        case 4:
            map.insert_or_assign(key, value);
            model.insert_or_assign(key, value);
            break;
        case 5:
            map[key] = value;
            model[key] = value;
            break;
        case 6:
        case 7:
        case 8: ASSERT_EQ(map.erase(key), model.erase(key)); break;
        case 9: {
            const auto at = map.find(key);
            ASSERT_EQ(at == map.end(), there == model.end());
            if (at == map.end()) break;
            const auto next = map.erase(at);
            if constexpr (is_ordered) {
                const auto next_there = model.erase(there);
                ASSERT_EQ(next == map.end(), next_there == model.end());
                ASSERT_TRUE(next == map.end() || Keys::same(next->first, next_there->first));
            } else {
                model.erase(there);
            }
            break;
        }
        case 10:
            ASSERT_EQ(map.contains(key), there != model.end());
            if (there == model.end()) EXPECT_THROW(map.at(key), std::out_of_range);
            else ASSERT_TRUE(Mapped::same(map.at(key), there->second));
            break;
        case 11: ASSERT_EQ(map.size(), model.size()); break;
        case 12:
            if (random.below(12) == 0) {
                map.clear();
                model.clear();
            }
            break;
        case 13:
            if (random.below(12) == 0) {
                swap(map, other);
                std::swap(model, other_model);
            }
            break;
        case 14:
            if (random.below(12) == 0) {
                map = std::move(other);
                model = std::move(other_model);
                other_model.clear();
            }
            break;
        case 15:
            if (random.below(12) == 0) {
                Model fresh;
                for (std::size_t i = random.below(300); i-- > 0;) fresh.emplace(Keys::make(number(random)), Mapped::make(i));
                map.assign(fresh.begin(), fresh.end());
                model = fresh;
            }
            break;
        case 16:
            if (random.below(12) == 0) {
                const std::size_t kept = random.below(7);
                const auto is_one = [&](const auto &entry) {
                    if constexpr (std::is_same_v<typename Keys::model, long>) return static_cast<std::size_t>(entry.first + 5) % 7 != kept;
                    else return entry.first < Keys::make(kept);
                };
                ASSERT_EQ(map.erase_if(is_one), std::erase_if(model, is_one));
            }
            break;
        default: look_around(map, model, key);
        }
    }
    void look_around(Map &map, Model &model, const typename Keys::model &key)
    {
        if constexpr (is_ordered) {
            auto at = map.lower_bound(key);
            auto there = model.lower_bound(key);
            ASSERT_EQ(map.upper_bound(key) == map.end(), model.upper_bound(key) == model.end());
            for (int i = 0; i < 3 && there != model.begin(); ++i) {
                --at;
                --there;
                ASSERT_TRUE(Keys::same(at->first, there->first));
            }
            for (int i = 0; i < 6 && there != model.end(); ++i, ++at, ++there) ASSERT_TRUE(Keys::same(at->first, there->first));
            ASSERT_EQ(at == map.end(), there == model.end());
        } else {
            map.reserve(model.size() + 10);
        }
    }
    void compare(Map &map, const Model &model)
    {
        ASSERT_TRUE(map.check());
        ASSERT_EQ(map.size(), model.size());
        ASSERT_EQ(map.empty(), model.empty());
        for (const auto &[key, value] : model) {
            const auto at = std::as_const(map).find(key);
            ASSERT_TRUE(at != std::as_const(map).end() && Keys::same(at->first, key) && Mapped::same(at->second, value));
        }
        std::size_t count = 0;
        auto there = model.begin();
        for (const auto &[key, value] : std::as_const(map)) {
            if constexpr (is_ordered) {
                ASSERT_TRUE(Keys::same(key, there++->first));
            }
            ++count;
        }
        ASSERT_EQ(count, model.size());
        if constexpr (is_ordered) {
            auto back = model.rbegin();
            for (auto at = map.rbegin(); at != map.rend(); ++at, ++back) ASSERT_TRUE(Keys::same(at->first, back->first));
        }
    }

    Place place_;
    Random random_;
    std::pair<Model, Model> models_;
};

template <class Map, class Place> void play(int transactions)
{
    Pair<Map, Place> pair(23);
    pair.play(rounds(transactions));
    pair.end();
}

} // namespace

template <class Place> class Maps : public ::testing::Test {
protected:
    using Containers = typename Place::containers;
    using String = typename Containers::string;
};
TYPED_TEST_SUITE(Maps, places);

TYPED_TEST(Maps, a_hash_map_is_as_its_model) { play<typename TestFixture::Containers::template hash_map<long, long>, TypeParam>(8000); }
TYPED_TEST(Maps, a_hash_map_of_strings_is_as_its_model)
{
    play<typename TestFixture::Containers::template hash_map<typename TestFixture::String, typename TestFixture::String>, TypeParam>(4000);
}
TYPED_TEST(Maps, an_ordered_map_is_as_its_model) { play<typename TestFixture::Containers::template ordered_map<long, long>, TypeParam>(8000); }
TYPED_TEST(Maps, an_ordered_map_of_strings_is_as_its_model)
{
    play<typename TestFixture::Containers::template ordered_map<typename TestFixture::String, typename TestFixture::String>, TypeParam>(4000);
}

/** Maps in maps: what an element holds goes with it, wherever it moves. */
TYPED_TEST(Maps, maps_hold_containers)
{
    using Containers = typename TestFixture::Containers;
    using String = typename TestFixture::String;
    using Map = typename Containers::template hash_map<String, typename Containers::template ordered_map<String, typename Containers::template vector<long>>>;
    TypeParam place;
    const auto map = [&]() -> Map & { return place.template object<Map>(); };
    std::map<std::string, std::map<std::string, std::vector<long>>> model;
    Random random(5);
    for (int i = 0; i < rounds(3000); ++i) {
        const std::string outer = values<String>::make(random.below(60)), inner = values<String>::make(random.below(20));
        const bool commits = random.below(4) != 0;
        const std::size_t what = random.below(10);
        auto next = model;
        const auto body = [&] {
            if (what < 6) {
                map()[outer][inner].push_back(i);
                next[outer][inner].push_back(i);
            } else if (what < 8) {
                ASSERT_TRUE(!map().contains(outer) || map().at(outer).erase(inner) == next.at(outer).erase(inner));
            } else if (what == 8) {
                map().erase(outer);
                next.erase(outer);
            } else if (map().contains(outer)) {
                auto taken = std::move(map().at(outer)); // a local container has the blocks for a while
                map().erase(outer);
                map().insert_or_assign(inner, std::move(taken));
                auto also = std::move(next.at(outer));
                next.erase(outer);
                next.insert_or_assign(inner, std::move(also));
            }
        };
        if (commits) {
            libtm::atomically([&] {
                next = model;
                body();
            });
            model = next;
        } else {
            roll_back_after([&] {
                next = model;
                body();
            });
        }
        if (i % 500 == 0) place.reopen();
    }
    libtm::atomically([&] {
        ASSERT_TRUE(map().check());
        ASSERT_EQ(map().size(), model.size());
        for (const auto &[outer, inner_model] : model) {
            const auto &inner = map().at(outer);
            ASSERT_TRUE(inner.check());
            ASSERT_EQ(inner.size(), inner_model.size());
            for (const auto &[key, numbers] : inner_model) ASSERT_TRUE((values<typename Containers::template vector<long>>::same(inner.at(key), numbers)));
        }
    });
    libtm::atomically([&] { map().~Map(); });
    EXPECT_EQ(place.blocks(), 0u) << "a leak";
}

/** However many elements come, in one transaction or many, a bucket has few; and what is erased meanwhile is gone. */
TYPED_TEST(Maps, a_hash_map_grows)
{
    using Map = typename TestFixture::Containers::template hash_map<long, long>;
    TypeParam place;
    Map &map = place.template object<Map>();
    const long most = rounds(40000);
    for (long i = 0; i < most;)
        libtm::atomically([&, i]() mutable {
            for (long end = std::min(most, i + 1 + i % 100); i < end; ++i) {
                ASSERT_TRUE(map.insert({i << 20, i}).second);
                ASSERT_TRUE(i % 3 != 0 || map.erase(i << 20) == 1);
            }
        }), i += 1 + i % 100;
    EXPECT_TRUE(map.check());
    EXPECT_EQ(map.size(), static_cast<std::size_t>(most - (most + 2) / 3));
    EXPECT_LE(map.longest_chain(), 12u);
    EXPECT_LE(map.bucket_count(), 2 * static_cast<std::size_t>(most));
    EXPECT_GE(map.bucket_count(), map.size() / 2);
    for (long i = 0; i < most; ++i) ASSERT_EQ(map.contains(i << 20), i % 3 != 0) << i;
    libtm::atomically([&] { map.clear(); });
    EXPECT_EQ(place.blocks(), 0u);
}

/** No insertion stores more than a few links, those that grow the table too: the logs of a new thread have no room for more, and may not grow. */
TEST(Maps, to_grow_a_hash_map_costs_no_pass_over_its_elements)
{
    std::thread([] {
        libtm::hash_map<long, long> map;
        const libtm::attr small{.flags = TM_NO_GROW};
        for (long i = 0; i < 100000 && map.bucket_count() < 16384; ++i)
            ASSERT_NO_THROW(libtm::atomically(small, [&] {
                ASSERT_EQ(tm_log_reserve(4, 0, 32), 0);
                map[i] = i;
            })) << i;
        EXPECT_TRUE(map.check());
    }).join();
}

TEST(Maps, an_ordered_map_takes_any_order)
{
    using Map = kind<watched_allocator>::ordered_map<long, long>;
    for (const int step : {1, -1, 7919}) {
        Map map;
        for (long i = 0; i < rounds(8000); ++i) map[i * step % 100000] = i;
        EXPECT_TRUE(map.check());
        EXPECT_EQ(map.size(), static_cast<std::size_t>(rounds(8000)));
        std::vector<std::pair<long, long>> pairs;
        for (const auto &[key, value] : map) pairs.emplace_back(key, value);
        EXPECT_TRUE(std::is_sorted(pairs.begin(), pairs.end()));
        std::reverse(pairs.begin(), pairs.end());
        pairs.insert(pairs.end(), pairs.begin(), pairs.end()); // the first of two counts
        pairs.back().second = -1;
        Map other;
        other.assign(pairs.begin(), pairs.end());
        EXPECT_TRUE(other.check());
        EXPECT_TRUE(std::equal(map.begin(), map.end(), other.begin(), other.end(), [](const auto &a, const auto &b) { return a.first == b.first && a.second == b.second; }));
        other.erase(other.lower_bound(100), other.end());
        EXPECT_TRUE(other.check());
        EXPECT_EQ(other.empty() ? -1 : other.rbegin()->first, map.lower_bound(100) == map.begin() ? -1 : std::prev(map.lower_bound(100))->first);
    }
    EXPECT_EQ(watched_allocator::blocks, 0) << "a leak";
}

TEST(Maps, lookups_take_what_strings_are_given_as)
{
    libtm::hash_map<libtm::string, int> hashed;
    libtm::ordered_map<libtm::string, int> ordered;
    const libtm::string key{"a key that does not fit into the string"};
    const auto all = [&](auto &map) {
        map.insert({"a key that does not fit into the string", 1});
        map[std::string("short")] = 2;
        EXPECT_EQ(map.find(key)->second, 1);
        EXPECT_EQ(map.at(key.str()), 1);
        EXPECT_EQ(map[std::string_view("short")], 2);
        EXPECT_TRUE(map.contains("short"));
        EXPECT_FALSE(map.contains("shor"));
        EXPECT_EQ(map.value_or("none", 7), 7);
        EXPECT_EQ(map.erase("short"), 1u);
        EXPECT_EQ(map.size(), 1u);
    };
    all(hashed);
    all(ordered);
}

/** The values are in pools: they must be the same for ever. */
TEST(Hash, values_are_those_of_the_format)
{
    EXPECT_EQ(libtm::hash<long>{}(0), 0u);
    EXPECT_EQ(libtm::hash<int>{}(-1), libtm::hash<long>{}(-1));
    EXPECT_EQ(libtm::hash<long>{}(1), 0x4179b061e0c0e0d0u);
    EXPECT_EQ(libtm::hash<std::string_view>{}("pool"), 0x8b4377d8fdd4444cu);
    EXPECT_EQ(libtm::hash<std::string_view>{}("a string of 25 characters"), 0xb23f45f50bb23b13u);
    EXPECT_EQ(libtm::hash<libtm::string>{}(libtm::string{"pool"}), libtm::hash<std::string_view>{}("pool"));
    struct Point {
        int x, y, z;
    };
    EXPECT_NE((libtm::hash<Point>{}({1, 2, 3})), (libtm::hash<Point>{}({1, 2, 4})));
}
