// SPDX-License-Identifier: MIT
/**
 * @file explain.cpp
 * A violated history in words.
 */
#include <algorithm>
#include <map>
#include <tm/history.hpp>

namespace libtm::history {

namespace {

const char *name_of(Outcome outcome)
{
    switch (outcome) {
    case Outcome::committed: return "committed";
    case Outcome::aborted: return "aborted";
    default: return "unknown";
    }
}

std::string datum(std::uint32_t location, Value value) { return 'x' + std::to_string(location) + " = " + std::to_string(value); }

class Explanation {
public:
    explicit Explanation(const History &whole) : whole_(whole), part_(smallest(whole, &kept_))
    {
        std::map<unsigned, unsigned> counts;
        for (const Attempt &attempt : whole.attempts)
            names_.push_back(std::to_string(attempt.thread) + '.' + std::to_string(++counts[attempt.thread]));
    }

    std::string text()
    {
        text_ = "NOT OPAQUE. The part that fails by itself, " + std::to_string(part_.attempts.size()) + " of " + std::to_string(whole_.attempts.size()) +
                " attempts, as thread.number [begin, end]:\n";
        for (std::size_t i = 0; i < part_.attempts.size(); ++i) describe(i);
        if (!part_.final.empty()) describe_final();
        if (!tell_contradictions() && !tell_values_of_nobody()) {
            tell_longest_order();
            tell_real_time();
        }
        return text_;
    }

private:
    const std::string &name(std::size_t i) const { return names_[kept_[i]]; }
    void line(const std::string &words) { text_ += words + '\n'; }

    /** Where a value comes from, in the whole history: what was taken out may be just that. */
    std::string origin(std::uint32_t location, Value value) const
    {
        std::string found;
        for (std::size_t i = 0; i < whole_.attempts.size(); ++i) {
            const Attempt &attempt = whole_.attempts[i];
            const Operation *last = nullptr;
            bool wrote = false;
            for (const Operation &operation : attempt.operations) {
                if (operation.kind != Operation::write || operation.location != location) continue;
                last = &operation;
                wrote = wrote || operation.value == value;
            }
            if (!wrote) continue;
            found += (found.empty() ? "" : " or ") + std::string("by ") + names_[i];
            if (last->value != value) found += ", which wrote there again later";
            if (attempt.outcome == Outcome::aborted) found += ", which was aborted";
        }
        const bool is_initial = whole_.initial[location] == value;
        if (found.empty()) return is_initial ? "initial" : "written by nobody";
        return (is_initial ? "initial, or written " : "written ") + found;
    }
    std::string told(std::uint32_t location, Value value) const { return datum(location, value) + " (" + origin(location, value) + ')'; }

    void describe(std::size_t i)
    {
        const Attempt &attempt = part_.attempts[i];
        std::string words = "  " + name(i) + " [" + std::to_string(attempt.begin) + ", " + (~attempt.end ? std::to_string(attempt.end) : "?") + "] " +
                            name_of(attempt.outcome) + ':';
        for (const Operation &operation : attempt.operations)
            words += (&operation == attempt.operations.data() ? " " : "; ") +
                     (operation.kind == Operation::read ? "read " + told(operation.location, operation.value)
                                                        : "write " + datum(operation.location, operation.value));
        line(words);
    }
    void describe_final()
    {
        std::string words = "  final memory:";
        for (std::uint32_t location = 0; location < part_.final.size(); ++location) words += ' ' + told(location, part_.final[location]) + ';';
        words.pop_back();
        line(words);
    }

    bool tell_contradictions()
    {
        for (std::size_t i = 0; i < part_.attempts.size(); ++i) {
            std::map<std::uint32_t, const Operation *> before;
            for (const Operation &operation : part_.attempts[i].operations) {
                const Operation *&last = before[operation.location];
                if (operation.kind == Operation::read && last && last->value != operation.value) {
                    line(name(i) + " read " + datum(operation.location, operation.value) + " after it had itself " +
                         (last->kind == Operation::read ? "read " : "written ") + datum(last->location, last->value) + '.');
                    return true;
                }
                last = &operation;
            }
        }
        return false;
    }

    /** Whether an attempt that may have taken effect left this value there. */
    bool was_left(std::uint32_t location, Value value) const
    {
        if (part_.initial[location] == value) return true;
        return std::any_of(part_.attempts.begin(), part_.attempts.end(), [&](const Attempt &attempt) {
            if (attempt.outcome == Outcome::aborted) return false;
            const Operation *last = nullptr;
            for (const Operation &operation : attempt.operations)
                if (operation.kind == Operation::write && operation.location == location) last = &operation;
            return last && last->value == value;
        });
    }

