// SPDX-License-Identifier: MIT
// The search against the brute force, on random small histories.
#include "brute_force.hpp"
#include "support.hpp"

#include <cstdio>
#include <tm/history.hpp>

namespace {

using namespace libtm::history;
using libtm::test::Random;

/** What random histories are made of; each count is drawn anew for each of them. */
class Generator {
public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    /**
     * A serial run, whose attempts are then stretched over intervals of time that overlap; so it is opaque. Most are then
     * disturbed in some places, which may or may not hurt.
     */
    History operator()()
    {
        locations_ = 1 + random_.below(3);
        unique_ = random_.below(4) != 0;
        threads_ = 1 + random_.below(4);
        next_ = 1;
        History history{std::vector<Value>(locations_, 0), {}, {}};
        auto memory = history.initial;
        const std::size_t count = 2 + random_.below(6);
        std::vector<Moment> last(threads_, 0);
        const std::size_t stretch = random_.below(3) * 15;
        for (std::size_t i = 0; i < count; ++i) {
            const auto thread = static_cast<unsigned>(random_.below(threads_));
            const Moment point = 20 + 10 * i;
            const Moment begin = std::max(last[thread], point - random_.below(stretch + 1)), end = point + random_.below(stretch + 1);
            last[thread] = point + 1;
            history.attempts.push_back(attempt(thread, std::min(begin, point), end, memory));
        }
        if (random_.below(3)) history.final = memory;
        for (std::size_t disturbances = random_.below(7); disturbances; --disturbances) disturb(history);
        return history;
    }

private:
    Value fresh() { return unique_ ? next_++ : 1 + random_.below(2); }

    Attempt attempt(unsigned thread, Moment begin, Moment end, std::vector<Value> &memory)
    {
        const std::size_t fate = random_.below(8);
        Attempt attempt{thread, begin, end, fate < 5 ? Outcome::committed : fate < 7 ? Outcome::aborted : Outcome::unknown, {}};
        auto view = memory;
        for (std::size_t n = random_.below(5); n; --n) {
            const auto location = static_cast<std::uint32_t>(random_.below(locations_));
            if (random_.below(2)) {
                view[location] = fresh();
                attempt.operations.push_back({Operation::write, location, view[location]});
            } else {
                attempt.operations.push_back({Operation::read, location, view[location]});
            }
        }
        if (attempt.outcome == Outcome::committed || (attempt.outcome == Outcome::unknown && random_.below(2))) memory = view;
        return attempt;
    }

    void disturb(History &history)
    {
        Attempt &attempt = history.attempts[random_.below(history.attempts.size())];
        switch (random_.below(6)) {
        case 0: attempt.outcome = static_cast<Outcome>(random_.below(3)); return;
        case 1: attempt.thread = 10 + attempt.thread + static_cast<unsigned>(&attempt - history.attempts.data()); return;
        case 2: attempt.begin = attempt.begin > 20 ? attempt.begin - 20 : 0; return;
        default:
            if (attempt.operations.empty()) return;
            Operation &operation = attempt.operations[random_.below(attempt.operations.size())];
            operation.value = operation.kind == Operation::read ? random_.below(unique_ ? next_ + 1 : 3) : fresh();
        }
    }

    Random random_;
    std::size_t locations_ = 1, threads_ = 1;
    bool unique_ = true;
    Value next_ = 1;
};

TEST(Agreement, search_and_brute_force_agree_on_random_histories)
{
    Generator generate(1);
    const std::uint64_t count = libtm::test::scaled(200000);
    std::uint64_t opaque = 0, violated = 0, refused = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const History history = generate();
        Decision decision;
        try {
            decision = decide(history);
        } catch (const std::invalid_argument &) {
            ++refused;
            continue;
        }
        ASSERT_NE(decision.verdict, Verdict::undecided);
        const bool expected = libtm::test::opaque_by_brute_force(history);
        ASSERT_EQ(decision.verdict == Verdict::opaque, expected) << "history " << i << '\n' << explain(history);
        ++(expected ? opaque : violated);
        if (expected) {
            // Its order is one of those that the brute force would accept.
            ASSERT_EQ(decision.order.size(), history.attempts.size());
            ASSERT_TRUE(libtm::test::keeps_time(history, decision.order));
        } else if (i % 16 == 0) {
            const History part = smallest(history);
            ASSERT_FALSE(libtm::test::opaque_by_brute_force(part)) << explain(history);
            ASSERT_NE(explain(history).find("NOT OPAQUE"), std::string::npos);
        }
    }
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("explored: %llu small histories decided twice, %llu opaque, %llu not, 0 disagreements (%llu not well formed)\n", number(opaque + violated),
                number(opaque), number(violated), number(refused));
    EXPECT_GT(opaque, count / 4);
    EXPECT_GT(violated, count / 4);
}

} // namespace
