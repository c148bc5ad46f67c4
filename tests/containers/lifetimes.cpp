// SPDX-License-Identifier: MIT
/** What containers do when memory is out, when constructors throw, when a transaction is rolled back or an exception passes while they are destroyed. */
#include "support.hpp"

#include <functional>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace libtm::testing;

namespace {

using Watched = kind<watched_allocator>;
long blocks() { return watched_allocator::blocks; }

std::map<std::string, std::string> contents_of(const Watched::hash_map<Watched::string, Watched::string> &map)
{
    std::map<std::string, std::string> all;
    for (const auto &[key, value] : map) all.emplace(key.plain(), value.str());
    return all;
}
std::map<std::string, std::string> contents_of(const Watched::ordered_map<Watched::string, Watched::string> &map)
{
    std::map<std::string, std::string> all;
    for (const auto &[key, value] : map) all.emplace(key.plain(), value.str());
    return all;
}
std::vector<std::string> contents_of(const Watched::vector<Watched::string> &vector)
{
    std::vector<std::string> all;
    for (const auto &each : vector) all.push_back(each.str());
    return all;
}
std::vector<std::string> contents_of(const Watched::queue<Watched::string> &queue)
{
    std::vector<std::string> all;
    for (const auto &each : queue) all.push_back(each.str());
    return all;
}
std::string contents_of(const Watched::string &string) { return string.str(); }

/** Let each allocation of `change` fail in turn: the transaction lives on, and the container is as it was. */
template <class Container> void fail_each(const std::function<void(Container &)> &fill, const std::function<void(Container &)> &change)
{
    const long before = blocks();
    for (long refused = 1, done = 0; !done; ++refused) {
        ASSERT_LT(refused, 1000);
        Container container;
        fill(container);
        libtm::atomically([&] {
            const auto was = contents_of(container);
            watched_allocator::refused = refused;
            try {
                change(container);
                done = 1;
                EXPECT_GT(refused, 1) << "it has allocated nothing";
            } catch (const std::bad_alloc &) {
                EXPECT_TRUE(contents_of(container) == was) << "allocation " << refused;
            }
            watched_allocator::refused = 0;
        });
        if constexpr (requires { container.check(); }) {
            EXPECT_TRUE(container.check());
        }
        change(container);
        container.clear();
    }
    EXPECT_EQ(blocks(), before) << "a leak";
}

std::string text(int i) { return std::to_string(i) + " is in a string that has a block of its own"; }

template <class Map> void fill_map(Map &map, int count)
{
    for (int i = 0; i < count; ++i) map.try_emplace(text(i), text(i));
}

/** Throws when it is told to. */
struct Moody {
    static inline bool throws = false;
    libtm::basic_string<watched_allocator> name;
    libtm::var<long> number;
    explicit Moody(long i) : name(text(static_cast<int>(i))), number(i)
    {
        if (throws) throw std::runtime_error("moody");
    }
};

/** Its destructor begins the transaction again, so many times. */
struct Restless {
    static inline int restarts = 0;
    Restless() = default;
    Restless(const Restless &) = delete;
    ~Restless() noexcept(false)
    {
        if (tm_in_transaction() && restarts > 0 && restarts-- > 0) libtm::restart();
    }
};

} // namespace

TEST(OutOfMemory, a_hash_map_is_as_it_was)
{
    using Map = Watched::hash_map<Watched::string, Watched::string>;
    for (const int count : {0, 15, 16, 31, 127, 128})
        fail_each<Map>([&](Map &map) { fill_map(map, count); }, [&](Map &map) { map.try_emplace(text(1000), text(1)); });
    std::map<std::string, std::string> other;
    for (int i = 0; i < 40; ++i) other.emplace(text(i), text(i + 1));
    fail_each<Map>([&](Map &map) { fill_map(map, 5); }, [&](Map &map) { map.assign(other.begin(), other.end()); });
    fail_each<Map>([&](Map &map) { fill_map(map, 5); }, [&](Map &map) { map.reserve(5000); });
}

