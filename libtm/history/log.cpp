// SPDX-License-Identifier: MIT
#include <tm/history.hpp>

namespace libtm::history {

void Log::move_to(History &history)
{
    lose();
    for (const Part &part : attempts_) {
        Attempt attempt{thread_, part.begin, part.end, part.outcome, {}};
        attempt.operations.assign(operations_.begin() + static_cast<std::ptrdiff_t>(part.first), operations_.begin() + static_cast<std::ptrdiff_t>(part.last));
        history.attempts.push_back(std::move(attempt));
    }
    clear();
}

void Log::clear()
{
    open_ = false;
    attempts_.clear();
    operations_.clear();
}

Recorder::Recorder(unsigned threads, std::vector<Value> initial) : initial_(std::move(initial))
{
    slots_.reserve(threads);
    for (unsigned thread = 0; thread < threads; ++thread) slots_.push_back({Log(moments_, thread)});
}

History Recorder::history(std::vector<Value> final)
{
    History history{initial_, {}, std::move(final)};
    for (Slot &slot : slots_) slot.log.move_to(history);
    return history;
}

void Recorder::restart(std::vector<Value> initial)
{
    initial_ = std::move(initial);
    for (Slot &slot : slots_) slot.log.clear();
}

} // namespace libtm::history
