// SPDX-License-Identifier: MIT
/** Vectors, strings and queues against those of the standard library: random operations in random transactions, some of which are rolled back. */
#include "support.hpp"

#include <algorithm>
#include <deque>
#include <numeric>
#include <vector>

using namespace libtm::testing;

namespace {

/** Play change(random, model) in random transactions; compare(model) now and then. */
template <class Model, class Place, class Change, class Compare> void play(Place &place, int transactions, Change &&change, Compare &&compare)
{
    Model model;
    Random random(11);
    for (int i = 0; i < rounds(transactions) && !::testing::Test::HasFailure(); ++i) {
        Model next;
        const std::uint64_t seed = random();
        const bool commits = random.below(4) != 0;
        const auto body = [&] {
            next = model;
            Random mine(seed);
            for (std::size_t operation = mine.below(8) + 1; operation-- > 0;) change(mine, next);
        };
        if (commits) {
            libtm::atomically(body);
            model = next;
        } else {
            roll_back_after(body);
        }
        if (i % 50 == 0) compare(model);
        if (i % 400 == 0) place.reopen();
    }
    libtm::atomically([&] { compare(model); });
}

template <class Vector, class Model> void change_vector(Random &random, Vector &vector, Model &model)
{
    const auto value = static_cast<long>(random.below(1000));
    const auto make = [&](long of) {
        if constexpr (std::is_same_v<typename Model::value_type, long>) return of;
        else return std::string(static_cast<std::size_t>(of) % 40, 'x') + std::to_string(of);
    };
    const std::size_t place = random.below(model.size() + 1);
    switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
        vector.emplace_back(make(value));
        model.push_back(make(value));
        break;
    case 4:
        if (model.empty()) break;
        vector.pop_back();
        model.pop_back();
        break;
    case 5: {
        const auto at = vector.emplace(vector.begin() + static_cast<long>(place), make(value));
        ASSERT_EQ(static_cast<std::size_t>(at - vector.begin()), place);
        model.insert(model.begin() + static_cast<long>(place), make(value));
        break;
    }
    case 6:
        if (place == model.size()) break;
        vector.erase(vector.begin() + static_cast<long>(place));
        model.erase(model.begin() + static_cast<long>(place));
        break;
    case 7: {
        const std::size_t to = place + random.below(model.size() - place + 1);
        vector.erase(vector.begin() + static_cast<long>(place), vector.begin() + static_cast<long>(to));
        model.erase(model.begin() + static_cast<long>(place), model.begin() + static_cast<long>(to));
        break;
    }
    case 8:
        if (random.below(8)) break;
        vector.resize(place * 2);
        model.resize(place * 2);
        break;
    case 9:
        if (place == model.size()) {
            EXPECT_THROW(vector.at(place), std::out_of_range);
        } else {
            vector[place] = make(value);
            model[place] = make(value);
        }
        break;
    case 10:
        if (random.below(20)) break;
        model.assign(random.below(100), make(value));
        vector.assign(model.begin(), model.end());
        break;
    case 11:
        if (random.below(20)) break;
        vector.clear();
        model.clear();
        break;
    case 12: vector.reserve(place); break;
    default: {
        auto taken = std::move(vector);
        ASSERT_TRUE(vector.empty());
        ASSERT_EQ(taken.size(), model.size());
        vector = std::move(taken);
    }
    }
}

} // namespace

template <class Place> class Sequences : public ::testing::Test {
protected:
    using Containers = typename Place::containers;
};
TYPED_TEST_SUITE(Sequences, places);

TYPED_TEST(Sequences, a_vector_is_as_its_model)
{
    using Vector = typename TestFixture::Containers::template vector<long>;
    static_assert(std::random_access_iterator<typename Vector::iterator> && sizeof(Vector) == 16);
    TypeParam place;
    const auto vector = [&]() -> Vector & { return place.template object<Vector>(); };
    play<std::vector<long>>(place, 6000, [&](Random &random, std::vector<long> &model) { change_vector(random, vector(), model); },
        [&](const std::vector<long> &model) {
            ASSERT_TRUE(std::equal(vector().begin(), vector().end(), model.begin(), model.end()));
            ASSERT_TRUE(std::equal(vector().rbegin(), vector().rend(), model.rbegin(), model.rend()));
            ASSERT_TRUE(model.empty() || vector().front() + vector().back() == model.front() + model.back());
        });
    libtm::atomically([&] { std::sort(vector().begin(), vector().end()); });
    EXPECT_TRUE(std::is_sorted(vector().begin(), vector().end()));
    libtm::atomically([&] { vector().~Vector(); });
    EXPECT_EQ(place.blocks(), 0u) << "a leak";
}

TYPED_TEST(Sequences, a_vector_of_strings_is_as_its_model)
{
    using Vector = typename TestFixture::Containers::template vector<typename TestFixture::Containers::string>;
    TypeParam place;
    const auto vector = [&]() -> Vector & { return place.template object<Vector>(); };
    play<std::vector<std::string>>(place, 4000, [&](Random &random, std::vector<std::string> &model) { change_vector(random, vector(), model); },
        [&](const std::vector<std::string> &model) {
            ASSERT_TRUE(std::equal(vector().begin(), vector().end(), model.begin(), model.end(), [](const auto &a, const std::string &b) { return a == b; }));
        });
    libtm::atomically([&] { vector().~Vector(); });
    EXPECT_EQ(place.blocks(), 0u) << "a leak";
}

