// SPDX-License-Identifier: MIT
/** Containers in several threads: nothing is lost, nothing is there twice, and no transaction sees a state in between. */
#include "support.hpp"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

using namespace libtm::testing;

namespace {

void in_threads(unsigned count, const std::function<void(unsigned)> &body)
{
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < count; ++thread) running.emplace_back(body, thread);
    for (std::thread &thread : running) thread.join();
}

template <class Map> long sum_of(const Map &map)
{
    long sum = 0;
    for (const auto &[key, value] : map) sum += value;
    return sum;
}

/** Whether `body` commits at its first attempt, in another thread, while the transaction of this one is open. */
template <class Body> bool commits_beside(Body &&body)
{
    bool commits = true;
    std::thread([&] {
        try {
            libtm::atomically(libtm::attr{.flags = TM_NO_QUIESCENCE}, [&] {
                if (tm_attempt() > 1) libtm::cancel(1);
                body();
            });
        } catch (const libtm::error &) {
            commits = false;
        }
    }).join();
    return commits;
}

/** Elements move between two maps; no transaction finds one missing, or twice. */
template <class Map> void move_about()
{
    constexpr long keys = 300;
    Map maps[2];
    for (long key = 0; key < keys; ++key) maps[key % 2][key] = key + 1;
    std::atomic<long> wrong{0};
    in_threads(4, [&](unsigned thread) {
        Random random(thread);
        for (int i = 0; i < rounds(6000); ++i) {
            if (i % 200 == 0) {
                libtm::atomically([&] {
                    if (maps[0].size() + maps[1].size() != keys || sum_of(maps[0]) + sum_of(maps[1]) != keys * (keys + 1) / 2) ++wrong;
                });
                continue;
            }
            const long key = static_cast<long>(random.below(keys));
            libtm::atomically([&] {
                const bool from = maps[1].contains(key);
                if (maps[0].contains(key) == from) ++wrong;
                const auto at = maps[from].find(key);
                if (at == maps[from].end()) return;
                const long value = at->second;
                maps[from].erase(at);
                if (value != key + 1 || !maps[!from].insert({key, value}).second) ++wrong;
            });
        }
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(maps[0].check() && maps[1].check());
    EXPECT_EQ(maps[0].size() + maps[1].size(), static_cast<std::size_t>(keys));
    EXPECT_EQ(sum_of(maps[0]) + sum_of(maps[1]), keys * (keys + 1) / 2);
}

/** Elements come while others look: who has been there is there. */
template <class Map> void grow_while_others_read(const std::function<typename Map::key_type(long)> &key_of)
{
    Map map;
    libtm::var<long> there[2];
    const long most = rounds(16000);
    std::atomic<long> wrong{0};
    in_threads(4, [&](unsigned thread) {
        if (thread < 2) {
            for (long i = 0; i < most; ++i)
                libtm::atomically([&] {
                    if (!map.try_emplace(key_of(2 * i + thread), i).second) ++wrong;
                    there[thread] = i + 1;
                });
            return;
        }
        Random random(thread);
        long seen = 0;
        while (seen < most)
            libtm::atomically([&] {
                seen = there[thread - 2];
                for (int i = 0; i < 10 && seen; ++i) {
                    const long number = static_cast<long>(random.below(static_cast<std::size_t>(seen)));
                    const auto at = map.find(key_of(2 * number + thread - 2));
                    if (at == map.end() || at->second != number) ++wrong;
                }
                if (map.contains(key_of(2 * seen + thread - 2))) ++wrong;
            });
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(map.size(), static_cast<std::size_t>(2 * most));
    EXPECT_TRUE(map.check());
}

/** Strings as keys come, change their values and go. */
template <class Map> void come_and_go()
{
    Map map;
    std::atomic<long> wrong{0};
    const auto key_of = [](std::size_t i) {
        std::string key = std::to_string(i);
        return key.append(i % 30, 'k');
    };
    in_threads(4, [&](unsigned thread) {
        Random random(thread);
        for (int i = 0; i < rounds(6000); ++i) {
            const std::string key = key_of(random.below(40));
            const std::size_t what = random.below(4);
            libtm::atomically([&] {
                const auto at = map.find(key);
                if (at != map.end() && (std::string(at->first.plain()) != key || at->second.str() != key + key)) ++wrong;
                if (at == map.end()) map.try_emplace(key, key + key);
                else if (what == 0) map.erase(at);
                else if (what == 1) at->second = key + key;
                else if (what == 2) map.insert_or_assign(key, libtm::string{key + key});
            });
        }
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(map.check());
}

} // namespace

TEST(Threads, elements_move_between_hash_maps) { move_about<libtm::hash_map<long, long>>(); }
TEST(Threads, elements_move_between_ordered_maps) { move_about<libtm::ordered_map<long, long>>(); }

TEST(Threads, a_hash_map_grows_while_others_read)
{
    grow_while_others_read<libtm::hash_map<long, long>>([](long i) { return i; });
}
TEST(Threads, an_ordered_map_grows_while_others_read)
{
    grow_while_others_read<libtm::ordered_map<long, long>>([](long i) { return i * 7919 % 1000003; });
}

TEST(Threads, strings_come_and_go_in_a_hash_map) { come_and_go<libtm::hash_map<libtm::string, libtm::string>>(); }
TEST(Threads, strings_come_and_go_in_an_ordered_map) { come_and_go<libtm::ordered_map<libtm::string, libtm::string>>(); }

/** What two threads have pushed is taken once each, and in the order of each thread. */
TEST(Threads, a_queue_keeps_the_order)
{
    libtm::queue<std::pair<unsigned, long>> queue;
    const long each = rounds(10000);
    std::atomic<long> wrong{0};
    libtm::var<long> taken[2];
    in_threads(4, [&](unsigned thread) {
        if (thread < 2) {
            for (long i = 0; i < each; ++i) queue.push({thread, i}); // transactions of their own
            return;
        }
        for (bool done = false; !done;) {
            libtm::atomically([&] {
                done = taken[0] + taken[1] == 2 * each;
                const auto job = queue.pop();
                if (!job) return;
                if (taken[job->first]++ != job->second) ++wrong;
            });
            std::this_thread::yield();
        }
    });
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(queue.empty());
}

/** push() and pop() of a queue that is not nearly empty do not conflict: a transaction with one commits while another one that has done the other is open. */
TEST(Threads, the_ends_of_a_queue_do_not_conflict)
{
    const SideBySide side_by_side;
    libtm::queue<long> queue;
    for (long i = 0; i < 10; ++i) queue.push(i);
    for (const bool pops : {true, false})
        libtm::atomically([&] {
            if (pops) queue.drop();
            else queue.push(2);
            EXPECT_EQ(tm_attempt(), 1u);
            EXPECT_TRUE(commits_beside([&] {
                if (pops) queue.push(1);
                else queue.drop();
            }));
        });
    EXPECT_EQ(std::distance(queue.begin(), queue.end()), 10);
}

/** Nor do insertions of different keys, as a rule: there is no word that each of them writes. */
template <class Map> void insert_beside()
{
    const SideBySide side_by_side;
    Map map;
    for (long i = 0; i < 1000; ++i) map[i * 100] = i;
    int conflicts = 0;
    for (long i = 0; i < 50; ++i)
        libtm::atomically([&] {
            map[i * 1000 + 1] = 1;
            conflicts += tm_attempt() > 1 || !commits_beside([&] { map[99999 - i * 1000] = 1; });
        });
    EXPECT_LE(conflicts, 12) << "some threads share a line of the counter, some keys a stripe";
    EXPECT_TRUE(map.check());
}
TEST(Threads, insertions_into_a_hash_map_do_not_conflict) { insert_beside<libtm::hash_map<long, long>>(); }
TEST(Threads, insertions_into_an_ordered_map_do_not_conflict) { insert_beside<libtm::ordered_map<long, long>>(); }

TEST(Threads, what_is_pushed_onto_a_vector_is_there)
{
    libtm::vector<long> numbers;
    libtm::vector<libtm::string> strings;
    std::atomic<long> wrong{0};
    const int each = rounds(1500);
    in_threads(4, [&](unsigned thread) {
        for (int i = 0; i < each; ++i) {
            libtm::atomically([&] {
                numbers.push_back(thread);
                strings.emplace_back(std::to_string(thread) + " has pushed this");
                if (numbers.size() != strings.size()) ++wrong;
            });
            libtm::atomically([&] {
                const std::size_t at = static_cast<std::size_t>(i) % numbers.size();
                if (strings[at] != std::to_string(numbers[at]) + " has pushed this") ++wrong;
                if (i % 100 == 0) {
                    numbers.reserve(numbers.size() + 10);
                    strings.reserve(strings.size() + 10);
                }
            });
        }
    });
    EXPECT_EQ(wrong, 0);
    long count[4] = {};
    for (const long thread : numbers) ++count[thread];
    for (const long of : count) EXPECT_EQ(of, each);
}

TEST(Threads, a_string_is_never_half_changed)
{
    libtm::string string;
    std::atomic<long> wrong{0};
    in_threads(4, [&](unsigned thread) {
        Random random(thread);
        for (int i = 0; i < rounds(3000); ++i) {
            const std::string fresh(random.below(80) + 1, static_cast<char>('a' + random.below(26)));
            libtm::atomically([&] {
                const std::string now = string.str();
                if (now != std::string(now.size(), now.empty() ? 'x' : now[0])) ++wrong;
                if (i % 3 == 0) string = fresh;
                else if (!now.empty() && now.size() < 200) string.append(now);
            });
        }
    });
    EXPECT_EQ(wrong, 0);
}
