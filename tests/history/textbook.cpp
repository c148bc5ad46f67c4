// SPDX-License-Identifier: MIT
// Known histories, each with its verdict; the search and the brute force must both give it.
#include "brute_force.hpp"
#include "support.hpp"

#include <tm/history.hpp>

namespace {

using namespace libtm::history;
using libtm::test::opaque_by_brute_force;

constexpr std::size_t x = 0, y = 1;

Operation r(std::size_t location, Value value) { return {Operation::read, static_cast<std::uint32_t>(location), value}; }
Operation w(std::size_t location, Value value) { return {Operation::write, static_cast<std::uint32_t>(location), value}; }

Attempt committed(unsigned thread, Moment begin, Moment end, std::vector<Operation> operations)
{
    return {thread, begin, end, Outcome::committed, std::move(operations)};
}
Attempt aborted(unsigned thread, Moment begin, Moment end, std::vector<Operation> operations)
{
    return {thread, begin, end, Outcome::aborted, std::move(operations)};
}
Attempt unknown(unsigned thread, Moment begin, std::vector<Operation> operations) { return {thread, begin, ~Moment{0}, Outcome::unknown, std::move(operations)}; }

History two(std::vector<Attempt> attempts, std::vector<Value> final = {}) { return {{0, 0}, std::move(attempts), std::move(final)}; }

void expect_opaque(const History &history)
{
    EXPECT_EQ(decide(history).verdict, Verdict::opaque) << explain(history);
    EXPECT_TRUE(opaque_by_brute_force(history));
    EXPECT_EQ(explain(history), "opaque\n");
}

/** Violated; and the explanation, in which the smallest part has that many attempts, has these words. */
void expect_violated(const History &history, std::size_t attempts, const char *words)
{
    EXPECT_EQ(decide(history).verdict, Verdict::violated);
    EXPECT_FALSE(opaque_by_brute_force(history));
    const History part = smallest(history);
    EXPECT_EQ(part.attempts.size(), attempts) << explain(history);
    EXPECT_FALSE(opaque_by_brute_force(part));
    EXPECT_NE(explain(history).find(words), std::string::npos) << explain(history);
}

TEST(Textbook, nothing_is_opaque)
{
    expect_opaque({});
    expect_opaque(two({}));
    expect_opaque(two({committed(0, 0, 1, {})}, {0, 0}));
}

TEST(Textbook, overlapping_attempts_may_take_either_order)
{
    expect_opaque(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {r(x, 0)})}));
    expect_opaque(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {r(x, 1)})}));
    expect_opaque(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {w(x, 2)})}, {1, 0}));
    expect_opaque(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {w(x, 2)})}, {2, 0}));
}

TEST(Textbook, lost_update)
{
    expect_violated(two({committed(0, 0, 9, {r(x, 0), w(x, 1)}), committed(1, 0, 9, {r(x, 0), w(x, 2)})}), 2,
                    "0.1 cannot be next: it would overwrite x0 = 0 (initial), which 1.1 has yet to read");
}

TEST(Textbook, write_skew)
{
    expect_violated(two({committed(0, 0, 9, {r(x, 0), r(y, 0), w(x, 1)}), committed(1, 0, 9, {r(x, 0), r(y, 0), w(y, 2)})}), 2, "not be opaque in any order");
}

TEST(Textbook, dirty_read)
{
    expect_violated(two({aborted(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {r(x, 1)})}), 1, "written by 0.1, which was aborted");
    expect_violated(two({aborted(0, 0, 9, {w(x, 1)}), aborted(1, 0, 9, {r(x, 1)})}), 1, "no attempt that took effect left that there");
}

TEST(Textbook, intermediate_value)
{
    expect_violated(two({committed(0, 0, 9, {w(x, 1), w(x, 2)}), committed(1, 0, 9, {r(x, 1)})}), 2, "which wrote there again later");
}

TEST(Textbook, value_out_of_thin_air)
{
    expect_violated(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {r(x, 7)})}), 1, "written by nobody");
    expect_violated(two({committed(0, 0, 9, {w(x, 1)})}, {7, 0}), 0, "In the end memory holds x0 = 7 (written by nobody)");
}

TEST(Textbook, inconsistent_read_in_an_aborted_attempt)
{
    const auto writer = committed(0, 0, 9, {w(x, 1), w(y, 1)});
    expect_opaque(two({writer, aborted(1, 0, 9, {r(x, 0), r(y, 0)})}));
    expect_opaque(two({writer, aborted(1, 0, 9, {r(x, 1), r(y, 1)})}));
    expect_violated(two({writer, aborted(1, 0, 9, {r(x, 0), r(y, 1)})}), 2, "1.1 [0, 9] aborted");
    expect_violated(two({writer, aborted(1, 0, 9, {r(x, 1), r(y, 0)})}), 2, "Every order fails");
}