TEST(OutOfMemory, an_ordered_map_is_as_it_was)
{
    using Map = Watched::ordered_map<Watched::string, Watched::string>;
    for (const int count : {0, 5, 127, 128})
        fail_each<Map>([&](Map &map) { fill_map(map, count); }, [&](Map &map) { map.try_emplace(text(1000), text(1)); });
    std::map<std::string, std::string> other;
    for (int i = 0; i < 40; ++i) other.emplace(text(i), text(i + 1));
    fail_each<Map>([&](Map &map) { fill_map(map, 5); }, [&](Map &map) { map.assign(other.begin(), other.end()); });
    fail_each<Map>([&](Map &map) { fill_map(map, 5); }, [&](Map &map) { map.assign(other.rbegin(), other.rend()); });
}

TEST(OutOfMemory, a_sequence_is_as_it_was)
{
    using Vector = Watched::vector<Watched::string>;
    using Queue = Watched::queue<Watched::string>;
    const auto fill_vector = [](Vector &vector) {
        for (int i = 0; i < 8; ++i) vector.emplace_back(text(i));
    };
    fail_each<Vector>(fill_vector, [](Vector &vector) { vector.emplace_back(text(9)); });
    fail_each<Vector>(fill_vector, [](Vector &vector) { vector.emplace(vector.begin() + 2, text(9)); });
    fail_each<Vector>(fill_vector, [](Vector &vector) { vector.resize(20, text(9)); });
    fail_each<Vector>(fill_vector, [](Vector &vector) { vector.assign(5, text(9)); });
    fail_each<Queue>([](Queue &) {}, [](Queue &queue) { queue.emplace(text(9)); });
    fail_each<Queue>([](Queue &queue) { queue.emplace(text(1)); }, [](Queue &queue) {
        const std::vector<std::string> some{text(2), text(3)};
        queue.assign(some.begin(), some.end());
    });
    fail_each<Watched::string>([](Watched::string &string) { string = "short"; }, [](Watched::string &string) { string += text(1) + text(string.size() % 7); });
    fail_each<Watched::string>([](Watched::string &string) { string = text(1); }, [](Watched::string &string) { string = std::string(string.capacity() + 1, 'x'); });
}

TEST(Exceptions, of_a_constructor_leave_the_container_as_it_was)
{
    const long before = blocks();
    {
        Watched::hash_map<long, Moody> hashed;
        Watched::ordered_map<Watched::string, Moody> ordered;
        Watched::vector<Moody> vector;
        Watched::queue<Moody> queue;
        const auto add = [&](long i) {
            const auto attempt = [&](auto &&change) {
                if (!Moody::throws) return change();
                EXPECT_THROW(change(), std::runtime_error);
            };
            attempt([&] { hashed.try_emplace(i, i); });
            attempt([&] { ordered.try_emplace(text(static_cast<int>(i)), i); });
            attempt([&] { vector.emplace_back(i); });
            attempt([&] { vector.emplace(vector.begin(), i); });
            attempt([&] { queue.emplace(i); });
        };
        for (long i = 0; i < 40; ++i) {
            libtm::atomically([&] {
                Moody::throws = i % 2;
                add(i);
            });
            Moody::throws = i % 4 >= 2;
            add(i + 100); // transactions of their own
        }
        Moody::throws = false;
        EXPECT_TRUE(hashed.check() && ordered.check());
        EXPECT_EQ(hashed.size(), 40u);
        EXPECT_EQ(ordered.size(), 40u);
        EXPECT_EQ(vector.size(), 80u);
        EXPECT_EQ(std::distance(queue.begin(), queue.end()), 40);
        for (const auto &[key, value] : hashed) EXPECT_EQ(value.number, key);
    }
    EXPECT_EQ(blocks(), before) << "a leak";
}

TEST(Destructors, do_nothing_after_a_rollback)
{
    const long before = blocks();
    Watched::hash_map<long, Watched::string> kept;
    kept.try_emplace(1, text(1));
    for (int restarts = 0; restarts < 3; ++restarts) {
        int attempts = 0;
        libtm::atomically([&] {
            Watched::hash_map<long, Watched::string> local;
            Watched::vector<Watched::string> vector;
            for (int i = 0; i < 50; ++i) {
                local.try_emplace(i, text(i));
                vector.emplace_back(text(i));
            }
            Watched::hash_map<long, Watched::string> taken(std::move(kept));
            EXPECT_TRUE(kept.empty() && taken.size() == 1 && taken.at(1) == text(1));
            if (attempts++ < restarts) libtm::restart();
            kept = std::move(taken);
        });
        EXPECT_EQ(attempts, restarts + 1);
        EXPECT_EQ(kept.at(1), text(1));
    }
    kept.clear();
    EXPECT_EQ(blocks(), before);
}

