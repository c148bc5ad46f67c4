// SPDX-License-Identifier: MIT
#include "failure.hpp"

#include <cerrno>
#include <cstring>
#include <new>

namespace libtm::persist {

static_assert(ENOMEM == 12);

namespace {

/** The last failure of a thread with the C view of it. */
struct Last {
    Failure failure;
    std::string message;
    tm_pool_failure view{};
    ~Last();
};

/** Transactions are ended at thread exit, too, after the objects of the thread are gone. */
__thread bool is_gone __attribute__((tls_model("initial-exec")));

Last::~Last() { is_gone = true; }

Last &last()
{
    static thread_local Last mine;
    return mine;
}

const char *or_null(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

constexpr const char *no_memory = "out of memory";

} // namespace

std::string Failure::message() const
{
    std::string text = file;
    if (!field.empty()) text += (text.empty() ? "" : ": ") + field;
    if (offset) text += " at byte " + std::to_string(offset);
    if (!found.empty()) text += ": found " + found;
    if (!expected.empty()) text += (found.empty() ? ": expected " : ", expected ") + expected;
    if (found.empty() && expected.empty()) text += (text.empty() ? "" : ": ") + std::string(strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
    if (!remedy.empty()) text += ". " + remedy;
    return text;
}

Failure call_failed(int fault, const std::string &file, const char *call, std::uint64_t offset)
{
    Failure failure{};
    failure.code = fault;
    failure.offset = offset;
    try {
        failure.file = file;
        failure.field = call;
        switch (fault) {
        case ENOSPC:
        case EDQUOT: failure.remedy = "Make space on the file system and call again"; break;
        case EFBIG: failure.remedy = "Raise the limit on the size of files (ulimit -f)"; break;
        case ELOOP: failure.remedy = "The path ends in a symbolic link; name the file itself"; break;
        case EACCES: failure.remedy = "Check the permissions of the file and its directory"; break;
        default: break;
        }
    } catch (const std::bad_alloc &) { // less is said, but a want of memory must not take the place of what has failed
    }
    return failure;
}

bool is_want(int code) { return code == ENOSPC || code == EDQUOT || code == EFBIG || code == ENOMEM || code == ENOBUFS; }

int remember(const Failure &failure) noexcept
{
    if (is_gone) return failure.code;
    Last &mine = last();
    try {
        mine.failure = failure;
        mine.message = mine.failure.message();
        mine.view = {failure.code, or_null(mine.failure.file), or_null(mine.failure.field), failure.offset, or_null(mine.failure.found),
                     or_null(mine.failure.expected), or_null(mine.failure.remedy), mine.message.c_str()};
    } catch (...) {
        mine.view = {failure.code, nullptr, nullptr, failure.offset, nullptr, nullptr, nullptr, no_memory};
    }
    return failure.code;
}

} // namespace libtm::persist

extern "C" const tm_pool_failure *tm_pool_error(void)
{
    static constexpr tm_pool_failure none{0, nullptr, nullptr, 0, nullptr, nullptr, nullptr, ""};
    if (libtm::persist::is_gone) return &none;
    libtm::persist::Last &mine = libtm::persist::last();
    if (!mine.view.message) mine.view.message = "";
    return &mine.view;
}