TEST(Textbook, non_repeatable_read)
{
    expect_violated(two({committed(0, 0, 9, {w(x, 1)}), aborted(1, 0, 9, {r(x, 0), r(x, 1)})}), 2, "1.1 read x0 = 1 after it had itself read x0 = 0");
}

TEST(Textbook, real_time)
{
    expect_opaque(two({committed(0, 0, 4, {w(x, 1)}), committed(1, 4, 9, {r(x, 0)})})); // they touch: not apart
    expect_violated(two({committed(0, 0, 3, {w(x, 1)}), committed(1, 4, 9, {r(x, 0)})}), 2,
                    "Without the order of real time between the threads it would be opaque: 1.1 0.1");
    expect_violated(two({committed(0, 0, 9, {w(x, 1)}), committed(0, 0, 9, {r(x, 0)})}), 2, "Without the order of the attempts in each thread");
    expect_violated(two({committed(0, 5, 9, {w(x, 1)}), aborted(1, 0, 3, {r(x, 1)})}), 2, "would be opaque: 0.1 1.1");
    expect_violated(two({committed(0, 0, 3, {w(x, 1)}), committed(1, 4, 9, {w(x, 2)})}, {1, 0}), 2, "final memory");
}

TEST(Textbook, real_time_binds_through_an_aborted_attempt)
{
    // The aborted attempt lies between the two writes, so it can only have seen the first.
    const auto first = committed(0, 0, 1, {w(x, 1)}), second = committed(2, 6, 9, {w(x, 2)});
    expect_opaque(two({first, aborted(1, 3, 4, {r(x, 1)}), second}));
    expect_violated(two({first, aborted(1, 3, 4, {r(x, 2)}), second}), 2, "ended before it began");
    expect_violated(two({first, aborted(1, 3, 4, {r(x, 0)}), second}), 2, "ended before it began");
}

TEST(Textbook, read_of_own_write)
{
    expect_opaque(two({committed(0, 0, 9, {w(x, 1), r(x, 1), w(x, 2), r(x, 2)})}, {2, 0}));
    expect_opaque(two({aborted(0, 0, 9, {r(x, 0), w(x, 1), r(x, 1)})}, {0, 0}));
    expect_violated(two({committed(0, 0, 9, {w(x, 1), r(x, 0)})}), 1, "0.1 read x0 = 0 after it had itself written x0 = 1");
    expect_violated(two({aborted(0, 0, 9, {w(x, 1), r(x, 0)})}), 1, "after it had itself written");
}

TEST(Textbook, aborted_write_leaves_nothing)
{
    expect_opaque(two({aborted(0, 0, 1, {w(x, 1)}), committed(0, 2, 3, {r(x, 0), w(x, 2)})}, {2, 0}));
    expect_violated(two({aborted(0, 0, 1, {w(x, 1)})}, {1, 0}), 0, "which was aborted");
}

TEST(Textbook, long_fork)
{
    // Two readers see two writes in different orders.
    expect_violated(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {w(y, 1)}), committed(2, 0, 9, {r(x, 1), r(y, 0)}),
                         committed(3, 0, 9, {r(x, 0), r(y, 1)})}),
                    4, "not be opaque in any order");
}

TEST(Textbook, causality)
{
    // 2 has seen what 1 wrote after it had seen what 0 wrote, but not what 0 wrote.
    expect_violated(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {r(x, 1), w(y, 1)}), committed(2, 0, 9, {r(y, 1), r(x, 0)})}), 3, "Every order fails");
}

TEST(Textbook, unknown_outcome_may_be_either)
{
    expect_opaque(two({unknown(0, 0, {w(x, 1)})}, {0, 0}));
    expect_opaque(two({unknown(0, 0, {w(x, 1)})}, {1, 0}));
    expect_opaque(two({unknown(0, 0, {w(x, 1)}), committed(1, 5, 9, {r(x, 0)}), committed(1, 10, 11, {r(x, 1)})}));
    expect_violated(two({unknown(0, 0, {w(x, 1), w(y, 1)}), committed(1, 5, 9, {r(x, 1), r(y, 0)})}), 2, "Every order fails");
    expect_violated(two({unknown(0, 10, {w(x, 1)}), committed(1, 5, 9, {r(x, 1)})}), 2, "ended before it began");
}