TEST(Destructors, restart_the_transaction)
{
    const long before = blocks();
    for (int restarts = 0; restarts < 4; ++restarts) {
        Watched::vector<Restless> all;
        Watched::hash_map<long, Restless> map;
        all.resize(3);
        map.try_emplace(1);
        Restless::restarts = restarts;
        libtm::atomically([&] {
            Watched::vector<Restless> taken(std::move(all));
            Watched::hash_map<long, Restless> also(std::move(map));
        });
        EXPECT_EQ(Restless::restarts, 0);
        EXPECT_TRUE(all.empty() && map.empty());
    }
    EXPECT_EQ(blocks(), before);
}

/** Those of std::optional and std::vector are noexcept. */
TEST(Destructors, throw_nothing_themselves)
{
    static_assert(std::is_nothrow_destructible_v<libtm::string> && std::is_nothrow_destructible_v<libtm::hash_map<long, Restless>>);
    const long before = blocks();
    for (int restarts = 0; restarts < 4; ++restarts) {
        Watched::queue<Watched::vector<Restless>> queue;
        for (int i = 0; i < 3; ++i) queue.emplace().resize(2);
        Restless::restarts = restarts;
        int attempts = 0;
        const std::size_t left = libtm::atomically([&] {
            ++attempts;
            std::vector<Watched::vector<Restless>> some;
            some.push_back(*queue.pop());
            {
                const auto taken = queue.pop();
                EXPECT_EQ(taken->size(), 2u);
            }
            some.clear();
            return static_cast<std::size_t>(std::distance(queue.begin(), queue.end()));
        });
        EXPECT_EQ(left, 1u);
        EXPECT_EQ(attempts, restarts + 1);
        Restless::restarts = restarts;
        EXPECT_EQ(libtm::atomically([&] { return queue.drop(); }), true) << "the last call of the block";
        EXPECT_TRUE(queue.empty());
    }
    EXPECT_EQ(blocks(), before);
}

TEST(Destructors, are_silent_while_an_exception_passes)
{
    const long before = blocks();
    for (int restarts = 0; restarts < 3; ++restarts) {
        Watched::vector<Restless> all;
        all.resize(3);
        Restless::restarts = restarts;
        int attempts = 0;
        libtm::atomically([&] {
            ++attempts;
            try {
                Watched::hash_map<long, Watched::string> local;
                Watched::vector<Restless> taken(std::move(all));
                for (int i = 0; i < 50; ++i) local.try_emplace(i, text(i));
                throw std::runtime_error("passes");
            } catch (const std::runtime_error &) {
            }
        });
        EXPECT_EQ(attempts, restarts + 1);
        EXPECT_TRUE(all.empty());
    }
    EXPECT_EQ(blocks(), before) << "a leak";
    for (int restarts = 0; restarts < 3; ++restarts) {
        Watched::vector<Restless> all;
        all.resize(3);
        Restless::restarts = restarts;
        EXPECT_THROW(libtm::atomically([&] {
            Watched::vector<Restless> taken(std::move(all));
            throw std::runtime_error("leaves");
        }),
            std::runtime_error);
        EXPECT_EQ(all.size(), 3u) << "rolled back";
    }
    EXPECT_EQ(blocks(), before) << "a leak";
}

TEST(Destructors, run_after_the_commit_where_the_object_is_retired)
{
    const long before = blocks();
    using Map = Watched::hash_map<long, Watched::vector<Watched::string>>;
    Map *const map = libtm::make<Map>();
    libtm::atomically([&] { map->operator[](1).emplace_back(text(1)); });
    roll_back_after([&] { libtm::destroy(map); });
    EXPECT_EQ(map->at(1)[0], text(1));
    libtm::atomically([&] { libtm::destroy(map); });
    EXPECT_EQ(blocks(), before);
}