    bool tell_values_of_nobody()
    {
        for (std::size_t i = 0; i < part_.attempts.size(); ++i) {
            std::vector<std::uint32_t> own;
            for (const Operation &operation : part_.attempts[i].operations) {
                const bool written = std::find(own.begin(), own.end(), operation.location) != own.end();
                if (operation.kind == Operation::write) {
                    own.push_back(operation.location);
                } else if (!written && !was_left(operation.location, operation.value)) {
                    line(name(i) + " read " + told(operation.location, operation.value) + ": no attempt that took effect left that there.");
                    return true;
                }
            }
        }
        for (std::uint32_t location = 0; location < part_.final.size(); ++location)
            if (!was_left(location, part_.final[location])) {
                line("In the end memory holds " + told(location, part_.final[location]) + ": no attempt that took effect left that there.");
                return true;
            }
        return false;
    }

    /** Every order fails; show where the longest one does. */
    void tell_longest_order()
    {
        const Decision decision = decide(part_);
        std::vector<Value> memory = part_.initial;
        std::vector<bool> placed(part_.attempts.size());
        std::string words = "Every order fails. The longest beginning of one:";
        for (const std::size_t i : decision.order) {
            words += ' ' + name(i);
            placed[i] = true;
            const Attempt &attempt = part_.attempts[i];
            if (attempt.outcome == Outcome::committed)
                for (const Operation &operation : attempt.operations)
                    if (operation.kind == Operation::write) memory[operation.location] = operation.value;
        }
        line(words + (decision.order.empty() ? " none." : "."));
        // Which of the unknown ones took effect in it is not told, so neither is what memory would hold.
        if (std::any_of(decision.order.begin(), decision.order.end(), [&](std::size_t i) { return part_.attempts[i].outcome == Outcome::unknown; })) return;
        for (std::size_t i = 0; i < placed.size(); ++i)
            if (!placed[i]) tell_obstacle(i, placed, memory);
        for (std::uint32_t location = 0; location < part_.final.size(); ++location)
            if (decision.order.size() == placed.size() && memory[location] != part_.final[location])
                line("  In the end memory would hold " + told(location, memory[location]) + ", but it holds " + told(location, part_.final[location]) + '.');
    }

    /** Why attempt i cannot be the next one. */
    void tell_obstacle(std::size_t i, const std::vector<bool> &placed, const std::vector<Value> &memory)
    {
        const Attempt &attempt = part_.attempts[i];
        for (std::size_t other = 0; other < placed.size(); ++other) {
            if (placed[other] || other == i) continue;
            const Attempt &before = part_.attempts[other];
            if (before.thread == attempt.thread ? other < i : before.end < attempt.begin)
                return line("  " + name(i) + " comes after " + name(other) + ", which ended before it began.");
        }
        std::vector<std::uint32_t> own;
        for (const Operation &operation : attempt.operations) {
            const bool written = std::find(own.begin(), own.end(), operation.location) != own.end();
            if (operation.kind == Operation::write)
                own.push_back(operation.location);
            else if (!written && memory[operation.location] != operation.value)
                return line("  " + name(i) + " cannot be next: it read " + told(operation.location, operation.value) + ", but memory would hold " +
                            told(operation.location, memory[operation.location]) + '.');
        }
        for (const Operation &operation : attempt.operations)
            if (operation.kind == Operation::write && memory[operation.location] != operation.value)
                for (std::size_t other = 0; other < placed.size(); ++other)
                    if (!placed[other] && other != i && reads(part_.attempts[other], operation.location, memory[operation.location]))
                        return line("  " + name(i) + " cannot be next: it would overwrite " + told(operation.location, memory[operation.location]) + ", which " +
                                    name(other) + " has yet to read.");
        line("  " + name(i) + " cannot be next: what it overwrites is in the final memory, or all that could follow fails.");
    }
    static bool reads(const Attempt &attempt, std::uint32_t location, Value value)
    {
        return std::find(attempt.operations.begin(), attempt.operations.end(), Operation{Operation::read, location, value}) != attempt.operations.end();
    }

    void tell_real_time()
    {
        History loose = part_;
        for (Attempt &attempt : loose.attempts) attempt.begin = 0, attempt.end = ~Moment{0};
        if (tell_if_opaque(loose, "Without the order of real time between the threads it would be opaque:")) return;
        for (std::size_t i = 0; i < loose.attempts.size(); ++i) loose.attempts[i].thread = static_cast<unsigned>(i);
        if (tell_if_opaque(loose, "Without the order of the attempts in each thread it would be opaque:")) return;
        line("It would not be opaque in any order, real time or not.");
    }
    bool tell_if_opaque(const History &loose, std::string words)
    {
        const Decision decision = decide(loose);
        if (decision.verdict != Verdict::opaque) return false;
        for (const std::size_t i : decision.order) words += ' ' + name(i);
        line(words + '.');
        return true;
    }

    const History &whole_;
    std::vector<std::size_t> kept_;
    History part_;
    std::vector<std::string> names_;
    std::string text_;
};

} // namespace

std::string explain(const History &history)
{
    const Decision decision = decide(history);
    switch (decision.verdict) {
    case Verdict::opaque: return "opaque\n";
    case Verdict::undecided: return "UNDECIDED after " + std::to_string(decision.states) + " states: record fewer overlapping writers, or write unique values\n";
    default: return Explanation(history).text();
    }
}

} // namespace libtm::history