TEST(Textbook, equal_values_may_be_anybodys)
{
    expect_opaque(two({committed(0, 0, 9, {w(x, 1)}), committed(1, 0, 9, {w(x, 1)}), committed(2, 0, 9, {r(x, 1), w(x, 0)}), committed(3, 20, 21, {r(x, 1)})}));
    expect_violated(two({committed(0, 0, 3, {w(x, 1)}), committed(1, 4, 5, {w(x, 0)}), committed(2, 6, 9, {r(x, 1)})}), 3, "Every order fails");
}

TEST(Decide, order_is_a_witness)
{
    const auto history = two({committed(0, 0, 9, {r(x, 2), w(y, 3)}), committed(1, 0, 9, {w(x, 2), r(y, 0)}), aborted(2, 0, 9, {r(x, 2), r(y, 0)})});
    EXPECT_EQ(decide(history).order, (std::vector<std::size_t>{1, 2, 0}));
}

TEST(Decide, malformed_histories_are_refused)
{
    EXPECT_THROW(decide(two({committed(0, 0, 1, {r(2, 0)})})), std::invalid_argument);
    EXPECT_THROW(decide(two({committed(0, 2, 1, {})})), std::invalid_argument);
    EXPECT_THROW(decide(two({}, {1})), std::invalid_argument);
    EXPECT_THROW(decide(two({committed(0, 5, 9, {}), committed(0, 1, 3, {})})), std::invalid_argument);
}

/** A write skew beside pairs of blind writers, whose values are read: no order of theirs can help, but all must be seen to fail. */
History skew_beside(unsigned pairs)
{
    History history{std::vector<Value>(pairs + 2, 0), {}, {}};
    unsigned thread = 0;
    for (const Value value : {1, 2})
        for (unsigned i = 0; i < pairs; ++i) {
            history.attempts.push_back(committed(thread++, 0, 9, {w(i, value)}));
            history.attempts.push_back(committed(thread++, 0, 9, {r(i, value)}));
        }
    history.attempts.push_back(committed(thread++, 0, 9, {r(pairs, 0), w(pairs + 1, 1)}));
    history.attempts.push_back(committed(thread++, 0, 9, {r(pairs + 1, 0), w(pairs, 1)}));
    return history;
}

TEST(Decide, bound_on_states_is_told)
{
    const auto decision = decide(skew_beside(8), 10);
    EXPECT_EQ(decision.verdict, Verdict::undecided);
    EXPECT_EQ(decision.states, 11u);
    EXPECT_EQ(decide(skew_beside(1)).verdict, Verdict::violated);
    EXPECT_FALSE(opaque_by_brute_force(skew_beside(1)));
}

TEST(Decide, long_history_costs_what_its_length_does)
{
    constexpr unsigned threads = 8;
    History history{{0, 0}, {}, {}};
    Moment now = 1;
    for (unsigned i = 0; i < 50000; ++i, ++now) history.attempts.push_back(committed(i % threads, now - 1, now + threads / 2, {r(x, i), w(x, i + 1)}));
    EXPECT_EQ(decide(history).verdict, Verdict::opaque);
    history.attempts[49000].operations[0].value = 48000;
    EXPECT_EQ(decide(history).verdict, Verdict::violated);
}

TEST(Recorder, attempts_that_were_left_open_have_been_aborted)
{
    Recorder recorder(2, {0, 0});
    Log &log = recorder.log(1);
    log.start();
    log.attempt();
    log.write(x, 1);
    log.attempt();
    log.read(x, 0);
    log.commit();
    log.start();
    log.attempt();
    log.abort();
    log.start();
    log.attempt();
    const auto history = recorder.history({0, 0});
    ASSERT_EQ(history.attempts.size(), 4u);
    EXPECT_EQ(history.attempts[0].outcome, Outcome::aborted);
    EXPECT_EQ(history.attempts[0].operations, (std::vector<Operation>{w(x, 1)}));
    EXPECT_EQ(history.attempts[1].outcome, Outcome::committed);
    EXPECT_EQ(history.attempts[1].thread, 1u);
    EXPECT_EQ(history.attempts[2].outcome, Outcome::aborted);
    EXPECT_LT(history.attempts[1].end, history.attempts[2].begin);
    EXPECT_EQ(history.attempts[3].outcome, Outcome::unknown);
    EXPECT_EQ(decide(history).verdict, Verdict::opaque);
    recorder.restart({5, 5});
    EXPECT_TRUE(recorder.history().attempts.empty());
}

} // namespace