namespace {

[[gnu::noinline]] void expect_locality(const int &outer)
{
    int inner = 0;
    EXPECT_TRUE(libtm::detail::is_local(&inner));
    EXPECT_FALSE(libtm::detail::is_local(&outer));
}

} // namespace

TEST(Locals, are_those_of_the_block_and_of_what_it_calls)
{
    int outer = 0;
    static int global = 0;
    const auto heap = std::make_unique<int>();
    EXPECT_FALSE(libtm::detail::is_local(&outer));
    libtm::atomically([&] {
        int inner = 0;
        EXPECT_TRUE(libtm::detail::is_local(&inner));
        EXPECT_FALSE(libtm::detail::is_local(&outer));
        EXPECT_FALSE(libtm::detail::is_local(&global));
        EXPECT_FALSE(libtm::detail::is_local(heap.get()));
        expect_locality(outer);
        libtm::atomically([&] { EXPECT_TRUE(libtm::detail::is_local(&inner)); });
    });
}

/** A local's place on the stack is used again and again: by others of its kind, and by the frames of the commit. */
TEST(Locals, may_be_containers)
{
    libtm::hash_map<long, libtm::string> map;
    libtm::string outer;
    for (int round = 0; round < 20; ++round)
        libtm::atomically([&] {
            outer = "";
            for (int i = 0; i < 30; ++i) {
                libtm::string name{text(i)};
                name.append("!");
                EXPECT_EQ(name.size(), text(i).size() + 1);
                libtm::vector<long> numbers;
                for (int j = 0; j < i; ++j) numbers.push_back(j);
                EXPECT_EQ(numbers.size(), static_cast<std::size_t>(i));
                libtm::queue<long> queue;
                EXPECT_TRUE(queue.empty());
                queue.push(i);
                libtm::string small{"x"};
                small.push_back('y');
                EXPECT_EQ(small, "xy");
                outer += small.str();
                map.insert_or_assign(i, std::move(name));
                EXPECT_TRUE(name.empty());
            }
        });
    EXPECT_EQ(outer.size(), 60u) << "what is not the block's is restored where it restarts";
    for (int i = 0; i < 30; ++i) EXPECT_EQ(map.at(i), text(i) + "!");
    roll_back_after([&] { outer.append("changed"); });
    EXPECT_EQ(outer.size(), 60u);
    libtm::string result = libtm::atomically([&] {
        libtm::string made{text(1)};
        made.append("?");
        return made;
    });
    EXPECT_EQ(result, text(1) + "?");
}

TEST(Allocators, are_asked_for_each_block_and_get_it_back)
{
    const long calls = watched_allocator::calls, before = blocks(), bytes = watched_allocator::bytes;
    Watched::hash_map<long, long> map;
    static_assert(sizeof map == 8 && sizeof(Watched::ordered_map<long, long>) == 8 && sizeof(Watched::string) == 24 && sizeof(Watched::queue<long>) == 72);
    EXPECT_EQ(map.size(), 0u);
    EXPECT_FALSE(map.contains(1));
    EXPECT_EQ(watched_allocator::calls, calls) << "an empty one has none";
    for (long i = 0; i < 10; ++i) map[i] = i;
    EXPECT_EQ(watched_allocator::calls - calls, 12);
    EXPECT_EQ(blocks() - before, 12);
    EXPECT_EQ(watched_allocator::bytes - bytes, 10 * 32 + 160 + 24);
    map.clear();
    EXPECT_EQ(blocks(), before);
    EXPECT_EQ(watched_allocator::bytes, bytes) << "bytes of deallocate() are those of allocate()";
}

TEST(Allocators, may_have_members)
{
    struct counting {
        long *calls;
        void *allocate(const void *owner, std::size_t bytes) const
        {
            ++*calls;
            return libtm::heap_allocator{}.allocate(owner, bytes);
        }
        void deallocate(const void *owner, void *block, std::size_t bytes) const { libtm::heap_allocator{}.deallocate(owner, block, bytes); }
    };
    long calls = 0;
    libtm::vector<long, counting> vector(counting{&calls});
    vector.push_back(1);
    EXPECT_EQ(calls, 1);
    libtm::vector<long, counting> other(std::move(vector));
    other.assign({1, 2, 3});
    EXPECT_EQ(calls, 2);
}