TYPED_TEST(Sequences, a_string_is_as_its_model)
{
    using String = typename TestFixture::Containers::string;
    TypeParam place;
    struct Two {
        String a, b;
    };
    const auto all = [&]() -> Two & { return place.template object<Two>(); };
    play<std::pair<std::string, std::string>>(
        place, 8000,
        [&](Random &random, std::pair<std::string, std::string> &model) {
            String &a = all().a;
            const std::string text(random.below(random.below(8) ? 30 : 700), static_cast<char>('a' + random.below(26)));
            switch (random.below(12)) {
            case 0:
            case 1:
                a.assign(text);
                model.first = text;
                break;
            case 2:
            case 3:
                a += text;
                model.first += text;
                break;
            case 4:
                a.push_back('!');
                model.first.push_back('!');
                break;
            case 5:
                if (model.first.empty()) {
                    EXPECT_THROW(a.at(0), std::out_of_range);
                } else {
                    const std::size_t at = random.below(model.first.size());
                    a.set(at, '?');
                    model.first[at] = '?';
                    ASSERT_EQ(a[at], '?');
                }
                break;
            case 6: {
                const std::size_t size = random.below(50);
                a.resize(size, '.');
                model.first.resize(size, '.');
                break;
            }
            case 7:
                a.swap(all().b);
                swap(model.first, model.second);
                break;
            case 8:
                a = all().b;
                model.first = model.second;
                break;
            case 9:
                all().b = std::move(a);
                model.second = std::move(model.first);
                model.first.clear();
                break;
            case 10: a.reserve(random.below(100)); break;
            default:
                ASSERT_EQ(a.compare(text) < 0, model.first.compare(text) < 0);
                ASSERT_EQ(a == text, model.first == text);
                ASSERT_EQ((a <=> all().b) == 0, model.first == model.second);
                ASSERT_EQ(a.starts_with("!"), model.first.starts_with("!"));
                ASSERT_EQ(a.substr(a.size() / 2, 5), model.first.substr(model.first.size() / 2, 5));
                if (random.below(8) == 0) {
                    a.clear();
                    model.first.clear();
                }
            }
            ASSERT_EQ(a.size(), model.first.size());
        },
        [&](const std::pair<std::string, std::string> &model) {
            ASSERT_EQ(all().a.str(), model.first);
            ASSERT_EQ(std::string(all().b), model.second);
        });
    libtm::atomically([&] { all().~Two(); });
    EXPECT_EQ(place.blocks(), 0u) << "a leak";
}

TYPED_TEST(Sequences, a_queue_is_as_its_model)
{
    using String = typename TestFixture::Containers::string;
    using Numbers = typename TestFixture::Containers::template queue<long>;
    using Strings = typename TestFixture::Containers::template queue<String>;
    struct Two {
        Numbers numbers;
        Strings strings;
    };
    TypeParam place;
    const auto all = [&]() -> Two & { return place.template object<Two>(); };
    play<std::deque<long>>(
        place, 6000,
        [&](Random &random, std::deque<long> &model) {
            const auto value = static_cast<long>(random.below(1000000));
            switch (random.below(7)) {
            case 0:
            case 1:
            case 2:
                all().numbers.push(value);
                all().strings.emplace(std::to_string(value) + " is a number of the queue");
                model.push_back(value);
                break;
            case 3:
            case 4: {
                const auto number = all().numbers.pop();
                const auto string = all().strings.pop();
                ASSERT_EQ(number.has_value(), !model.empty());
                ASSERT_EQ(string.has_value(), !model.empty());
                if (model.empty()) break;
                ASSERT_EQ(*number, model.front());
                ASSERT_EQ(string->str(), std::to_string(model.front()) + " is a number of the queue");
                model.pop_front();
                break;
            }
            case 5:
                ASSERT_EQ(all().numbers.empty(), model.empty());
                if (model.empty()) EXPECT_THROW(all().numbers.front(), std::out_of_range);
                else ASSERT_EQ(all().numbers.front(), model.front());
                break;
            default:
                if (random.below(40) == 0) {
                    model.assign(random.below(30), value);
                    std::vector<std::string> strings(model.size(), std::to_string(value) + " is a number of the queue");
                    all().numbers.assign(model.begin(), model.end());
                    all().strings.assign(strings.begin(), strings.end());
                } else if (random.below(40) == 0) {
                    Numbers taken(std::move(all().numbers));
                    ASSERT_TRUE(all().numbers.empty());
                    swap(all().numbers, taken);
                } else if (random.below(40) == 0) {
                    all().numbers.clear();
                    all().strings.clear();
                    model.clear();
                } else {
                    ASSERT_EQ(all().numbers.drop(), !model.empty());
                    ASSERT_EQ(all().strings.drop(), !model.empty());
                    if (!model.empty()) model.pop_front();
                }
            }
        },
        [&](const std::deque<long> &model) {
            ASSERT_TRUE(std::equal(all().numbers.begin(), all().numbers.end(), model.begin(), model.end()));
            ASSERT_EQ(static_cast<std::size_t>(std::distance(all().strings.begin(), all().strings.end())), model.size());
        });
    libtm::atomically([&] { all().~Two(); });
    EXPECT_EQ(place.blocks(), 0u) << "a leak";
}

/** Access by index does not look at the size. */
TEST(Sequences, elements_of_a_vector_stay_where_they_are_if_they_are_not_copyable)
{
    libtm::vector<libtm::string> names;
    names.emplace_back("first");
    libtm::string &first = names[0];
    for (int i = 0; i < 1000; ++i) names.emplace(names.begin() + 1, "another one, of more than 16 bytes");
    EXPECT_EQ(&first, &names.front());
    EXPECT_EQ(names.back(), "another one, of more than 16 bytes");
    first = "changed";
    EXPECT_EQ(names[0], "changed");
}
