// SPDX-License-Identifier: MIT
// What the tests of blocks with stages share: blocks in C whose way through the stages is noted.
#pragma once

#include "c_block.h"
#include "support.hpp"

#include <cerrno>
#include <csetjmp>
#include <pthread.h>
#include <tm/stage.hpp>

namespace libtm::test {

inline constexpr char letters[] = "NWCAF"; ///< of the stages

class StagedModes : public Modes {
protected:
    Cell cell, other;
    std::string trace;

    void SetUp() override { attr_ = how(); }

    stages with(tm_stage_callback callback = nullptr)
    {
        stages all{};
        all.attr = &attr_;
        all.callback = callback;
        all.argument = &trace;
        all.subject = &cell;
        return all;
    }
    void note(tm_stage_kind stage) { trace += letters[stage]; }
    /** A block whose work is given; its stages go to the trace, shifted to small letters if it is an inner one. */
    template <class Work> int block(Work work, bool inner = false, const stages *how = nullptr)
    {
        const stages defaults = with();
        return staged(how ? *how : defaults, [&](tm_stage_kind stage) {
            trace += static_cast<char>(letters[stage] + (inner ? 'a' - 'A' : 0));
            if (stage == TM_STAGE_WORK) work();
        });
    }

private:
    attr attr_{};
};
inline void callback_notes(void *, tm_stage_kind stage, void *trace)
{
    static_cast<std::string *>(trace)->append({'<', letters[stage], '>'});
}

} // namespace libtm::test
