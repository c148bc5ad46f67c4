// SPDX-License-Identifier: MIT
/**
 * @file smallest.cpp
 * Taking out of a violated history whatever is not needed for the violation.
 *
 * What may be taken out without making an opaque history look violated: any read; the final memory; all accesses of a location; an attempt or a write whose
 * values nobody reads (and the final memory does not hold). For take a serial order of the whole: it serves the part as well, since all that
 * the rest reads is still left there by the same attempts.
 */
#include <algorithm>
#include <set>
#include <tm/history.hpp>

namespace libtm::history {

namespace {

constexpr std::uint64_t patience = 10000; // states for one try; a part that is not decided by then stays whole

class Shrinking {
public:
    explicit Shrinking(const History &history) : history_(history)
    {
        for (std::size_t i = 0; i < history.attempts.size(); ++i) kept_.push_back(i);
    }

    /** One round of everything. Whether it took something out. */
    bool round()
    {
        const bool final = take_out_final(), attempts = take_out_attempts(), locations = take_out_locations(), operations = take_out_operations();
        return final || attempts || locations || operations;
    }

    History history_;
    std::vector<std::size_t> kept_;

private:
    using Read = std::set<std::pair<std::uint32_t, Value>>;

    bool still_violated(const History &part) const { return decide(part, patience).verdict == Verdict::violated; }
    bool accept(History &&part)
    {
        if (!still_violated(part)) return false;
        history_ = std::move(part);
        return true;
    }

    static Read read_in(const History &history)
    {
        Read read;
        for (const Attempt &attempt : history.attempts)
            for (const Operation &operation : attempt.operations)
                if (operation.kind == Operation::read) read.insert({operation.location, operation.value});
        for (std::size_t i = 0; i < history.final.size(); ++i) read.insert({static_cast<std::uint32_t>(i), history.final[i]});
        return read;
    }
    static bool is_read(const Read &read, const Operation &operation)
    {
        return operation.kind == Operation::write && read.contains({operation.location, operation.value});
    }

    bool take_out_final()
    {
        if (history_.final.empty()) return false;
        History part = history_;
        part.final.clear();
        return accept(std::move(part));
    }

    /** Half of them at once, then a quarter, ..., then each. */
    bool take_out_attempts()
    {
        bool any = false;
        for (std::size_t size = std::max<std::size_t>(history_.attempts.size() / 2, 1); size; size /= 2)
            for (std::size_t from = history_.attempts.size(); from > 0;) {
                from = from > size ? from - size : 0;
                any = take_out_attempts(from, std::min(from + size, history_.attempts.size())) || any;
            }
        return any;
    }

    bool take_out_attempts(std::size_t from, std::size_t to)
    {
        const auto first = static_cast<std::ptrdiff_t>(from), last = static_cast<std::ptrdiff_t>(to);
        History part = history_;
        part.attempts.erase(part.attempts.begin() + first, part.attempts.begin() + last);
        const Read read = read_in(part);
        for (std::size_t i = from; i < to; ++i) {
            const Attempt &attempt = history_.attempts[i];
            if (attempt.outcome == Outcome::aborted) continue;
            for (const Operation &operation : attempt.operations)
                if (is_read(read, operation)) return false;
        }
        if (!accept(std::move(part))) return false;
        kept_.erase(kept_.begin() + first, kept_.begin() + last);
        return true;
    }

    bool take_out_locations()
    {
        bool any = false;
        if (!history_.final.empty()) return false; // it would have to go with them
        for (std::uint32_t location = 0; location < history_.initial.size(); ++location) {
            History part = history_;
            std::size_t count = 0;
            for (Attempt &attempt : part.attempts)
                count += std::erase_if(attempt.operations, [&](const Operation &operation) { return operation.location == location; });
            any = (count && accept(std::move(part))) || any;
        }
        return any;
    }

    bool take_out_operations()
    {
        bool any = false;
        for (std::size_t i = 0; i < history_.attempts.size(); ++i)
            for (std::size_t k = history_.attempts[i].operations.size(); k-- > 0;) {
                if (is_read(read_in(history_), history_.attempts[i].operations[k])) continue;
                History part = history_;
                part.attempts[i].operations.erase(part.attempts[i].operations.begin() + static_cast<std::ptrdiff_t>(k));
                any = accept(std::move(part)) || any;
            }
        return any;
    }
};

} // namespace

History smallest(const History &history, std::vector<std::size_t> *kept)
{
    Shrinking shrinking(history);
    if (decide(history).verdict == Verdict::violated)
        while (shrinking.round()) {
        }
    if (kept) *kept = shrinking.kept_;
    return std::move(shrinking.history_);
}

} // namespace libtm::history
